#include "tools/analyze/container_chunks.h"

#include <utility>
#include <vector>

#include "format/base/format_text.h"
#include "format/base/try.h"
#include "format/pack/source_watch.h"
#include "tools/report/container_facts.h"

namespace qload::analyze {
namespace {

class ContainerChunks final : public ChunkedModel {
 public:
  explicit ContainerChunks(Container container) : container_(std::move(container)) {
    const Index& index = container_.index;
    const std::vector<uint32_t> owners = tools::find_chunk_owners(index);
    runs_.reserve(owners.size());
    for (uint32_t i = 0; i < owners.size(); ++i) {
      const TensorRecord& tensor = index.tensors()[i];
      const bool raw =
          static_cast<SourceFormat>(index.files()[tensor.file].format) == SourceFormat::kRaw;
      ChunkRun run{.name = index.name(tensor),
                   .kind = raw ? ContentKind::kRaw : ContentKind::kTensor,
                   .dtype = static_cast<DType>(tensor.dtype),
                   .shape = index.shape(tensor),
                   .bytes = tensor.bytes,
                   .stack = tensor.stack,
                   .layer = tensor.layer,
                   .first_item = item_count_};
      if (owners[i] != i) {
        run.same_as = owners[i];
      } else {
        run.chunk_count = tensor.chunk_count;
        item_count_ += tensor.chunk_count;
      }
      runs_.push_back(run);
    }
    for (const FileRecord& file : index.files()) source_bytes_ += file.bytes;
  }

  std::string_view format_name() const override { return "container"; }
  uint64_t source_bytes() const override { return source_bytes_; }
  std::span<const ChunkRun> runs() const override { return runs_; }
  uint64_t item_count() const override { return item_count_; }
  uint64_t chunk_bytes(const ChunkRun& run, uint64_t chunk) const override {
    return record(run, chunk).decoded_bytes;
  }

  Status read(const ChunkRun& run, uint64_t chunk, ChunkReader& reader) const override {
    reader.decoded.resize(chunk_bytes(run, chunk));
    return read_chunk(container_, record(run, chunk), reader.decoder, reader.stored,
                      reader.decoded);
  }
  void read_ahead(const ChunkRun& run, uint64_t chunk) const override {
    const ChunkRecord& wanted = record(run, chunk);
    advise_will_read(container_.file, wanted.offset, wanted.stored_bytes);
  }

  std::optional<ChunkForm> stored_form(const ChunkRun& run, uint64_t chunk) const override {
    return container_.index.form(record(run, chunk));
  }
  const TargetDevice& pack_device(const ChunkRun&, uint64_t) const override { return device_; }
  ContainerSize container_size(const std::function<ChunkSize(uint64_t, uint64_t)>&) const override {
    const LoadWork work = container_work(container_, device_);
    return {container_.superblock.container_bytes, work.read_bytes};
  }

 private:
  const ChunkRecord& record(const ChunkRun& run, uint64_t chunk) const {
    const TensorRecord& tensor = container_.index.tensors()[&run - runs_.data()];
    return container_.index.chunks_of(tensor)[chunk];
  }

  Container container_;
  std::vector<ChunkRun> runs_;
  uint64_t item_count_ = 0;
  uint64_t source_bytes_ = 0;
  TargetDevice device_;  // Nothing is packed any more.
};

}  // namespace

std::unique_ptr<ChunkedModel> chunks_of_container(Container container) {
  return std::make_unique<ContainerChunks>(std::move(container));
}

}  // namespace qload::analyze
