// Table 6 of the paper, quoted by cell. Nothing here was measured by this project.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

namespace qload::bench {

inline constexpr std::string_view kPaperSource =
    "Yu Mao, Weilan Wang, Hongchao Du, Nan Guan, Chun Jason Xue: On the Compressibility of "
    "Quantized Large Language Models (2024), Table 6";
inline constexpr std::string_view kPaperDevice =
    "8-core Intel Core i7-9700 (3.00 GHz), 64 GB DDR4, 512 GB KIOXIA XG6 SSD (up to 3180 MB/s "
    "sequential read)";

/// One column of Table 6, in seconds.
struct QuotedModel {
  std::string_view model;
  double mmap_before_seconds;
  double mmap_after_seconds;
  double read_before_seconds;
  double read_after_seconds;
  double zstd_ratio;  ///< Table 3: the model after SmoothQuant (INT8, tensor-wise), by zstd.

  /// Shares of the load time that compression saved, from the cells.
  double mmap_reduction() const { return 1 - mmap_after_seconds / mmap_before_seconds; }
  double read_reduction() const { return 1 - read_after_seconds / read_before_seconds; }
};

/// All columns, in the paper's order.
std::span<const QuotedModel> quoted_table6();
/// The column of `model`; null for a model that the paper did not load.
const QuotedModel* find_quoted(std::string_view model);

}  // namespace qload::bench
