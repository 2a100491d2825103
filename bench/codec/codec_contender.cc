#include "bench/codec/codec_contender.h"

#include <algorithm>

#include "format/base/format_text.h"
#include "format/codec/lane_huffman/lane_kernel.h"

namespace qload::bench {
namespace {

constexpr CodecParameters kLevel1{.level = 1, .literals_only = false};
constexpr CodecParameters kLevel3{.level = 3, .literals_only = false};
constexpr CodecParameters kLiteralsOnly{.level = 1, .literals_only = true};

void add_zstd(std::vector<CodecContender>& all) {
  using enum CodecId;
  all.push_back({kBaselineName, "zstd -1 of the raw chunk", kZstd, kLevel1, false, nullptr, true});
  all.push_back({"zstd-3", "zstd -3 of the raw chunk", kZstd, kLevel3, false, nullptr, false});
  all.push_back({"zstd-litonly", "zstd without match search of the raw chunk", kZstd, kLiteralsOnly,
                 false, nullptr, true});
  all.push_back(
      {"zstd-1-split", "zstd -1 of filtered streams", kZstd, kLevel1, true, nullptr, false});
  all.push_back(
      {"zstd-3-split", "zstd -3 of filtered streams", kZstd, kLevel3, true, nullptr, false});
  all.push_back({"litonly-split", "zstd without match search of filtered streams", kZstd,
                 kLiteralsOnly, true, nullptr, true});
}

}  // namespace

ChunkRecipe CodecContender::recipe(FilterId filter, double gain_min) const {
  return {.filter = filtered ? filter : FilterId::kNone,
          .codec = codec.value_or(CodecId::kStore),
          .parameters = parameters,
          .gain_min = filtered ? gain_min : 0.0};
}

std::vector<CodecContender> all_codec_contenders() {
  std::vector<CodecContender> all;
  all.push_back({kCopyName, "plain chunks copied", std::nullopt, {}, false, nullptr, true});
  add_zstd(all);
  if (const Codec* fse = find_codec("fse")) {
    all.push_back({"fse", "fse of filtered streams", fse->id, {}, true, nullptr, true});
  }
  for (const LaneKernel* kernel : usable_lane_kernels()) {
    all.push_back({text("lane-", kernel->name),
                   text("lane_huffman of filtered streams, kernel ", kernel->name),
                   CodecId::kLaneHuffman,
                   {},
                   true,
                   kernel,
                   true});
  }
  return all;
}

Result<std::vector<CodecContender>> choose_codec_contenders(std::span<const std::string> names,
                                                            bool encode) {
  std::vector<CodecContender> all = all_codec_contenders();
  for (const std::string& name : names) {
    if (!std::ranges::count(all, name, &CodecContender::name)) {
      return Error(ErrorCode::kInvalidArgument,
                   text("there is no contender ", quote(name), " on this machine"));
    }
  }
  std::erase_if(all, [&](const CodecContender& contender) {
    if (names.empty()) return encode && !contender.encodes;
    return !std::ranges::count(names, contender.name);
  });
  return all;
}

}  // namespace qload::bench
