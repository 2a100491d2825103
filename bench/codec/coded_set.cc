#include "bench/codec/coded_set.h"

#include <algorithm>
#include <cstring>

#include "format/base/checked.h"
#include "format/base/format_text.h"
#include "format/base/try.h"

namespace qload::bench {
namespace {

constexpr uint64_t kCacheLineBytes = 64;

Error at_chunk(const Error& error, size_t number) { return error.at(text("chunk ", number)); }

ChunkForm raw_form(uint32_t bytes) {
  ChunkForm form;
  form.decoded_bytes = form.stored_bytes = bytes;
  form.stream_count = 1;
  form.streams[0] = {CodecId::kStore, bytes, bytes};
  return form;
}

}  // namespace

Result<CodedSet> CodedSet::create(const CodecData& data, const CodecContender& contender,
                                  double gain_min) {
  CodedSet set;
  set.kernel = contender.kernel;
  set.plain = !contender.codec.has_value();
  set.decoded_bytes = data.bytes;
  // No chunk is stored in more bytes than it has. What is left over is never touched.
  QLOAD_TRY(set.memory, FreshMemory::allocate(data.bytes, huge_pages_available()));
  EncodeContext context(contender.kernel);
  std::vector<std::byte> stored;
  for (const DataChunk& source : data.chunks) {
    const auto bytes = data.chunk_bytes(source);
    ChunkForm form = raw_form(source.bytes);
    if (set.plain) {
      stored.assign(bytes.begin(), bytes.end());
    } else {
      form = encode_chunk(context, bytes, contender.recipe(source.filter, gain_min), stored);
      QLOAD_CHECK(check_chunk_form(form));
    }
    std::ranges::copy(stored, set.memory.bytes().subspan(set.stored_bytes).begin());
    set.chunks.push_back({.form = form, .offset = set.stored_bytes});
    set.stored_bytes += stored.size();
  }
  return set;
}

Result<CodedSet> CodedSet::copy() const {
  CodedSet set;
  set.kernel = kernel;
  set.plain = plain;
  set.chunks = chunks;
  set.stored_bytes = stored_bytes;
  set.decoded_bytes = decoded_bytes;
  QLOAD_TRY(set.memory, FreshMemory::allocate(stored_bytes, huge_pages_available()));
  std::ranges::copy(memory.bytes().first(stored_bytes), set.memory.bytes().begin());
  return set;
}

Result<DecodeTarget> DecodeTarget::create(const CodedSet& set, uint64_t bytes) {
  for (const CodedSet::Chunk& chunk : set.chunks) {
    bytes = std::max<uint64_t>(bytes, chunk.form.decoded_bytes);
  }
  DecodeTarget target;
  QLOAD_TRY(target.memory_, FreshMemory::allocate(bytes, huge_pages_available()));
  populate_pages(target.memory_.bytes());
  return target;
}

std::span<std::byte> DecodeTarget::next(uint32_t bytes) {
  if (memory_.bytes().size() - position_ < bytes) position_ = 0;
  const auto room = memory_.bytes().subspan(position_, bytes);
  position_ = std::min(align_up(position_ + bytes, kCacheLineBytes), memory_.bytes().size());
  return room;
}

DecodePass::DecodePass(const CodedSet& set, DecodeTarget& target)
    : set_(set), target_(target), context_(set.kernel) {}

Status DecodePass::decode(const CodedSet::Chunk& chunk, std::span<std::byte> to) {
  const auto stored = set_.stored(chunk);
  if (!set_.plain) return decode_chunk(context_, chunk.form, stored, to);
  std::memcpy(to.data(), stored.data(), to.size());
  return Ok{};
}

Status DecodePass::run() {
  for (size_t i = 0; i < set_.chunks.size(); ++i) {
    const CodedSet::Chunk& chunk = set_.chunks[i];
    const Status decoded = decode(chunk, target_.next(chunk.form.decoded_bytes));
    if (!decoded.ok()) return at_chunk(decoded.error(), i);
  }
  return Ok{};
}

Status DecodePass::run_checked(const CodecData& data) {
  for (size_t i = 0; i < set_.chunks.size(); ++i) {
    const CodedSet::Chunk& chunk = set_.chunks[i];
    const auto to = target_.next(chunk.form.decoded_bytes);
    // Complemented first: an answer left over from an earlier pass would be no answer.
    const auto expected = data.chunk_bytes(data.chunks[i]);
    std::ranges::transform(expected, to.begin(), [](std::byte byte) { return ~byte; });
    const Status decoded = decode(chunk, to);
    if (!decoded.ok()) return at_chunk(decoded.error(), i);
    if (!std::ranges::equal(to, expected)) {
      return at_chunk(Error(ErrorCode::kCorrupt, "decoded bytes differ from the source"), i);
    }
  }
  return Ok{};
}

EncodePass::EncodePass(const CodecData& data, const CodecContender& contender, const CodedSet& set,
                       double gain_min)
    : data_(data),
      contender_(contender),
      set_(set),
      gain_min_(gain_min),
      context_(contender.kernel) {}

Status EncodePass::run() {
  for (size_t i = 0; i < data_.chunks.size(); ++i) {
    const DataChunk& chunk = data_.chunks[i];
    const auto bytes = data_.chunk_bytes(chunk);
    if (set_.plain) {
      stored_.resize(bytes.size());
      std::memcpy(stored_.data(), bytes.data(), bytes.size());
    } else {
      encode_chunk(context_, bytes, contender_.recipe(chunk.filter, gain_min_), stored_);
    }
    if (stored_.size() == set_.chunks[i].form.stored_bytes) continue;
    return at_chunk(
        Error(ErrorCode::kCorrupt, text("encoded again in ", stored_.size(), " bytes; expected ",
                                        set_.chunks[i].form.stored_bytes)),
        i);
  }
  return Ok{};
}

}  // namespace qload::bench
