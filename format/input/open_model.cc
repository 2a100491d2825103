// open_model_source: which reader a path gets.
#include <cstring>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

#include "format/base/file.h"
#include "format/base/format_text.h"
#include "format/base/try.h"
#include "format/input/gguf.h"
#include "format/input/gguf_shards.h"
#include "format/input/model_source.h"
#include "format/input/safetensors.h"
#include "format/input/safetensors_shards.h"
#include "format/input/source_names.h"

namespace qload {

namespace {

namespace fs = std::filesystem;

/// The first bytes of a container (docs/format.md, "Superblock"): packing one is a mistake.
constexpr char kContainerStart[8] = {'\x89', 'Q', 'P', 'K', '\r', '\n', '\x1a', '\n'};

constexpr std::string_view kRawHint = " (to pack the file as plain bytes: --as raw)";

Status check_no_container(const File& file) {
  char start[sizeof kContainerStart];
  if (file.bytes() < sizeof start) return Ok{};
  QLOAD_CHECK(file.read_at(0, std::as_writable_bytes(std::span(start))));
  if (std::memcmp(start, kContainerStart, sizeof start) != 0) return Ok{};
  return Error(ErrorCode::kInvalidArgument,
               text(quote(file.name()), " is a packed model already", kRawHint));
}

Result<ModelSource> open_raw(File file, const fs::path& path) {
  ModelSource model;
  const std::string name = path.filename().string();
  const uint64_t bytes = file.bytes();
  SourceFile source{.path = name, .format = SourceFormat::kRaw, .bytes = bytes};
  SourceTensor tensor{.name = name, .dtype = DType::kU8, .shape = {bytes}, .bytes = bytes};
  QLOAD_CHECK(model.add_file(std::move(file), std::move(source), {std::move(tensor)}));
  return model;
}

Result<ModelSource> open_safetensors(File file, const fs::path& path) {
  ModelSource model;
  QLOAD_CHECK(add_safetensors(model, std::move(file), path.filename().string()));
  return model;
}

Result<ModelSource> open_gguf(File file, const fs::path& path) {
  ModelSource model;
  QLOAD_CHECK(add_gguf(model, std::move(file), path));
  return model;
}

/// True when the error says that the bytes are not what they look like, rather than that the file
/// could not be read.
bool is_about_content(const Error& error) {
  return error.code() == ErrorCode::kCorrupt || error.code() == ErrorCode::kUnsupported;
}

Result<ModelSource> with_raw_hint(Result<ModelSource> model) {
  if (model.ok() || !is_about_content(model.error())) return model;
  return Error(model.error().code(), text(model.error().message(), kRawHint));
}

Result<ModelSource> detect_file(File file, const fs::path& path) {
  QLOAD_CHECK(check_no_container(file));
  const std::string name = path.filename().string();
  if (ends_with_ignoring_case(name, ".safetensors")) {
    return with_raw_hint(open_safetensors(std::move(file), path));
  }
  if (ends_with_ignoring_case(name, ".gguf")) {
    return with_raw_hint(open_gguf(std::move(file), path));
  }
  // Under any other name a resemblance may be an accident: what does not parse is plain bytes.
  QLOAD_TRY(const bool is_gguf, looks_like_gguf(file));
  QLOAD_TRY(const bool is_safetensors, looks_like_safetensors(file));
  if (!is_gguf && !is_safetensors) return open_raw(std::move(file), path);
  auto model = is_gguf ? open_gguf(std::move(file), path) : open_safetensors(std::move(file), path);
  if (model.ok() || !is_about_content(model.error())) return model;
  QLOAD_TRY(File again, File::open(path));
  return open_raw(std::move(again), path);
}

}  // namespace

Result<ModelSource> open_model_source(const fs::path& path, OpenAs as) {
  std::error_code ignored;  // What cannot be looked at fails at File::open, with its reason.
  if (fs::is_directory(path, ignored)) {
    if (as == OpenAs::kDetect || as == OpenAs::kSafetensors) {
      return open_safetensors_directory(path);
    }
    return Error(ErrorCode::kInvalidArgument,
                 text(quote(path.string()), " is a directory, expected a ",
                      as == OpenAs::kGguf ? "GGUF file" : "file"));
  }
  const bool is_index = ends_with_ignoring_case(path.filename().string(), kSafetensorsIndexSuffix);
  if (is_index && as == OpenAs::kDetect) return with_raw_hint(open_safetensors_index(path));
  if (is_index && as == OpenAs::kSafetensors) return open_safetensors_index(path);

  QLOAD_TRY(File file, File::open(path));
  switch (as) {
    case OpenAs::kRaw:
      return open_raw(std::move(file), path);
    case OpenAs::kSafetensors:
      return open_safetensors(std::move(file), path);
    case OpenAs::kGguf:
      return open_gguf(std::move(file), path);
    case OpenAs::kDetect:
      break;
  }
  return detect_file(std::move(file), path);
}

}  // namespace qload
