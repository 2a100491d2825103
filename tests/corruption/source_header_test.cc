// Broken source files: each is an error or a different valid model, never a crash, and tensors
// never leave the file.
#include <gtest/gtest.h>

#include <cstddef>
#include <span>
#include <string>
#include <vector>

#include "format/input/gguf.h"
#include "format/input/safetensors.h"
#include "tests/support/memory_file.h"
#include "tests/support/model_fixtures.h"
#include "tests/support/source_checks.h"
#include "tests/support/test_files.h"

namespace qload {
namespace {

constexpr unsigned kFlips[] = {0x01, 0x20, 0x80, 0xFF};

std::vector<std::byte> tiny_safetensors() {
  test::SafetensorsBuilder builder;
  builder.metadata("format", "pt");
  builder.add("a", "F32", {2, 3}, test::random_bytes(24, 1));
  builder.add("b.weight", "I8", {5}, test::random_bytes(5, 2));
  builder.add("c", "BF16", {}, test::random_bytes(2, 3));
  builder.add("d", "F4", {0, 2}, {});
  return builder.build();
}

std::vector<std::byte> tiny_gguf() {
  test::GgufBuilder builder;
  builder.alignment(8).add_string("general.architecture", "llama");
  builder.add_string_array("tokens", {"a", "bc", ""}).add_f32("eps", 1e-5f).add_bool("yes", true);
  builder.add_array("scores", test::GgufValueType::kInt16, 3, test::random_bytes(6, 1));
  builder.add_tensor("a.weight", 0, {3, 2}, test::random_bytes(24, 1));
  builder.add_tensor("b", 8, {32}, test::random_bytes(34, 2));
  builder.add_tensor("c", 24, {5}, test::random_bytes(5, 3));
  return builder.pad_end(false).build();
}

/// Reads `bytes` with `read`; true when they are accepted, after a check of the answer.
template <class Reader>
bool accepts(Reader read, std::span<const std::byte> bytes, const std::string& what) {
  auto result = read(test::memory_file(bytes));
  if (!result.ok()) {
    EXPECT_FALSE(result.error().message().empty()) << what;
    return false;
  }
  EXPECT_EQ(test::broken_promise(result->tensors, result->header_bytes, bytes.size()), "") << what;
  return true;
}

template <class Reader>
void truncate_everywhere(Reader read, const std::vector<std::byte>& bytes) {
  ASSERT_TRUE(accepts(read, bytes, "whole"));
  for (size_t length = 0; length < bytes.size(); ++length) {
    EXPECT_FALSE(accepts(read, std::span(bytes).first(length), "cut to " + std::to_string(length)));
  }
}

/// Flips bits of each byte before `end`, one at a time. Gives how many files were still accepted.
template <class Reader>
size_t flip_everywhere(Reader read, std::vector<std::byte> bytes, size_t end) {
  size_t accepted = 0;
  for (size_t i = 0; i < end; ++i) {
    const std::byte before = bytes[i];
    for (unsigned flip : kFlips) {
      bytes[i] = before ^ static_cast<std::byte>(flip);
      accepted += accepts(read, bytes, "byte " + std::to_string(i) + " ^ " + std::to_string(flip));
    }
    bytes[i] = before;
  }
  return accepted;
}

TEST(SourceHeader, SafetensorsCutAnywhereIsRefused) {
  truncate_everywhere(read_safetensors, tiny_safetensors());
}

TEST(SourceHeader, GgufCutAnywhereIsRefused) { truncate_everywhere(read_gguf, tiny_gguf()); }

TEST(SourceHeader, SafetensorsFlippedAnywhere) {
  auto bytes = tiny_safetensors();
  const auto header = read_safetensors(test::memory_file(bytes));
  ASSERT_TRUE(header.ok());
  const size_t accepted = flip_everywhere(read_safetensors, bytes, header->header_bytes);
  // Flips within names and metadata give other valid models; most flips must not.
  EXPECT_GT(accepted, 0u);
  EXPECT_LT(accepted, header->header_bytes * std::size(kFlips) / 2);
}

TEST(SourceHeader, GgufFlippedAnywhere) {
  auto bytes = tiny_gguf();
  const auto header = read_gguf(test::memory_file(bytes));
  ASSERT_TRUE(header.ok());
  const size_t accepted = flip_everywhere(read_gguf, bytes, header->header_bytes);
  // Keys, strings and values are free to change; lengths, counts, shapes and offsets are not.
  EXPECT_GT(accepted, 0u);
  EXPECT_LT(accepted, header->header_bytes * std::size(kFlips));
}

TEST(SourceHeader, ModelsCutAtTheirTensors) {
  auto safetensors = test::small_int8_model(1);
  const auto header = read_safetensors(test::memory_file(safetensors));
  ASSERT_TRUE(header.ok());
  for (const auto& tensor : header->tensors) {
    for (uint64_t length : {tensor.offset, tensor.offset + tensor.bytes / 2,
                            tensor.offset + tensor.bytes - (tensor.bytes > 0)}) {
      if (length == safetensors.size()) continue;
      EXPECT_FALSE(accepts(read_safetensors, std::span(safetensors).first(length), tensor.name));
    }
  }
  auto gguf = test::small_gguf_model(1);
  const auto gguf_header = read_gguf(test::memory_file(gguf));
  ASSERT_TRUE(gguf_header.ok());
  for (const auto& tensor : gguf_header->tensors) {
    for (uint64_t length : {tensor.offset, tensor.offset + tensor.bytes - 1}) {
      EXPECT_FALSE(accepts(read_gguf, std::span(gguf).first(length), tensor.name));
    }
  }
}

TEST(SourceHeader, EveryHeaderFieldAtItsExtremes) {
  // Each aligned or unaligned 8-byte word of the header set to values that overflow sums.
  for (uint64_t value : {UINT64_MAX, uint64_t{1} << 63, uint64_t{INT64_MAX}, uint64_t{1} << 32}) {
    auto bytes = tiny_gguf();
    const auto header = read_gguf(test::memory_file(bytes));
    ASSERT_TRUE(header.ok());
    for (size_t i = 0; i + 8 <= header->header_bytes; ++i) {
      auto changed = bytes;
      memcpy(changed.data() + i, &value, 8);
      accepts(read_gguf, changed, "word at " + std::to_string(i));
    }
  }
}

}  // namespace
}  // namespace qload
