#include "tools/report/load_report.h"

#include <cstring>

#include "format/base/format_text.h"
#include "tools/report/size_text.h"

namespace qload::tools {
namespace {

double decoded_rate(const LoadStatistics& s) {
  return s.seconds > 0 ? static_cast<double>(s.bytes_decoded) / s.seconds : 0;
}

std::string engine_text(const LoadStatistics& s) {
  std::string out = text(io_backend_name(s.engine), s.direct ? ", direct" : ", buffered");
  if (s.cached_file) out += ", file was cached";
  if (s.direct_refused) out += ", O_DIRECT refused";
  if (s.registered_files) out += ", registered files";
  if (s.registered_buffers) out += ", registered buffers";
  if (s.kernel_refusal != 0) {
    out += text(", io_uring refused: ", std::strerror(static_cast<int>(s.kernel_refusal)));
  }
  return out;
}

std::string shape_text(const LoadStatistics& s) {
  if (s.read_bytes == 0) return "";
  return text(", tuned to reads of ", format_size(s.read_bytes), ", ",
              format_size(s.in_flight_bytes), " in flight");
}

}  // namespace

JsonReport statistics_json(const LoadStatistics& s) {
  JsonReport json;
  json.set("seconds", s.seconds);
  json.set("decoded_bytes_per_second", decoded_rate(s));
  json.set("bytes_decoded", s.bytes_decoded);
  json.set("bytes_stored", s.bytes_stored);
  json.set("bytes_read", s.bytes_read);
  json.set("bytes_read_in_place", s.bytes_read_in_place);
  json.set("read_count", s.read_count);
  json.set("short_read_count", s.short_read_count);
  json.set("chunk_count", s.chunk_count);
  json.set("read_wait_seconds", s.read_wait_seconds);
  json.set("staging_wait_seconds", s.staging_wait_seconds);
  json.set("decode_busy_seconds", s.decode_busy_seconds);
  json.set("decode_wait_seconds", s.decode_wait_seconds);
  json.set("cache_read_seconds", s.cache_read_seconds);
  json.set("prefault_busy_seconds", s.prefault_busy_seconds);
  json.set("decode_threads", s.decode_threads);
  json.set("decode_kernel", decode_kernel());
  json.set("queue_depth", s.queue_depth);
  json.set("read_bytes", s.read_bytes);
  json.set("in_flight_bytes", s.in_flight_bytes);
  json.set("staging_bytes", s.staging_bytes);
  json.set("destination_bytes", s.destination_bytes);
  json.set("pinned_bytes", s.pinned_bytes);
  json.set("reused_bytes", s.reused_bytes);
  json.set("engine", io_backend_name(s.engine));
  json.set("direct", s.direct);
  json.set("direct_refused", s.direct_refused);
  json.set("cached_file", s.cached_file);
  json.set("registered_files", s.registered_files);
  json.set("registered_buffers", s.registered_buffers);
  json.set("huge_pages", s.huge_pages);
  json.set("bound", load_stage_name(s.bound));
  json.set("kernel_refusal", s.kernel_refusal);
  return json;
}

std::string statistics_text(const LoadStatistics& s) {
  return text(
      "  decoded      ", format_size(s.bytes_decoded), " in ", format_seconds(s.seconds), ", ",
      format_rate(decoded_rate(s)), ", bound by ", load_stage_name(s.bound), "\n  read         ",
      format_size(s.bytes_read), " in ", s.read_count, " reads (", s.short_read_count,
      " resumed), ", format_size(s.bytes_read_in_place), " in place, ", format_size(s.bytes_stored),
      " wanted\n  engine       ", engine_text(s), ", queue depth ", s.queue_depth, ", staging ",
      format_size(s.staging_bytes), shape_text(s), "\n  waits        read ",
      format_seconds(s.read_wait_seconds), ", staging ", format_seconds(s.staging_wait_seconds),
      "\n  decode       ", s.chunk_count, " chunks, ", s.decode_threads, " threads, ",
      decode_kernel(), ", busy ", format_seconds(s.decode_busy_seconds), ", waiting ",
      format_seconds(s.decode_wait_seconds), ", first touch ",
      format_seconds(s.prefault_busy_seconds), ", copying from the page cache ",
      format_seconds(s.cache_read_seconds), "\n  destination  ", format_size(s.destination_bytes),
      ", ", format_size(s.pinned_bytes), " pinned, ", format_size(s.reused_bytes), " reused, ",
      s.huge_pages ? "huge pages" : "small pages", "\n");
}

}  // namespace qload::tools
