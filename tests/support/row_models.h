// Models whose tensors have rows of every kind, opened and kept packed.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "qload/loader.h"
#include "qload/packed.h"
#include "tests/support/fixture_model.h"
#include "tests/support/test_files.h"

namespace qload::test {

/// A container in a directory of its own, opened, loaded and kept packed. Fails the running test
/// when one of these does.
class RowFixture {
 public:
  explicit RowFixture(FixtureModel model, const LoadOptions& options = {});

  const FixtureModel& source() const { return source_; }
  const Model& model() const { return *model_; }
  Loader& loader() { return *loader_; }
  const Weights& weights() const { return *weights_; }
  const PackedWeights& packed() const { return *packed_; }
  RowCursor cursor(std::string_view tensor, uint64_t buffer_bytes = 64u << 10) const;

 private:
  TempDirectory directory_;
  FixtureModel source_;
  std::optional<Model> model_;
  std::optional<Loader> loader_;
  std::optional<Weights> weights_;
  std::optional<PackedWeights> packed_;
};

/// A tensor for it. `codec` and `filter` for all its chunks.
FixtureTensor row_tensor(std::string name, DType dtype, std::vector<uint64_t> shape,
                         std::vector<std::byte> data, uint64_t chunk_bytes,
                         CodecId codec = CodecId::kLaneHuffman, FilterId filter = FilterId::kNone);

}  // namespace qload::test
