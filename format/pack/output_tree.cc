#include "format/pack/output_tree.h"

#include <algorithm>
#include <string>
#include <system_error>
#include <utility>

#include "format/base/file.h"
#include "format/base/format_text.h"
#include "format/base/try.h"

namespace qload {

namespace fs = std::filesystem;

namespace {

bool is_plain_component(std::string_view component) {
  return !component.empty() && component != "." && component != ".." &&
         component.find('\0') == std::string_view::npos;
}

/// The components of a '/'-separated relative path; kCorrupt when one could lead elsewhere.
Result<std::vector<std::string_view>> split_path(std::string_view relative) {
  std::vector<std::string_view> components;
  for (size_t begin = 0; begin <= relative.size();) {
    size_t end = std::min(relative.find('/', begin), relative.size());
    components.push_back(relative.substr(begin, end - begin));
    if (!is_plain_component(components.back())) {
      return Error(ErrorCode::kCorrupt,
                   text("path ", quote(relative), " of a source file has the ", "component ",
                        quote(components.back()), "; expected a plain relative path"));
    }
    begin = end + 1;
  }
  return components;
}

}  // namespace

OutputTree::OutputTree(fs::path output, bool holds_one_file) : output_(std::move(output)) {
  std::error_code ignored;
  is_directory_ = !holds_one_file || !output_.has_filename() || fs::is_directory(output_, ignored);
}

OutputTree::~OutputTree() {
  for (auto path = created_.rbegin(); path != created_.rend(); ++path) {
    std::error_code ignored;
    fs::remove(*path, ignored);  // A directory goes only when empty: others may use it by now.
  }
}

Result<fs::path> OutputTree::target_of(std::string_view relative) const {
  QLOAD_TRY(auto components, split_path(relative));
  if (!is_directory_) return output_;
  fs::path target = output_;
  for (std::string_view component : components) target /= component;
  return target;
}

Status OutputTree::make_directories(std::string_view relative) {
  if (!is_directory_) return Ok{};
  // The caller's own path may lead anywhere, through links too.
  std::error_code error;
  if (!fs::is_directory(output_, error)) QLOAD_CHECK(make_directory(output_));
  QLOAD_TRY(auto components, split_path(relative));
  components.pop_back();
  fs::path directory = output_;
  for (std::string_view component : components) {
    directory /= component;
    fs::file_type type = fs::symlink_status(directory, error).type();
    if (type == fs::file_type::not_found) {
      QLOAD_CHECK(make_directory(directory));
    } else if (type != fs::file_type::directory) {
      return Error(ErrorCode::kInvalidArgument,
                   text(quote(directory.string()), " is not a directory of its own (a link, or ",
                        "another kind of file); nothing is written through it"));
    }
  }
  return Ok{};
}

Status OutputTree::make_directory(const fs::path& directory) {
  std::error_code error;
  fs::create_directory(directory.has_filename() ? directory : directory.parent_path(), error);
  if (error) {
    return error_from_errno(text("cannot create directory ", quote(directory.string())),
                            error.value());
  }
  created_.push_back(directory);
  return Ok{};
}

}  // namespace qload
