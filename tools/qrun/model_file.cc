#include "tools/qrun/model_file.h"

#include "format/base/format_text.h"
#include "format/base/try.h"
#include "format/container/container_reader.h"

namespace qload::qrun {
namespace {

// Largest header read into memory: ten times that of a vocabulary of 256K tokens with its merges.
constexpr uint64_t kHeaderBytesMax = 256u << 20;
constexpr std::string_view kCompanion = "companion";

Result<bool> is_packed(const std::filesystem::path& path) {
  std::error_code ignored;
  if (std::filesystem::is_directory(path, ignored)) return false;
  QLOAD_TRY(const File file, File::open(path));
  return is_container(file);
}

}  // namespace

Result<ModelFile> ModelFile::open(const std::filesystem::path& path) {
  ModelFile file;
  file.path_ = path;
  QLOAD_TRY(const bool packed, is_packed(path));
  if (packed) {
    QLOAD_TRY(file.packed_, Model::open(path));
    file.list_packed();
  } else {
    QLOAD_TRY(file.plain_, open_model_source(path, OpenAs::kDetect));
    file.list_plain();
  }
  for (const FileFacts& facts : file.files_) {
    if (!file.format_.empty() || facts.format == kCompanion) continue;
    file.format_ = facts.format;
  }
  return file;
}

void ModelFile::list_packed() {
  for (const SourceFileInfo& info : packed_->files()) {
    files_.push_back({std::string(info.path), std::string(info.format), info.header_bytes});
  }
  for (const TensorInfo& info : packed_->tensors()) {
    tensors_.push_back({.name = std::string(info.name),
                        .dtype = info.dtype,
                        .shape = {info.shape.begin(), info.shape.end()},
                        .bytes = info.bytes});
  }
}

void ModelFile::list_plain() {
  for (const SourceFile& source : plain_->files()) {
    files_.push_back(
        {source.path, std::string(source_format_name(source.format)), source.header_bytes});
  }
  for (const SourceTensor& tensor : plain_->tensors()) {
    tensors_.push_back({.name = tensor.name,
                        .dtype = tensor.dtype,
                        .shape = tensor.shape,
                        .bytes = tensor.bytes,
                        .file = tensor.file,
                        .offset = tensor.offset});
  }
}

Result<std::vector<std::byte>> ModelFile::read_start(uint32_t file) const {
  const FileFacts& facts = files_[file];
  if (facts.header_bytes > kHeaderBytesMax) {
    return Error(ErrorCode::kUnsupported,
                 text(quote(facts.path), ": header of ", facts.header_bytes,
                      " bytes, expected at most ", kHeaderBytesMax));
  }
  if (packed_) return packed_->read_header(file);
  std::vector<std::byte> bytes(facts.header_bytes);
  QLOAD_CHECK(plain_->read(file, 0, bytes));
  return bytes;
}

Result<std::vector<std::byte>> ModelFile::read_header() const {
  for (uint32_t file = 0; file < files_.size(); ++file) {
    if (files_[file].format != kCompanion) return read_start(file);
  }
  return Error(ErrorCode::kCorrupt, text(quote(path_.string()), " has no file with tensors"));
}

Result<std::optional<std::string>> ModelFile::read_companion(std::string_view name) const {
  for (uint32_t file = 0; file < files_.size(); ++file) {
    if (files_[file].format != kCompanion || files_[file].path != name) continue;
    QLOAD_TRY(const std::vector<std::byte> bytes, read_start(file));
    return std::optional(std::string(reinterpret_cast<const char*>(bytes.data()), bytes.size()));
  }
  return std::optional<std::string>();
}

}  // namespace qload::qrun
