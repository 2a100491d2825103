#include <algorithm>
#include <bit>
#include <utility>

#include "format/base/checked.h"
#include "format/base/format_text.h"
#include "format/base/try.h"
#include "format/chunk/chunk_strips.h"
#include "qload/packed.h"
#include "runtime/load/chunk_place.h"
#include "runtime/load/load_call.h"
#include "runtime/load/packed_state.h"
#include "runtime/memory/host_block.h"

namespace qload {

namespace {

constexpr uint64_t kBufferBytesMax = 1u << 30;
constexpr uint64_t kRowAlignmentMax = 64;  // A cache line, and the widest vector.

}  // namespace

struct internal::RowCursorState {
  const Container* container = nullptr;
  const PackedStore* store = nullptr;
  uint32_t tensor = 0;
  const TensorInfo* info = nullptr;
  std::span<const ChunkRecord> chunks;
  uint64_t rows = 0;
  uint64_t row_bytes = 0;
  uint64_t next_row = 0;
  uint64_t buffer_bytes = 0;  ///< RowCursorOptions::buffer_bytes.
  HostBlock buffer;           ///< Holds rows_held() rows.

  /// Decodes chunks[open_chunk] while it has bytes left; `position` is the place in the tensor of
  /// the byte that comes next.
  ChunkStrips strips;
  size_t open_chunk = 0;
  uint64_t position = 0;

  Status open_tensor(const PackedWeights& weights, std::string_view name);
  uint64_t rows_held() const {
    return std::min(std::max<uint64_t>(1, buffer_bytes / row_bytes), rows);
  }
  size_t chunk_at(uint64_t offset) const;
  Status open_at(size_t chunk);
  Status move_to(uint64_t offset);
  Status fill(std::span<std::byte> out);
  std::span<const std::byte> ready_rows(uint64_t count_min) const;
  Result<RowsView> next_rows(uint64_t count_max);
  /// Closes the chunk, which may have given bytes that were not right, and says where it is.
  Error failed(const Error& error);
};

using internal::RowCursorState;

Status RowCursorState::open_tensor(const PackedWeights& weights, std::string_view name) {
  const internal::PackedState& packed = weights.state();
  const Index& index = packed.model->container.index;
  const auto number = index.find(name);
  if (!number || packed.store.find(*number) == nullptr) {
    return Error(ErrorCode::kNotFound,
                 text("tensor ", quote(name), " is not among the packed weights"));
  }
  container = &packed.model->container;
  store = &packed.store;
  tensor = *number;
  info = &packed.model->tensors[tensor];
  chunks = index.chunks_of(index.tensors()[tensor]);
  rows = 0;  // Until there is memory for them: reserve() may throw.
  row_bytes = qload::row_bytes(*info);
  next_row = 0;
  position = info->bytes;
  strips.close();
  for (const ChunkRecord& chunk : chunks) strips.reserve(index.form(chunk));
  rows = row_count(*info);
  if (rows == 0 || buffer.bytes() >= rows_held() * row_bytes) return Ok{};
  const uint64_t bytes = rows_held() * row_bytes;
  buffer = {};
  buffer = HostBlock::allocate(bytes, kRowAlignmentMax);
  if (buffer.data() != nullptr) return Ok{};
  rows = 0;
  return Error(ErrorCode::kOutOfMemory,
               text("cannot get ", bytes, " bytes for rows of tensor ", quote(name)));
}

/// The chunk that byte `offset` of the tensor lies in. REQUIRES: offset < info->bytes.
size_t RowCursorState::chunk_at(uint64_t offset) const {
  const auto after = std::ranges::upper_bound(chunks, offset, {}, &ChunkRecord::decoded_offset);
  return static_cast<size_t>(after - chunks.begin()) - 1;
}

Error RowCursorState::failed(const Error& error) {
  position = info->bytes;
  return error.at(describe_place(*container, chunks[open_chunk], tensor));
}

Status RowCursorState::open_at(size_t chunk) {
  const Index& index = container->index;
  open_chunk = chunk;
  position = chunks[chunk].decoded_offset;
  const Status status =
      strips.open(index.form(chunks[chunk]), store->stored(index, tensor, chunks[chunk]));
  return status.ok() ? status : Status(failed(status.error()));
}

/// Makes `offset` the place that comes next, decoding what stands before it in its chunk unless the
/// open chunk has come as far already.
Status RowCursorState::move_to(uint64_t offset) {
  if (offset == position) return Ok{};
  const size_t chunk = chunk_at(offset);
  const bool on_the_way = strips.bytes_left() > 0 && chunk == open_chunk && offset > position;
  if (!on_the_way) QLOAD_CHECK(open_at(chunk));
  const Status status = strips.skip(offset - position);
  if (!status.ok()) return failed(status.error());
  position = offset;
  return Ok{};
}

Status RowCursorState::fill(std::span<std::byte> out) {
  while (!out.empty()) {
    if (strips.bytes_left() == 0) QLOAD_CHECK(open_at(chunk_at(position)));
    const auto part = out.first(std::min<uint64_t>(out.size(), strips.bytes_left()));
    const Status status = strips.next(part);
    if (!status.ok()) return failed(status.error());
    position += part.size();
    out = out.subspan(part.size());
  }
  return Ok{};
}

/// The next rows that lie decoded in memory and are aligned, when there are `count_min`; else none.
std::span<const std::byte> RowCursorState::ready_rows(uint64_t count_min) const {
  const std::span<const std::byte> ready = strips.ready();
  const uint64_t alignment = std::min(kRowAlignmentMax, uint64_t{1} << std::countr_zero(row_bytes));
  const uint64_t count = ready.size() / row_bytes;
  if (count < count_min || reinterpret_cast<uintptr_t>(ready.data()) % alignment != 0) return {};
  return ready.first(count * row_bytes);
}

Result<RowsView> RowCursorState::next_rows(uint64_t count_max) {
  RowsView view;
  view.first_row = next_row;
  const uint64_t rows_left = rows - next_row;
  if (rows_left == 0) return view;
  QLOAD_CHECK(move_to(next_row * row_bytes));
  if (strips.bytes_left() == 0) QLOAD_CHECK(open_at(chunk_at(position)));
  view.count = std::min({count_max, rows_held(), rows_left});
  const std::span<const std::byte> ready = ready_rows(view.count);
  if (!ready.empty()) {
    view.count = std::min(count_max, ready.size() / row_bytes);
    view.data = ready.first(view.count * row_bytes);
    QLOAD_CHECK(strips.skip(view.data.size()));
    position += view.data.size();
  } else {
    const std::span<std::byte> out(buffer.data(), view.count * row_bytes);
    QLOAD_CHECK(fill(out));
    view.data = out;
  }
  next_row += view.count;
  return view;
}

RowCursor::RowCursor(std::unique_ptr<RowCursorState> state) : state_(std::move(state)) {}
RowCursor::~RowCursor() = default;
RowCursor::RowCursor(RowCursor&&) noexcept = default;
RowCursor& RowCursor::operator=(RowCursor&&) noexcept = default;

Result<RowCursor> RowCursor::open(const PackedWeights& weights, std::string_view tensor,
                                  const RowCursorOptions& options) {
  return internal::without_throwing([&]() -> Result<RowCursor> {
    if (options.buffer_bytes > kBufferBytesMax) {
      return Error(ErrorCode::kInvalidArgument,
                   text("RowCursorOptions::buffer_bytes is ", options.buffer_bytes,
                        ", expected at most ", kBufferBytesMax));
    }
    auto state = std::make_unique<RowCursorState>();
    state->buffer_bytes = options.buffer_bytes;
    QLOAD_CHECK(state->open_tensor(weights, tensor));
    return RowCursor(std::move(state));
  });
}

Status RowCursor::reopen(const PackedWeights& weights, std::string_view tensor) {
  return internal::without_throwing([&] { return state_->open_tensor(weights, tensor); });
}

const TensorInfo& RowCursor::info() const { return *state_->info; }
uint64_t RowCursor::rows() const { return state_->rows; }
uint64_t RowCursor::row_bytes() const { return state_->row_bytes; }
uint64_t RowCursor::next_row() const { return state_->next_row; }

uint64_t RowCursor::chunk_start_row(uint64_t row) const {
  const RowCursorState& state = *state_;
  if (row >= state.rows) return state.rows;
  const ChunkRecord& chunk = state.chunks[state.chunk_at(row * state.row_bytes)];
  return (chunk.decoded_offset + state.row_bytes - 1) / state.row_bytes;
}

Status RowCursor::seek(uint64_t row) {
  return internal::without_throwing([&]() -> Status {
    if (row > state_->rows) {
      return Error(ErrorCode::kInvalidArgument,
                   text("row ", row, " of tensor ", quote(state_->info->name), ", which has ",
                        state_->rows));
    }
    state_->next_row = row;
    return Ok{};
  });
}

Result<RowsView> RowCursor::next_rows(uint64_t count_max) {
  return internal::without_throwing([&]() -> Result<RowsView> {
    if (count_max == 0) {
      return Error(ErrorCode::kInvalidArgument, "count_max is 0, expected at least 1");
    }
    return state_->next_rows(count_max);
  });
}

Status RowCursor::decode_rows(uint64_t first, uint64_t count, std::span<std::byte> out) {
  return internal::without_throwing([&]() -> Status {
    RowCursorState& state = *state_;
    if (!range_fits(first, count, state.rows)) {
      return Error(ErrorCode::kInvalidArgument,
                   text(count, " rows from row ", first, " of tensor ", quote(state.info->name),
                        ", which has ", state.rows));
    }
    if (out.size() != count * state.row_bytes) {
      return Error(ErrorCode::kInvalidArgument, text("memory of ", out.size(), " bytes for ", count,
                                                     " rows of ", state.row_bytes, " bytes"));
    }
    if (count > 0) {
      QLOAD_CHECK(state.move_to(first * state.row_bytes));
      QLOAD_CHECK(state.fill(out));
    }
    state.next_row = first + count;
    return Ok{};
  });
}

}  // namespace qload
