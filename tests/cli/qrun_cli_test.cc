// qrun as its users meet it: the real binary on a synthetic model, plain and packed.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <map>
#include <string>
#include <vector>

#include "format/input/model_source.h"
#include "tests/cli/run_tool.h"

namespace qload::test {
namespace {

using ::testing::HasSubstr;

ToolResult run_qrun(const std::vector<std::string>& arguments) {
  std::vector<std::string> command = tool_command(QLOAD_QRUN_PATH);
  command.insert(command.end(), arguments.begin(), arguments.end());
  return run_command(command);
}

nlohmann::json run_json(std::vector<std::string> arguments) {
  arguments.insert(arguments.end(), {"-n", "6", "--tokens", "1,5", "--json"});
  const ToolResult result = run_qrun(arguments);
  EXPECT_EQ(result.exit_code, 0) << result.err;
  return parse_output(result);
}

TEST(CliQrun, SameTokensFromEveryForm) {
  for (const char* scheme : {"int8_tensor", "bf16"}) {
    const TempDirectory directory;
    const std::string plain = directory / "tiny.safetensors";
    const std::string packed = directory / "tiny.qpk";
    expect_success({"synth", "-o", plain, "--model", "tiny", "--scheme", scheme});
    expect_success({"pack", plain, "-o", packed});
    const nlohmann::json whole = run_json({plain});
    EXPECT_EQ(whole["tokens"].size(), 6u);
    EXPECT_EQ(whole["prompt_token_count"], 2);
    EXPECT_EQ(whole["pass_count"], 6);
    EXPECT_GT(whole["memory_peak_bytes"], 1'000'000);
    EXPECT_EQ(run_json({packed, "--threads", "1"})["tokens"], whole["tokens"]);
    EXPECT_EQ(run_json({plain, "--weights", "mmap"})["tokens"], whole["tokens"]);
    const nlohmann::json read =
        run_json({plain, "--weights", "read", "--resident-bytes", "1M", "--buffered"});
    EXPECT_EQ(read["tokens"], whole["tokens"]);
    EXPECT_LE(read["resident_bytes"], 1 << 20);
    EXPECT_GT(read["bytes_read"], whole["bytes_read"]);
    const nlohmann::json kept = run_json({packed, "--weights", "packed", "--threads", "2"});
    EXPECT_EQ(kept["tokens"], whole["tokens"]);
    EXPECT_LT(kept["resident_bytes"], whole["resident_bytes"]);
  }
}

TEST(CliQrun, StreamsWithinItsBudget) {
  const PackedTiny tiny;
  const nlohmann::json whole = run_json({tiny.container, "--threads", "2"});
  const auto streamed = [&](const std::string& budget, std::vector<std::string> more = {}) {
    more.insert(more.begin(), {tiny.container, "--weights", "stream", "--threads", "2", "--budget",
                               budget, "--target", "nvme3"});
    return run_json(more);
  };
  const nlohmann::json ample = streamed("64M");
  EXPECT_EQ(ample["tokens"], whole["tokens"]);
  EXPECT_EQ(ample["storage_bytes_per_pass"], 0);
  // A budget of what the engine needs, the staging memory of a small one, and a third of the
  // weights.
  const uint64_t budget = ample["engine_bytes"].get<uint64_t>() + (1u << 20) +
                          whole["resident_bytes"].get<uint64_t>() / 3;
  const nlohmann::json tight = streamed(std::to_string(budget));
  EXPECT_EQ(tight["tokens"], whole["tokens"]);
  EXPECT_EQ(tight["pass_count"], 6);
  EXPECT_GT(tight["storage_bytes_per_pass"], 100'000);
  EXPECT_GE(tight["last_pass_bytes_read"], tight["storage_bytes_per_pass"]);
  EXPECT_LE(tight["resident_bytes"].get<uint64_t>() + tight["portion_bytes"].get<uint64_t>() +
                tight["staging_bytes"].get<uint64_t>(),
            tight["weight_budget_bytes"].get<uint64_t>());
  EXPECT_EQ(streamed(std::to_string(budget), {"--keep-packed"})["tokens"], whole["tokens"]);

  const ToolResult text =
      run_qrun({tiny.container, "--weights", "stream", "--budget", "1G", "-n", "2"});
  EXPECT_EQ(text.exit_code, 0) << text.err;
  EXPECT_THAT(text.err, HasSubstr("budget 1."));
  EXPECT_THAT(text.err, HasSubstr("last pass "));
}

TEST(CliQrun, SynthesizedGgufRunsAlone) {
  const TempDirectory directory;
  for (const char* scheme : {"q8_0", "q4_0"}) {
    const std::string path = directory / (std::string(scheme) + ".gguf");
    expect_success({"synth", "-o", path, "--model", "tiny", "--scheme", scheme});
    EXPECT_EQ(run_json({path})["tokens"].size(), 6u);
  }
}

TEST(CliQrun, PrintsTokensAndTimes) {
  const TempDirectory directory;
  const std::string path = directory / "tiny.safetensors";
  expect_success({"synth", "-o", path, "--model", "tiny"});
  const ToolResult result = run_qrun({path, "-n", "3", "--ignore-end"});
  EXPECT_EQ(result.exit_code, 0) << result.err;
  EXPECT_EQ(std::ranges::count(result.out, ' '), 2) << result.out;
  EXPECT_THAT(result.err, HasSubstr("1 prompt tokens, 3 generated"));
  EXPECT_THAT(result.err, HasSubstr("tokens/s"));
  EXPECT_THAT(result.err, HasSubstr("memory peak"));
}

/// A byte-level tokenizer.json in which "ab" is token 2.
nlohmann::json tokenizer_json() {
  return nlohmann::json::parse(R"({
      "version": "1.0",
      "added_tokens": [],
      "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": false},
      "decoder": {"type": "ByteLevel"},
      "model": {"vocab": {"a": 0, "b": 1, "ab": 2}, "merges": ["a b"]}})");
}

TEST(CliQrun, TextByATokenizerFile) {
  const TempDirectory directory;
  const std::string model = directory / "tiny.safetensors";
  expect_success({"synth", "-o", model, "--model", "tiny"});
  const auto run = [&](std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), {model, "-n", "4", "--json"});
    const ToolResult result = run_qrun(arguments);
    EXPECT_EQ(result.exit_code, 0) << result.err;
    return parse_output(result);
  };
  const nlohmann::json by_number = run({"--tokens", "2,2,0"});
  EXPECT_EQ(by_number.value("text", ""), "");
  write_file(directory / "named.json", tokenizer_json().dump());
  const nlohmann::json named = run({"--prompt", "ababa", "--tokenizer", directory / "named.json"});
  EXPECT_EQ(named["prompt_token_count"], 3);
  EXPECT_EQ(named["tokens"], by_number["tokens"]);
  EXPECT_TRUE(named["text"].is_string());
  write_file(directory / "tokenizer.json", tokenizer_json().dump());
  EXPECT_EQ(run({"--prompt", "ababa"})["tokens"], by_number["tokens"]);
  // A file that puts no begin token first gives nothing for no text: the model's is taken.
  EXPECT_EQ(run({"--prompt", ""})["prompt_token_count"], 1);

  // One that is found and not understood stands only in the way of text.
  nlohmann::json other = tokenizer_json();
  other["pre_tokenizer"] = {{"type", "BertPreTokenizer"}};
  write_file(directory / "tokenizer.json", other.dump());
  EXPECT_EQ(run({"--tokens", "2,2,0"})["tokens"], by_number["tokens"]);
  for (const std::vector<std::string>& arguments :
       {std::vector<std::string>{model, "--prompt", "a"},
        {model, "--tokens", "2", "--tokenizer", directory / "tokenizer.json"}}) {
    const ToolResult refused = run_qrun(arguments);
    EXPECT_EQ(refused.exit_code, 4) << refused.err;
    EXPECT_THAT(refused.err, HasSubstr("BertPreTokenizer"));
    EXPECT_EQ(refused.out, "");
  }
}

/// Reads what --collect-activations wrote: names and shapes.
std::map<std::string, std::vector<uint64_t>> shapes_in(const std::string& path) {
  const auto source = open_model_source(path, OpenAs::kDetect);
  EXPECT_TRUE(source.ok()) << (source.ok() ? "" : source.error().message());
  std::map<std::string, std::vector<uint64_t>> out;
  if (!source.ok()) return out;
  for (const SourceTensor& tensor : source->tensors()) out[tensor.name] = tensor.shape;
  return out;
}

TEST(CliQrun, CollectsActivations) {
  const PackedTiny tiny;
  const std::string out = tiny / "activations.safetensors";
  const nlohmann::json plain = run_json({tiny.source});
  const nlohmann::json collected = run_json(
      {tiny.source, "--collect-activations", out, "--activation-samples", "3", "--ignore-end"});
  EXPECT_EQ(collected["tokens"], plain["tokens"]);
  EXPECT_EQ(collected["collected"], out);
  EXPECT_EQ(collected["recorded_token_count"], 2 + 5) << "the last token is not run";
  EXPECT_FALSE(plain.contains("collected"));
  const auto shapes = shapes_in(out);
  EXPECT_EQ(shapes.size() % 2, 0u);
  const std::vector<uint64_t> input = shapes.at("model.layers.0.self_attn.q_proj");
  ASSERT_EQ(input.size(), 1u);
  EXPECT_EQ(shapes.at("model.layers.0.self_attn.q_proj_sample"),
            (std::vector<uint64_t>{3, input[0]}));
  EXPECT_EQ(shapes.at("lm_head"), input);

  // The same file from a container, streamed within a budget.
  const std::vector<std::byte> bytes = read_file(out);
  const ToolResult refused = run_qrun({tiny.source, "--collect-activations", out, "-n", "1"});
  EXPECT_EQ(refused.exit_code, 2);
  EXPECT_THAT(refused.err, HasSubstr("already exists"));
  EXPECT_EQ(refused.out, "");
  EXPECT_EQ(read_file(out), bytes);
  run_json({tiny.container, "--collect-activations", out, "--activation-samples", "3", "--force",
            "--ignore-end", "--weights", "stream", "--budget", "64M"});
  EXPECT_EQ(read_file(out), bytes);
}

// Whatever name it goes by.
TEST(CliQrun, NeverReplacesWhatItReads) {
  const PackedTiny tiny;
  write_file(tiny / "tokens.txt", "1 2 3");
  std::filesystem::create_directory(tiny / "shards");
  std::filesystem::copy_file(tiny.source, tiny / "shards/one.safetensors");
  const std::string through = tiny / "shards/../tiny.safetensors";
  const std::pair<std::string, std::string> cases[] = {
      {tiny.source, tiny.source},         {tiny.source, through},
      {tiny.container, tiny.container},   {tiny / "shards", tiny / "shards/one.safetensors"},
      {tiny.source, tiny / "tokens.txt"},
  };
  for (const auto& [model, out] : cases) {
    SCOPED_TRACE(out);
    const std::vector<std::byte> before = read_file(out);
    const ToolResult result =
        run_qrun({model, "--score", tiny / "tokens.txt", "--collect-activations", out, "--force"});
    EXPECT_EQ(result.exit_code, 2);
    EXPECT_THAT(result.err, HasSubstr(" is the input "));
    EXPECT_EQ(read_file(out), before);
  }
}

TEST(CliQrun, ACollectionThatFailsLeavesNothing) {
  const PackedTiny tiny;
  const std::vector<std::string> before = list_directory(tiny.directory.path());
  const ToolResult result = run_qrun(
      {tiny.source, "--collect-activations", tiny / "out.safetensors", "--tokens", "99999"});
  EXPECT_EQ(result.exit_code, 2) << result.err;
  EXPECT_EQ(list_directory(tiny.directory.path()), before);
}

TEST(CliQrun, ScoresTokens) {
  const PackedTiny tiny;
  write_file(tiny / "tokens.txt", "1 5 9 100 77\n3,4\n");
  const auto score = [](std::vector<std::string> arguments) {
    arguments.emplace_back("--json");
    const ToolResult result = run_qrun(arguments);
    EXPECT_EQ(result.exit_code, 0) << result.err;
    return parse_output(result);
  };
  const nlohmann::json floats = score({tiny.source, "--score", tiny / "tokens.txt"});
  EXPECT_EQ(floats["sequence_count"], 2);
  EXPECT_EQ(floats["scored_token_count"], 5);
  EXPECT_EQ(floats["pass_count"], 2);
  EXPECT_EQ(floats["activations"], "float");
  EXPECT_GT(floats["nats_per_token"], 1.0);
  EXPECT_NEAR(floats["perplexity"], std::exp(floats["nats_per_token"].get<double>()),
              1e-9 * floats["perplexity"].get<double>());
  EXPECT_FALSE(floats.contains("tokens"));
  EXPECT_EQ(score({tiny.container, "--score", tiny / "tokens.txt", "--weights",
                   "packed"})["nats_per_token"],
            floats["nats_per_token"]);
  const nlohmann::json int8 =
      score({tiny.source, "--score", tiny / "tokens.txt", "--activations", "int8"});
  EXPECT_EQ(int8["activations"], "int8");
  EXPECT_NE(int8["nats_per_token"], floats["nats_per_token"]);
  EXPECT_NEAR(int8["nats_per_token"].get<double>(), floats["nats_per_token"].get<double>(), 0.5);

  const ToolResult text = run_qrun({tiny.source, "--tokens", "1,5,9", "--score"});
  EXPECT_EQ(text.exit_code, 0) << text.err;
  EXPECT_THAT(text.out, HasSubstr(" nats per token, perplexity "));
  EXPECT_THAT(text.out, HasSubstr(", 2 tokens predicted"));
  EXPECT_THAT(text.err, HasSubstr("1 sequences scored"));
}

TEST(CliQrun, ExitCodesOfScores) {
  const PackedTiny tiny;
  write_file(tiny / "tokens.txt", "1 5\n9 x\n");
  expect_success(
      {"synth", "-o", tiny / "floats.safetensors", "--model", "tiny", "--scheme", "bf16"});
  const std::string& model = tiny.source;
  struct Case {
    std::vector<std::string> arguments;
    int exit_code;
    std::string words;
  };
  const Case cases[] = {
      {{model, "--score"}, 2, "--score needs a file, --prompt or --tokens"},
      {{model, "--score", "a.txt", "--tokens", "1,2"}, 2, "not both"},
      {{model, "--score", "--tokens", "1,2", "-n", "3"}, 2, "-n says nothing to --score"},
      {{model, "--score", "--tokens", "1,2", "--top-k", "3"}, 2, "--top-k says nothing"},
      {{model, "--score", "--tokens", "1"}, 2, "has 1 tokens, expected 2 to 513"},
      {{model, "--score", "--tokens", "1,2048"}, 2, "not in the vocabulary of 2048"},
      {{model, "--score", tiny / "absent.txt"}, 5, "absent.txt"},
      {{model, "--score", tiny / "tokens.txt"}, 3, "line 2 holds \"x\""},
      {{model, "--activation-samples", "3"}, 2, "needs --collect-activations"},
      {{model, "--force"}, 2, "needs --collect-activations"},
      {{model, "--activations", "int4"}, 2, "int4"},
      {{tiny / "floats.safetensors", "--activations", "int8"}, 2, "has no INT8 weights"},
      {{model, "--collect-activations", tiny / "no/out"}, 5, "cannot open directory"},
  };
  for (const Case& c : cases) {
    const ToolResult result = run_qrun(c.arguments);
    SCOPED_TRACE(c.words);
    EXPECT_EQ(result.exit_code, c.exit_code) << result.err;
    EXPECT_EQ(result.out, "");
    EXPECT_TRUE(result.err.starts_with("qrun: error: ")) << result.err;
    EXPECT_THAT(result.err, HasSubstr(c.words));
  }
}

TEST(CliQrun, ExitCodesSayWhatIsWrong) {
  const TempDirectory directory;
  write_file(directory / "bad.gguf", "GGUF");
  write_file(directory / "raw.bin", "some bytes");
  expect_success({"synth", "-o", directory / "opt.safetensors", "--model", "opt-125m", "--layers",
                  "1", "--scheme", "int8_tensor"});
  expect_success({"synth", "-o", directory / "t.safetensors", "--model", "tiny"});
  expect_success({"pack", directory / "t.safetensors"});
  const std::string tiny = directory / "t.safetensors";
  struct Case {
    std::vector<std::string> arguments;
    int exit_code;
    std::string words;
  };
  const Case cases[] = {
      {{}, 2, "model is required"},
      {{tiny, "--weights", "other"}, 2, "other"},
      {{tiny, "--prompt", "a", "--tokens", "1"}, 2, "excludes"},
      {{tiny, "--prompt", "a"}, 2, "no vocabulary"},
      {{tiny, "--tokens", "2048"}, 2, "not in the vocabulary of 2048"},
      {{tiny + ".qpk", "--weights", "mmap"}, 2, "is packed"},
      {{tiny, "--weights", "stream", "--budget", "1G"}, 2, "is not packed"},
      {{tiny, "--weights", "packed"}, 2, "is not packed"},
      {{tiny + ".qpk", "--weights", "stream", "--budget", "5M"}, 1, "leaves nothing to weights"},
      {{tiny + ".qpk", "--weights", "stream", "--budget", "0x"}, 2, "is not a size"},
      {{tiny + ".qpk", "--weights", "stream", "--target", "tape"}, 5, "tape"},
      {{tiny, "-n", "513"}, 2, "do not fit the model's context of 512"},
      {{directory / "raw.bin"}, 4, "neither a safetensors nor a GGUF model"},
      {{directory / "absent.qpk"}, 5, "absent.qpk"},
      {{directory / "bad.gguf"}, 3, "bad.gguf"},
      {{directory / "opt.safetensors"}, 5, "no configuration"},
  };
  for (const Case& c : cases) {
    const ToolResult result = run_qrun(c.arguments);
    SCOPED_TRACE(c.words);
    EXPECT_EQ(result.exit_code, c.exit_code) << result.err;
    EXPECT_EQ(result.out, "");
    EXPECT_TRUE(result.err.starts_with("qrun: error: ")) << result.err;
    EXPECT_THAT(result.err, HasSubstr(c.words));
  }
  const ToolResult help = run_qrun({"--help"});
  EXPECT_EQ(help.exit_code, 0);
  EXPECT_THAT(help.out, HasSubstr("Example:"));
}

}  // namespace
}  // namespace qload::test
