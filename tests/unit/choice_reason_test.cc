// The sentences of `inspect --why`, from sums made by hand.
#include "tools/report/choice_reason.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "tools/report/choice_report.h"

namespace qload::tools {
namespace {

using testing::EndsWith;
using testing::HasSubstr;
using testing::StartsWith;

/// One GB in one chunk, on a target that reads it in a second.
PlanTotals plan(PlanKind kind, const std::string& name, double stored_share,
                double decode_seconds) {
  PlanTotals plan{.kind = kind, .names = {{name, 1}}, .chunk_count = 1};
  plan.decoded_bytes = 1e9;
  plan.stored_bytes = stored_share * 1e9;
  plan.read_seconds = stored_share;
  plan.decode_seconds = decode_seconds;
  plan.cost = stored_share + 0.05 * decode_seconds;
  plan.raw_cost = 1;
  return plan;
}

ChoiceTotals totals_of(std::vector<PlanTotals> plans, size_t chosen) {
  ChoiceTotals totals;
  totals.chunk_count = 1;
  totals.decoded_bytes = 1'000'000'000;
  totals.stored_bytes = totals.default_stored_bytes =
      static_cast<uint64_t>(plans[chosen].stored_bytes);
  totals.entropy_bits = 5 * totals.decoded_bytes;
  totals.forms = totals.default_forms = plans[chosen].names;
  totals.streams[FilterId::kNone][0] = {totals.decoded_bytes, totals.entropy_bits};
  plans[chosen].chosen_count = 1;
  totals.plans = std::move(plans);
  return totals;
}

const PlanTotals kRawPlan = plan(PlanKind::kRaw, "raw", 1, 0);

std::string reason_of(std::vector<PlanTotals> plans, size_t chosen) {
  return choice_reason(totals_of(std::move(plans), chosen), {});
}

TEST(ChoiceReason, ACodeSaysWhatItSavesAndWhatStandsAgainstTheNext) {
  const PlanTotals lanes = plan(PlanKind::kFilter, "lane_huffman", 0.631, 0.0833);
  EXPECT_EQ(reason_of({kRawPlan, lanes}, 1),
            "lane_huffman: 36.9 % fewer bytes to read, 0.08 s/GB of decoding on 4 threads");
  EXPECT_THAT(reason_of({kRawPlan, lanes, plan(PlanKind::kMatch, "zstd -1", 0.629, 0.2083)}, 1),
              EndsWith("; zstd -1 would save 37.1 % but decode 2.5 times as slowly"));
  EXPECT_THAT(reason_of({kRawPlan, lanes, plan(PlanKind::kMatch, "zstd -1", 0.7, 0.2083)}, 1),
              EndsWith("; zstd -1 would save only 30 % and decode 2.5 times as slowly"));
  EXPECT_THAT(reason_of({kRawPlan, lanes, plan(PlanKind::kMatch, "zstd -1", 0.7, 0.08)}, 1),
              EndsWith("; zstd -1 would save only 30 %"));
  EXPECT_THAT(reason_of({kRawPlan, lanes, plan(PlanKind::kFilter, "p[store]", 0.63, 0.08)}, 1),
              EndsWith("; p[store] would save 37 %, too little to count"));
  EXPECT_THAT(reason_of({kRawPlan, lanes, plan(PlanKind::kFilter, "p[store]", 1.0, 0.08)}, 1),
              EndsWith("4 threads"))
      << "a plan that saves nothing is no alternative";
}

TEST(ChoiceReason, StoredSaysWhatWasNotWorthIt) {
  EXPECT_EQ(reason_of({kRawPlan, plan(PlanKind::kFilter, "store", 1, 0.1)}, 0),
            "stored: no plan saves the 2 % that --gain-min asks for");
  EXPECT_EQ(reason_of({kRawPlan, plan(PlanKind::kFilter, "a[zstd]", 0.987, 0.1)}, 0),
            "stored: the best plan would save 1.3 % and --gain-min asks for 2 %");
  EXPECT_EQ(reason_of({kRawPlan, plan(PlanKind::kFilter, "fse", 0.97, 0.9)}, 0),
            "stored: fse would save 3 % of the bytes to read, which its decoding eats up");
  // 1 GB in a tensor of 100 bytes has a stream record of 16 bytes for each of them.
  PlanTotals small = plan(PlanKind::kFilter, "a[fse,fse]", 0.9, 0.1);
  small.read_seconds += 0.16;
  small.cost += 0.16;
  EXPECT_THAT(reason_of({kRawPlan, small}, 0),
              EndsWith("which its records in the index and its decoding eat up"));
  EXPECT_THAT(reason_of({kRawPlan, plan(PlanKind::kFilter, "zstd", 0.95, 0.1), small}, 1),
              EndsWith("a[fse,fse] would save 10 % but for its records in the index"));
  EXPECT_THAT(reason_of({kRawPlan, plan(PlanKind::kFilter, "fse", 0.979, 0.1)}, 0),
              HasSubstr("once it is encoded; 2.1 % was estimated"));
}

TEST(ChoiceReason, EmptyConstantAndSharedAreNamed) {
  EXPECT_EQ(choice_reason({}, {}), "has no bytes");
  EXPECT_EQ(reason_of({kRawPlan, plan(PlanKind::kFilter, "constant", 1e-9, 0.1)}, 1), "constant");
  EXPECT_EQ(shared_reason("a\nb"), "shares its chunks with a\\x0ab");
}

TEST(ChoiceReason, OtherOptionsAreSeen) {
  ChoiceTotals totals =
      totals_of({kRawPlan, plan(PlanKind::kFilter, "lane_huffman", 0.5, 0.08)}, 1);
  totals.forms = {{"zstd", 1}};
  totals.stored_bytes = 600'000'000;
  totals.other_choice_count = 1;
  EXPECT_THAT(choice_reason(totals, {}),
              StartsWith("packed with other options than the default's, as zstd; the default would "
                         "choose lane_huffman (500 MB instead of 600 MB): lane_huffman: 50 %"));
  totals.forms = totals.default_forms;
  EXPECT_THAT(choice_reason(totals, {}), HasSubstr("the default would choose differently (500"));
}

TEST(ChoiceReason, SumsWeighChunksByTheirBytes) {
  ChoiceTotals sum = totals_of({kRawPlan, plan(PlanKind::kFilter, "lane_huffman", 0.5, 0.08)}, 1);
  ChoiceTotals other = totals_of({kRawPlan, plan(PlanKind::kFilter, "fse", 0.9, 0.4)}, 0);
  for (PlanTotals& p : other.plans) {
    for (double* value : {&p.decoded_bytes, &p.stored_bytes, &p.decode_seconds, &p.read_seconds,
                          &p.cost, &p.raw_cost}) {
      *value *= 3;
    }
  }
  sum.add(other);
  ASSERT_EQ(sum.plans.size(), 2u);
  EXPECT_EQ(sum.chunk_count, 2u);
  EXPECT_DOUBLE_EQ(sum.plans[1].saved_share(), 1 - (0.5 + 3 * 0.9) / 4);
  EXPECT_DOUBLE_EQ(sum.plans[1].decode_seconds_per_gb(), (0.08 + 3 * 0.4) / 4);
  EXPECT_EQ(sum.forms.size(), 2u);
  EXPECT_THAT(choice_reason(sum, {}), EndsWith(" (1 of 2 chunks)"));
  EXPECT_EQ(sum.streams.at(FilterId::kNone)[0].bytes, 2'000'000'000u);
}

TEST(ChoiceReason, PercentagesHaveADecimalWhereItTells) {
  EXPECT_EQ(percent_text(0.02), "2 %");
  EXPECT_EQ(percent_text(0.369), "36.9 %");
  EXPECT_EQ(percent_text(0), "0 %");
}

TEST(ChoiceReport, KindsOfNames) {
  EXPECT_EQ(kind_name("model.layers.12.fc1.weight"), "model.layers.*.fc1.weight");
  EXPECT_EQ(kind_name("0"), "*");
  EXPECT_EQ(kind_name("h/3/w2"), "h/*/w2");
  EXPECT_EQ(kind_name(""), "");
  EXPECT_EQ(kind_name("a."), "a.");
}

TEST(ChoiceReport, TensorsOfAKindAndChoiceShareAnEntry) {
  ChoiceReport report(ChoiceTerms{});
  const ChoiceTotals coded =
      totals_of({kRawPlan, plan(PlanKind::kFilter, "lane_huffman", 0.5, 0.08)}, 1);
  const ChoiceTotals stored = totals_of({kRawPlan, plan(PlanKind::kFilter, "fse", 0.987, 0.4)}, 0);
  for (int i = 0; i < 500; ++i) {
    const std::string layer = "layers." + std::to_string(i);
    report.add(layer + ".w", "I8", i == 7 ? stored : coded);
    report.add_shared(layer + ".tied", "I8", 10, layer + ".w");
  }
  const std::string out = report.render();
  EXPECT_THAT(out, HasSubstr("layers.*.w: 499 tensors of I8, 499 GB"));
  EXPECT_THAT(out, HasSubstr("layers.7.w: I8, 1.00 GB"));
  EXPECT_THAT(out, HasSubstr("layers.*.tied: 500 tensors of I8, 5.00 kB\n"
                             "  shares its chunks with layers.*.w"));
  EXPECT_LT(std::count(out.begin(), out.end(), '\n'), 30);
}

TEST(ChoiceReport, TooManyKindsAreGroupedByChoiceAlone) {
  ChoiceReport report(ChoiceTerms{});
  const ChoiceTotals coded =
      totals_of({kRawPlan, plan(PlanKind::kFilter, "lane_huffman", 0.5, 0.08)}, 1);
  const ChoiceTotals stored = totals_of({kRawPlan, plan(PlanKind::kFilter, "fse", 0.987, 0.4)}, 0);
  for (size_t i = 0; i <= ChoiceReport::kGroupsMax; ++i) {
    report.add("w" + std::to_string(i), i % 2 == 0 ? "I8" : "U8", i == 50 ? stored : coded);
  }
  const std::string out = report.render();
  EXPECT_THAT(out, StartsWith("w0 and others: 50 tensors of I8, 50.0 GB"));
  EXPECT_THAT(out, HasSubstr("\nw1 and others: 50 tensors of U8"));
  EXPECT_THAT(out, HasSubstr("\nw50: I8, 1.00 GB"));
}

}  // namespace
}  // namespace qload::tools
