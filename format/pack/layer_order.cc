#include "format/pack/layer_order.h"

#include <algorithm>
#include <array>
#include <unordered_map>

namespace qload {
namespace {

// Words that name a stack of layers, as the models of transformers, GGUF, OpenCLIP, T5, Mamba and
// diffusers spell them; the first four also as the end of a longer word ("transformer_blocks").
constexpr std::array<std::string_view, 4> kStackEndings = {"layers", "layer", "blocks", "block"};
constexpr std::array<std::string_view, 2> kStackWords = {"h", "blk"};

// Components that mark a tensor as used after the last layer.
constexpr std::array<std::string_view, 24> kEpilogueWords = {
    "lm_head",         "output",      "output_norm", "norm",       "final_norm", "final_layer_norm",
    "final_layernorm", "ln_f",        "ln_final",    "norm_f",     "layer_norm", "layernorm",
    "LayerNorm",       "project_out", "embed_out",   "head",       "classifier", "score",
    "pooler",          "cls",         "ln_post",     "final_proj", "proj_out",   "output_proj"};

// Where a stack, or a tensor of no layer, stands in the flow of a model of several stacks.
enum Stage : uint8_t { kPerception = 0, kEncoder = 1, kUnknown = 2, kDecoder = 3 };

constexpr std::array<std::string_view, 6> kPerceptionWords = {
    "visual", "vision_model", "vision_tower", "vision_encoder", "audio_tower", "vision"};

template <size_t N>
bool contains(const std::array<std::string_view, N>& words, std::string_view word) {
  return std::find(words.begin(), words.end(), word) != words.end();
}

/// Calls visit(component, offset) for each dot-separated component until it returns true.
template <class Visit>
void each_component(std::string_view name, Visit visit) {
  size_t begin = 0;
  while (begin <= name.size()) {
    size_t end = std::min(name.find('.', begin), name.size());
    if (visit(name.substr(begin, end - begin), begin)) return;
    begin = end + 1;
  }
}

std::optional<uint32_t> parse_layer_number(std::string_view digits) {
  if (digits.empty() || digits.size() > 10) return std::nullopt;
  if (digits.size() > 1 && digits[0] == '0') return std::nullopt;
  uint64_t number = 0;
  for (char digit : digits) {
    if (digit < '0' || digit > '9') return std::nullopt;
    number = number * 10 + static_cast<uint64_t>(digit - '0');
  }
  if (number >= (1ull << 31)) return std::nullopt;
  return static_cast<uint32_t>(number);
}

bool names_stack(std::string_view word) {
  if (contains(kStackWords, word)) return true;
  return std::any_of(kStackEndings.begin(), kStackEndings.end(),
                     [&](std::string_view ending) { return word.ends_with(ending); });
}

Stage stage_of(std::string_view name) {
  Stage stage = kUnknown;
  each_component(name, [&](std::string_view word, size_t offset) {
    // GGUF's projector files open the names of vision and audio tensors with one letter.
    bool letter = offset == 0 && (word == "v" || word == "a");
    if (letter || contains(kPerceptionWords, word)) {
      stage = kPerception;
    } else if (word == "encoder" || word == "enc") {
      stage = kEncoder;
    } else if (word == "decoder" || word == "dec") {
      stage = kDecoder;
    }
    return stage != kUnknown;  // The outermost word decides: vision_tower.encoder is vision.
  });
  return stage;
}

/// True for a tensor of no layer that is used after the layers of a stack at `last_stage`. The
/// final norm of an encoder loads first when a decoder follows: the decoder reads its result.
bool follows_layers(std::string_view name, Stage last_stage) {
  bool known = false;
  bool embedding = false;
  each_component(name, [&](std::string_view word, size_t) {
    if (contains(kEpilogueWords, word)) {
      known = true;
    } else if (word.starts_with("embed")) {
      embedding = true;
    }
    return false;
  });
  if (!known || embedding) return false;
  Stage stage = stage_of(name);
  return stage >= kUnknown || stage >= last_stage;
}

struct StackTable {
  std::vector<std::string_view> names;  // In order of first appearance.
  std::vector<uint32_t> numbers;        // Load order of each.
  Stage last_stage = kUnknown;
};

void number_stacks(StackTable& table) {
  std::vector<Stage> stages;
  for (std::string_view name : table.names) stages.push_back(stage_of(name));
  std::vector<uint32_t> order(table.names.size());
  for (uint32_t i = 0; i < order.size(); ++i) order[i] = i;
  std::stable_sort(order.begin(), order.end(),
                   [&](uint32_t a, uint32_t b) { return stages[a] < stages[b]; });
  table.numbers.resize(order.size());
  for (uint32_t i = 0; i < order.size(); ++i) table.numbers[order[i]] = i;
  if (!order.empty()) table.last_stage = stages[order.back()];
}

}  // namespace

std::optional<LayerName> find_layer(std::string_view tensor_name) {
  std::optional<LayerName> found;
  std::string_view previous;
  each_component(tensor_name, [&](std::string_view word, size_t offset) {
    auto number = parse_layer_number(word);
    if (number && names_stack(previous)) {
      found = LayerName{tensor_name.substr(0, offset - 1), *number};
      return true;
    }
    size_t underscore = word.rfind('_');
    if (underscore != std::string_view::npos && names_stack(word.substr(0, underscore))) {
      number = parse_layer_number(word.substr(underscore + 1));
      if (number) found = LayerName{tensor_name.substr(0, offset + underscore), *number};
    }
    previous = word;
    return found.has_value();
  });
  return found;
}

std::vector<TensorGroup> order_layers(std::span<const std::string_view> tensor_names) {
  struct Place {
    uint32_t stack;
    uint32_t layer;
    uint32_t tensor;
  };
  StackTable stacks;
  std::unordered_map<std::string_view, uint32_t> stack_ids;
  std::vector<Place> places;
  std::vector<uint32_t> loose;
  for (uint32_t i = 0; i < tensor_names.size(); ++i) {
    auto layer = find_layer(tensor_names[i]);
    if (!layer) {
      loose.push_back(i);
      continue;
    }
    auto [entry, added] =
        stack_ids.try_emplace(layer->stack, static_cast<uint32_t>(stacks.names.size()));
    if (added) stacks.names.push_back(layer->stack);
    places.push_back({entry->second, layer->layer, i});
  }
  number_stacks(stacks);
  for (Place& place : places) place.stack = stacks.numbers[place.stack];
  std::stable_sort(places.begin(), places.end(), [](const Place& a, const Place& b) {
    return a.stack != b.stack ? a.stack < b.stack : a.layer < b.layer;
  });

  std::vector<TensorGroup> groups;
  TensorGroup prologue;
  TensorGroup epilogue;
  for (uint32_t tensor : loose) {
    bool last = !places.empty() && follows_layers(tensor_names[tensor], stacks.last_stage);
    (last ? epilogue : prologue).tensors.push_back(tensor);
  }
  if (!prologue.tensors.empty()) groups.push_back(std::move(prologue));
  for (size_t i = 0; i < places.size(); ++i) {
    const Place& place = places[i];
    if (i == 0 || places[i - 1].stack != place.stack || places[i - 1].layer != place.layer) {
      groups.push_back({place.stack, place.layer, {}});
    }
    groups.back().tensors.push_back(place.tensor);
  }
  if (!epilogue.tensors.empty()) groups.push_back(std::move(epilogue));
  return groups;
}

}  // namespace qload
