#include "tools/quantize/output_file.h"

#include <algorithm>
#include <charconv>

#include "format/base/format_text.h"
#include "format/base/limits.h"
#include "format/base/try.h"
#include "tools/encode/gguf_header.h"
#include "tools/quantize/gguf_pairs.h"

namespace qload::quantize {
namespace {

constexpr std::string_view kFileTypeKey = "general.file_type";
constexpr std::string_view kQuantizationVersionKey = "general.quantization_version";
constexpr uint32_t kQuantizationVersion = 2;  // ggml.h, GGML_QNT_VERSION.

// Headers are read whole. The largest vocabularies make 20 MB of one.
constexpr uint64_t kGgufHeaderBytesMax = 1u << 30;

/// The shortest text that gives the number back.
std::string number_text(double number) {
  char buffer[32];
  const auto end = std::to_chars(buffer, buffer + sizeof buffer, number);
  return {buffer, end.ptr};
}

encode::OutputLayout lay_out_safetensors(const encode::SafetensorsMetadata& metadata,
                                         const QuantizeOptions& options,
                                         std::span<encode::OutputTensor> outputs) {
  encode::SafetensorsMetadata pairs;
  for (const auto& pair : metadata) {
    if (pair.first != kQuantizationKey) pairs.push_back(pair);
  }
  pairs.emplace_back(kQuantizationKey, describe_quantization(options));
  return lay_out_safetensors_file(pairs, outputs);
}

/// The pairs of the source, with the new type in place of the old one.
Status copy_pairs(const ModelSource& source, uint32_t file_type, encode::GgufKeyValues& keys) {
  const uint64_t header_bytes = source.files()[0].header_bytes;
  if (header_bytes > kGgufHeaderBytesMax) {
    return Error(ErrorCode::kUnsupported,
                 text(quote(source.files()[0].path), " has a header of ", header_bytes,
                      " bytes, expected at most ", kGgufHeaderBytesMax));
  }
  std::vector<std::byte> header(header_bytes);
  QLOAD_CHECK(source.read(0, 0, header));
  QLOAD_TRY(const std::vector<GgufPair> pairs, list_gguf_pairs(header));
  bool has_file_type = false;
  bool has_version = false;
  for (const GgufPair& pair : pairs) {
    if (pair.key.starts_with("split.")) continue;  // The parts become one file.
    has_version |= pair.key == kQuantizationVersionKey;
    if (pair.key == kFileTypeKey) {
      has_file_type = true;
      keys.add(kFileTypeKey, file_type);
    } else if (pair.key == "general.alignment") {
      keys.add(pair.key, static_cast<uint32_t>(encode::kGgufAlignment));
    } else {
      keys.add_raw(pair.bytes);
    }
  }
  if (!has_file_type) keys.add(kFileTypeKey, file_type);
  if (!has_version) keys.add(kQuantizationVersionKey, kQuantizationVersion);
  return Ok{};
}

Result<encode::OutputLayout> lay_out_gguf(const ModelSource& source, const QuantizeOptions& options,
                                          const std::optional<LlamaFacts>& llama,
                                          std::span<encode::OutputTensor> outputs) {
  const uint32_t file_type =
      encode::llama_file_type(options.scheme == Scheme::kQ8_0 ? DType::kQ8_0 : DType::kQ4_0);
  encode::GgufKeyValues keys;
  if (source.files()[0].format == SourceFormat::kGguf) {
    QLOAD_CHECK(copy_pairs(source, file_type, keys));
  } else {
    keys.add("general.architecture", llama ? "llama" : "unknown");
    keys.add("general.alignment", static_cast<uint32_t>(encode::kGgufAlignment));
    keys.add(kFileTypeKey, file_type);
    keys.add(kQuantizationVersionKey, kQuantizationVersion);
    if (llama) add_llama_keys(*llama, keys);
  }
  for (encode::OutputTensor& output : outputs) {
    if (output.shape.empty()) output.shape = {1};  // GGUF has no scalars.
  }
  return lay_out_gguf_file(keys, outputs);
}

}  // namespace

std::string describe_quantization(const QuantizeOptions& options) {
  std::string out(scheme_name(options.scheme));
  switch (options.scheme) {
    case Scheme::kChannel:
      return out + (options.axis == ChannelAxis::kRow ? " axis=row" : " axis=column");
    case Scheme::kSmoothQuant:
      return out + " alpha=" + number_text(options.alpha);
    case Scheme::kLlmInt8:
      return out + " threshold=" + number_text(options.threshold);
    default:
      return out;
  }
}

Result<encode::OutputLayout> lay_out_output(const ModelSource& source,
                                            const encode::SafetensorsMetadata& metadata,
                                            const QuantizeOptions& options,
                                            const std::optional<LlamaFacts>& llama,
                                            std::span<encode::OutputTensor> outputs) {
  if (writes_gguf(options.scheme)) return lay_out_gguf(source, options, llama, outputs);
  encode::OutputLayout layout = lay_out_safetensors(metadata, options, outputs);
  if (layout.header.size() - sizeof(uint64_t) > kSafetensorsHeaderBytesMax) {
    return Error(ErrorCode::kUnsupported,
                 text("the header of the output would have ", layout.header.size(),
                      " bytes, safetensors has at most ", kSafetensorsHeaderBytesMax));
  }
  return layout;
}

}  // namespace qload::quantize
