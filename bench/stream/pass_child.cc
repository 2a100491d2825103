#include "bench/stream/pass_child.h"

#include <nlohmann/json.hpp>

#include "bench/load/report_table.h"
#include "format/base/format_text.h"
#include "format/base/try.h"

namespace qload::bench {
namespace {

using Json = nlohmann::ordered_json;

// As the shortest decimal that gives the same number.
std::string number_text(double value) { return print("%.17g", value); }

Json facts_to_json(const StreamFacts& facts) {
  return {{"budget_bytes", facts.budget_bytes},
          {"staging_bytes", facts.staging_bytes},
          {"resident_bytes", facts.resident_bytes},
          {"packed_bytes", facts.packed_bytes},
          {"portion_bytes", facts.portion_bytes},
          {"parts_per_pass", facts.parts_per_pass},
          {"storage_bytes_per_pass", facts.storage_bytes_per_pass},
          {"decoded_bytes_per_pass", facts.decoded_bytes_per_pass},
          {"seconds_per_pass", facts.seconds_per_pass},
          {"overlaps", facts.overlaps}};
}

StreamFacts facts_from_json(const Json& json) {
  StreamFacts facts;
  json.at("budget_bytes").get_to(facts.budget_bytes);
  json.at("staging_bytes").get_to(facts.staging_bytes);
  json.at("resident_bytes").get_to(facts.resident_bytes);
  json.at("packed_bytes").get_to(facts.packed_bytes);
  json.at("portion_bytes").get_to(facts.portion_bytes);
  json.at("parts_per_pass").get_to(facts.parts_per_pass);
  json.at("storage_bytes_per_pass").get_to(facts.storage_bytes_per_pass);
  json.at("decoded_bytes_per_pass").get_to(facts.decoded_bytes_per_pass);
  json.at("seconds_per_pass").get_to(facts.seconds_per_pass);
  json.at("overlaps").get_to(facts.overlaps);
  return facts;
}

Json sample_to_json(const PassSample& sample) {
  return {{"seconds", sample.seconds},
          {"compute_seconds", sample.compute_seconds},
          {"request_seconds", sample.request_seconds},
          {"load_seconds", sample.load_seconds},
          {"decode_busy_seconds", sample.decode_busy_seconds},
          {"cpu_seconds", sample.cpu_seconds},
          {"bytes_read", sample.bytes_read}};
}

PassSample sample_from_json(const Json& json) {
  PassSample sample;
  json.at("seconds").get_to(sample.seconds);
  json.at("compute_seconds").get_to(sample.compute_seconds);
  json.at("request_seconds").get_to(sample.request_seconds);
  json.at("load_seconds").get_to(sample.load_seconds);
  json.at("decode_busy_seconds").get_to(sample.decode_busy_seconds);
  json.at("cpu_seconds").get_to(sample.cpu_seconds);
  json.at("bytes_read").get_to(sample.bytes_read);
  return sample;
}

}  // namespace

std::vector<std::string> arguments_of(const PassJob& job) {
  const PassBudget& budget = job.setting.budget;
  std::vector<std::string> arguments = {
      std::string(kPassChildCommand),
      "--contender=" + job.contender,
      "--model=" + job.setting.model.string(),
      "--packed=" + job.setting.packed.string(),
      text("--budget=", budget.budget_bytes),
      text("--staging=", budget.staging_bytes),
      text("--threads=", job.setting.threads),
      text("--passes=", job.work.passes),
      "--compute-seconds=" + number_text(job.work.compute_seconds),
      "--storage-rate=" + number_text(budget.rates.storage_rate),
      "--decode-rate=" + number_text(budget.rates.decode_rate),
      "--pass-compute-seconds=" + number_text(budget.rates.compute_seconds)};
  if (job.setting.keep_packed) arguments.push_back("--keep-packed");
  return arguments;
}

Result<PassRun> run_pass_job(const PassJob& job) {
  const PassContenderKind* const kind = find_pass_contender(job.contender);
  if (kind == nullptr) {
    return Error(ErrorCode::kInvalidArgument, text("no contender ", quote(job.contender)));
  }
  QLOAD_TRY(const PassModel model, PassModel::open(job.setting));
  const auto contender = kind->make(model);
  return run_passes(*contender, model, job.work);
}

std::string run_to_text(const Result<PassRun>& run) {
  Json json;
  if (run.ok()) {
    json["resident_bytes"] = run->resident_bytes;
    json["resident_peak_bytes"] = run->resident_peak_bytes;
    if (run->facts) json["facts"] = facts_to_json(*run->facts);
    json["passes"] = Json::array();
    for (const PassSample& sample : run->passes) json["passes"].push_back(sample_to_json(sample));
  } else {
    json["error"] = {{"code", static_cast<int>(run.error().code())},
                     {"message", run.error().message()}};
  }
  // Messages may name files by any bytes; JSON wants UTF-8.
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

Result<PassRun> run_from_text(std::string_view text) {
  const Error no_answer(ErrorCode::kIo, "a contender's process ended without an answer");
  try {
    const Json json = Json::parse(text);
    if (json.contains("error")) {
      const auto code = json["error"].at("code").get<int>();
      return Error(static_cast<ErrorCode>(code), json["error"].at("message").get<std::string>());
    }
    PassRun run;
    json.at("resident_bytes").get_to(run.resident_bytes);
    json.at("resident_peak_bytes").get_to(run.resident_peak_bytes);
    if (json.contains("facts")) run.facts = facts_from_json(json["facts"]);
    for (const Json& sample : json.at("passes")) run.passes.push_back(sample_from_json(sample));
    return run;
  } catch (const Json::exception&) {
    return no_answer;
  }
}

}  // namespace qload::bench
