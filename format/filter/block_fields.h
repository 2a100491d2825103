// Block fields: blocks of quantized elements dealt out field by field, so that scales, quants and
// high bits are coded apart. The fields are known when compiling, so that a block is a few copies
// of fixed size; no vector code of our own is needed.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <utility>

#include "format/filter/filter.h"

namespace qload {

/// Some bytes of a block, those after the field before: they go to stream `stream`.
struct BlockField {
  uint16_t bytes;   ///< At least 1.
  uint16_t stream;  ///< Streams are numbered in the order of their first bytes, without gaps.
};

/// A layout is a constexpr array of fields, in block order. One stream may have several of them.
template <const auto& kLayout>
struct BlockFields {
  static constexpr size_t kCount = std::size(kLayout);

  /// Bytes of the fields before field `end` that go to `stream`.
  static constexpr size_t stream_bytes_before(size_t end, size_t stream) {
    size_t bytes = 0;
    for (size_t i = 0; i < end; ++i) {
      if (kLayout[i].stream == stream) bytes += kLayout[i].bytes;
    }
    return bytes;
  }

  static constexpr size_t offset_of(size_t field) {
    size_t bytes = 0;
    for (size_t i = 0; i < field; ++i) bytes += kLayout[i].bytes;
    return bytes;
  }

  static constexpr size_t kBlockBytes = offset_of(kCount);

  static constexpr uint32_t kStreamCount = [] {
    uint32_t count = 0;
    for (const BlockField& field : kLayout) {
      if (field.stream > count) return uint32_t{0};  // A gap: refused below.
      if (field.stream == count) ++count;
    }
    return count;
  }();
  static_assert(kStreamCount >= 1 && kStreamCount <= kStreamCountMax);

  static constexpr std::array<uint16_t, kStreamCountMax> kFieldBytes = [] {
    std::array<uint16_t, kStreamCountMax> bytes{};
    for (const BlockField& field : kLayout) {
      bytes[field.stream] = static_cast<uint16_t>(bytes[field.stream] + field.bytes);
    }
    return bytes;
  }();

  static void split(std::span<const std::byte> chunk,
                    std::span<const std::span<std::byte>> streams) {
    std::array<std::byte*, kStreamCount> to;
    for (size_t i = 0; i < kStreamCount; ++i) to[i] = streams[i].data();
    const size_t count = chunk.size() / kBlockBytes;
    for (size_t block = 0; block < count; ++block) {
      split_block(chunk.data() + block * kBlockBytes, to, block, kEveryField);
    }
    copy_left_over(chunk.subspan(count * kBlockBytes).data(), to.back() + count * kLastFieldBytes,
                   chunk.size() % kBlockBytes);
  }

  static void merge(std::span<const std::span<const std::byte>> streams,
                    std::span<std::byte> chunk) {
    std::array<const std::byte*, kStreamCount> from;
    for (size_t i = 0; i < kStreamCount; ++i) from[i] = streams[i].data();
    const size_t count = chunk.size() / kBlockBytes;
    for (size_t block = 0; block < count; ++block) {
      merge_block(from, block, chunk.data() + block * kBlockBytes, kEveryField);
    }
    copy_left_over(from.back() + count * kLastFieldBytes, chunk.subspan(count * kBlockBytes).data(),
                   chunk.size() % kBlockBytes);
  }

 private:
  static constexpr auto kEveryField = std::make_index_sequence<kCount>();
  static constexpr size_t kLastFieldBytes = kFieldBytes[kStreamCount - 1];

  // Variables, because Clang 14 calls constexpr functions of template arguments when running.
  template <size_t kField>
  static constexpr size_t kOffset = offset_of(kField);
  template <size_t kField>
  static constexpr size_t kOffsetInStream = stream_bytes_before(kField, kLayout[kField].stream);

  /// Where field `kField` of block `block` stands in its stream.
  template <size_t kField>
  static size_t place(size_t block) {
    return block * kFieldBytes[kLayout[kField].stream] + kOffsetInStream<kField>;
  }

  template <size_t... kField>
  static void split_block(const std::byte* from, const std::array<std::byte*, kStreamCount>& to,
                          size_t block, std::index_sequence<kField...>) {
    (std::memcpy(to[kLayout[kField].stream] + place<kField>(block), from + kOffset<kField>,
                 kLayout[kField].bytes),
     ...);
  }

  template <size_t... kField>
  static void merge_block(const std::array<const std::byte*, kStreamCount>& from, size_t block,
                          std::byte* to, std::index_sequence<kField...>) {
    (std::memcpy(to + kOffset<kField>, from[kLayout[kField].stream] + place<kField>(block),
                 kLayout[kField].bytes),
     ...);
  }

  static void copy_left_over(const std::byte* from, std::byte* to, size_t bytes) {
    if (bytes > 0) std::memcpy(to, from, bytes);
  }
};

/// The registry entry of a layout.
template <const auto& kLayout>
constexpr Filter block_fields(FilterId id, std::string_view name) {
  using Fields = BlockFields<kLayout>;
  return {.id = id,
          .name = name,
          .stream_count = Fields::kStreamCount,
          .block_bytes = Fields::kBlockBytes,
          .field_bytes = Fields::kFieldBytes,
          .split = Fields::split,
          .merge = Fields::merge};
}

}  // namespace qload
