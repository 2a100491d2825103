// RowCursor: rows of every kind of tensor, from any row on, are the loaded tensor's bytes.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <random>
#include <string>
#include <thread>

#include "qload/packed.h"
#include "tests/support/allocation_count.h"
#include "tests/support/row_models.h"

namespace qload::test {
namespace {

using ::testing::HasSubstr;

/// Tensors of every codec and filter, of every dtype, and of every awkward shape. Chunks of 30000
/// bytes and so: rows straddle them.
FixtureModel all_kinds() {
  FixtureModel model;
  auto& tensors = model.tensors;
  for (const Codec& codec : all_codecs()) {
    for (const Filter& filter : all_filters()) {
      tensors.push_back(row_tensor(std::string(codec.name) + "/" + std::string(filter.name),
                                   DType::kBF16, {70, 500}, gaussian_bf16(35'000, 0.02, 7), 30'001,
                                   codec.id, filter.id));
    }
  }
  for (const DTypeInfo& dtype : all_dtypes()) {
    const uint64_t bytes = 40u * 9u * dtype.block_bytes;
    tensors.push_back(row_tensor("dtype/" + std::string(dtype.name), dtype.dtype,
                                 {40, 9u * dtype.block_elements}, gaussian_int8(bytes, 6.0, bytes),
                                 5000));
  }
  const auto add = [&](const char* name, std::vector<uint64_t> shape, size_t bytes,
                       uint64_t chunk_bytes) {
    tensors.push_back(row_tensor(name, DType::kI8, std::move(shape),
                                 gaussian_int8(bytes, 5.0, bytes + chunk_bytes), chunk_bytes));
  };
  add("rows of 1", {50'000, 1}, 50'000, 4096);
  add("rows of 3", {30'001, 3}, 90'003, 10'000);
  add("rows larger than a chunk", {5, 100'003}, 500'015, 16'384);
  add("rows larger than the buffer", {3, 70'000}, 210'000, 210'000);
  add("three dimensions", {4, 6, 1000}, 24'000, 5'000);
  add("vector", {70'001}, 70'001, 10'000);
  tensors.push_back(row_tensor("scalar", DType::kF32, {1}, random_bytes(4, 1), 4));
  add("no rows", {0, 8}, 0, 4096);
  add("rows of nothing", {8, 0}, 0, 4096);
  tensors.push_back(row_tensor("raw", DType::kI8, {1000, 257}, random_bytes(257'000, 3), 100'000,
                               CodecId::kStore));
  tensors.push_back(row_tensor("raw aligned", DType::kF32, {100, 1024}, random_bytes(409'600, 3),
                               81'920, CodecId::kStore));
  return model;
}

class RowCursorTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() { fixture_ = new RowFixture(all_kinds()); }
  static void TearDownTestSuite() { delete fixture_; }
  static std::span<const std::byte> expected(std::string_view tensor) {
    return fixture_->weights().find(tensor)->data;
  }
  static std::span<const std::byte> expected(const RowCursor& cursor, uint64_t first,
                                             uint64_t count) {
    return expected(cursor.info().name)
        .subspan(first * cursor.row_bytes(), count * cursor.row_bytes());
  }
  /// The next rows are right; how many there were.
  static uint64_t expect_next(RowCursor& cursor, uint64_t count_max) {
    const uint64_t first = cursor.next_row();
    const auto view = cursor.next_rows(count_max);
    EXPECT_TRUE(view.ok()) << (view.ok() ? "" : view.error().message());
    if (!view.ok()) return 0;
    EXPECT_EQ(view->first_row, first);
    EXPECT_LE(view->count, count_max);
    EXPECT_EQ(view->count == 0, first == cursor.rows());
    EXPECT_EQ(cursor.next_row(), first + view->count);
    EXPECT_TRUE(std::ranges::equal(view->data, expected(cursor, first, view->count)))
        << cursor.info().name << " rows " << first << " + " << view->count;
    if (view->count > 0) {
      const uint64_t alignment =
          std::min(uint64_t{64}, uint64_t{1} << std::countr_zero(cursor.row_bytes()));
      EXPECT_EQ(reinterpret_cast<uintptr_t>(view->data.data()) % alignment, 0u);
    }
    return view->count;
  }

  static RowFixture* fixture_;
};
RowFixture* RowCursorTest::fixture_ = nullptr;

TEST_F(RowCursorTest, EveryTensorFrontToBackEqualsTheLoadedOne) {
  for (const TensorInfo& info : fixture_->model().tensors()) {
    for (const uint64_t buffer_bytes : {uint64_t{0}, uint64_t{777}, uint64_t{64} << 10}) {
      for (const uint64_t count_max : {uint64_t{1}, uint64_t{7}, ~uint64_t{0}}) {
        RowCursor cursor = fixture_->cursor(info.name, buffer_bytes);
        ASSERT_EQ(cursor.rows() * cursor.row_bytes(), info.bytes);
        if (cursor.rows() > 10'000 * count_max) continue;
        while (expect_next(cursor, count_max) > 0) ASSERT_FALSE(HasFailure()) << info.name;
        ASSERT_EQ(cursor.next_row(), cursor.rows());
      }
    }
  }
}

TEST_F(RowCursorTest, RowsAreTheInnermostDimension) {
  const auto shape = [](const char* name) {
    const RowCursor cursor = fixture_->cursor(name);
    return std::pair(cursor.rows(), cursor.row_bytes());
  };
  EXPECT_EQ(shape("three dimensions"), std::pair(uint64_t{24}, uint64_t{1000}));
  EXPECT_EQ(shape("vector"), std::pair(uint64_t{1}, uint64_t{70'001}));
  EXPECT_EQ(shape("scalar"), std::pair(uint64_t{1}, uint64_t{4}));
  EXPECT_EQ(shape("no rows"), std::pair(uint64_t{0}, uint64_t{0}));
  EXPECT_EQ(shape("rows of nothing"), std::pair(uint64_t{0}, uint64_t{0}));
  EXPECT_EQ(shape("dtype/Q8_0"), std::pair(uint64_t{40}, uint64_t{9 * 34}));
  TensorInfo scalar;
  scalar.dtype = DType::kF64;
  scalar.bytes = 8;
  EXPECT_EQ(row_bytes(scalar), 8u);
  EXPECT_EQ(row_count(scalar), 1u);
  const uint64_t torn[] = {2, 33};  // Q8_0 has blocks of 32 elements.
  scalar.dtype = DType::kQ8_0;
  scalar.shape = torn;
  scalar.bytes = 68;
  EXPECT_EQ(row_bytes(scalar), 68u) << "rows that are not whole blocks";
}

TEST_F(RowCursorTest, SeeksAnywhereAndDecodesAnyRows) {
  std::mt19937_64 generator(5);
  std::vector<std::byte> memory;
  for (const TensorInfo& info : fixture_->model().tensors()) {
    RowCursor cursor = fixture_->cursor(info.name, 3000);
    for (int round = 0; round < 40; ++round) {
      const uint64_t row = generator() % (cursor.rows() + 1);
      ASSERT_TRUE(cursor.seek(row).ok());
      ASSERT_EQ(cursor.next_row(), row);
      expect_next(cursor, 1 + generator() % 20);
      expect_next(cursor, 1 + generator() % 20);
      const uint64_t first = generator() % (cursor.rows() + 1);
      const uint64_t count = generator() % (std::min<uint64_t>(50, cursor.rows() - first) + 1);
      memory.assign(count * cursor.row_bytes() + 64, std::byte{0xA5});
      const auto out = std::span(memory).first(count * cursor.row_bytes());
      const Status status = cursor.decode_rows(first, count, out);
      ASSERT_TRUE(status.ok()) << status.error().message();
      ASSERT_TRUE(std::ranges::equal(out, expected(cursor, first, count))) << info.name;
      ASSERT_EQ(memory[out.size()], std::byte{0xA5});
      ASSERT_EQ(cursor.next_row(), first + count);
      expect_next(cursor, 3);
      ASSERT_FALSE(HasFailure()) << info.name << " round " << round;
    }
  }
}

TEST_F(RowCursorTest, RawRowsAreShownWhereTheyLie) {
  RowCursor cursor = fixture_->cursor("raw aligned", 8192);
  auto view = cursor.next_rows(~uint64_t{0});
  ASSERT_TRUE(view.ok());
  EXPECT_EQ(view->count, 20u) << "a chunk, which is more than the buffer";
  const std::byte* data = view->data.data();
  ASSERT_TRUE(cursor.seek(1).ok());
  view = cursor.next_rows(2);
  ASSERT_TRUE(view.ok());
  EXPECT_EQ(view->data.data(), data + 4096);
  // Rows that straddle chunks do not lie in one piece.
  RowCursor odd = fixture_->cursor("raw", 8192);
  ASSERT_TRUE(odd.seek(389).ok());  // 100'000 is in row 389.
  EXPECT_GT(expect_next(odd, 1), 0u);
}

TEST_F(RowCursorTest, ChunkStartsSplitTheWork) {
  for (const char* name : {"rows of 3", "rows larger than a chunk", "raw", "vector", "no rows",
                           "dtype/BF16", "lane_huffman/float_planes_2"}) {
    RowCursor cursor = fixture_->cursor(name);
    uint64_t starts = 0;
    for (uint64_t row = 0; row < cursor.rows(); ++row) {
      const uint64_t start = cursor.chunk_start_row(row);
      ASSERT_LE(start, row);
      ASSERT_EQ(cursor.chunk_start_row(start), start);
      starts += start == row;
    }
    EXPECT_EQ(cursor.chunk_start_row(cursor.rows()), cursor.rows());
    EXPECT_EQ(cursor.chunk_start_row(~uint64_t{0}), cursor.rows());
    if (cursor.rows() > 0) {
      EXPECT_GT(starts, 0u);
    }
  }
  // Ten chunks of 10'000 bytes, rows of 3: the second begins in the middle of row 3333.
  RowCursor cursor = fixture_->cursor("rows of 3");
  EXPECT_EQ(cursor.chunk_start_row(3333), 0u);
  EXPECT_EQ(cursor.chunk_start_row(3334), 3334u);
  EXPECT_EQ(cursor.chunk_start_row(4000), 3334u);
}

TEST_F(RowCursorTest, ThreadsShareATensor) {
  const char* name = "rows of 3";
  constexpr uint64_t kThreads = 4;
  std::vector<std::byte> memory(fixture_->model().find(name)->bytes);
  std::vector<std::thread> threads;
  for (uint64_t t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      RowCursor cursor = fixture_->cursor(name);
      const uint64_t first = cursor.chunk_start_row(cursor.rows() * t / kThreads);
      const uint64_t end = cursor.chunk_start_row(cursor.rows() * (t + 1) / kThreads);
      const auto out = std::span(memory).subspan(first * 3, (end - first) * 3);
      EXPECT_TRUE(cursor.decode_rows(first, end - first, out).ok());
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_TRUE(std::ranges::equal(memory, expected(name)));
}

// Once each kind of chunk has been met, rows cost no allocation.
TEST_F(RowCursorTest, ASecondPassAllocatesNothing) {
  std::vector<std::byte> memory(fixture_->model().find("rows larger than a chunk")->bytes);
  for (const TensorInfo& info : fixture_->model().tensors()) {
    RowCursor cursor = fixture_->cursor(info.name);
    const auto pass = [&] {
      ASSERT_TRUE(cursor.seek(0).ok());
      while (cursor.next_row() < cursor.rows()) ASSERT_TRUE(cursor.next_rows(100).ok());
      const auto out = std::span(memory).first(cursor.rows() * cursor.row_bytes());
      ASSERT_TRUE(cursor.decode_rows(0, cursor.rows(), out).ok());
    };
    ASSERT_NO_FATAL_FAILURE(pass());
    const uint64_t before = allocation_count();
    ASSERT_NO_FATAL_FAILURE(pass());
    EXPECT_EQ(allocation_count(), before) << info.name;
  }
}

// One cursor for all tensors: from the middle of a chunk of one to the start of the next.
TEST_F(RowCursorTest, ReopensOnAnyTensorWithTheMemoryItHas) {
  RowCursor cursor = fixture_->cursor("scalar", 3000);
  uint64_t before = 0;
  for (int pass = 0; pass < 3; ++pass) {
    for (const TensorInfo& info : fixture_->model().tensors()) {
      const Status opened = cursor.reopen(fixture_->packed(), info.name);
      ASSERT_TRUE(opened.ok()) << opened.error().message();
      ASSERT_EQ(cursor.info().name, info.name);
      ASSERT_EQ(cursor.next_row(), 0u);
      if (pass < 2) expect_next(cursor, 7);
      if (pass < 2) expect_next(cursor, 7);
      ASSERT_TRUE(cursor.next_rows(7).ok());
      ASSERT_FALSE(HasFailure()) << info.name;
    }
    if (pass == 1) before = allocation_count();
  }
  EXPECT_EQ(allocation_count(), before) << "every kind of chunk has been met";

  ASSERT_TRUE(cursor.reopen(fixture_->packed(), "rows of 3").ok());
  expect_next(cursor, 5);
  const Status absent = cursor.reopen(fixture_->packed(), "absent");
  ASSERT_FALSE(absent.ok());
  EXPECT_EQ(absent.error().code(), ErrorCode::kNotFound);
  EXPECT_EQ(cursor.info().name, "rows of 3");
  EXPECT_EQ(cursor.next_row(), 5u);
  expect_next(cursor, 5);
}

TEST_F(RowCursorTest, LoaderReadsRowsFromTheFile) {
  std::mt19937_64 generator(9);
  std::vector<std::byte> memory;
  for (const TensorInfo& info : fixture_->model().tensors()) {
    for (int round = 0; round < 4; ++round) {
      const uint64_t rows = row_count(info);
      const uint64_t first = generator() % (rows + 1);
      const uint64_t count = round == 0 ? rows - first : std::min<uint64_t>(1, rows - first);
      memory.assign(count * row_bytes(info) + 64, std::byte{0xA5});
      const auto out = std::span(memory).first(count * row_bytes(info));
      LoadStatistics statistics;
      const Status status = fixture_->loader().load_rows(fixture_->model(), info.name, first, count,
                                                         out, {.statistics = &statistics});
      ASSERT_TRUE(status.ok()) << info.name << ": " << status.error().message();
      const auto wanted = expected(info.name).subspan(first * row_bytes(info), out.size());
      ASSERT_TRUE(std::ranges::equal(out, wanted)) << info.name;
      ASSERT_EQ(memory[out.size()], std::byte{0xA5});
      // A row of 3 bytes is in one chunk of 10'000 or two.
      if (round > 0 && info.name == "rows of 3") {
        EXPECT_LE(statistics.bytes_decoded, 20'000u);
      }
    }
  }
  Loader& loader = fixture_->loader();
  const Model& model = fixture_->model();
  memory.resize(257 * 3);
  EXPECT_EQ(loader.load_rows(model, "absent", 0, 1, memory).error().code(), ErrorCode::kNotFound);
  for (const uint64_t first : {uint64_t{998}, ~uint64_t{0}}) {
    EXPECT_EQ(loader.load_rows(model, "raw", first, 3, memory).error().code(),
              ErrorCode::kInvalidArgument);
  }
  EXPECT_EQ(loader.load_rows(model, "raw", 0, 2, memory).error().code(),
            ErrorCode::kInvalidArgument);
}

TEST_F(RowCursorTest, WrongCallsAreNamed) {
  auto absent = RowCursor::open(fixture_->packed(), "absent");
  ASSERT_FALSE(absent.ok());
  EXPECT_EQ(absent.error().code(), ErrorCode::kNotFound);
  EXPECT_THAT(std::string(absent.error().message()), HasSubstr("\"absent\""));
  auto large = RowCursor::open(fixture_->packed(), "raw", {.buffer_bytes = (1u << 30) + 1});
  EXPECT_EQ(large.error().code(), ErrorCode::kInvalidArgument);

  RowCursor cursor = fixture_->cursor("raw");
  EXPECT_TRUE(cursor.seek(1000).ok());
  EXPECT_EQ(cursor.next_rows(5)->count, 0u);
  const Status beyond = cursor.seek(1001);
  ASSERT_FALSE(beyond.ok());
  EXPECT_EQ(beyond.error().code(), ErrorCode::kInvalidArgument);
  EXPECT_THAT(std::string(beyond.error().message()), HasSubstr("row 1001 of tensor \"raw\""));
  EXPECT_EQ(cursor.next_rows(0).error().code(), ErrorCode::kInvalidArgument);
  std::vector<std::byte> memory(257 * 3);
  EXPECT_EQ(cursor.decode_rows(998, 3, memory).error().code(), ErrorCode::kInvalidArgument);
  EXPECT_EQ(cursor.decode_rows(~uint64_t{0}, 3, memory).error().code(),
            ErrorCode::kInvalidArgument);
  EXPECT_EQ(cursor.decode_rows(0, 2, memory).error().code(), ErrorCode::kInvalidArgument);
  EXPECT_TRUE(cursor.decode_rows(997, 3, memory).ok());
  EXPECT_TRUE(cursor.decode_rows(1000, 0, {}).ok());
}

}  // namespace
}  // namespace qload::test
