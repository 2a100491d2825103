#include "tools/report/source_check.h"

#include <algorithm>
#include <cstring>
#include <string_view>
#include <unordered_map>

#include "format/base/format_text.h"
#include "format/base/try.h"

namespace qload::tools {
namespace {

// Large enough that the comparison runs at the speed of reading.
constexpr uint64_t kPieceBytes = 4u << 20;

Status check_tensor(const TensorView& tensor, const ModelSource& source,
                    const SourceTensor& original, std::vector<std::byte>& buffer) {
  const TensorInfo& info = *tensor.info;
  const std::string name = text("tensor ", quote(info.name));
  const bool same_shape = std::equal(info.shape.begin(), info.shape.end(), original.shape.begin(),
                                     original.shape.end());
  if (info.dtype != original.dtype || !same_shape || tensor.data.size() != original.bytes) {
    return Error(ErrorCode::kCorrupt,
                 text(name, ": type, shape or size differ from the source's (", tensor.data.size(),
                      " bytes loaded, ", original.bytes, " in the source)"));
  }
  for (uint64_t done = 0; done < original.bytes; done += kPieceBytes) {
    const uint64_t bytes = std::min(kPieceBytes, original.bytes - done);
    buffer.resize(bytes);
    QLOAD_CHECK(source.read(original.file, original.offset + done, buffer));
    if (std::memcmp(buffer.data(), tensor.data.data() + done, bytes) == 0) continue;
    const auto loaded = tensor.data.subspan(done, bytes);
    const auto pair = std::mismatch(buffer.begin(), buffer.end(), loaded.begin());
    return Error(ErrorCode::kCorrupt,
                 text(name, ": byte ", done + static_cast<uint64_t>(pair.first - buffer.begin()),
                      " of ", original.bytes, " differs from the source"));
  }
  return Ok{};
}

}  // namespace

Status check_against_source(std::span<const TensorView> tensors, const ModelSource& source,
                            bool all) {
  std::unordered_map<std::string_view, const SourceTensor*> originals;
  for (const SourceTensor& tensor : source.tensors()) originals.emplace(tensor.name, &tensor);
  if (all && tensors.size() != originals.size()) {
    return Error(ErrorCode::kCorrupt,
                 text(tensors.size(), " tensors loaded, but the source has ", originals.size()));
  }
  std::vector<std::byte> buffer;
  for (const TensorView& tensor : tensors) {
    const auto original = originals.find(tensor.info->name);
    if (original == originals.end()) {
      return Error(ErrorCode::kNotFound,
                   text("tensor ", quote(tensor.info->name), " is not in the source"));
    }
    QLOAD_CHECK(check_tensor(tensor, source, *original->second, buffer));
  }
  return Ok{};
}

}  // namespace qload::tools
