#include "runtime/c_api_structs.h"

#include <algorithm>
#include <cstring>
#include <span>

#include "format/base/format_text.h"
#include "format/base/try.h"

namespace qload::c_api {
namespace {

// The structs cross the ABI: their sizes and the places of their fields only ever grow.
static_assert(sizeof(qload_error) == 512);
static_assert(sizeof(qload_allocator) == 3 * sizeof(void*) + 8);
static_assert(sizeof(qload_digest) == 36);
// The codes cross it too.
static_assert(static_cast<int>(ErrorCode::kUntrusted) == QLOAD_ERROR_UNTRUSTED);
static_assert(static_cast<int>(ErrorCode::kTimeout) == QLOAD_ERROR_TIMEOUT);
static_assert(kNoLayer == QLOAD_NO_LAYER);

Error invalid(std::string message) {
  return Error(ErrorCode::kInvalidArgument, std::move(message));
}

/// `value` as an enumerator, when it is at most `value_max`, the greatest one.
template <class Enum>
Result<Enum> to_enum(uint32_t value, Enum value_max, std::string_view field) {
  if (value > static_cast<uint32_t>(value_max)) {
    return invalid(
        text(field, " is ", value, "; expected 0 to ", static_cast<uint32_t>(value_max)));
  }
  return static_cast<Enum>(value);
}

Status check_reserved(uint32_t value, std::string_view field) {
  if (value != 0) return invalid(text(field, " is ", value, "; expected 0"));
  return Ok{};
}

Result<Allocator> to_allocator(const qload_allocator& from, std::string_view field) {
  QLOAD_CHECK(check_reserved(from.reserved, text(field, ".reserved")));
  if ((from.allocate == nullptr) != (from.release == nullptr)) {
    return invalid(text(field, ": one of allocate and release is NULL; expected both or none"));
  }
  constexpr uint32_t kKnownFlags =
      QLOAD_MEMORY_CPU_WRITABLE | QLOAD_MEMORY_PINNED | QLOAD_MEMORY_NO_DIRECT_IO;
  if ((from.flags & ~kKnownFlags) != 0) {
    return invalid(text(field, ".flags is ", from.flags, "; expected bits of ", kKnownFlags));
  }
  Allocator to;
  to.allocate = from.allocate;
  to.release = from.release;
  to.context = from.context;
  to.flags = from.flags == 0 ? static_cast<uint32_t>(kCpuWritable) : from.flags;
  return to;
}

// More processors than any kernel is built for: such a count is not meant.
constexpr uint64_t kProcessorListMax = 1u << 18;

Result<std::span<const uint32_t>> to_processors(const uint32_t* processors, uint64_t count) {
  if (count > kProcessorListMax) {
    return invalid(text("qload_loader_options.processor_count is ", count, "; expected 0 to ",
                        kProcessorListMax));
  }
  if (count != 0 && processors == nullptr) {
    return invalid(
        text("qload_loader_options.processors is NULL; expected ", count, " processors"));
  }
  return std::span<const uint32_t>(processors, count);
}

}  // namespace

Result<size_t> read_struct_bytes(const void* from, size_t known_bytes, std::string_view name) {
  size_t struct_bytes;
  std::memcpy(&struct_bytes, from, sizeof struct_bytes);
  if (struct_bytes < sizeof struct_bytes || struct_bytes > kStructBytesMax) {
    return invalid(text(name, ".struct_bytes is ", struct_bytes, "; expected sizeof(", name,
                        "), which is ", known_bytes, " in this version"));
  }
  return struct_bytes;
}

Status copy_in(const void* from, void* to, size_t known_bytes, std::string_view name) {
  QLOAD_TRY(const size_t struct_bytes, read_struct_bytes(from, known_bytes, name));
  const auto* bytes = static_cast<const unsigned char*>(from);
  for (size_t i = known_bytes; i < struct_bytes; ++i) {
    if (bytes[i] == 0) continue;
    return invalid(text(name, " of ", struct_bytes, " bytes sets byte ", i,
                        ", which this version does not know; expected 0 after ", known_bytes));
  }
  std::memset(to, 0, known_bytes);
  std::memcpy(to, from, std::min(known_bytes, struct_bytes));
  return Ok{};
}

void copy_out(const void* from, size_t known_bytes, void* to, size_t struct_bytes) {
  const size_t shared_bytes = std::min(known_bytes, struct_bytes);
  auto* bytes = static_cast<unsigned char*>(to);
  std::memcpy(bytes, from, shared_bytes);
  std::memset(bytes + shared_bytes, 0, struct_bytes - shared_bytes);
  std::memcpy(bytes, &struct_bytes, sizeof struct_bytes);
}

int report_ok(qload_error* error) {
  if (error != nullptr) {
    error->code = QLOAD_OK;
    error->message[0] = '\0';
  }
  return QLOAD_OK;
}

int report_error(ErrorCode code, std::string_view message, qload_error* error) {
  if (error != nullptr) {
    error->code = static_cast<int32_t>(code);
    size_t length = std::min(message.size(), sizeof error->message - 1);
    // A byte 10xxxxxx continues a character: no cut stands before one.
    while (length > 0 && length < message.size() &&
           (static_cast<unsigned char>(message[length]) & 0xC0) == 0x80) {
      --length;
    }
    std::memcpy(error->message, message.data(), length);
    error->message[length] = '\0';
  }
  return static_cast<int>(code);
}

Result<ModelOptions> to_model_options(const qload_model_options* options) {
  QLOAD_TRY(const qload_model_options from, read_options(options, "qload_model_options"));
  ModelOptions to;
  to.decoded_bytes_max = from.decoded_bytes_max;
  to.expected_digest.algorithm = from.expected_digest.algorithm;
  std::copy(std::begin(from.expected_digest.bytes), std::end(from.expected_digest.bytes),
            std::begin(to.expected_digest.bytes));
  return to;
}

Result<LoaderOptions> to_loader_options(const qload_loader_options* options) {
  QLOAD_TRY(const qload_loader_options from, read_options(options, "qload_loader_options"));
  LoaderOptions to;
  QLOAD_CHECK(check_reserved(from.reserved, "qload_loader_options.reserved"));
  QLOAD_TRY(to.io_backend,
            to_enum(from.io_backend, IoBackend::kPread, "qload_loader_options.io_backend"));
  QLOAD_TRY(to.direct_io,
            to_enum(from.direct_io, DirectIo::kDisabled, "qload_loader_options.direct_io"));
  if (from.queue_depth != 0) to.queue_depth = from.queue_depth;
  if (from.staging_bytes != 0) to.staging_bytes = from.staging_bytes;
  if (from.read_bytes != 0) to.read_bytes = from.read_bytes;
  to.decode_threads = from.decode_threads;
  QLOAD_TRY(to.staging_allocator,
            to_allocator(from.staging_allocator, "qload_loader_options.staging_allocator"));
  to.memory_bytes_max = from.memory_bytes_max;
  to.reuse_bytes = from.reuse_bytes;
  to.thread_nice = from.thread_nice;
  if (from.ignore_cgroup > 1) {
    return invalid(
        text("qload_loader_options.ignore_cgroup is ", from.ignore_cgroup, "; expected 0 or 1"));
  }
  to.ignore_cgroup = from.ignore_cgroup != 0;
  QLOAD_TRY(to.processors, to_processors(from.processors, from.processor_count));
  return to;
}

Result<LoadOptions> to_load_options(const qload_load_options& options) {
  LoadOptions to;
  QLOAD_TRY(to.verify, to_enum(options.verify, Verify::kDecoded, "qload_load_options.verify"));
  QLOAD_TRY(to.pinning, to_enum(options.pinning, Pinning::kRequired, "qload_load_options.pinning"));
  QLOAD_TRY(to.huge_pages,
            to_enum(options.huge_pages, HugePages::kAlways, "qload_load_options.huge_pages"));
  QLOAD_TRY(to.page_cache,
            to_enum(options.page_cache, PageCache::kBypass, "qload_load_options.page_cache"));
  QLOAD_TRY(to.allocator, to_allocator(options.allocator, "qload_load_options.allocator"));
  return to;
}

Result<std::vector<Destination>> read_destinations(const qload_tensor* destinations, size_t count) {
  std::vector<Destination> out;
  if (count == 0) return out;
  QLOAD_TRY(const size_t stride,
            read_struct_bytes(destinations, sizeof *destinations, "destinations[0]"));
  if (stride < offsetof(qload_tensor, bytes) + sizeof destinations->bytes) {
    return invalid(text("destinations[0].struct_bytes is ", stride,
                        "; expected enough for name, data and bytes"));
  }
  out.reserve(count);
  const auto* from = reinterpret_cast<const unsigned char*>(destinations);
  for (size_t i = 0; i < count; ++i, from += stride) {
    const std::string name = text("destinations[", i, "]");
    size_t struct_bytes;
    std::memcpy(&struct_bytes, from, sizeof struct_bytes);
    if (struct_bytes != stride) {
      return invalid(text(name, ".struct_bytes is ", struct_bytes, "; expected ", stride,
                          ", as in destinations[0]"));
    }
    qload_tensor tensor;
    QLOAD_CHECK(copy_in(from, &tensor, sizeof tensor, name));
    if (tensor.name == nullptr) return invalid(name + ".name is NULL");
    if (tensor.bytes != 0 && tensor.data == nullptr) return invalid(name + ".data is NULL");
    out.push_back({tensor.name, {static_cast<std::byte*>(tensor.data), tensor.bytes}});
  }
  return out;
}

qload_digest to_c_digest(const Digest& digest) {
  qload_digest out;
  out.algorithm = digest.algorithm;
  std::copy(std::begin(digest.bytes), std::end(digest.bytes), std::begin(out.bytes));
  return out;
}

qload_statistics to_c_statistics(const LoadStatistics& from) {
  qload_statistics to = {};
  to.struct_bytes = sizeof to;
  to.seconds = from.seconds;
  to.bytes_decoded = from.bytes_decoded;
  to.bytes_stored = from.bytes_stored;
  to.bytes_read = from.bytes_read;
  to.bytes_read_in_place = from.bytes_read_in_place;
  to.read_count = from.read_count;
  to.short_read_count = from.short_read_count;
  to.chunk_count = from.chunk_count;
  to.read_wait_seconds = from.read_wait_seconds;
  to.staging_wait_seconds = from.staging_wait_seconds;
  to.decode_busy_seconds = from.decode_busy_seconds;
  to.decode_wait_seconds = from.decode_wait_seconds;
  to.prefault_busy_seconds = from.prefault_busy_seconds;
  to.decode_threads = from.decode_threads;
  to.queue_depth = from.queue_depth;
  to.staging_bytes = from.staging_bytes;
  to.destination_bytes = from.destination_bytes;
  to.pinned_bytes = from.pinned_bytes;
  to.reused_bytes = from.reused_bytes;
  to.read_bytes = from.read_bytes;
  to.in_flight_bytes = from.in_flight_bytes;
  to.cache_read_seconds = from.cache_read_seconds;
  to.engine = static_cast<uint32_t>(from.engine);
  to.bound = static_cast<uint32_t>(from.bound);
  to.direct = from.direct;
  to.direct_refused = from.direct_refused;
  to.cached_file = from.cached_file;
  to.registered_files = from.registered_files;
  to.registered_buffers = from.registered_buffers;
  to.huge_pages = from.huge_pages;
  to.kernel_refusal = from.kernel_refusal;
  return to;
}

qload_tensor to_c_tensor(const TensorInfo& info, const char* name, const std::byte* data) {
  qload_tensor out = {};
  out.struct_bytes = sizeof out;
  out.name = name;
  out.data = const_cast<std::byte*>(data);
  out.shape = info.shape.empty() ? nullptr : info.shape.data();
  out.bytes = info.bytes;
  out.stored_bytes = info.stored_bytes;
  out.rank = static_cast<uint32_t>(info.shape.size());
  out.dtype = static_cast<uint32_t>(info.dtype);
  out.layer = info.layer;
  out.stack = info.stack;
  out.file = info.file;
  out.digest = to_c_digest(info.digest);
  return out;
}

}  // namespace qload::c_api
