#include <algorithm>
#include <numeric>

#include "format/base/checked.h"
#include "format/base/limits.h"
#include "format/base/try.h"
#include "format/container/index_check.h"

namespace qload {
namespace {

/// Paths, then tensor names, fill the names section back to back: no byte is spare, and none is
/// read twice, which bounds the work of every check below by the section's size.
Status check_name_range(std::string_view owner, uint64_t number, uint64_t offset, uint64_t bytes,
                        uint64_t names_bytes, uint64_t& next) {
  if (bytes > kNameBytesMax) {
    return corrupt(owner, " ", number, ": name of ", bytes, " bytes, at most ", kNameBytesMax);
  }
  if (offset != next) {
    return corrupt(owner, " ", number, ": name offset ", offset, ", expected ", next);
  }
  if (!range_fits(offset, bytes, names_bytes)) {
    return corrupt(owner, " ", number, ": name ends at ", offset + bytes,
                   ", past the names section of ", names_bytes, " bytes");
  }
  next += bytes;
  return Ok{};
}

Status check_text(std::string_view owner, uint64_t number, std::string_view name) {
  const size_t not_utf8 = find_not_utf8(name);
  if (not_utf8 != std::string_view::npos) {
    return corrupt(owner, " ", number, " ", quote(name), ": byte ", not_utf8, " is not UTF-8");
  }
  const size_t nul = name.find('\0');
  if (nul != std::string_view::npos) {
    return corrupt(owner, " ", number, " ", quote(name), ": byte ", nul, " is NUL");
  }
  return Ok{};
}

/// A path stays inside whatever directory it is put into.
Status check_path(uint64_t number, std::string_view path) {
  for (size_t start = 0; start <= path.size();) {
    size_t end = std::min(path.find('/', start), path.size());
    std::string_view component = path.substr(start, end - start);
    if (component.empty() || component == "." || component == "..") {
      return corrupt("file ", number, ": path ", quote(path), " has the component \"", component,
                     "\", expected a relative path of plain names");
    }
    start = end + 1;
  }
  return Ok{};
}

Status check_paths_unique(const IndexTables& tables) {
  std::vector<uint32_t> order(tables.files.size());
  std::iota(order.begin(), order.end(), 0u);
  auto path_of = [&](uint32_t file) { return tables.path(tables.files[file]); };
  std::ranges::sort(order, {}, path_of);
  auto twin = std::ranges::adjacent_find(order, {}, path_of);
  if (twin != order.end()) {
    return corrupt("files ", twin[0], " and ", twin[1], " have the same path ",
                   quote(path_of(*twin)));
  }
  // No file stands where another needs a folder.
  for (uint32_t file : order) {
    std::string_view path = path_of(file);
    for (size_t slash = path.find('/'); slash != path.npos; slash = path.find('/', slash + 1)) {
      std::string_view folder = path.substr(0, slash);
      auto found = std::ranges::lower_bound(order, folder, {}, path_of);
      if (found == order.end() || path_of(*found) != folder) continue;
      return corrupt("files ", *found, " and ", file, ": path ", quote(folder),
                     " is a file and a folder of ", quote(path));
    }
  }
  return Ok{};
}

/// Strictly ascending names prove both that the order is a permutation and that names are unique.
Status check_name_order(const IndexTables& tables) {
  if (tables.name_order.size() != tables.tensors.size()) {
    return corrupt("name order: ", tables.name_order.size(), " entries, expected ",
                   tables.tensors.size());
  }
  for (size_t i = 0; i < tables.name_order.size(); ++i) {
    uint32_t number = tables.name_order[i];
    if (number >= tables.tensors.size()) {
      return corrupt("name order ", i, ": tensor ", number, ", there are ", tables.tensors.size());
    }
    if (i == 0) continue;
    std::string_view before = tables.name(tables.tensors[tables.name_order[i - 1]]);
    std::string_view name = tables.name(tables.tensors[number]);
    if (before >= name) {
      return corrupt("name order ", i, ": name ", quote(name), " does not follow ", quote(before));
    }
  }
  return Ok{};
}

}  // namespace

Status check_names(const IndexTables& tables) {
  uint64_t next = 0;
  for (uint64_t i = 0; i < tables.files.size(); ++i) {
    const FileRecord& file = tables.files[i];
    QLOAD_CHECK(
        check_name_range("file", i, file.path_offset, file.path_bytes, tables.names.size(), next));
    QLOAD_CHECK(check_text("file", i, tables.path(file)));
    QLOAD_CHECK(check_path(i, tables.path(file)));
  }
  for (uint64_t i = 0; i < tables.tensors.size(); ++i) {
    const TensorRecord& tensor = tables.tensors[i];
    QLOAD_CHECK(check_name_range("tensor", i, tensor.name_offset, tensor.name_bytes,
                                 tables.names.size(), next));
    QLOAD_CHECK(check_text("tensor", i, tables.name(tensor)));
  }
  if (next != tables.names.size()) {
    return corrupt("names section: ", tables.names.size(), " bytes, its names have ", next);
  }
  QLOAD_CHECK(check_paths_unique(tables));
  return check_name_order(tables);
}

}  // namespace qload
