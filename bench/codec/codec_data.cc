#include "bench/codec/codec_data.h"

#include <algorithm>
#include <array>
#include <system_error>

#include "bench/codec/synthetic_weights.h"
#include "bench/codec/weight_filter.h"
#include "format/base/format_text.h"
#include "format/base/try.h"
#include "format/input/model_source.h"
#include "format/pack/cut_chunks.h"

namespace qload::bench {
namespace {

/// A chunk of a source: where its bytes come from.
struct SourceChunk {
  uint64_t offset = 0;  ///< In the source.
  uint32_t file = 0;
  DataChunk chunk;
};

/// Adds the chunks of one tensor, as qpack cuts it.
void cut(const SourceTensor& tensor, uint64_t chunk_bytes, std::vector<SourceChunk>& chunks) {
  const ChunkCut cut = cut_tensor(tensor.dtype, tensor.shape, tensor.bytes, chunk_bytes);
  for (uint64_t i = 0; i < cut.chunk_count; ++i) {
    chunks.push_back({.offset = tensor.offset + cut.offset_of(i),
                      .file = tensor.file,
                      .chunk = {.bytes = static_cast<uint32_t>(cut.bytes_of(i)),
                                .filter = weight_filter(tensor.dtype)}});
  }
}

uint64_t total_bytes(std::span<const SourceChunk> chunks) {
  uint64_t bytes = 0;
  for (const SourceChunk& source : chunks) bytes += source.chunk.bytes;
  return bytes;
}

/// Every n-th chunk, where there are too many bytes.
void sample(CodecData& data, std::vector<SourceChunk>& chunks) {
  const uint64_t bytes = total_bytes(chunks);
  const uint64_t stride = (bytes + kFileBytesMax - 1) / kFileBytesMax;
  if (stride <= 1) return;
  size_t kept = 0;
  for (size_t i = 0; i < chunks.size(); i += stride) chunks[kept++] = chunks[i];
  chunks.resize(kept);
  data.kept_share = static_cast<double>(total_bytes(chunks)) / static_cast<double>(bytes);
}

/// Allocates memory for as many copies of `chunks` as make up the working set, and lays them out
/// one after the other, as a container's chunks are.
Status lay_out(CodecData& data, std::span<const SourceChunk> chunks, uint64_t working_set_bytes) {
  const uint64_t bytes = total_bytes(chunks);
  if (bytes == 0) return Error(ErrorCode::kInvalidArgument, "no tensor has any bytes");
  data.copies =
      static_cast<uint32_t>(std::max<uint64_t>(1, (working_set_bytes + bytes / 2) / bytes));
  data.bytes = bytes * data.copies;
  QLOAD_TRY(data.memory, FreshMemory::allocate(data.bytes, huge_pages_available()));
  uint64_t offset = 0;
  for (uint32_t copy = 0; copy < data.copies; ++copy) {
    for (const SourceChunk& source : chunks) {
      data.chunks.push_back(source.chunk);
      data.chunks.back().offset = offset;
      offset += source.chunk.bytes;
    }
  }
  return Ok{};
}

void add_copies(CodecData& data) {
  const auto all = data.memory.bytes();
  const uint64_t bytes = data.bytes / data.copies;
  for (uint32_t copy = 1; copy < data.copies; ++copy) {
    std::copy_n(all.begin(), bytes, all.begin() + static_cast<ptrdiff_t>(copy * bytes));
  }
}

Status make_synthetic(CodecData& data, const CodecDataShape& shape) {
  const SyntheticWeights& weights = *data.kind.synthetic;
  const uint64_t rows = std::max<uint64_t>(1, shape.working_set_bytes / weights.row_bytes());
  const std::vector<std::byte> bytes = weights.make(rows);
  const SourceTensor tensor{.name = data.kind.name,
                            .dtype = weights.dtype,
                            .shape = {rows, SyntheticWeights::kRowElements},
                            .bytes = bytes.size()};
  data.dtypes = {weights.dtype};
  std::vector<SourceChunk> chunks;
  cut(tensor, shape.chunk_bytes, chunks);
  QLOAD_CHECK(lay_out(data, chunks, bytes.size()));
  std::copy(bytes.begin(), bytes.end(), data.memory.bytes().begin());
  return Ok{};
}

Status make_of_file(CodecData& data, const CodecDataShape& shape) {
  QLOAD_TRY(const ModelSource source, open_model_source(data.kind.file, OpenAs::kDetect));
  std::vector<SourceChunk> chunks;
  for (const SourceTensor& tensor : source.tensors()) {
    if (tensor.bytes > 0 && !std::ranges::count(data.dtypes, tensor.dtype)) {
      data.dtypes.push_back(tensor.dtype);
    }
    cut(tensor, shape.chunk_bytes, chunks);
  }
  sample(data, chunks);
  QLOAD_CHECK(lay_out(data, chunks, shape.working_set_bytes));
  for (size_t i = 0; i < chunks.size(); ++i) {
    const DataChunk& to = data.chunks[i];
    QLOAD_CHECK(source.read(chunks[i].file, chunks[i].offset,
                            data.memory.bytes().subspan(to.offset, to.bytes)));
  }
  add_copies(data);
  return Ok{};
}

Result<std::vector<std::filesystem::path>> model_files(const std::filesystem::path& directory) {
  std::vector<std::filesystem::path> files;
  std::error_code error;
  for (std::filesystem::directory_iterator entry(directory, error), end; !error && entry != end;
       entry.increment(error)) {
    const auto extension = entry->path().extension();
    if (extension == ".safetensors" || extension == ".gguf") files.push_back(entry->path());
  }
  if (error) {
    return Error(ErrorCode::kIo, text("cannot list ", directory.string(), ": ", error.message()));
  }
  std::sort(files.begin(), files.end());
  return files;
}

}  // namespace

bool CodecData::any_filter() const {
  return std::ranges::any_of(
      chunks, [](const DataChunk& chunk) { return chunk.filter != FilterId::kNone; });
}

Result<std::vector<CodecDataKind>> list_codec_data(const std::filesystem::path& models) {
  std::vector<CodecDataKind> kinds;
  for (const SyntheticWeights& weights : all_synthetic_weights()) {
    kinds.push_back({.name = std::string(weights.name),
                     .description = std::string(weights.description),
                     .synthetic = &weights,
                     .file = {}});
  }
  if (models.empty()) return kinds;
  QLOAD_TRY(const std::vector<std::filesystem::path> files, model_files(models));
  for (const std::filesystem::path& file : files) {
    kinds.push_back({.name = file.filename().string(),
                     .description = "model file",
                     .synthetic = nullptr,
                     .file = file});
  }
  return kinds;
}

Result<CodecData> make_codec_data(const CodecDataKind& kind, const CodecDataShape& shape) {
  CodecData data;
  data.kind = kind;
  const Status made =
      kind.synthetic != nullptr ? make_synthetic(data, shape) : make_of_file(data, shape);
  if (!made.ok()) return made.error().at(kind.name);
  return data;
}

}  // namespace qload::bench
