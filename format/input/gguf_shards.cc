#include "format/input/gguf_shards.h"

#include <cstdio>
#include <string>
#include <string_view>
#include <utility>

#include "format/base/format_text.h"
#include "format/base/limits.h"
#include "format/base/try.h"
#include "format/input/gguf.h"
#include "format/input/source_names.h"

namespace qload {

namespace {

/// The end of a part's name: "-00001-of-00003.gguf" for number 0 of 3.
std::string part_suffix(uint64_t number, uint64_t count) {
  char suffix[64];
  std::snprintf(suffix, sizeof suffix, "-%05llu-of-%05llu.gguf",
                static_cast<unsigned long long>(number + 1),
                static_cast<unsigned long long>(count));
  return suffix;
}

Status add_part(ModelSource& model, File file, std::string name, GgufHeader header) {
  SourceFile source{.path = std::move(name),
                    .format = SourceFormat::kGguf,
                    .bytes = file.bytes(),
                    .header_bytes = header.header_bytes};
  return model.add_file(std::move(file), std::move(source), std::move(header.tensors));
}

/// Proves that the file may be opened as the first part; gives the names' common prefix.
Result<std::string> check_first_part(const GgufHeader& header, std::string_view name) {
  const uint64_t count = *header.split_count;
  if (count > kFileCountMax) {
    return Error(ErrorCode::kUnsupported,
                 text("split.count is ", count, ", expected at most ", kFileCountMax));
  }
  if (!header.split_number || *header.split_number >= count) {
    return Error(ErrorCode::kCorrupt,
                 text("split.count is ", count, ", but split.no is ",
                      header.split_number ? std::to_string(*header.split_number) : "missing"));
  }
  const uint64_t number = *header.split_number;
  const std::string suffix = part_suffix(number, count);
  if (!ends_with_ignoring_case(name, suffix)) {
    return Error(ErrorCode::kInvalidArgument,
                 text("is part ", number + 1, " of a model split into ", count,
                      " files, but its name does not end with ", quote(suffix),
                      ", so the others cannot be found (to pack it by itself: --as raw)"));
  }
  std::string prefix(name.substr(0, name.size() - suffix.size()));
  if (number != 0) {
    return Error(ErrorCode::kInvalidArgument,
                 text("is part ", number + 1, " of a model split into ", count,
                      " files; open the first: ", quote(prefix + part_suffix(0, count))));
  }
  return prefix;
}

/// Opens part `number` from the directory and adds it.
Status add_other_part(ModelSource& model, const std::filesystem::path& path, uint64_t number,
                      uint64_t count) {
  auto opened = File::open(path);
  if (!opened.ok()) {
    return opened.error().at(text("part ", number + 1, " of ", count, " of a split model"));
  }
  File file = std::move(opened).value();
  auto header = read_gguf(file);
  if (!header.ok()) return error_in_file(header.error(), file.name());
  if (header->split_number != number || header->split_count != count) {
    auto shown = [](const std::optional<uint64_t>& value) {
      return value ? std::to_string(*value) : std::string("missing");
    };
    return Error(
        ErrorCode::kCorrupt,
        text(quote(file.name()), ": split.no is ", shown(header->split_number), " and split.count ",
             shown(header->split_count), ", expected ", number, " and ", count));
  }
  return add_part(model, std::move(file), path.filename().string(), std::move(header).value());
}

}  // namespace

Status add_gguf(ModelSource& model, File first, const std::filesystem::path& path) {
  const std::string name = path.filename().string();
  auto header = read_gguf(first);
  if (!header.ok()) return error_in_file(header.error(), first.name());
  const uint64_t count = header->split_count.value_or(1);
  if (count <= 1) {
    return add_part(model, std::move(first), name, std::move(header).value());
  }
  auto prefix = check_first_part(*header, name);
  if (!prefix.ok()) return error_in_file(prefix.error(), first.name());
  const auto tensors_expected = header->split_tensors;
  const std::string file_name = first.name();
  QLOAD_CHECK(add_part(model, std::move(first), name, std::move(header).value()));
  for (uint64_t number = 1; number < count; ++number) {
    const auto other = path.parent_path() / (*prefix + part_suffix(number, count));
    QLOAD_CHECK(add_other_part(model, other, number, count));
  }
  if (tensors_expected && *tensors_expected != model.tensors().size()) {
    return Error(ErrorCode::kCorrupt,
                 text(quote(file_name), ": split.tensors.count is ", *tensors_expected,
                      ", but the ", count, " files have ", model.tensors().size(), " tensors"));
  }
  return Ok{};
}

}  // namespace qload
