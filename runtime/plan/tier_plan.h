// What a stream keeps in memory from pass to pass, and what it brings in anew. Pure: no files,
// threads or clocks.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "format/container/index.h"

namespace qload {

/// Where a tensor is between its uses.
enum class Tier : uint8_t {
  kStorage = 0,  ///< In the container: read and decoded in every pass.
  kPacked = 1,   ///< Its stored bytes in memory: decoded in every pass.
  kDecoded = 2,  ///< Decoded in memory: nothing to do.
  kSkipped = 3,  ///< The caller sees to it himself.
};

/// What a device does in a second, and what the caller does in a pass.
struct PassRates {
  double storage_rate = 0;     ///< Stored bytes a second.
  double decode_rate = 0;      ///< Decoded bytes a second, all decode threads.
  double compute_seconds = 0;  ///< The caller's work in a pass, on the processors that decode too.
  double compute_share = 1;    ///< Of those processors that it takes, in (0, 1].
};

/// One pass over all groups, as modelled (plan/pass_model): portions are read and decoded while the
/// caller computes, as far as memory holds them; decoding and computing share the processors, so a
/// pass takes no less than decode + compute * compute_share.
struct PassEstimate {
  uint64_t storage_bytes = 0;  ///< Stored bytes read.
  uint64_t decoded_bytes = 0;  ///< Decoded, from storage or from packed memory.
  double storage_seconds = 0;
  double decode_seconds = 0;
  double seconds = 0;
};

struct TierRequest {
  uint64_t budget_bytes = 0;           ///< For what is decoded, what is kept packed, and portions.
  std::span<const uint32_t> groups;    ///< Of a pass, in its order: numbers in Index::groups().
  std::span<const Tier> fixed;         ///< By tensor: kDecoded and kSkipped are given.
  uint64_t part_bytes = ~uint64_t{0};  ///< Largest portion a group is cut to.
  uint32_t alignment = 4096;           ///< Of tensors in memory.
  bool fill_decoded = true;            ///< Keep more tensors decoded while memory is left.
  bool fill_packed = false;            ///< Keep others packed.
  PassRates rates;
};

struct TierPlan {
  std::vector<Tier> tiers;     ///< By tensor.
  uint64_t decoded_bytes = 0;  ///< Memory of tensors that stay decoded.
  uint64_t packed_bytes = 0;   ///< Memory of those kept packed.
  uint64_t portion_bytes = 0;  ///< Largest portion: the least that the rest must hold.
  uint64_t overlap_bytes = 0;  ///< Two portions that follow each other: full overlap.
  /// What the budget would have to be when it does not hold what is fixed and one portion; then
  /// `tiers` is empty. 0: it fits.
  uint64_t bytes_needed = 0;
  PassEstimate estimate;
};

/// The memory that a tensor takes in a portion or decoded, alignment included.
uint64_t tensor_memory_bytes(const TensorRecord& tensor, uint32_t alignment);
/// The same of its stored bytes.
uint64_t packed_memory_bytes(const Index& index, const TensorRecord& tensor, uint32_t alignment);

/// Chooses what stays, so that a pass takes the least time by the model above.
///
/// A byte of memory saves most reading where it holds a stored byte; a decoded one saves its
/// tensor's share of stored bytes, and its decoding. So without packed memory the tensors that
/// compress least stay decoded first, those of the same place in every layer together: portions
/// then shrink alike, and with them the memory that two of them take. A group much larger than the
/// others (an embedding) sets that memory alone, so what is in it stays first of all. With packed
/// memory several divisions between the two are tried by the model.
TierPlan plan_tiers(const Index& index, const TierRequest& request);

}  // namespace qload
