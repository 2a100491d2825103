#include "format/input/model_source.h"

#include <algorithm>
#include <iterator>
#include <numeric>
#include <utility>

#include "format/base/checked.h"
#include "format/base/format_text.h"
#include "format/base/limits.h"
#include "format/base/try.h"
#include "format/input/source_names.h"

namespace qload {

namespace {

Error corrupt(std::string message) { return Error(ErrorCode::kCorrupt, std::move(message)); }
Error unsupported(std::string message) {
  return Error(ErrorCode::kUnsupported, std::move(message));
}

/// A relative path of plain components, short enough for a container.
Status check_path(std::string_view path) {
  if (path.size() > kNameBytesMax) {
    return unsupported(text("source path ", quote(path), " has ", path.size(),
                            " bytes, expected at most ", kNameBytesMax));
  }
  if (find_not_utf8(path) != std::string_view::npos) {
    return unsupported(text("file name ", quote(path),
                            " is not UTF-8, which a container's names must be; rename the file"));
  }
  std::string_view rest = path;
  while (true) {
    const size_t slash = rest.find('/');
    if (!is_plain_file_name(rest.substr(0, slash))) {
      return corrupt(text("source path ", quote(path),
                          " is not relative, or has an empty, \".\" or \"..\" component"));
    }
    if (slash == std::string_view::npos) return Ok{};
    rest.remove_prefix(slash + 1);
  }
}

Status check_tensor(const SourceTensor& tensor, uint64_t file_bytes) {
  const std::string where = text("tensor ", quote(tensor.name));
  if (tensor.name.size() > kNameBytesMax) {
    return unsupported(text(where, " has a name of ", tensor.name.size(),
                            " bytes, expected at most ", kNameBytesMax));
  }
  if (find_not_utf8(tensor.name) != std::string::npos) {
    return unsupported(text(where,
                            " has a name that is not UTF-8, which a container's names must "
                            "be; --as raw packs the file whole"));
  }
  if (tensor.name.find('\0') != std::string::npos) {
    return corrupt(text(where, " has a NUL byte in its name"));
  }
  if (tensor.shape.size() > kRankMax) {
    return unsupported(
        text(where, " has ", tensor.shape.size(), " dimensions, expected at most ", kRankMax));
  }
  if (!range_fits(tensor.offset, tensor.bytes, file_bytes)) {
    return corrupt(text(where, " of ", tensor.bytes, " bytes at offset ", tensor.offset,
                        " leaves the file of ", file_bytes, " bytes"));
  }
  return Ok{};
}

/// Sorts by offset, then size, so that empty tensors come before the one they touch; proves that
/// none begins before the end of the one before it.
Status sort_and_check_ranges(std::vector<SourceTensor>& tensors, uint64_t header_bytes) {
  std::stable_sort(tensors.begin(), tensors.end(),
                   [](const SourceTensor& a, const SourceTensor& b) {
                     return std::pair(a.offset, a.bytes) < std::pair(b.offset, b.bytes);
                   });
  uint64_t end = header_bytes;
  for (const SourceTensor& tensor : tensors) {
    if (tensor.offset < end) {
      return corrupt(text("tensor ", quote(tensor.name), " at offset ", tensor.offset,
                          " overlaps what ends at offset ", end));
    }
    end = tensor.offset + tensor.bytes;
  }
  return Ok{};
}

}  // namespace

std::string_view source_format_name(SourceFormat format) {
  switch (format) {
    case SourceFormat::kRaw:
      return "raw";
    case SourceFormat::kSafetensors:
      return "safetensors";
    case SourceFormat::kGguf:
      return "gguf";
    case SourceFormat::kCompanion:
      return "companion";
  }
  return "unknown";
}

uint64_t ModelSource::bytes() const {
  return std::accumulate(files_.begin(), files_.end(), uint64_t{0},
                         [](uint64_t sum, const SourceFile& file) { return sum + file.bytes; });
}

Status ModelSource::read(uint32_t file, uint64_t offset, std::span<std::byte> into) const {
  if (file >= files_.size()) {
    return Error(ErrorCode::kInvalidArgument,
                 text("source file ", file, " of ", files_.size(), " does not exist"));
  }
  if (!range_fits(offset, into.size(), files_[file].bytes)) {
    return Error(ErrorCode::kInvalidArgument,
                 text(quote(files_[file].path), ": range of ", into.size(), " bytes at offset ",
                      offset, " leaves the file of ", files_[file].bytes, " bytes"));
  }
  return handles_[file].read_at(offset, into);
}

Status ModelSource::add_file(File handle, SourceFile file, std::vector<SourceTensor> tensors) {
  QLOAD_CHECK(check_path(file.path));
  if (files_.size() >= kFileCountMax || tensors_.size() + tensors.size() > kTensorCountMax) {
    return unsupported(
        text("model has more than ", kFileCountMax, " files or ", kTensorCountMax, " tensors"));
  }
  if (file.header_bytes > file.bytes || file.bytes > handle.bytes()) {
    return corrupt(text(quote(file.path), ": header of ", file.header_bytes, " in ", file.bytes,
                        " bytes, of which the file has ", handle.bytes()));
  }
  for (const SourceFile& other : files_) {
    if (other.path == file.path) return corrupt(text("source file ", quote(file.path), " twice"));
  }
  for (SourceTensor& tensor : tensors) {
    tensor.file = static_cast<uint32_t>(files_.size());
    QLOAD_CHECK(check_tensor(tensor, file.bytes));
  }
  QLOAD_CHECK(sort_and_check_ranges(tensors, file.header_bytes));
  const size_t first = tensors_.size();
  std::move(tensors.begin(), tensors.end(), std::back_inserter(tensors_));
  files_.push_back(std::move(file));
  if (Status names = index_names(first); !names.ok()) {
    tensors_.erase(tensors_.begin() + static_cast<std::ptrdiff_t>(first), tensors_.end());
    files_.pop_back();
    return names;
  }
  handles_.push_back(std::move(handle));
  return Ok{};
}

Status ModelSource::index_names(size_t first) {
  auto by_name = [this](uint32_t a, uint32_t b) { return tensors_[a].name < tensors_[b].name; };
  std::vector<uint32_t> added(tensors_.size() - first);
  std::iota(added.begin(), added.end(), static_cast<uint32_t>(first));
  std::sort(added.begin(), added.end(), by_name);
  std::vector<uint32_t> merged(tensors_.size());
  std::merge(by_name_.begin(), by_name_.end(), added.begin(), added.end(), merged.begin(), by_name);
  auto found = std::adjacent_find(merged.begin(), merged.end(), [this](uint32_t a, uint32_t b) {
    return tensors_[a].name == tensors_[b].name;
  });
  if (found != merged.end()) {
    const SourceTensor& one = tensors_[found[0]];
    const SourceTensor& other = tensors_[found[1]];
    return corrupt(text("tensor ", quote(one.name), " is in ", quote(files_[one.file].path),
                        " and again in ", quote(files_[other.file].path)));
  }
  by_name_ = std::move(merged);
  return Ok{};
}

}  // namespace qload
