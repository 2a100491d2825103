#include "format/container/container_writer.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <numeric>

#include "format/base/assert.h"
#include "format/base/bytes.h"
#include "format/base/checked.h"
#include "format/base/checksum.h"
#include "format/base/file.h"
#include "format/base/format_text.h"
#include "format/base/limits.h"
#include "format/base/try.h"
#include "format/container/index.h"
#include "format/container/index_writer.h"

namespace qload {
namespace {

/// One pwrite: large enough that system calls do not count, small beside the pack's memory.
constexpr size_t kWriteBufferBytes = 1u << 20;

/// Writes front to back through a buffer.
class SequentialFile {
 public:
  SequentialFile(AtomicFile file, uint64_t offset) : file_(std::move(file)), offset_(offset) {
    buffer_.reserve(kWriteBufferBytes);
  }

  uint64_t position() const { return offset_ + buffer_.size(); }
  AtomicFile& file() { return file_; }

  Status append(std::span<const std::byte> bytes) {
    if (buffer_.size() + bytes.size() > kWriteBufferBytes) QLOAD_CHECK(flush());
    if (bytes.size() >= kWriteBufferBytes) {
      QLOAD_CHECK(file_.write_at(offset_, bytes));
      offset_ += bytes.size();
      return Ok{};
    }
    buffer_.insert(buffer_.end(), bytes.begin(), bytes.end());
    return Ok{};
  }

  Status pad(uint64_t bytes) {
    static constexpr std::byte kZeros[kAlignmentMin] = {};
    while (bytes > 0) {
      uint64_t part = std::min<uint64_t>(bytes, sizeof kZeros);
      QLOAD_CHECK(append({kZeros, part}));
      bytes -= part;
    }
    return Ok{};
  }

  Status flush() {
    QLOAD_CHECK(file_.write_at(offset_, buffer_));
    offset_ += buffer_.size();
    buffer_.clear();
    return Ok{};
  }

 private:
  AtomicFile file_;
  uint64_t offset_;
  std::vector<std::byte> buffer_;
};

/// Where a run of chunks stands in its owner, while it is being written.
struct OpenRun {
  uint64_t first_chunk = 0;
  uint64_t chunk_count = 0;
  uint64_t decoded_bytes = 0;
  uint64_t stored_bytes = 0;
  bool raw_before = false;  ///< The chunk before is raw: a raw one continues it.

  /// An empty run points at no chunk.
  uint64_t first_of_record() const { return chunk_count == 0 ? 0 : first_chunk; }
};

enum class Phase { kFiles, kGroup, kTensor, kBetweenKept, kKept, kFinished };

}  // namespace

struct ContainerWriter::State {
  State(AtomicFile file, const ContainerWriterOptions& writer_options)
      : options(writer_options),
        out(std::move(file), align_up(kSuperblockBytes, writer_options.alignment)) {}

  TensorRecord& add_tensor(const TensorEntry& tensor);
  Status place(const EncodedChunk& chunk);
  Status close_extent();
  void record(const EncodedChunk& chunk);
  IndexTables tables() const;

  ContainerWriterOptions options;
  SequentialFile out;
  Phase phase = Phase::kFiles;
  OpenRun run;
  bool extent_open = false;
  bool extent_ends = false;  ///< At the next chunk: a group or the kept bytes begin.
  uint32_t kept_file = 0;    ///< The next file whose kept bytes are due.

  std::string names;
  std::string tensor_names;
  std::vector<FileRecord> files;
  std::vector<TensorRecord> tensors;
  std::vector<uint64_t> shapes;
  std::vector<ChunkRecord> chunks;
  std::vector<StreamRecord> streams;
  std::vector<ExtentRecord> extents;
  std::vector<GroupRecord> groups;
  std::vector<uint32_t> name_order;
};

/// A record without chunks yet, in the open group.
TensorRecord& ContainerWriter::State::add_tensor(const TensorEntry& tensor) {
  QLOAD_ASSERT(tensor.file < files.size());
  QLOAD_ASSERT(tensor.bytes <= files[tensor.file].kept_bytes);
  GroupRecord& group = groups.back();
  TensorRecord record = {};
  record.name_offset = names.size() + tensor_names.size();
  record.name_bytes = static_cast<uint32_t>(tensor.name.size());
  record.dtype = static_cast<uint16_t>(tensor.dtype);
  // A rank past 16 bits is refused by finish() like any other past kRankMax.
  record.rank = static_cast<uint16_t>(std::min<size_t>(tensor.shape.size(), UINT16_MAX));
  record.first_dimension = shapes.size();
  record.bytes = tensor.bytes;
  record.file_offset = tensor.file_offset;
  record.file = tensor.file;
  record.stack = group.stack;
  record.layer = group.layer;
  shapes.insert(shapes.end(), tensor.shape.begin(), tensor.shape.end());
  tensor_names += tensor.name;
  files[tensor.file].kept_bytes -= tensor.bytes;
  ++group.tensor_count;
  group.bytes += tensor.bytes;
  return tensors.emplace_back(record);
}

Status ContainerWriter::State::close_extent() {
  if (!extent_open) return Ok{};
  QLOAD_CHECK(out.pad(align_up(out.position(), options.alignment) - out.position()));
  extents.back().bytes = out.position() - extents.back().offset;
  extent_open = false;
  return Ok{};
}

/// Brings the file to the place of `chunk`: the end of the chunk before it, or a new extent, or
/// for a large raw chunk the first offset that agrees with its place in the tensor modulo the
/// alignment, so that a destination on the alignment can take it without a copy. Example: with
/// alignment 4096, a raw chunk at decoded offset 5000 goes to an offset 4096 k + 904.
Status ContainerWriter::State::place(const EncodedChunk& chunk) {
  bool raw = chunk.form.stored_raw();
  bool continues = raw && run.raw_before;
  bool aligned = out.position() % options.alignment == 0;
  bool full = extent_open && out.position() - extents.back().offset >= options.extent_bytes;
  // A run of raw chunks goes on across extents only where no padding would tear it.
  if (extent_ends || (full && (!continues || aligned))) QLOAD_CHECK(close_extent());
  extent_ends = false;
  if (!extent_open) {
    extents.push_back({out.position(), 0, chunks.size(), 0});
    extent_open = true;
  }
  if (raw && !continues && chunk.form.decoded_bytes >= kInPlaceBytesMin) {
    uint64_t distance = run.decoded_bytes - out.position();  // Modulo 2^64, as wanted.
    QLOAD_CHECK(out.pad(distance & (options.alignment - 1)));
  }
  return Ok{};
}

void ContainerWriter::State::record(const EncodedChunk& chunk) {
  const ChunkForm& form = chunk.form;
  ChunkRecord record = {};
  record.offset = out.position();
  record.decoded_offset = run.decoded_bytes;
  record.stored_checksum = chunk.stored_checksum;
  record.decoded_checksum = chunk.decoded_checksum;
  record.stored_bytes = form.stored_bytes;
  record.decoded_bytes = form.decoded_bytes;
  record.first_stream = streams.size();
  record.filter = static_cast<uint8_t>(form.filter);
  record.stream_count = static_cast<uint8_t>(form.stream_count);
  chunks.push_back(record);
  for (uint32_t i = 0; i < form.stream_count; ++i) {
    const StreamForm& stream = form.streams[i];
    streams.push_back(
        {static_cast<uint8_t>(stream.codec), {}, stream.stored_bytes, stream.decoded_bytes});
  }
  ++extents.back().chunk_count;
  ++run.chunk_count;
  run.decoded_bytes += form.decoded_bytes;
  run.stored_bytes += form.stored_bytes;
  run.raw_before = form.stored_raw();
}

IndexTables ContainerWriter::State::tables() const {
  return {names, files, tensors, shapes, chunks, streams, extents, groups, name_order};
}

ContainerWriter::ContainerWriter(std::unique_ptr<State> state) : state_(std::move(state)) {}
ContainerWriter::~ContainerWriter() = default;
ContainerWriter::ContainerWriter(ContainerWriter&&) noexcept = default;
ContainerWriter& ContainerWriter::operator=(ContainerWriter&&) noexcept = default;

Result<ContainerWriter> ContainerWriter::create(const std::filesystem::path& path,
                                                const ContainerWriterOptions& options) {
  if (!is_power_of_two(options.alignment) || options.alignment < kAlignmentMin ||
      options.alignment > kAlignmentMax) {
    return Error(ErrorCode::kInvalidArgument,
                 text("alignment ", options.alignment, ", expected a power of two from ",
                      kAlignmentMin, " to ", kAlignmentMax));
  }
  QLOAD_TRY(AtomicFile file, AtomicFile::create(path, {.overwrite = options.overwrite}));
  auto state = std::make_unique<State>(std::move(file), options);
  state->chunks.reserve(options.chunk_count_hint);
  state->streams.reserve(options.chunk_count_hint);
  return ContainerWriter(std::move(state));
}

void ContainerWriter::add_file(FileEntry file) {
  State& state = *state_;
  QLOAD_ASSERT(state.phase == Phase::kFiles);
  FileRecord record = {};
  record.path_offset = state.names.size();
  record.path_bytes = static_cast<uint32_t>(file.path.size());
  record.format = file.format;
  record.bytes = file.bytes;
  record.header_bytes = file.header_bytes;
  record.kept_bytes = file.bytes;  // Less its tensors, as they come.
  state.files.push_back(record);
  state.names += file.path;
}

void ContainerWriter::begin_group(uint32_t stack, uint32_t layer) {
  State& state = *state_;
  QLOAD_ASSERT(state.phase == Phase::kFiles || state.phase == Phase::kGroup);
  state.phase = Phase::kGroup;
  state.extent_ends = true;
  if (!state.groups.empty() && state.groups.back().tensor_count == 0) state.groups.pop_back();
  state.groups.push_back({stack, layer, state.tensors.size(), 0, 0});
}

void ContainerWriter::begin_tensor(const TensorEntry& tensor) {
  State& state = *state_;
  QLOAD_ASSERT(state.phase == Phase::kGroup);
  state.phase = Phase::kTensor;
  state.run = {.first_chunk = state.chunks.size()};
  state.add_tensor(tensor);
}

void ContainerWriter::add_duplicate(const TensorEntry& tensor, uint64_t original) {
  State& state = *state_;
  QLOAD_ASSERT(state.phase == Phase::kGroup);
  QLOAD_ASSERT(original < state.tensors.size());
  TensorRecord& record = state.add_tensor(tensor);
  const TensorRecord& shared = state.tensors[original];
  QLOAD_ASSERT(shared.bytes == record.bytes);
  record.stored_bytes = shared.stored_bytes;
  record.first_chunk = shared.first_chunk;
  record.chunk_count = shared.chunk_count;
  record.digest = shared.digest;
}

void ContainerWriter::begin_kept(uint32_t file) {
  State& state = *state_;
  QLOAD_ASSERT(state.phase == Phase::kFiles || state.phase == Phase::kGroup ||
               state.phase == Phase::kBetweenKept);
  QLOAD_ASSERT(file == state.kept_file && file < state.files.size());
  if (state.phase != Phase::kBetweenKept) state.extent_ends = true;
  state.phase = Phase::kKept;
  state.run = {.first_chunk = state.chunks.size()};
}

Status ContainerWriter::append_chunk(const EncodedChunk& chunk) {
  State& state = *state_;
  QLOAD_ASSERT(state.phase == Phase::kTensor || state.phase == Phase::kKept);
  QLOAD_ASSERT(chunk.stored.size() == chunk.form.stored_bytes);
  QLOAD_ASSERT(chunk.form.stream_count <= kStreamCountMax);
  QLOAD_CHECK(state.place(chunk));
  state.record(chunk);
  return state.out.append(chunk.stored);
}

void ContainerWriter::end_tensor(const Digest& digest) {
  State& state = *state_;
  QLOAD_ASSERT(state.phase == Phase::kTensor);
  state.phase = Phase::kGroup;
  TensorRecord& record = state.tensors.back();
  QLOAD_ASSERT(state.run.decoded_bytes == record.bytes);
  record.stored_bytes = state.run.stored_bytes;
  record.first_chunk = state.run.first_of_record();
  record.chunk_count = state.run.chunk_count;
  record.digest = to_record(digest);
}

void ContainerWriter::end_kept(const Digest& digest) {
  State& state = *state_;
  QLOAD_ASSERT(state.phase == Phase::kKept);
  state.phase = Phase::kBetweenKept;
  FileRecord& record = state.files[state.kept_file++];
  QLOAD_ASSERT(state.run.decoded_bytes == record.kept_bytes);
  record.first_chunk = state.run.first_of_record();
  record.chunk_count = state.run.chunk_count;
  record.kept_digest = to_record(digest);
}

namespace {

std::vector<uint32_t> sorted_by_name(const IndexTables& tables) {
  std::vector<uint32_t> order(tables.tensors.size());
  std::iota(order.begin(), order.end(), 0u);
  std::ranges::sort(order, {}, [&](uint32_t i) { return tables.name(tables.tensors[i]); });
  return order;
}

/// All of the superblock but its model digest and checksum.
Superblock make_superblock(const IndexTables& tables, uint64_t alignment, uint64_t index_offset,
                           std::span<const std::byte> index) {
  Superblock superblock = {};
  std::memcpy(superblock.magic, kContainerMagic, sizeof superblock.magic);
  superblock.version = kContainerVersion;
  superblock.alignment = static_cast<uint32_t>(alignment);
  superblock.container_bytes = index_offset + index.size();
  superblock.index_offset = index_offset;
  superblock.index_bytes = index.size();
  superblock.index_checksum = checksum64(index);
  for (const TensorRecord& tensor : tables.tensors) superblock.decoded_bytes += tensor.bytes;
  return superblock;
}

}  // namespace

Result<uint64_t> ContainerWriter::finish() {
  State& state = *state_;
  QLOAD_ASSERT(state.phase == Phase::kFiles || state.phase == Phase::kGroup ||
               state.phase == Phase::kBetweenKept);
  QLOAD_ASSERT(state.kept_file == state.files.size());
  state.phase = Phase::kFinished;
  QLOAD_CHECK(state.close_extent());
  if (!state.groups.empty() && state.groups.back().tensor_count == 0) state.groups.pop_back();
  state.names += state.tensor_names;
  state.name_order = sorted_by_name(state.tables());

  uint64_t index_offset = state.out.position();
  std::vector<std::byte> index = write_index(state.tables(), index_offset);
  Superblock superblock =
      make_superblock(state.tables(), state.options.alignment, index_offset, index);
  superblock.model_digest = to_record(model_digest(state.tables()));
  superblock.checksum = superblock_checksum(superblock);
  QLOAD_CHECK(state.out.append(index));
  QLOAD_CHECK(state.out.flush());
  // What a reader would refuse (a repeated name, a rank past the limit) is not given a name.
  auto proof = Index::parse(std::move(index), superblock);
  if (!proof.ok()) return proof.error().at("the container to be written is not valid");

  // All the superblock vouches for is on the disk before the superblock itself.
  AtomicFile& file = state.out.file();
  if (::fdatasync(file.descriptor()) != 0) return error_from_errno("fdatasync", errno);
  QLOAD_CHECK(file.write_at(0, std::as_bytes(std::span(&superblock, 1))));
  QLOAD_CHECK(file.commit());
  return superblock.container_bytes;
}

}  // namespace qload
