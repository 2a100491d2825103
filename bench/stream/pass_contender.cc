#include "bench/stream/pass_contender.h"

#include <array>
#include <utility>

#include "bench/load/model_forms.h"
#include "format/base/try.h"

namespace qload::bench {
namespace {

constexpr std::array kKinds = {
    PassContenderKind{"qload", "Loader::stream on the container", make_qload_passes},
    PassContenderKind{"read",
                      "plain file by O_DIRECT io_uring, 1 MiB reads, depth 32, into two buffers; "
                      "the tensors that qload keeps decoded are kept too",
                      make_read_passes},
    PassContenderKind{"mmap", "plain file mapped, used where it lies", make_mmap_passes},
    PassContenderKind{"mmap-willneed", "the same, MADV_WILLNEED for the next layer",
                      make_mmap_willneed_passes},
};

}  // namespace

Result<PassModel> PassModel::open(const PassSetting& setting) {
  QLOAD_TRY(File file, File::open(setting.packed));
  QLOAD_TRY(Container container, read_container(std::move(file)));
  QLOAD_TRY(ModelSource source, open_model_source(setting.model, OpenAs::kDetect));
  QLOAD_TRY(std::vector<uint32_t> sources, match_sources(container.index, source));
  std::vector<std::filesystem::path> plain_files;
  for (const SourceFile& plain : source.files()) {
    plain_files.push_back(model_directory(setting.model) / plain.path);
  }
  return PassModel{setting, std::move(container), std::move(source), std::move(sources),
                   std::move(plain_files)};
}

std::span<const PassContenderKind> all_pass_contenders() { return kKinds; }

const PassContenderKind* find_pass_contender(std::string_view name) {
  for (const PassContenderKind& kind : kKinds) {
    if (kind.name == name) return &kind;
  }
  return nullptr;
}

}  // namespace qload::bench
