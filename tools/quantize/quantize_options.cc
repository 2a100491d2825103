#include "tools/quantize/quantize_options.h"

namespace qload::quantize {
namespace {

constexpr SchemeName kSchemes[] = {
    {Scheme::kTensor, "tensor"},
    {Scheme::kChannel, "channel"},
    {Scheme::kSmoothQuant, "smoothquant"},
    {Scheme::kLlmInt8, "llm_int8"},
    {Scheme::kQ8_0, "q8_0"},
    {Scheme::kQ4_0, "q4_0"},
};

}  // namespace

std::span<const SchemeName> all_schemes() { return kSchemes; }

std::string_view scheme_name(Scheme scheme) { return kSchemes[static_cast<size_t>(scheme)].name; }

std::optional<Scheme> find_scheme(std::string_view name) {
  for (const SchemeName& known : kSchemes) {
    if (known.name == name) return known.scheme;
  }
  return std::nullopt;
}

bool writes_gguf(Scheme scheme) { return scheme == Scheme::kQ8_0 || scheme == Scheme::kQ4_0; }

bool needs_activations(Scheme scheme) {
  return scheme == Scheme::kSmoothQuant || scheme == Scheme::kLlmInt8;
}

}  // namespace qload::quantize
