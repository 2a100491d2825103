// Where unpacked files go, and nothing outside it.
#pragma once

#include <filesystem>
#include <string_view>
#include <utility>
#include <vector>

#include "qload/result.h"

namespace qload {

/// Turns paths of a container, which are hostile, into paths of this file system. Remembers what
/// the run creates and removes it again unless keep() is called. One thread at a time.
class OutputTree {
 public:
  /// A model of one file goes to `output` itself unless that is, or is written as, a directory;
  /// one of several goes into the directory `output`. Creates nothing yet.
  OutputTree(std::filesystem::path output, bool holds_one_file);
  ~OutputTree();
  OutputTree(const OutputTree&) = delete;
  OutputTree& operator=(const OutputTree&) = delete;

  /// The target of the file that the container calls `relative`. kCorrupt when that is not a plain
  /// relative path.
  Result<std::filesystem::path> target_of(std::string_view relative) const;
  /// Creates the directories above target_of(relative). kInvalidArgument when one of them, below
  /// the output directory, is a symbolic link or not a directory: following it could lead outside.
  Status make_directories(std::string_view relative);
  /// The run made `target`, which was not there: it goes again unless keep() is called.
  void add_created(std::filesystem::path target) { created_.push_back(std::move(target)); }
  /// The run succeeded.
  void keep() { created_.clear(); }

 private:
  Status make_directory(const std::filesystem::path& directory);

  std::filesystem::path output_;
  bool is_directory_;
  std::vector<std::filesystem::path> created_;  // In order of creation.
};

}  // namespace qload
