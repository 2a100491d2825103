// The header form of counts: the width of each in bits, as its step from the width before, and
// the bits below its leading one. Counts of weights rise and fall slowly, so most steps are short.
#include <bit>
#include <optional>

#include "format/base/format_text.h"
#include "format/base/try.h"
#include "format/codec/fse/fse_counts.h"

namespace qload {
namespace {

Error corrupt(std::string message) { return Error(ErrorCode::kCorrupt, std::move(message)); }

/// Appends bits, the first to the lowest bit of a byte.
class BitWriter {
 public:
  explicit BitWriter(FseCountsForm& form) : form_(form) { form_ = {}; }
  void write(uint32_t bits, uint32_t count) {
    for (uint32_t i = 0; i < count; ++i, ++offset_) {
      form_.bytes[offset_ / 8] |= static_cast<std::byte>((bits >> i & 1) << offset_ % 8);
    }
    form_.size = (offset_ + 7) / 8;
  }
  /// `zeros` zeros and a one.
  void write_unary(uint32_t zeros) {
    write(0, zeros);
    write(1, 1);
  }

 private:
  FseCountsForm& form_;
  size_t offset_ = 0;
};

/// Reads what BitWriter wrote, and nothing past the end.
class BitReader {
 public:
  explicit BitReader(std::span<const std::byte> bytes) : bytes_(bytes) {}
  std::optional<uint32_t> read(uint32_t count) {
    uint32_t bits = 0;
    for (uint32_t i = 0; i < count; ++i, ++offset_) {
      if (offset_ / 8 == bytes_.size()) return std::nullopt;
      bits |= (static_cast<uint32_t>(bytes_[offset_ / 8]) >> offset_ % 8 & 1) << i;
    }
    return bits;
  }
  /// The number of zeros before the next one; nothing at the end or beyond `zeros_max`.
  std::optional<uint32_t> read_unary(uint32_t zeros_max) {
    for (uint32_t zeros = 0; zeros <= zeros_max; ++zeros) {
      const auto bit = read(1);
      if (!bit) return std::nullopt;
      if (*bit == 1) return zeros;
    }
    return std::nullopt;
  }
  /// The bits that are left of the current byte, 0 to 7 of them.
  uint32_t read_padding() { return read(static_cast<uint32_t>(-offset_ % 8)).value_or(0); }
  size_t bytes_read() const { return (offset_ + 7) / 8; }

 private:
  std::span<const std::byte> bytes_;
  size_t offset_ = 0;
};

/// Steps of a width as whole numbers from 0: 0, +1, -1, +2, -2, ...
uint32_t fold_step(int step) { return static_cast<uint32_t>(step > 0 ? 2 * step - 1 : -2 * step); }
int unfold_step(uint32_t folded) {
  const int half = static_cast<int>((folded + 1) / 2);
  return folded % 2 == 1 ? half : -half;
}

/// A run of zeros, 1 to 255, as Elias' gamma code.
void write_run(BitWriter& writer, uint32_t run) {
  const uint32_t below = static_cast<uint32_t>(std::bit_width(run)) - 1;
  writer.write_unary(below);
  writer.write(run, below);
}
std::optional<uint32_t> read_run(BitReader& reader) {
  const auto below = reader.read_unary(7);
  if (!below) return std::nullopt;
  const auto bits = reader.read(*below);
  if (!bits) return std::nullopt;
  return 1u << *below | *bits;
}

/// The width of the next count, given the one before.
Result<int> read_width(BitReader& reader, int width_before, uint32_t table_log, size_t value) {
  const auto folded = reader.read_unary(2 * (table_log + 1));
  if (!folded) return corrupt(text("fse counts have no width at byte value ", value));
  const int width = width_before + unfold_step(*folded);
  if (width < 0 || width > static_cast<int>(table_log) + 1) {
    return corrupt(text("fse count of byte value ", value, " has a width of ", width,
                        " bits; expected 0 to ", table_log + 1));
  }
  return width;
}

}  // namespace

void write_counts(const FseCounts& counts, uint32_t table_log, FseCountsForm& form) {
  BitWriter writer(form);
  int width_before = 0;
  uint32_t left = 1u << table_log;
  for (uint32_t value = 0; left > 0; ++value) {
    const int width = std::bit_width(counts[value]);
    writer.write_unary(fold_step(width - width_before));
    width_before = width;
    if (width > 0) {
      writer.write(counts[value], static_cast<uint32_t>(width) - 1);
      left -= counts[value];
      continue;
    }
    uint32_t run = 1;
    while (counts[value + run] == 0) ++run;  // A count follows, since entries are left.
    write_run(writer, run);
    value += run - 1;
  }
}

Result<size_t> read_counts(std::span<const std::byte> from, uint32_t table_log, FseCounts& counts) {
  BitReader reader(from);
  const uint32_t entries = 1u << table_log;
  counts = {};
  int width_before = 0;
  uint32_t sum = 0;
  bool after_zeros = false;
  for (uint32_t value = 0; sum < entries; ++value) {
    if (value == 256) return corrupt(text("fse counts add up to ", sum, "; expected ", entries));
    QLOAD_TRY(const int width, read_width(reader, width_before, table_log, value));
    width_before = width;
    if (width == 0) {
      if (after_zeros) return corrupt(text("fse count of byte value ", value, " repeats a run"));
      const auto run = read_run(reader);
      if (!run) return corrupt(text("fse run of zeros at byte value ", value, " breaks off"));
      if (value + *run > 255) {
        return corrupt(text("fse run of ", *run, " zeros at byte value ", value,
                            " passes 255 with ", sum, " of ", entries, " entries"));
      }
      value += *run - 1;
      after_zeros = true;
      continue;
    }
    const auto below = reader.read(static_cast<uint32_t>(width) - 1);
    if (!below) return corrupt(text("fse counts break off in that of byte value ", value));
    const uint32_t count = 1u << (width - 1) | *below;
    sum += count;
    if (sum > entries) {
      return corrupt(
          text("fse counts add up to ", sum, " at byte value ", value, "; expected ", entries));
    }
    counts[value] = static_cast<uint16_t>(count);
    after_zeros = false;
  }
  if (reader.read_padding() != 0) return corrupt("fse counts are padded with ones; expected zeros");
  return reader.bytes_read();
}

}  // namespace qload
