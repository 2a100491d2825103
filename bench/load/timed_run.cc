#include "bench/load/timed_run.h"

#include <algorithm>
#include <cstring>

#include "bench/load/parallel.h"
#include "bench/load/process_memory.h"
#include "format/base/checksum.h"
#include "format/base/format_text.h"
#include "format/base/try.h"

namespace qload::bench {
namespace {

constexpr uint64_t kSampleBlocks = 64;
constexpr uint64_t kSampleBytes = 4096;

Error wrong_answer(const SourceTensor& tensor, std::string_view what) {
  return Error(ErrorCode::kCorrupt, text("wrong answer: tensor ", quote(tensor.name), " ", what));
}

}  // namespace

Result<AnswerSample> AnswerSample::create(const ModelSource& source) {
  AnswerSample sample;
  const auto tensors = source.tensors();
  uint64_t total = 0;
  for (const SourceTensor& tensor : tensors) total += tensor.bytes;
  const uint64_t step = std::max<uint64_t>(total / kSampleBlocks, 1);
  uint64_t passed = 0;
  uint64_t next = 0;
  std::vector<std::byte> bytes;
  for (uint32_t number = 0; number < tensors.size(); ++number) {
    const SourceTensor& tensor = tensors[number];
    for (; next < passed + tensor.bytes; next += step) {
      const uint64_t offset = next - passed;
      bytes.resize(std::min<uint64_t>(kSampleBytes, tensor.bytes - offset));
      QLOAD_CHECK(source.read(tensor.file, tensor.offset + offset, bytes));
      sample.blocks_.push_back({.tensor = number,
                                .offset = offset,
                                .bytes = bytes.size(),
                                .checksum = checksum64(bytes)});
    }
    passed += tensor.bytes;
  }
  return sample;
}

Status AnswerSample::check(const Contender& contender, const ModelSource& source) const {
  for (const Block& block : blocks_) {
    const SourceTensor& tensor = source.tensors()[block.tensor];
    const std::span<const std::byte> bytes = contender.tensor(block.tensor);
    if (bytes.size() != tensor.bytes) return wrong_answer(tensor, "has the wrong size");
    if (checksum64(bytes.subspan(block.offset, block.bytes)) != block.checksum) {
      return wrong_answer(tensor, text("differs from its source at byte ", block.offset));
    }
  }
  return Ok{};
}

Status check_answer(Contender& contender, const ModelSource& source) {
  constexpr uint64_t kPieceBytes = 1u << 20;
  QLOAD_CHECK(contender.prepare());
  QLOAD_CHECK(contender.load());
  std::vector<std::byte> piece(kPieceBytes);
  for (uint32_t number = 0; number < source.tensors().size(); ++number) {
    const SourceTensor& tensor = source.tensors()[number];
    const std::span<const std::byte> bytes = contender.tensor(number);
    if (bytes.size() != tensor.bytes) return wrong_answer(tensor, "has the wrong size");
    for (uint64_t offset = 0; offset < bytes.size(); offset += kPieceBytes) {
      const std::span<std::byte> expected =
          std::span(piece).first(std::min<uint64_t>(kPieceBytes, bytes.size() - offset));
      QLOAD_CHECK(source.read(tensor.file, tensor.offset + offset, expected));
      if (std::memcmp(bytes.data() + offset, expected.data(), expected.size()) != 0) {
        return wrong_answer(tensor, text("differs from its source after byte ", offset));
      }
    }
  }
  contender.release();
  return Ok{};
}

Result<RunSample> time_load(Contender& contender, const ModelSource& source,
                            const AnswerSample& sample) {
  RunSample run;
  reset_resident_peak();
  const uint64_t resident_before = resident_bytes();
  const ProcessUsage usage_before = usage_now();
  const double start = now_seconds();
  Status loaded = contender.load();
  run.seconds = now_seconds() - start;
  run.usage = usage_between(usage_before, usage_now());
  if (!loaded.ok()) return std::move(loaded).error();
  const uint64_t peak = resident_peak_bytes();
  run.peak_bytes = peak > resident_before ? peak - resident_before : 0;
  if (contender.statistics() != nullptr) run.statistics = *contender.statistics();
  QLOAD_CHECK(sample.check(contender, source));
  contender.release();
  return run;
}

}  // namespace qload::bench
