#include <nlohmann/json.hpp>

#include "bench/load/report_json.h"
#include "bench/recipes/recipes_report.h"

namespace qload::bench {
namespace {

using Json = nlohmann::ordered_json;

Json distance_to_json(const Distance& distance, double rate) {
  return {{"storage_bytes_per_second", rate},
          {"best_fixed", distance.best_fixed->recipe->name},
          {"distance", distance.share}};
}

Json form_to_json(const PackedForm& form, const std::vector<double>& rates) {
  Json json = {{"recipe", form.recipe->name},
               {"fixed", form.recipe->fixed},
               {"container_bytes", form.container_bytes},
               {"chunk_bytes", form.chunk_bytes},
               {"decode_core_seconds", form.decode_seconds},
               {"pack_seconds", form.pack_seconds},
               {"loads", Json::array()}};
  for (size_t rate = 0; rate < rates.size(); ++rate) {
    json["loads"].push_back(
        {{"storage_bytes_per_second", rates[rate]}, {"modelled_seconds", form.load_seconds[rate]}});
  }
  return json;
}

Json model_to_json(const ModelForms& model, const std::vector<double>& rates) {
  Json json = {{"name", model.name},
               {"source_bytes", model.source_bytes},
               {"tensor_count", model.tensor_count},
               {"forms", Json::array()},
               {"distances", Json::array()}};
  for (const PackedForm& form : model.forms) json["forms"].push_back(form_to_json(form, rates));
  for (size_t rate = 0; rate < rates.size(); ++rate) {
    const auto distance = default_distance(model, rate);
    if (distance) json["distances"].push_back(distance_to_json(*distance, rates[rate]));
  }
  return json;
}

}  // namespace

std::string recipes_report_to_json(const RecipesReport& report) {
  const TargetDevice& device = report.device;
  Json json = {{"benchmark", "recipes"},
               {"version", 1},
               {"machine", machine_to_json(report.machine)},
               {"target",
                {{"decode_threads", device.decode_threads},
                 {"store_bytes_per_second", device.store_rate},
                 {"lane_huffman_bytes_per_second", device.lane_huffman_rate},
                 {"zstd_bytes_per_second", device.zstd_rate},
                 {"fse_bytes_per_second", device.fse_rate}}},
               {"models", Json::array()}};
  for (const ModelForms& model : report.models) {
    json["models"].push_back(model_to_json(model, report.storage_rates));
  }
  if (const auto worst = worst_distance(report)) {
    json["worst"] = distance_to_json(worst->distance, report.storage_rates[worst->rate]);
    json["worst"]["model"] = worst->model->name;
  }
  // File names may be any bytes; JSON wants UTF-8.
  return json.dump(2, ' ', false, nlohmann::json::error_handler_t::replace);
}

}  // namespace qload::bench
