// The models of the paper's table, without their weights: names, shapes, and values that look
// trained (tools/synth). Made once, recognised and used again.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>

#include "qload/result.h"
#include "tools/synth/architecture.h"
#include "tools/synth/synth_layout.h"

namespace qload::bench {

/// INT8 with one scale for each tensor: equation 2 of the paper.
inline constexpr synth::Encoding kPaperScheme = synth::Encoding::kInt8Tensor;
inline constexpr uint64_t kPaperSeed = 1;

/// A model as it will be written.
struct PaperModel {
  std::string name;
  synth::Architecture architecture;
  synth::SynthLayout layout;
  uint64_t piece_bytes_max = 0;  ///< The largest layer, or the largest tensor outside of layers.

  uint64_t plain_bytes() const { return layout.file_bytes; }
};

/// kInvalidArgument names the models that there are.
Result<PaperModel> describe_paper_model(const std::string& name);

/// True when the file at `path` is `model`, whoever wrote it: its size, its header, and rows of
/// tensors all over the file, computed anew, are those that synth writes.
bool holds_paper_model(const std::filesystem::path& path, const PaperModel& model);

/// A safetensors file that holds `model`, in `directory` itself; empty when there is none.
std::filesystem::path find_paper_model(const std::filesystem::path& directory,
                                       const PaperModel& model);

/// Writes `model` to a new file.
Status make_paper_model(const std::filesystem::path& output, const PaperModel& model,
                        uint32_t threads,
                        const std::function<void(uint64_t, uint64_t)>& on_progress);

}  // namespace qload::bench
