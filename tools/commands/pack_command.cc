#include "tools/commands/pack_command.h"

#include <filesystem>
#include <memory>

#include "format/base/format_text.h"
#include "format/base/try.h"
#include "format/codec/codec.h"
#include "format/container/container_reader.h"
#include "format/filter/filter.h"
#include "format/input/model_source.h"
#include "format/pack/pack.h"
#include "tools/logging.h"
#include "tools/profile/device_profile.h"
#include "tools/report/json_report.h"
#include "tools/report/size_text.h"

namespace qload::tools {
namespace {

namespace fs = std::filesystem;

struct PackArguments {
  std::string input;
  std::string output;
  std::string as = "auto";
  std::string codec = "auto";
  std::string filter = "auto";
  std::optional<int> level;
  std::string target;
  bool fast_decode = false;
  bool max_ratio = false;
  bool no_verify = false;
  bool json = false;
  PackOptions options;
};

template <class Entries>
std::vector<std::string> auto_and_names(const Entries& entries) {
  std::vector<std::string> names = {"auto"};
  for (const auto& entry : entries) names.emplace_back(entry.name);
  return names;
}

OpenAs open_as(const std::string& name) {
  if (name == "raw") return OpenAs::kRaw;
  if (name == "safetensors") return OpenAs::kSafetensors;
  if (name == "gguf") return OpenAs::kGguf;
  return OpenAs::kDetect;
}

/// IN + ".qpk" beside the input; a directory's trailing slash does not count.
fs::path default_output(const std::string& input) {
  fs::path path = fs::path(input).lexically_normal();
  if (!path.has_filename()) path = path.parent_path();
  if (path.filename() == "." || path.filename() == "..") {
    std::error_code ignored;
    path = fs::absolute(path, ignored).lexically_normal();
    if (!path.has_filename()) path = path.parent_path();
  }
  path += ".qpk";
  return path;
}

PackOptions complete_options(const PackArguments& arguments) {
  PackOptions options = arguments.options;
  options.verify = !arguments.no_verify;
  if (const Codec* codec = find_codec(arguments.codec)) options.codec = codec->id;
  if (const Filter* filter = find_filter(arguments.filter)) options.filter = filter->id;
  options.zstd_level = arguments.level;
  if (arguments.level && !options.codec) options.codec = CodecId::kZstd;
  if (arguments.fast_decode) options.goal = PackGoal::kFastDecode;
  if (arguments.max_ratio) options.goal = PackGoal::kSmallest;
  return options;
}

Result<Digest> packed_digest(const fs::path& output) {
  QLOAD_TRY(File file, File::open(output));
  QLOAD_TRY(const Container container, read_container(std::move(file)));
  return to_digest(container.superblock.model_digest);
}

int print_report(const PackArguments& arguments, const fs::path& output, const PackReport& report,
                 const Digest& digest) {
  const double rate =
      report.seconds > 0 ? static_cast<double>(report.source_bytes) / report.seconds : 0;
  if (arguments.json) {
    JsonReport json;
    json.set("input", arguments.input);
    json.set("output", output.string());
    json.set("source_bytes", report.source_bytes);
    json.set("container_bytes", report.container_bytes);
    json.set("ratio", report.container_bytes == 0
                          ? 0.0
                          : static_cast<double>(report.source_bytes) /
                                static_cast<double>(report.container_bytes));
    json.set("tensor_count", report.tensor_count);
    json.set("duplicate_count", report.duplicate_count);
    json.set("duplicate_bytes", report.duplicate_bytes);
    json.set("chunk_count", report.chunk_count);
    json.set("threads", report.threads);
    json.set("seconds", report.seconds);
    json.set("bytes_per_second", rate);
    json.set("digest", format_digest(digest));
    return print_result(json.render());
  }
  const std::string duplicates = report.duplicate_count == 0
                                     ? ""
                                     : text(" (", report.duplicate_count, " duplicates of ",
                                            format_size(report.duplicate_bytes), ")");
  return print_result(text(printable(output.string()), ": ", format_size(report.source_bytes),
                           " to ", format_size(report.container_bytes), ", ratio ",
                           format_ratio(report.source_bytes, report.container_bytes), ", ",
                           report.tensor_count, " tensors", duplicates, ", ", report.chunk_count,
                           " chunks, ", format_seconds(report.seconds), ", ", format_rate(rate),
                           ", ", report.threads, " threads\ndigest ", format_digest(digest), "\n"));
}

int run_pack(const PackArguments& arguments, const Session& session) {
  if (arguments.fast_decode && arguments.max_ratio) {
    return fail_usage("--fast-decode and --max-ratio contradict each other");
  }
  if (!arguments.target.empty()) {
    const char* other = arguments.fast_decode         ? "--fast-decode"
                        : arguments.max_ratio         ? "--max-ratio"
                        : arguments.codec != "auto"   ? "--codec"
                        : arguments.level.has_value() ? "--level"
                                                      : nullptr;
    if (other != nullptr) {
      return fail_usage(text("--target and ", other, " contradict each other"));
    }
  }
  if (arguments.level && arguments.codec != "auto" && arguments.codec != "zstd") {
    return fail_usage(text("--level is zstd's; --codec ", arguments.codec, " has none"));
  }
  const fs::path output =
      arguments.output.empty() ? default_output(arguments.input) : fs::path(arguments.output);
  std::error_code ignored;
  if (fs::equivalent(arguments.input, output, ignored)) {
    return fail_usage(text("the output ", quote(output.string()), " is the input itself"));
  }
  if (const auto refused = refuse_existing(output, arguments.options.overwrite)) return *refused;
  auto source = open_model_source(arguments.input, open_as(arguments.as));
  if (!source.ok()) return fail(session, source.error());
  for (const std::string& name : source->left_out()) {
    log_warning(text(quote(name), " is not part of the model and is left out"));
  }
  for (const SourceFile& file : source->files()) {
    log_detail(text("source ", quote(file.path), ": ", source_format_name(file.format), ", ",
                    file.bytes, " bytes"));
  }
  PackOptions options = complete_options(arguments);
  if (!arguments.target.empty()) {
    const auto profile = find_profile(arguments.target);
    if (!profile.ok()) return fail(session, profile.error());
    options.target = profile->device;
  }
  auto report = [&] {
    ProgressBar bar(session.progress, "pack");
    return pack_model(*source, output, options, draw_on(bar), session.interrupt.token());
  }();
  if (!report.ok()) return fail(session, report.error());
  const auto digest = packed_digest(output);
  if (!digest.ok()) return fail(session, digest.error());
  return print_report(arguments, output, *report, *digest);
}

}  // namespace

void add_pack_command(CommandLine& line, Session& session) {
  auto arguments = std::make_shared<PackArguments>();
  Command command =
      line.add_command("pack", "Pack a model into a container",
                       help_footer("qpack pack model.safetensors -o model.qpk --threads 4"),
                       [arguments, &session] { return run_pack(*arguments, session); });
  PackArguments& a = *arguments;
  command.positional("input", a.input,
                     "Model file, directory of safetensors shards, or *.safetensors.index.json");
  command.text("-o,--output", a.output, "Container to write (default: INPUT.qpk)");
  command.choice("--as", a.as, {"auto", "raw", "safetensors", "gguf"},
                 "Read the input as this format (default: by content)");
  command.number("--threads", a.options.threads, {0, 1024},
                 "Threads (default: one for each processor)");
  command.size("--chunk-size", a.options.chunk_bytes,
               "Decoded bytes of a chunk, 64K to 16M (default: 1M)");
  command.size("--extent-size", a.options.extent_bytes,
               "Bytes of an extent, 1M to 8M (default: 4M)");
  command.size("--align", a.options.alignment,
               "Alignment of extents: a power of two, 4096 to 65536 (default: 4096)");
  command.choice("--codec", a.codec, auto_and_names(all_codecs()),
                 "Codec (default: chosen for each chunk)");
  command.number("--level", a.level, {-7, 22}, "zstd level (default: entropy coding only)");
  command.choice("--filter", a.filter, auto_and_names(all_filters()),
                 "Filter (default: chosen for each chunk)");
  command.text("--target", a.target,
               "Choose for the shortest load on this device: a profile's file or "
               "mid, sd, emmc, ufs31, nvme3, nvme4");
  command.flag("--fast-decode", a.fast_decode,
               "For fast storage and few cores: code only what pays there");
  command.flag("--max-ratio", a.max_ratio, "The smallest container, however slow to decode");
  command.number("--gain-min", a.options.gain_min, {0.0, 0.999},
                 "Share of its bytes that coding must save (default: 0.02)");
  command.flag("--no-verify", a.no_verify, "Do not decode and compare each chunk");
  command.flag("-f,--force", a.options.overwrite, "Replace an existing container");
  command.flag("--json", a.json, "Report as JSON");
}

}  // namespace qload::tools
