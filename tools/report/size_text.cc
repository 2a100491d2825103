#include "tools/report/size_text.h"

#include <charconv>
#include <cmath>
#include <cstdio>

#include "format/base/checked.h"
#include "format/base/format_text.h"

namespace qload::tools {
namespace {

// XXH3-128 fills 16 of a digest's 32 bytes (checksum.h).
constexpr size_t kDigestBytes = 16;
constexpr uint32_t kDigestAlgorithm = 1;

std::string format_scaled(double value, std::string_view unit) {
  static constexpr std::string_view kPrefixes[] = {"", "k", "M", "G", "T", "P", "E"};
  size_t prefix = 0;
  while (value >= 999.5 && prefix + 1 < std::size(kPrefixes)) {
    value /= 1000;
    ++prefix;
  }
  const int decimals = prefix == 0 || value >= 99.95 ? 0 : (value >= 9.995 ? 1 : 2);
  return text(format_fixed(value, decimals), " ", kPrefixes[prefix], unit);
}

std::optional<uint8_t> hex_digit(char c) {
  if (c >= '0' && c <= '9') return static_cast<uint8_t>(c - '0');
  if (c >= 'a' && c <= 'f') return static_cast<uint8_t>(c - 'a' + 10);
  if (c >= 'A' && c <= 'F') return static_cast<uint8_t>(c - 'A' + 10);
  return std::nullopt;
}

}  // namespace

std::optional<uint64_t> parse_size(std::string_view size) {
  uint64_t number = 0;
  const auto [end, error] = std::from_chars(size.data(), size.data() + size.size(), number);
  if (error != std::errc{}) return std::nullopt;
  std::string_view suffix = size.substr(static_cast<size_t>(end - size.data()));
  uint64_t factor = 1;
  if (!suffix.empty()) {
    static constexpr std::string_view kUnits = "KMGT";
    const char unit = static_cast<char>(suffix[0] >= 'a' ? suffix[0] - 'a' + 'A' : suffix[0]);
    const size_t power = kUnits.find(unit);
    if (power != std::string_view::npos) {
      factor = 1ull << (10 * (power + 1));
      suffix.remove_prefix(1);
      if (suffix.starts_with('i')) suffix.remove_prefix(1);
    }
    if (suffix == "B" || suffix == "b") suffix.remove_prefix(1);
  }
  if (!suffix.empty()) return std::nullopt;
  return checked_multiply(number, factor);
}

std::optional<std::vector<uint32_t>> parse_number_list(std::string_view list) {
  constexpr uint32_t kNumberMax = (1u << 18) - 1;
  const auto take_number = [&list]() -> std::optional<uint32_t> {
    uint32_t number = 0;
    const auto [end, error] = std::from_chars(list.data(), list.data() + list.size(), number);
    if (error != std::errc{} || number > kNumberMax) return std::nullopt;
    list.remove_prefix(static_cast<size_t>(end - list.data()));
    return number;
  };
  std::vector<uint32_t> numbers;
  while (true) {
    const auto first = take_number();
    auto last = first;
    if (first && list.starts_with('-')) {
      list.remove_prefix(1);
      last = take_number();
    }
    if (!last || *last < *first || numbers.size() > kNumberMax) return std::nullopt;
    for (uint32_t number = *first; number <= *last; ++number) numbers.push_back(number);
    if (list.empty()) return numbers;
    if (!list.starts_with(',')) return std::nullopt;
    list.remove_prefix(1);
  }
}

std::string format_fixed(double value, int decimals) {
  char buffer[64];
  const int length = std::snprintf(buffer, sizeof buffer, "%.*f", decimals, value);
  return std::string(buffer, static_cast<size_t>(length));
}

std::string format_size(uint64_t bytes) { return format_scaled(static_cast<double>(bytes), "B"); }

std::string format_rate(double bytes_per_second) {
  return std::isfinite(bytes_per_second) ? format_scaled(bytes_per_second, "B/s") : "-";
}

std::string format_seconds(double seconds) {
  if (seconds < 10) return format_fixed(seconds, 3) + " s";
  if (seconds < 100) return format_fixed(seconds, 1) + " s";
  const auto whole = static_cast<uint64_t>(seconds);
  const std::string rest = std::to_string(whole % 60);
  return text(whole / 60, " min ", rest.size() < 2 ? "0" : "", rest, " s");
}

std::string format_ratio(uint64_t decoded_bytes, uint64_t stored_bytes) {
  if (stored_bytes == 0) return "-";
  return format_fixed(static_cast<double>(decoded_bytes) / static_cast<double>(stored_bytes), 3);
}

std::string format_shape(std::span<const uint64_t> shape) {
  std::string out = "[";
  for (size_t i = 0; i < shape.size(); ++i) {
    if (i > 0) out += ", ";
    out += std::to_string(shape[i]);
  }
  return out + "]";
}

std::string format_digest(const Digest& digest) {
  if (digest.algorithm == 0) return "none";
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string out;
  for (size_t i = 0; i < kDigestBytes; ++i) {
    out += kDigits[digest.bytes[i] >> 4];
    out += kDigits[digest.bytes[i] & 15];
  }
  return out;
}

std::optional<Digest> parse_digest(std::string_view hex) {
  if (hex.size() != 2 * kDigestBytes) return std::nullopt;
  Digest digest;
  digest.algorithm = kDigestAlgorithm;
  for (size_t i = 0; i < kDigestBytes; ++i) {
    const auto high = hex_digit(hex[2 * i]);
    const auto low = hex_digit(hex[2 * i + 1]);
    if (!high || !low) return std::nullopt;
    digest.bytes[i] = static_cast<uint8_t>(*high << 4 | *low);
  }
  return digest;
}

std::string printable(std::string_view name) {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string out;
  for (const char c : name) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte >= 0x20 && byte < 0x7F) {
      out += c;
    } else {
      out += "\\x";
      out += kDigits[byte >> 4];
      out += kDigits[byte & 15];
    }
  }
  return out;
}

}  // namespace qload::tools
