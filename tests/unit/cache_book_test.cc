// The rules of the cache, without threads and loads: a load ends as soon as it is claimed.
#include "runtime/cache/cache_book.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>
#include <vector>

#include "bench/experts/ideal_lru.h"
#include "bench/experts/zipf.h"

namespace qload::internal {
namespace {

using bench::IdealLru;
using bench::ZipfSource;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr uint64_t kGranule = 4096;

class CacheBookTest : public ::testing::Test {
 protected:
  void make(std::vector<uint64_t> unit_bytes, uint64_t capacity_bytes) {
    book_.emplace(unit_bytes, capacity_bytes, kGranule);
  }
  /// Claims, loads what is missing, releases. The units that were missing.
  std::vector<uint32_t> use(std::vector<uint32_t> units) {
    std::vector<uint32_t> missing = take(units);
    for (const uint32_t unit : units) book_->release(unit);
    return missing;
  }
  std::vector<uint32_t> take(const std::vector<uint32_t>& units) {
    std::vector<uint32_t> missing;
    missing.reserve(units.size());
    EXPECT_FALSE(book_->claim(units, missing).has_value());
    for (const uint32_t unit : missing) book_->finish(unit, true);
    return missing;
  }
  std::optional<CacheBook::Refusal> refuse(const std::vector<uint32_t>& units) {
    std::vector<uint32_t> missing;
    missing.reserve(units.size());
    auto refusal = book_->claim(units, missing);
    EXPECT_TRUE(refusal.has_value());
    EXPECT_THAT(missing, IsEmpty());
    return refusal;
  }
  CacheBook::Hint hint(uint32_t unit) {
    const CacheBook::Hint answer = book_->claim_hint(unit);
    if (answer == CacheBook::Hint::kLoad) book_->finish(unit, true);
    return answer;
  }

  std::optional<CacheBook> book_;
};

TEST_F(CacheBookTest, TheLeastRecentlyUsedGoes) {
  make(std::vector<uint64_t>(5, 4096), 3 * 4096);
  EXPECT_THAT(use({0}), ElementsAre(0));
  EXPECT_THAT(use({1}), ElementsAre(1));
  EXPECT_THAT(use({2}), ElementsAre(2));
  EXPECT_THAT(use({0}), IsEmpty());
  EXPECT_THAT(use({3}), ElementsAre(3));
  EXPECT_EQ(book_->evictions(), 1u);
  EXPECT_FALSE(book_->ready(1));
  EXPECT_TRUE(book_->ready(0) && book_->ready(2) && book_->ready(3));
  EXPECT_THAT(use({1, 0}), ElementsAre(1)) << "2 goes, not 0, which is in the same claim";
  EXPECT_FALSE(book_->ready(2));
  EXPECT_EQ(book_->used_bytes(), 3 * 4096u);
  EXPECT_EQ(book_->pinned_bytes(), 0u);
}

TEST_F(CacheBookTest, WhatIsHeldStays) {
  make(std::vector<uint64_t>(4, 4096), 2 * 4096);
  take({0});
  EXPECT_THAT(use({1}), ElementsAre(1));
  EXPECT_THAT(use({2}), ElementsAre(2));
  EXPECT_TRUE(book_->ready(0));
  const auto refusal = refuse({1, 2});
  EXPECT_EQ(refusal->needed_bytes, 2 * 4096u);
  EXPECT_EQ(refusal->pinned_bytes, 4096u);
  EXPECT_FALSE(refusal->fragmented);
  EXPECT_TRUE(book_->ready(2)) << "a claim that cannot fit evicts nothing";
  book_->release(0);
  EXPECT_THAT(use({1, 2}), ElementsAre(1));
}

TEST_F(CacheBookTest, AFailedLoadLeavesRoom) {
  make(std::vector<uint64_t>(2, 4096), 4096);
  std::vector<uint32_t> missing;
  missing.reserve(1);
  const uint32_t unit = 0;
  ASSERT_FALSE(book_->claim(std::span(&unit, 1), missing).has_value());
  EXPECT_TRUE(book_->loading(0));
  book_->finish(0, false);
  EXPECT_FALSE(book_->loading(0) || book_->ready(0));
  book_->release(0);
  EXPECT_EQ(book_->used_bytes(), 0u);
  EXPECT_EQ(book_->pinned_bytes(), 0u);
  EXPECT_THAT(use({1}), ElementsAre(1));
}

// Regions of 1, 2, 1 and 2 blocks; the held ones keep the free ones apart.
TEST_F(CacheBookTest, HeldUnitsInTheMiddleCanRefuseWhatTheSumHolds) {
  make({4096, 4096, 4096, 4096, 8192}, 4 * 4096);
  take({0, 1, 2, 3});
  book_->release(0);
  book_->release(2);
  const auto refusal = refuse({4});
  EXPECT_TRUE(refusal->fragmented);
  EXPECT_EQ(refusal->largest_free, 4096u);
  EXPECT_EQ(refusal->pinned_bytes, 8192u);
  book_->release(1);
  EXPECT_THAT(use({4}), ElementsAre(4));
  EXPECT_EQ(book_->pinned_bytes(), 4096u) << "unit 3 is still held";
}

TEST_F(CacheBookTest, PiecesAreEvictedUntilOneIsLargeEnough) {
  make({4096, 4096, 4096, 8192}, 3 * 4096);
  use({0});
  use({1});
  use({2});
  use({0});  // Oldest first: 1, 2, 0; 1 lies between 0 and 2.
  EXPECT_THAT(use({3}), ElementsAre(3));
  EXPECT_EQ(book_->evictions(), 2u);
  EXPECT_TRUE(book_->ready(0));
}

TEST_F(CacheBookTest, EmptyUnitsAreAlwaysThere) {
  make({0, 4096}, 4096);
  EXPECT_TRUE(book_->ready(0));
  EXPECT_THAT(use({0, 1}), ElementsAre(1));
  EXPECT_THAT(use({0}), IsEmpty());
  EXPECT_EQ(hint(0), CacheBook::Hint::kPresent);
  EXPECT_EQ(book_->used_bytes(), 4096u);
}

TEST_F(CacheBookTest, HintsTakeNothingFromHoldersAndEarlierHints) {
  make(std::vector<uint64_t>(6, 4096), 3 * 4096);
  take({0});
  use({1});
  use({2});
  EXPECT_EQ(hint(3), CacheBook::Hint::kLoad) << "1 is evicted";
  EXPECT_EQ(hint(2), CacheBook::Hint::kPresent) << "and 2 is wanted now";
  EXPECT_EQ(hint(4), CacheBook::Hint::kDropped);
  EXPECT_TRUE(book_->ready(2) && book_->ready(3));
  EXPECT_THAT(use({3}), IsEmpty());
  EXPECT_EQ(hint(4), CacheBook::Hint::kLoad) << "3 has been used since its hint";
  EXPECT_FALSE(book_->ready(3));
  EXPECT_THAT(use({5}), ElementsAre(5)) << "an acquired unit goes before a hint";
  EXPECT_FALSE(book_->ready(2));
}

TEST_F(CacheBookTest, AHintThatWasWrongLosesItsRoom) {
  make(std::vector<uint64_t>(6, 4096), 3 * 4096);
  use({0});
  EXPECT_EQ(hint(1), CacheBook::Hint::kLoad);
  EXPECT_EQ(hint(2), CacheBook::Hint::kLoad);
  EXPECT_EQ(hint(3), CacheBook::Hint::kLoad) << "0 is evicted";
  EXPECT_EQ(hint(4), CacheBook::Hint::kDropped);
  EXPECT_THAT(use({3}), IsEmpty());
  for (uint64_t i = 1; i + 1 < CacheBook::kHintClaims; ++i) EXPECT_THAT(use({3}), IsEmpty());
  take({3});
  EXPECT_EQ(hint(4), CacheBook::Hint::kLoad) << "1 was hinted too long ago";
  EXPECT_FALSE(book_->ready(1));
  EXPECT_TRUE(book_->ready(2) && book_->ready(3));
}

// Every size alike: exactly an ideal cache. Sets of three, as tokens ask for them.
TEST_F(CacheBookTest, EqualSizesHitAsAnIdealCacheDoes) {
  constexpr uint32_t kExperts = 64;
  constexpr uint32_t kLayers = 8;
  constexpr uint64_t kBytes = 3 * 4096;
  uint64_t hits = 0;
  for (const uint32_t set_size : {1u, 3u}) {
    for (const uint32_t capacity_units : {3u, 51u, 256u, 511u, 512u}) {
      make(std::vector<uint64_t>(kExperts * kLayers, kBytes - 5), capacity_units * kBytes + 4096);
      IdealLru ideal(capacity_units * kBytes);
      ZipfSource zipf(kExperts, 1.1, 7);
      uint64_t misses = 0;
      for (uint32_t access = 0; access < 8000; ++access) {
        std::vector<uint32_t> units;
        std::vector<IdealLru::Item> items;
        for (const uint32_t expert : zipf.next_set(set_size)) {
          units.push_back(access % kLayers * kExperts + expert);
          items.push_back({units.back(), kBytes});
        }
        misses += use(units).size();
        ideal.access(items);
        ASSERT_EQ(misses, ideal.misses()) << access;
      }
      hits += ideal.hits();
    }
  }
  EXPECT_GT(hits, 10'000u);
}

// Different sizes: hits are few less than an ideal cache's, by pieces that are too small.
TEST_F(CacheBookTest, MixedSizesStayNearAnIdealCache) {
  constexpr uint64_t kSeed = 11;
  std::mt19937_64 random(kSeed);
  std::vector<uint64_t> bytes;
  uint64_t all_bytes = 0;
  for (int unit = 0; unit < 512; ++unit) {
    bytes.push_back(kGranule * (1 + random() % 32));
    all_bytes += bytes.back();
  }
  make(bytes, all_bytes / 3);
  IdealLru ideal(book_->capacity_bytes());
  ZipfSource zipf(512, 0.9, kSeed);
  uint64_t hits = 0;
  for (int access = 0; access < 20000; ++access) {
    const uint32_t unit = zipf.next();
    hits += use({unit}).empty();
    ideal.access({unit, bytes[unit]});
    ASSERT_LE(book_->used_bytes(), book_->capacity_bytes());
  }
  EXPECT_LE(hits, ideal.hits() + ideal.hits() / 100);
  EXPECT_GE(hits, ideal.hits() * 9 / 10);
}

}  // namespace
}  // namespace qload::internal
