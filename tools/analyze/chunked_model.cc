#include "tools/analyze/chunked_model.h"

#include <utility>

#include "format/base/try.h"
#include "format/container/container_reader.h"
#include "format/input/model_source.h"
#include "tools/analyze/container_chunks.h"
#include "tools/analyze/source_chunks.h"

namespace qload::analyze {

Result<std::unique_ptr<ChunkedModel>> open_chunked_model(const std::filesystem::path& path,
                                                         const OpenOptions& options,
                                                         ProgressMeter& progress,
                                                         std::stop_token stop) {
  // A directory of shards cannot be opened as a file; what is no container is a source.
  if (auto file = File::open(path); file.ok() && is_container(*file)) {
    QLOAD_TRY(Container container, read_container(std::move(file).value()));
    return chunks_of_container(std::move(container));
  }
  QLOAD_TRY(ModelSource source, open_model_source(path, OpenAs::kDetect));
  return chunks_of_source(std::move(source), options, progress, std::move(stop));
}

}  // namespace qload::analyze
