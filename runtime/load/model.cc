#include "qload/model.h"

#include <algorithm>
#include <new>
#include <string>
#include <utility>

#include "format/base/format_text.h"
#include "format/base/try.h"
#include "runtime/load/model_state.h"

namespace qload {
namespace {

/// Names of FileRecord::format's values (docs/format.md, "Source files"). The index check admits
/// no other value.
std::string_view source_format_text(uint16_t format) {
  static constexpr std::string_view kNames[] = {"raw", "safetensors", "gguf", "companion"};
  return format < std::size(kNames) ? kNames[format] : "unknown";
}

/// "algorithm 1, 0123..ef" with as many bytes as the algorithm fills.
std::string digest_text(const Digest& digest) {
  static constexpr char kDigits[] = "0123456789abcdef";
  static constexpr size_t kXxh3Bytes = 16;
  const size_t byte_count = digest.algorithm == 1 ? kXxh3Bytes : sizeof digest.bytes;
  std::string out = text("algorithm ", digest.algorithm, ", ");
  for (size_t i = 0; i < byte_count; ++i) {
    out += kDigits[digest.bytes[i] >> 4];
    out += kDigits[digest.bytes[i] & 15];
  }
  return out;
}

/// Different layers over all stacks. Groups come in load order, where a layer is one group; a
/// file that splits one is counted right all the same.
uint32_t count_layers(const Index& index) {
  std::vector<std::pair<uint32_t, uint32_t>> layers;
  for (const GroupRecord& group : index.groups()) {
    if (group.layer != kNoLayer) layers.emplace_back(group.stack, group.layer);
  }
  std::sort(layers.begin(), layers.end());
  const auto end = std::unique(layers.begin(), layers.end());
  return static_cast<uint32_t>(end - layers.begin());
}

TensorInfo describe_tensor(const Index& index, const TensorRecord& record) {
  TensorInfo info;
  info.name = index.name(record);
  info.shape = index.shape(record);
  info.bytes = record.bytes;
  info.stored_bytes = record.stored_bytes;
  info.layer = record.layer;
  info.stack = record.stack;
  info.dtype = static_cast<DType>(record.dtype);
  info.file = record.file;
  info.digest = to_digest(record.digest);
  return info;
}

Result<std::shared_ptr<const internal::ModelState>> open_state(File file,
                                                               const ModelOptions& options) {
  ContainerReadOptions read_options;
  read_options.decoded_bytes_max = options.decoded_bytes_max;
  QLOAD_TRY(Container container, read_container(std::move(file), read_options));
  auto state = std::make_shared<internal::ModelState>(
      internal::ModelState{std::move(container), {}, {}, {}, 0, 0});

  const Index& index = state->container.index;
  state->digest = to_digest(state->container.superblock.model_digest);
  if (options.expected_digest.algorithm != 0 && !(options.expected_digest == state->digest)) {
    return Error(ErrorCode::kUntrusted, text(state->container.file.name(),
                                             ": the model's digest is ", digest_text(state->digest),
                                             "; expected ", digest_text(options.expected_digest)));
  }
  state->tensors.reserve(index.tensors().size());
  for (const TensorRecord& record : index.tensors()) {
    state->tensors.push_back(describe_tensor(index, record));
  }
  state->files.reserve(index.files().size());
  for (const FileRecord& record : index.files()) {
    state->files.push_back(
        {index.path(record), source_format_text(record.format), record.bytes, record.header_bytes});
  }
  state->layer_count = count_layers(index);
  state->decoded_bytes = state->container.superblock.decoded_bytes;
  return std::shared_ptr<const internal::ModelState>(std::move(state));
}

/// The standard library reports a failed allocation by throwing; callers of this library never
/// see that.
Error out_of_memory(std::string_view what) {
  return Error(ErrorCode::kOutOfMemory, text("out of memory while ", what));
}

}  // namespace

Model::Model(std::shared_ptr<const internal::ModelState> state) : state_(std::move(state)) {}
Model::~Model() = default;
Model::Model(Model&&) noexcept = default;
Model& Model::operator=(Model&&) noexcept = default;

Result<Model> Model::open(const std::filesystem::path& path, const ModelOptions& options) {
  try {
    QLOAD_TRY(File file, File::open(path));
    QLOAD_TRY(auto state, open_state(std::move(file), options));
    return Model(std::move(state));
  } catch (const std::bad_alloc&) {
    return out_of_memory("opening a model");
  }
}

Result<Model> Model::open_descriptor(int descriptor, uint64_t offset, uint64_t bytes,
                                     const ModelOptions& options) {
  try {
    QLOAD_TRY(File file, File::from_descriptor(descriptor, offset, bytes,
                                               text("descriptor ", descriptor, " at ", offset)));
    QLOAD_TRY(auto state, open_state(std::move(file), options));
    return Model(std::move(state));
  } catch (const std::bad_alloc&) {
    return out_of_memory("opening a model");
  }
}

std::span<const TensorInfo> Model::tensors() const { return state_->tensors; }

const TensorInfo* Model::find(std::string_view name) const {
  const auto number = state_->container.index.find(name);
  return number ? &state_->tensors[*number] : nullptr;
}

uint32_t Model::layer_count() const { return state_->layer_count; }
uint64_t Model::decoded_bytes() const { return state_->decoded_bytes; }
uint64_t Model::stored_bytes() const { return state_->container.superblock.container_bytes; }
const Digest& Model::digest() const { return state_->digest; }
std::span<const SourceFileInfo> Model::files() const { return state_->files; }

Result<std::vector<std::byte>> Model::read_header(uint32_t file) const {
  if (file >= state_->files.size()) {
    return Error(ErrorCode::kInvalidArgument, text("source file ", file, " of a model that has ",
                                                   state_->files.size(), " of them"));
  }
  try {
    return read_kept(state_->container, file, state_->files[file].header_bytes);
  } catch (const std::bad_alloc&) {
    return out_of_memory("reading a source file's header");
  }
}

}  // namespace qload
