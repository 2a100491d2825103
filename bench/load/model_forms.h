// Makes the forms of a model that the contenders read.
#pragma once

#include <filesystem>

#include "bench/load/contender.h"
#include "qload/result.h"

namespace qload::bench {

/// Which forms to make, and where.
struct FormsWanted {
  bool compressed = false;
  bool packed = false;
  std::filesystem::path packed_path;  ///< An existing container; empty: pack the model.
  std::filesystem::path scratch;
  uint32_t threads = 1;
};

struct MadeForms {
  std::unique_ptr<BenchModel> model;
  double pack_seconds = 0;
};

/// The directory of the model's files: where scratch goes unless the user says otherwise.
std::filesystem::path model_directory(const std::filesystem::path& model);

Result<MadeForms> make_forms(const std::filesystem::path& path, const FormsWanted& wanted);

}  // namespace qload::bench
