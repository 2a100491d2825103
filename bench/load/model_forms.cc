#include "bench/load/model_forms.h"

#include <utility>

#include "bench/load/compressed_file.h"
#include "format/base/file.h"
#include "format/base/format_text.h"
#include "format/base/try.h"
#include "format/pack/pack.h"

namespace qload::bench {
namespace {

Status compress_files(BenchModel& model, const FormsWanted& wanted) {
  for (size_t number = 0; number < model.plain_files.size(); ++number) {
    const std::filesystem::path output = wanted.scratch / text("compressed.", number);
    QLOAD_TRY(const uint64_t bytes,
              write_compressed_file(model.plain_files[number], output, wanted.threads));
    model.compressed_files.push_back(output);
    model.compressed_bytes += bytes;
  }
  return Ok{};
}

Result<double> pack(BenchModel& model, const FormsWanted& wanted) {
  double seconds = 0;
  model.packed = wanted.packed_path;
  if (model.packed.empty()) {
    model.packed = wanted.scratch / "model.qpk";
    QLOAD_TRY(const PackReport report,
              pack_model(model.source, model.packed, {.threads = wanted.threads}));
    seconds = report.seconds;
  }
  QLOAD_TRY(const File file, File::open(model.packed));
  model.packed_bytes = file.bytes();
  return seconds;
}

}  // namespace

std::filesystem::path model_directory(const std::filesystem::path& model) {
  std::error_code error;
  if (std::filesystem::is_directory(model, error)) return model;
  return model.has_parent_path() ? model.parent_path() : std::filesystem::path(".");
}

Result<MadeForms> make_forms(const std::filesystem::path& path, const FormsWanted& wanted) {
  MadeForms made{.model = std::make_unique<BenchModel>()};
  BenchModel& model = *made.model;
  model.path = path;
  QLOAD_TRY(model.source, open_model_source(path, OpenAs::kDetect));
  for (const SourceFile& file : model.source.files()) {
    model.plain_files.push_back(model_directory(path) / file.path);
  }
  model.plain_bytes = model.source.bytes();
  for (const SourceTensor& tensor : model.source.tensors()) model.tensor_bytes += tensor.bytes;
  if (wanted.compressed) QLOAD_CHECK(compress_files(model, wanted));
  if (wanted.packed) {
    QLOAD_TRY(made.pack_seconds, pack(model, wanted));
  }
  return made;
}

}  // namespace qload::bench
