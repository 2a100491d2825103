#include "bench/paper/paper_model.h"

#include <algorithm>
#include <map>
#include <utility>
#include <vector>

#include "format/base/file.h"
#include "format/base/format_text.h"
#include "format/base/try.h"
#include "tools/synth/synthesize.h"
#include "tools/synth/weight_statistics.h"

namespace qload::bench {
namespace {

// Rows that are computed anew to recognise a file: of so many weights, spread over the model.
constexpr size_t kComparedWeights = 64;

std::string list_architectures() {
  std::string names;
  for (const synth::Architecture& architecture : synth::all_architectures()) {
    names += text(names.empty() ? "" : ", ", architecture.name);
  }
  return names;
}

// A scale belongs to its weight's layer; its four bytes do not matter here.
uint64_t largest_piece(const synth::SynthLayout& layout) {
  std::map<uint32_t, uint64_t> layers;
  uint64_t largest = 0;
  for (const synth::PlacedWeight& weight : layout.weights) {
    const bool outside = weight.spec.layer == synth::kOutsideLayers;
    largest = std::max(largest, outside ? weight.bytes : layers[weight.spec.layer] += weight.bytes);
  }
  return largest;
}

bool same_bytes(const File& file, uint64_t offset, std::span<const std::byte> expected) {
  const auto found = file.read_vector(offset, expected.size());
  return found.ok() && std::ranges::equal(*found, expected);
}

bool same_row(const File& file, const PaperModel& model, const synth::PlacedWeight& weight,
              const synth::BellTable& bell, uint64_t row) {
  const synth::WeightValues values(weight.spec, bell, model.architecture.layers, kPaperSeed);
  std::vector<float> row_values(weight.spec.columns);
  std::vector<std::byte> encoded(weight.bytes / weight.spec.rows);
  values.fill_row(row, row_values);
  encode::encode_row(weight.encoding, row_values, values.absolute_max(), encoded);
  return same_bytes(file, weight.offset + row * encoded.size(), encoded);
}

}  // namespace

Result<PaperModel> describe_paper_model(const std::string& name) {
  const auto architecture = synth::find_architecture(name);
  if (!architecture) {
    return Error(ErrorCode::kInvalidArgument,
                 text("there is no model ", quote(name), "; there are ", list_architectures()));
  }
  PaperModel model{.name = name, .architecture = *architecture, .layout = {}};
  QLOAD_TRY(model.layout, synth::lay_out_safetensors(synth::list_weights(*architecture),
                                                     kPaperScheme, *architecture));
  model.piece_bytes_max = largest_piece(model.layout);
  return model;
}

bool holds_paper_model(const std::filesystem::path& path, const PaperModel& model) {
  const auto file = File::open(path);
  if (!file.ok() || file->bytes() != model.plain_bytes()) return false;
  if (!same_bytes(*file, 0, model.layout.header)) return false;
  const synth::BellTable bell(synth::usual_tail_weight());
  const auto& weights = model.layout.weights;
  const size_t step = std::max<size_t>(weights.size() / kComparedWeights, 1);
  for (size_t i = 0; i < weights.size(); i += step) {
    if (!same_row(*file, model, weights[i], bell, 0)) return false;
    if (!same_row(*file, model, weights[i], bell, weights[i].spec.rows - 1)) return false;
  }
  return true;
}

std::filesystem::path find_paper_model(const std::filesystem::path& directory,
                                       const PaperModel& model) {
  std::vector<std::filesystem::path> candidates;
  std::error_code error;
  for (std::filesystem::directory_iterator entry(directory, error), end; !error && entry != end;
       entry.increment(error)) {
    if (entry->path().extension() == ".safetensors") candidates.push_back(entry->path());
  }
  std::ranges::sort(candidates);
  for (const std::filesystem::path& path : candidates) {
    if (holds_paper_model(path, model)) return path;
  }
  return {};
}

Status make_paper_model(const std::filesystem::path& output, const PaperModel& model,
                        uint32_t threads,
                        const std::function<void(uint64_t, uint64_t)>& on_progress) {
  QLOAD_TRY([[maybe_unused]] const synth::SynthReport report,
            synth::synthesize(output,
                              {.architecture = model.architecture,
                               .scheme = kPaperScheme,
                               .seed = kPaperSeed,
                               .threads = threads},
                              on_progress, {}));
  return Ok{};
}

}  // namespace qload::bench
