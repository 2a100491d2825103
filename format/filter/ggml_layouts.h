// The layouts of ggml's blocks, from the structs of ggml-common.h: one per set of types whose
// blocks have the same fields. docs/format.md, "Block fields", is their specification.
//
// An F16 scale gives its low byte, which hardly compresses, and its high byte, which does, to
// different streams; the low bytes of a block's two scales share one. Order-0 entropy
// of trained weights: Q8_0 7.58 bits a byte as it is, 7.48 with the scale apart, 7.43 with its
// bytes apart; Q4_K (by a quantizer written after ggml's) 7.77 as it is, 7.56 with the packed
// scales in one stream, 7.52 in three.
#pragma once

#include <array>
#include <cstddef>

#include "format/filter/block_fields.h"

namespace qload {

template <size_t kCount>
constexpr std::array<BlockField, kCount> fields(const BlockField (&list)[kCount]) {
  return std::to_array(list);
}

template <size_t kTimes, size_t kCount>
constexpr std::array<BlockField, kTimes * kCount> repeat_fields(const BlockField (&unit)[kCount]) {
  std::array<BlockField, kTimes * kCount> all{};
  for (size_t i = 0; i < all.size(); ++i) all[i] = unit[i % kCount];
  return all;
}

template <size_t... kCounts>
constexpr auto join_fields(const std::array<BlockField, kCounts>&... parts) {
  std::array<BlockField, (kCounts + ...)> all{};
  size_t end = 0;
  const auto append = [&](const auto& part) {
    for (const BlockField& field : part) all[end++] = field;
  };
  (append(parts), ...);
  return all;
}

// {bytes, stream}, in block order. Names are those of the structs' members: d, dmin, m and s are
// F16 unless said; qs are quants, qh their high bits.
inline constexpr BlockField kQ4_0Layout[] = {{1, 0}, {1, 1}, {16, 2}};                  // d qs
inline constexpr BlockField kQ4_1Layout[] = {{1, 0}, {1, 1}, {1, 0}, {1, 2}, {16, 3}};  // d m qs
inline constexpr BlockField kQ5_0Layout[] = {{1, 0}, {1, 1}, {4, 2}, {16, 3}};          // d qh qs
inline constexpr BlockField kQ5_1Layout[] = {                                           // d m qh qs
    {1, 0}, {1, 1}, {1, 0}, {1, 2}, {4, 3}, {16, 4}};
inline constexpr BlockField kQ8_0Layout[] = {{1, 0}, {1, 1}, {32, 2}};                  // d qs
inline constexpr BlockField kQ8_1Layout[] = {{1, 0}, {1, 1}, {1, 0}, {1, 2}, {32, 3}};  // d s qs

// scales qs d dmin
inline constexpr BlockField kQ2_KLayout[] = {{16, 0}, {64, 1}, {1, 2}, {1, 3}, {1, 2}, {1, 4}};
// hmask qs scales (8 bytes of low bits, 4 of high bits) d
inline constexpr BlockField kQ3_KLayout[] = {{32, 0}, {64, 1}, {8, 2}, {4, 3}, {1, 4}, {1, 5}};
// d dmin scales qs. Of the 12 bytes of 6-bit scales and mins, 4 hold scales 0 to 3, 4 mins 0 to 3
// (both with the high bits of 4 to 7 on top), 4 the low bits of the other scales and mins.
inline constexpr BlockField kQ4_KLayout[] = {{1, 0}, {1, 1}, {1, 0}, {1, 2},
                                             {4, 3}, {4, 4}, {4, 5}, {128, 6}};
// d dmin scales (as Q4_K) qh qs
inline constexpr BlockField kQ5_KLayout[] = {{1, 0}, {1, 1}, {1, 0},  {1, 2},  {4, 3},
                                             {4, 4}, {4, 5}, {32, 6}, {128, 7}};
// ql qh scales d
inline constexpr BlockField kQ6_KLayout[] = {{128, 0}, {64, 1}, {16, 2}, {1, 3}, {1, 4}};
// d (F32) qs bsums
inline constexpr BlockField kQ8_KLayout[] = {{3, 0}, {1, 1}, {256, 2}, {32, 3}};

// d, then 8 times: 4 grid indices, 28 bits of signs and in the highest 4 bits a scale
inline constexpr auto kIQ2_XXSLayout =
    join_fields(fields({{1, 0}, {1, 1}}), repeat_fields<8>({{4, 2}, {3, 3}, {1, 4}}));
// d, then 32 times a grid index (9 bits) and signs (7 bits), then scales
inline constexpr auto kIQ2_XSLayout =
    join_fields(fields({{1, 0}, {1, 1}}), repeat_fields<32>({{1, 2}, {1, 3}}), fields({{8, 4}}));
// d, grid indices, then 8 times 28 bits of signs and a scale
inline constexpr auto kIQ3_XXSLayout =
    join_fields(fields({{1, 0}, {1, 1}, {64, 2}}), repeat_fields<8>({{3, 3}, {1, 4}}));
// d qs, then 8 times 12 bits of grid indices, a scale, a sign
inline constexpr auto kIQ1_SLayout =
    join_fields(fields({{1, 0}, {1, 1}, {32, 2}}), repeat_fields<8>({{1, 3}, {1, 4}}));
// d qs qh signs scales
inline constexpr BlockField kIQ3_SLayout[] = {{1, 0}, {1, 1}, {64, 2}, {8, 3}, {32, 4}, {4, 5}};
// d qs (indices, then signs) qh scales
inline constexpr BlockField kIQ2_SLayout[] = {{1, 0}, {1, 1}, {32, 2}, {32, 3}, {8, 4}, {8, 5}};
// d scales_h scales_l qs
inline constexpr BlockField kIQ4_XSLayout[] = {{1, 0}, {1, 1}, {2, 2}, {4, 3}, {128, 4}};
// qs qh, then 4 times 12 bits of scales and a quarter of d
inline constexpr auto kIQ1_MLayout =
    join_fields(fields({{32, 0}, {16, 1}}), repeat_fields<4>({{1, 2}, {1, 3}}));
inline constexpr BlockField kTQ1_0Layout[] = {{48, 0}, {4, 1}, {1, 2}, {1, 3}};  // qs qh d
inline constexpr BlockField kTQ2_0Layout[] = {{64, 0}, {1, 1}, {1, 2}};          // qs d
inline constexpr BlockField kMXFP4Layout[] = {{1, 0}, {16, 1}};                  // e (E8M0) qs
inline constexpr BlockField kNVFP4Layout[] = {{4, 0}, {32, 1}};                  // d (UE4M3) qs

}  // namespace qload
