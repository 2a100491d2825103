#include "bench/recipes/recipes_report.h"

#include "format/base/format_text.h"

namespace qload::bench {
namespace {

std::string rate_text(double bytes_per_second) {
  return bytes_per_second < 1e9 ? print("%.4g MB/s", bytes_per_second / 1e6)
                                : print("%.4g GB/s", bytes_per_second / 1e9);
}

std::string milliseconds(double seconds) {
  return seconds < 0.1 ? print("%.4f", seconds * 1e3) : print("%.1f", seconds * 1e3);
}

std::string distance_text(double share) { return print("%+.2f %%", share * 100); }

std::vector<std::string> row_of(const ModelForms& model, const PackedForm& form) {
  const auto megabytes = [](uint64_t bytes) {
    return print("%.3f", static_cast<double>(bytes) / 1e6);
  };
  std::vector<std::string> row = {std::string(form.recipe->name), megabytes(form.container_bytes),
                                  megabytes(form.chunk_bytes),
                                  print("%.4f", static_cast<double>(model.source_bytes) /
                                                    static_cast<double>(form.container_bytes))};
  for (size_t rate = 0; rate < form.load_seconds.size(); ++rate) {
    const auto distance = default_distance(model, rate);
    const bool best = distance && distance->best_fixed == &form;
    row.push_back((best ? "* " : "") + milliseconds(form.load_seconds[rate]));
  }
  return row;
}

/// Names of files and recipes, in plain text.
void print_wide_row(const std::vector<std::string>& row, std::ostream& out) {
  out << print("%-40s", row[0].c_str());
  for (size_t column = 1; column < row.size(); ++column) out << print(" %22s", row[column].c_str());
  out << '\n';
}

}  // namespace

std::optional<Distance> default_distance(const ModelForms& model, size_t rate) {
  const PackedForm* chosen = nullptr;
  const PackedForm* best = nullptr;
  for (const PackedForm& form : model.forms) {
    if (form.recipe == &all_packing_recipes().front()) chosen = &form;
    if (!form.recipe->fixed) continue;
    if (best == nullptr || form.load_seconds[rate] < best->load_seconds[rate]) best = &form;
  }
  if (chosen == nullptr || best == nullptr) return std::nullopt;
  return Distance{best, chosen->load_seconds[rate] / best->load_seconds[rate] - 1};
}

std::optional<WorstDistance> worst_distance(const RecipesReport& report) {
  std::optional<WorstDistance> worst;
  for (const ModelForms& model : report.models) {
    for (size_t rate = 0; rate < report.storage_rates.size(); ++rate) {
      const auto distance = default_distance(model, rate);
      if (!distance || (worst && distance->share <= worst->distance.share)) continue;
      worst = WorstDistance{&model, rate, *distance};
    }
  }
  return worst;
}

void print_recipes_facts(const RecipesReport& report, TableStyle style, std::ostream& out) {
  Facts facts(out, style);
  print_machine(report.machine, facts);
  const TargetDevice& device = report.device;
  facts.add("target",
            print("%u decode threads, decoded bytes per second of each: store %s, lane_huffman %s, "
                  "zstd %s, fse %s",
                  device.decode_threads, rate_text(device.store_rate).c_str(),
                  rate_text(device.lane_huffman_rate).c_str(), rate_text(device.zstd_rate).c_str(),
                  rate_text(device.fse_rate).c_str()));
  facts.add("load", "the longer of container / storage rate and decoding by all threads; in ms");
  facts.add("answers", "each container verified; the models' digests compared between recipes");
}

void print_recipes_model(const RecipesReport& report, const ModelForms& model, TableStyle style,
                         std::ostream& out) {
  out << '\n'
      << (style == TableStyle::kMarkdown ? "### " : "")
      << print("%s: %.3f MB, %llu tensors\n\n", model.name.c_str(),
               static_cast<double>(model.source_bytes) / 1e6,
               static_cast<unsigned long long>(model.tensor_count));
  std::vector<std::string> titles = {"recipe", "MB", "chunks MB", "ratio"};
  for (const double rate : report.storage_rates) titles.push_back(rate_text(rate));
  print_titles(titles, style, out);
  for (const PackedForm& form : model.forms) print_row(row_of(model, form), style, out);
  std::vector<std::string> row = {"distance", "", "", ""};
  for (size_t rate = 0; rate < report.storage_rates.size(); ++rate) {
    const auto distance = default_distance(model, rate);
    row.push_back(distance ? distance_text(distance->share) : "-");
  }
  print_row(row, style, out);
}

void print_recipes_summary(const RecipesReport& report, TableStyle style, std::ostream& out) {
  out << '\n'
      << (style == TableStyle::kMarkdown ? "### " : "")
      << "distance of the default from the best fixed choice\n\n";
  std::vector<std::string> titles = {"model"};
  for (const double rate : report.storage_rates) titles.push_back(rate_text(rate));
  const bool plain = style == TableStyle::kText;
  plain ? print_wide_row(titles, out) : print_titles(titles, style, out);
  for (const ModelForms& model : report.models) {
    std::vector<std::string> row = {model.name};
    for (size_t rate = 0; rate < report.storage_rates.size(); ++rate) {
      const auto distance = default_distance(model, rate);
      row.push_back(
          distance ? text(distance_text(distance->share), " ", distance->best_fixed->recipe->name)
                   : "-");
    }
    plain ? print_wide_row(row, out) : print_row(row, style, out);
  }
  const auto worst = worst_distance(report);
  if (!worst) return;
  out << print("\nworst distance: %s, %s at %s, from %s\n",
               distance_text(worst->distance.share).c_str(), worst->model->name.c_str(),
               rate_text(report.storage_rates[worst->rate]).c_str(),
               std::string(worst->distance.best_fixed->recipe->name).c_str());
}

}  // namespace qload::bench
