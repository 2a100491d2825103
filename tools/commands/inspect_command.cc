#include "tools/commands/inspect_command.h"

#include <charconv>
#include <memory>

#include "format/base/bytes.h"
#include "format/base/format_text.h"
#include "format/container/container_reader.h"
#include "format/input/model_source.h"
#include "tools/commands/inspect_why.h"
#include "tools/report/choice_report.h"
#include "tools/report/container_facts.h"
#include "tools/report/json_report.h"
#include "tools/report/name_pattern.h"
#include "tools/report/size_text.h"
#include "tools/report/text_table.h"

namespace qload::tools {
namespace {

struct InspectArguments {
  std::string input;
  std::string pattern;
  std::string header;
  bool chunks = false;
  bool why = false;
  bool json = false;
};

bool matches(const InspectArguments& arguments, std::string_view name) {
  return name_matches(arguments.pattern, name);
}

std::string layer_text(uint32_t stack, uint32_t layer) {
  if (layer == kNoLayer) return "-";
  return stack == 0 ? std::to_string(layer) : text(stack, ":", layer);
}

std::string render_tensors(const InspectArguments& arguments, const Index& index) {
  TextTable table(
      {"tensor", "dtype", "shape", ">layer", ">size", ">stored", ">ratio", "form", "digest"});
  const auto owners = find_chunk_owners(index);
  for (uint32_t i = 0; i < owners.size(); ++i) {
    const TensorRecord& tensor = index.tensors()[i];
    if (!matches(arguments, index.name(tensor))) continue;
    const std::string form = owners[i] == i
                                 ? form_summary(count_forms(index, index.chunks_of(tensor)))
                                 : text("= ", printable(index.name(index.tensors()[owners[i]])));
    // Eight digits tell tensors of one model apart; --json has them all.
    table.add_row({printable(index.name(tensor)), std::string(dtype_name(tensor)),
                   format_shape(index.shape(tensor)), layer_text(tensor.stack, tensor.layer),
                   std::to_string(tensor.bytes), std::to_string(tensor.stored_bytes),
                   format_ratio(tensor.bytes, tensor.stored_bytes), form,
                   format_digest(to_digest(tensor.digest)).substr(0, 8)});
  }
  return table.render();
}

std::string render_chunks(const InspectArguments& arguments, const Index& index) {
  TextTable table({"tensor", ">at", ">decoded", ">offset", ">stored", "form"});
  for (const TensorRecord& tensor : index.tensors()) {
    if (!matches(arguments, index.name(tensor))) continue;
    for (const ChunkRecord& chunk : index.chunks_of(tensor)) {
      table.add_row({printable(index.name(tensor)), std::to_string(chunk.decoded_offset),
                     std::to_string(chunk.decoded_bytes), std::to_string(chunk.offset),
                     std::to_string(chunk.stored_bytes), form_text(index.form(chunk))});
    }
  }
  return table.render();
}

std::string render_totals(const Index& index) {
  TextTable table({"dtype", ">tensors", ">size", ">stored", ">ratio", ">bits/byte"});
  auto add = [&](const std::string& name, const TensorTotals& totals) {
    table.add_row({name, std::to_string(totals.tensor_count), format_size(totals.bytes),
                   format_size(totals.stored_bytes),
                   format_ratio(totals.bytes, totals.stored_bytes),
                   format_fixed(bits_per_byte(totals.bytes, totals.stored_bytes), 2)});
  };
  for (const auto& [name, totals] : totals_by_dtype(index)) add(name, totals);
  add("all", totals_of_all(index));
  return table.render();
}

std::string render_files(const Index& index) {
  TextTable table({">file", "path", "format", ">size", ">header", ">kept"});
  for (size_t i = 0; i < index.files().size(); ++i) {
    const FileRecord& file = index.files()[i];
    table.add_row({std::to_string(i), printable(index.path(file)),
                   std::string(source_format_name(static_cast<SourceFormat>(file.format))),
                   format_size(file.bytes), std::to_string(file.header_bytes),
                   std::to_string(file.kept_bytes)});
  }
  return table.render();
}

uint64_t layer_group_count(const Index& index) {
  uint64_t count = 0;
  for (const GroupRecord& group : index.groups()) count += group.layer != kNoLayer;
  return count;
}

std::string render_container(const Container& container) {
  const Superblock& superblock = container.superblock;
  const Index& index = container.index;
  return text("container version ", superblock.version, ", ",
              format_size(superblock.container_bytes), ", alignment ", superblock.alignment,
              ", index ", format_size(superblock.index_bytes), "\n", index.files().size(),
              " files, ", index.tensors().size(), " tensors, ", index.chunks().size(), " chunks, ",
              index.extents().size(), " extents, ", index.groups().size(), " groups of which ",
              layer_group_count(index), " layers\ndigest ",
              format_digest(to_digest(superblock.model_digest)), "\n");
}

/// `choices` is null without --why.
JsonReport inspect_json(const InspectArguments& arguments, const Container& container,
                        const Choices* choices) {
  const Superblock& superblock = container.superblock;
  const Index& index = container.index;
  JsonReport json;
  json.set("input", arguments.input);
  json.set("version", superblock.version);
  json.set("container_bytes", superblock.container_bytes);
  json.set("decoded_bytes", superblock.decoded_bytes);
  json.set("alignment", superblock.alignment);
  json.set("index_bytes", superblock.index_bytes);
  json.set("compatible_features", superblock.compatible_features);
  json.set("incompatible_features", superblock.incompatible_features);
  json.set("digest", format_digest(to_digest(superblock.model_digest)));
  json.set("tensor_count", index.tensors().size());
  json.set("chunk_count", index.chunks().size());
  json.set("extent_count", index.extents().size());
  json.set("layer_count", layer_group_count(index));
  json.set("totals", totals_json(totals_of_all(index)));
  JsonReport dtypes;
  for (const auto& [name, totals] : totals_by_dtype(index)) dtypes.set(name, totals_json(totals));
  json.set("dtypes", std::move(dtypes));
  std::vector<JsonReport> files;
  for (const FileRecord& file : index.files()) files.push_back(file_json(index, file));
  json.set_list("files", std::move(files));
  std::vector<JsonReport> groups;
  for (const GroupRecord& group : index.groups()) groups.push_back(group_json(group));
  json.set_list("groups", std::move(groups));
  if (choices != nullptr) json.set("why_terms", terms_json({}));
  std::vector<JsonReport> tensors;
  const auto owners = find_chunk_owners(index);
  for (uint32_t i = 0; i < owners.size(); ++i) {
    const TensorRecord& tensor = index.tensors()[i];
    if (!matches(arguments, index.name(tensor))) continue;
    JsonReport entry =
        tensor_json(index, tensor, owners[i] == i ? nullptr : &index.tensors()[owners[i]]);
    if (choices != nullptr) {
      const auto& choice = (*choices)[i];
      entry.set("why", choice ? choice_json(*choice, {})
                              : shared_choice_json(index.name(index.tensors()[owners[i]])));
    }
    if (arguments.chunks) {
      std::vector<JsonReport> chunks;
      for (const ChunkRecord& chunk : index.chunks_of(tensor)) {
        chunks.push_back(chunk_json(index, chunk));
      }
      entry.set_list("chunks", std::move(chunks));
    }
    tensors.push_back(std::move(entry));
  }
  json.set_list("tensors", std::move(tensors));
  return json;
}

/// The number of the source file that `--header` names, by path or by number.
std::optional<uint32_t> find_file(const Index& index, std::string_view wanted) {
  for (uint32_t i = 0; i < index.files().size(); ++i) {
    if (index.path(index.files()[i]) == wanted) return i;
  }
  uint32_t number = 0;
  const auto [end, error] = std::from_chars(wanted.data(), wanted.data() + wanted.size(), number);
  const bool whole = error == std::errc{} && end == wanted.data() + wanted.size();
  if (whole && number < index.files().size()) return number;
  return std::nullopt;
}

int print_header(const InspectArguments& arguments, const Container& container,
                 const Session& session) {
  const auto file = find_file(container.index, arguments.header);
  if (!file) {
    return fail(session, Error(ErrorCode::kNotFound,
                               text("the container has no source file ", quote(arguments.header),
                                    ", expected one of ", container.index.files().size(),
                                    " by path or number from 0")));
  }
  const auto header = read_kept(container, *file, container.index.files()[*file].header_bytes);
  if (!header.ok()) return fail(session, header.error());
  return print_result(as_text(*header));
}

int print_why(const InspectArguments& arguments, const Container& container,
              const Session& session) {
  const auto wanted = [&](std::string_view name) { return matches(arguments, name); };
  const auto choices = explain_choices(container, wanted, session);
  if (!choices.ok()) return fail(session, choices.error());
  if (arguments.json) return print_result(inspect_json(arguments, container, &*choices).render());
  return print_result(render_choices(container, *choices, wanted));
}

int run_inspect(const InspectArguments& arguments, const Session& session) {
  auto file = File::open(arguments.input);
  if (!file.ok()) return fail(session, file.error());
  const auto container = read_container(std::move(*file));
  if (!container.ok()) return fail(session, container.error());
  if (!arguments.header.empty()) return print_header(arguments, *container, session);
  if (arguments.why) return print_why(arguments, *container, session);
  if (arguments.json) return print_result(inspect_json(arguments, *container, nullptr).render());
  const Index& index = container->index;
  return print_result(text(
      arguments.chunks ? render_chunks(arguments, index) : render_tensors(arguments, index), "\n",
      render_totals(index), "\n", render_files(index), "\n", render_container(*container)));
}

}  // namespace

void add_inspect_command(CommandLine& line, Session& session) {
  auto arguments = std::make_shared<InspectArguments>();
  Command command =
      line.add_command("inspect", "Show what a container holds and how it is stored",
                       help_footer("qpack inspect model.qpk --tensors '*.fc1.weight'"),
                       [arguments, &session] { return run_inspect(*arguments, session); });
  InspectArguments& a = *arguments;
  command.positional("input", a.input, "Container");
  command.text("--tensors", a.pattern,
               "Only tensors whose name holds this text, or matches it (* ? [])");
  command.flag("--chunks", a.chunks, "List chunks");
  command.flag("--why", a.why, "Decode, choose again, and say why each tensor is stored as it is");
  command.text("--header", a.header,
               "Write the original header of this source file (path or number) to stdout");
  command.flag("--json", a.json, "Report as JSON");
  command.exclude("--why", "--header");
}

}  // namespace qload::tools
