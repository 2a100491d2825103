#include "format/input/safetensors_shards.h"

#include <algorithm>
#include <span>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include "format/base/file.h"
#include "format/base/format_text.h"
#include "format/base/limits.h"
#include "format/base/try.h"
#include "format/input/safetensors.h"
#include "format/input/source_names.h"
#include "format/input/weight_map.h"

namespace qload {

namespace {

namespace fs = std::filesystem;

/// Companions are configuration and tokenizers; the largest of those known have some 30 MiB.
constexpr uint64_t kCompanionBytesMax = 64ull << 20;

struct Listing {
  std::vector<std::string> shards;   // *.safetensors
  std::vector<std::string> indexes;  // *.safetensors.index.json
  std::vector<std::string> companions;
  std::vector<std::string> left_out;
};

bool is_companion_name(std::string_view name) {
  for (std::string_view end : {".json", ".txt", ".model", ".jinja", ".md", ".py"}) {
    if (ends_with_ignoring_case(name, end)) return true;
  }
  for (std::string_view start : {"LICENSE", "LICENCE", "NOTICE", "README", "tokenizer"}) {
    if (name.starts_with(start)) return true;
  }
  return false;
}

Result<Listing> list_directory(const fs::path& directory) {
  Listing listing;
  std::error_code failure;
  uint64_t entry_count = 0;
  fs::directory_iterator end;
  for (fs::directory_iterator at(directory, failure); !failure && at != end;
       at.increment(failure)) {
    if (++entry_count > kFileCountMax) {
      return Error(ErrorCode::kUnsupported, text("directory ", quote(directory.string()),
                                                 " has more than ", kFileCountMax, " entries"));
    }
    const std::string name = at->path().filename().string();
    std::error_code ignored;  // A link to nowhere has no status and is left out.
    const fs::file_status status = at->status(ignored);
    if (fs::is_directory(status)) {
      listing.left_out.push_back(name + "/");
    } else if (!fs::is_regular_file(status)) {
      listing.left_out.push_back(name);
    } else if (ends_with_ignoring_case(name, ".safetensors")) {
      listing.shards.push_back(name);
    } else if (ends_with_ignoring_case(name, kSafetensorsIndexSuffix)) {
      listing.indexes.push_back(name);
    } else if (is_companion_name(name) && at->file_size(ignored) <= kCompanionBytesMax) {
      listing.companions.push_back(name);
    } else {
      listing.left_out.push_back(name);
    }
  }
  if (failure) {
    return error_from_errno(text("cannot list directory ", quote(directory.string())),
                            failure.value());
  }
  for (auto* names : {&listing.shards, &listing.indexes, &listing.companions, &listing.left_out}) {
    std::sort(names->begin(), names->end());
  }
  return listing;
}

Status add_companion(ModelSource& model, const fs::path& directory, const std::string& name) {
  QLOAD_TRY(File file, File::open(directory / name));
  SourceFile source{.path = name,
                    .format = SourceFormat::kCompanion,
                    .bytes = file.bytes(),
                    .header_bytes = file.bytes()};
  return model.add_file(std::move(file), std::move(source), {});
}

/// Proves that the tensors of `shard` are those the index puts there, which are sorted by name.
Status compare_shard(std::span<const SourceTensor> tensors, std::span<const WeightMapEntry> named,
                     std::string_view shard) {
  std::vector<std::string_view> stored;
  stored.reserve(tensors.size());
  for (const auto& tensor : tensors) stored.push_back(tensor.name);
  std::sort(stored.begin(), stored.end());
  auto [name, entry] =
      std::mismatch(stored.begin(), stored.end(), named.begin(), named.end(),
                    [](std::string_view a, const WeightMapEntry& b) { return a == b.tensor; });
  if (name == stored.end() && entry == named.end()) return Ok{};
  const bool is_unnamed = entry == named.end() || (name != stored.end() && *name < entry->tensor);
  if (is_unnamed) {
    return Error(ErrorCode::kCorrupt, text("tensor ", quote(*name), " of shard ", quote(shard),
                                           " is not placed there by the index's weight_map"));
  }
  return Error(ErrorCode::kCorrupt, text("tensor ", quote(entry->tensor), " is not in shard ",
                                         quote(shard), ", where the index's weight_map places it"));
}

/// Opens the shards named by `index`, in order of their names.
Status add_indexed_shards(ModelSource& model, const fs::path& directory, const std::string& index) {
  QLOAD_TRY(File file, File::open(directory / index));
  if (file.bytes() > kSafetensorsHeaderBytesMax) {
    return Error(ErrorCode::kUnsupported,
                 text(quote(file.name()), ": index of ", file.bytes(), " bytes, expected at most ",
                      kSafetensorsHeaderBytesMax));
  }
  QLOAD_TRY(const auto json, file.read_vector(0, file.bytes()));
  std::string_view json_text(reinterpret_cast<const char*>(json.data()), json.size());
  auto map = read_weight_map(json_text);
  if (!map.ok()) return error_in_file(map.error(), file.name());

  std::span<const WeightMapEntry> rest = *map;
  while (!rest.empty()) {
    const std::string& shard = rest[0].shard;
    size_t count = 1;
    while (count < rest.size() && rest[count].shard == shard) ++count;
    auto opened = File::open(directory / shard);
    if (!opened.ok()) {
      return opened.error().at(text(quote(index), ": shard of tensor ", quote(rest[0].tensor)));
    }
    const size_t first = model.tensors().size();
    QLOAD_CHECK(add_safetensors(model, std::move(opened).value(), shard));
    Status same = compare_shard(model.tensors().subspan(first), rest.first(count), shard);
    if (!same.ok()) return same.error().at(quote(file.name()));
    rest = rest.subspan(count);
  }
  return add_companion(model, directory, index);
}

bool has_file(const ModelSource& model, std::string_view path) {
  return std::any_of(model.files().begin(), model.files().end(),
                     [&](const SourceFile& file) { return file.path == path; });
}

Status check_listing(const Listing& listing, const fs::path& path) {
  if (listing.indexes.size() > 1) {
    std::string names;
    for (const auto& name : listing.indexes) names += (names.empty() ? "" : ", ") + quote(name);
    return Error(ErrorCode::kInvalidArgument,
                 text("directory ", quote(path.string()), " has ", listing.indexes.size(),
                      " indexes, expected one; give the path of one of them: ", names));
  }
  if (listing.indexes.empty() && listing.shards.empty()) {
    return Error(ErrorCode::kInvalidArgument,
                 text("directory ", quote(path.string()),
                      " has no *.safetensors files; a model of another kind is given by its file, "
                      "a split GGUF model by its first"));
  }
  return Ok{};
}

}  // namespace

Result<ModelSource> open_safetensors_index(const fs::path& path) {
  ModelSource model;
  QLOAD_CHECK(add_indexed_shards(model, path.parent_path(), path.filename().string()));
  return model;
}

Result<ModelSource> open_safetensors_directory(const fs::path& path) {
  QLOAD_TRY(const Listing listing, list_directory(path));
  QLOAD_CHECK(check_listing(listing, path));
  ModelSource model;
  if (listing.indexes.empty()) {
    for (const auto& name : listing.shards) {
      QLOAD_TRY(File file, File::open(path / name));
      QLOAD_CHECK(add_safetensors(model, std::move(file), name));
    }
  } else {
    QLOAD_CHECK(add_indexed_shards(model, path, listing.indexes[0]));
  }
  for (const auto& name : listing.companions) {
    // An index may name a shard that looks like a companion.
    if (!has_file(model, name)) QLOAD_CHECK(add_companion(model, path, name));
  }
  for (const auto& name : listing.shards) {
    if (!has_file(model, name)) model.add_left_out(name);
  }
  for (const auto& name : listing.left_out) {
    if (!has_file(model, name)) model.add_left_out(name);
  }
  return model;
}

}  // namespace qload
