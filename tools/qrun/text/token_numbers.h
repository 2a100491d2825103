// TokenNumbers: the tokens of a vocabulary by their text.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <unordered_map>

namespace qload::qrun {

/// Lets a lookup take a view of a text.
struct TextHash {
  using is_transparent = void;
  size_t operator()(std::string_view text) const { return std::hash<std::string_view>{}(text); }
};

using TokenNumbers = std::unordered_map<std::string, uint32_t, TextHash, std::equal_to<>>;

inline constexpr uint32_t kNoToken = 0xFFFF'FFFF;

}  // namespace qload::qrun
