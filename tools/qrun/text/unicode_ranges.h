// Unicode's letters and numbers.
#pragma once

#include <cstdint>
#include <span>

namespace qload::qrun {

/// Code points from first to last, both of them in the range.
struct CodeRange {
  uint32_t first;
  uint32_t last;
};

/// The code points of general categories L and N in Unicode 16.0 (UnicodeData.txt), in order; no
/// two ranges touch. That version is what Hugging Face's tokenizers 0.22 match by. Debian's
/// libraries (utf8proc, ICU) and Python have older ones.
std::span<const CodeRange> letter_ranges();
std::span<const CodeRange> number_ranges();

}  // namespace qload::qrun
