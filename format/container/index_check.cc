#include "format/container/index_check.h"

#include <algorithm>
#include <numeric>
#include <tuple>

#include "format/base/checked.h"
#include "format/base/limits.h"
#include "format/base/try.h"

namespace qload {
namespace {

/// XXH3-128 fills the first 16 of a digest's 32 bytes.
constexpr size_t kXxh3DigestBytes = 16;

Status check_counts(const IndexTables& tables) {
  if (tables.files.size() > kFileCountMax) {
    return corrupt("index: ", tables.files.size(), " files, at most ", kFileCountMax);
  }
  if (tables.tensors.size() > kTensorCountMax) {
    return corrupt("index: ", tables.tensors.size(), " tensors, at most ", kTensorCountMax);
  }
  return Ok{};
}

Status check_decoded_bytes(const IndexTables& tables, const Superblock& superblock) {
  std::optional<uint64_t> sum = 0;
  for (const TensorRecord& tensor : tables.tensors) {
    if (sum) sum = checked_add(*sum, tensor.bytes);
  }
  if (!sum || *sum != superblock.decoded_bytes) {
    return corrupt("superblock: decoded bytes ", superblock.decoded_bytes, ", the tensors have ",
                   sum ? text(*sum) : "more than 64 bits can count");
  }
  return Ok{};
}

/// The tensors of one group name its layer, and its bytes are theirs.
Status check_group_tensors(const IndexTables& tables, uint64_t number) {
  const GroupRecord& group = tables.groups[number];
  std::optional<uint64_t> sum = 0;
  for (const auto& tensor : tables.tensors.subspan(group.first_tensor, group.tensor_count)) {
    if (tensor.stack != group.stack || tensor.layer != group.layer) {
      return corrupt("tensor ", quote(tables.name(tensor)), ": stack ", tensor.stack, " layer ",
                     tensor.layer, ", its group ", number, " has stack ", group.stack, " layer ",
                     group.layer);
    }
    if (sum) sum = checked_add(*sum, tensor.bytes);
  }
  if (!sum || *sum != group.bytes) {
    return corrupt("group ", number, ": ", group.bytes, " bytes, its tensors have ",
                   sum ? text(*sum) : "more than 64 bits can count");
  }
  return Ok{};
}

/// A layer is one group. Groups that belong to no layer may be many.
Status check_layers_unique(const IndexTables& tables) {
  std::vector<uint32_t> order(tables.groups.size());
  std::iota(order.begin(), order.end(), 0u);
  auto layer_of = [&](uint32_t group) {
    return std::tuple(tables.groups[group].stack, tables.groups[group].layer);
  };
  std::ranges::sort(order, {}, layer_of);
  for (size_t i = 1; i < order.size(); ++i) {
    const GroupRecord& group = tables.groups[order[i]];
    if (group.layer != kNoLayer && layer_of(order[i]) == layer_of(order[i - 1])) {
      return corrupt("group ", std::max(order[i], order[i - 1]), ": stack ", group.stack, " layer ",
                     group.layer, " has a group already");
    }
  }
  return Ok{};
}

}  // namespace

Status check_digest(const DigestRecord& digest, std::string_view owner, uint64_t number) {
  if (digest.algorithm != 1) {
    return unsupported(owner, " ", number, ": digest algorithm ", digest.algorithm, " is unknown");
  }
  if (digest.reserved != 0) {
    return corrupt(owner, " ", number, ": reserved field of its digest is not zero");
  }
  auto unused = std::span(digest.bytes).subspan(kXxh3DigestBytes);
  if (std::ranges::any_of(unused, [](uint8_t byte) { return byte != 0; })) {
    return corrupt(owner, " ", number, ": unused bytes of its digest are not zero");
  }
  return Ok{};
}

/// Groups share out the tensor table in order.
Status check_groups(const IndexTables& tables) {
  uint64_t next = 0;
  for (uint64_t i = 0; i < tables.groups.size(); ++i) {
    const GroupRecord& group = tables.groups[i];
    if ((group.stack == kNoLayer) != (group.layer == kNoLayer)) {
      return corrupt("group ", i, ": stack ", group.stack, " layer ", group.layer,
                     ", expected both or neither to be none");
    }
    if (group.first_tensor != next) {
      return corrupt("group ", i, ": first tensor ", group.first_tensor, ", expected ", next);
    }
    if (group.tensor_count == 0 || !range_fits(next, group.tensor_count, tables.tensors.size())) {
      return corrupt("group ", i, ": tensor count ", group.tensor_count, ", expected 1 to ",
                     tables.tensors.size() - next);
    }
    QLOAD_CHECK(check_group_tensors(tables, i));
    next += group.tensor_count;
  }
  if (next != tables.tensors.size()) {
    return corrupt("groups hold ", next, " tensors, there are ", tables.tensors.size());
  }
  return check_layers_unique(tables);
}

Status check_index(const IndexTables& tables, const Superblock& superblock) {
  QLOAD_CHECK(check_counts(tables));
  QLOAD_CHECK(check_names(tables));
  QLOAD_CHECK(check_sources(tables));
  QLOAD_CHECK(check_chunks(tables, superblock));
  QLOAD_CHECK(check_groups(tables));
  return check_decoded_bytes(tables, superblock);
}

}  // namespace qload
