// Carries out read plans on a container's bytes in memory, and holds them to what ReadPlan says.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <memory>
#include <span>
#include <utility>
#include <vector>

#include "format/base/checked.h"
#include "format/base/checksum.h"
#include "format/container/container_reader.h"
#include "runtime/plan/read_plan.h"
#include "tests/support/fixture_model.h"
#include "tests/support/test_files.h"

namespace qload::test {

inline constexpr size_t kArenaAlignment = 65536;

/// Memory for destinations that counts how often each byte was written.
class Arena {
 public:
  explicit Arena(size_t bytes) : block_(bytes + kArenaAlignment), writes_(bytes), bytes_(bytes) {
    auto address = reinterpret_cast<uintptr_t>(block_.data());
    data_ = block_.data() + (align_up(address, kArenaAlignment) - address);
  }
  std::byte* data() { return data_; }
  void write(const std::byte* to, std::span<const std::byte> bytes) {
    ASSERT_GE(to, data_);
    const auto at = static_cast<size_t>(to - data_);
    ASSERT_LE(at + bytes.size(), bytes_);
    std::memcpy(data_ + at, bytes.data(), bytes.size());
    for (size_t i = 0; i < bytes.size(); ++i) ++writes_[at + i];
  }
  /// True when exactly `bytes` bytes were written, each once.
  bool written_once(uint64_t bytes) const {
    uint64_t sum = 0;
    uint8_t most = 0;
    for (uint8_t count : writes_) {
      sum += count;
      most = std::max(most, count);
    }
    return sum == bytes && most <= 1;
  }

 private:
  std::vector<std::byte> block_;
  std::vector<uint8_t> writes_;
  std::byte* data_;
  size_t bytes_;
};

/// A container on disk, its index, and what its tensors hold.
class PlanFixture {
 public:
  explicit PlanFixture(FixtureModel model) : model_(std::move(model)) {
    write_container(directory_ / "m.qpk", model_);
    auto file = File::open(directory_ / "m.qpk");
    EXPECT_TRUE(file.ok());
    auto container = read_container(std::move(file).value());
    EXPECT_TRUE(container.ok()) << container.error().message();
    container_ = std::make_unique<Container>(std::move(container).value());
    bytes_ = read_file(directory_ / "m.qpk");
  }
  const Index& index() const { return container_->index; }
  const FixtureTensor& tensor(uint32_t number) const { return model_.tensors[number]; }
  uint32_t tensor_count() const { return static_cast<uint32_t>(model_.tensors.size()); }
  uint64_t first_offset(uint32_t number) const {
    return index().chunks()[index().tensors()[number].first_chunk].offset;
  }
  const std::vector<std::byte>& bytes() const { return bytes_; }

 private:
  TempDirectory directory_;
  FixtureModel model_;
  std::unique_ptr<Container> container_;
  std::vector<std::byte> bytes_;
};

/// Carries out a plan the way a loader does, checking what ReadPlan promises on the way.
class PlanRun {
 public:
  PlanRun(const PlanFixture& fixture, const PlanOptions& options, Arena& arena)
      : fixture_(fixture), options_(options), arena_(arena) {}

  void run(const ReadPlan& plan, std::span<const PlanTensor> tensors) {
    uint64_t previous_offset = 0;
    uint32_t chunk = 0;
    uint32_t piece = 0;
    missing_pieces_.clear();
    for (const auto& raw : plan.raw_chunks) missing_pieces_.push_back(raw.piece_count);
    uint64_t read_bytes = 0;
    uint64_t in_place_bytes = 0;
    uint32_t staged_bytes_max = 0;
    for (const PlanRead& read : plan.reads) {
      ASSERT_GE(read.offset, previous_offset);
      previous_offset = read.offset;
      ASSERT_EQ(read.first_chunk, chunk);
      ASSERT_EQ(read.first_piece, piece);
      chunk += read.chunk_count;
      piece += read.piece_count;
      read_bytes += read.bytes;
      if (read.in_place != nullptr) {
        in_place_bytes += read.bytes;
      } else {
        staged_bytes_max = std::max(staged_bytes_max, read.bytes);
      }
      ASSERT_NO_FATAL_FAILURE(check_read(plan, read));
      ASSERT_NO_FATAL_FAILURE(carry_out(plan, read));
    }
    EXPECT_EQ(chunk, plan.chunks.size());
    EXPECT_EQ(piece, plan.pieces.size());
    EXPECT_THAT(missing_pieces_, testing::Each(0u));
    EXPECT_EQ(plan.read_bytes, read_bytes);
    EXPECT_EQ(plan.in_place_bytes, in_place_bytes);
    EXPECT_EQ(plan.staged_bytes_max, staged_bytes_max);
    check_results(plan, tensors);
  }

 private:
  void check_read(const ReadPlan& plan, const PlanRead& read) {
    const uint64_t alignment = options_.alignment;
    EXPECT_EQ(read.offset % alignment, 0u);
    EXPECT_EQ(read.bytes % alignment, 0u);
    EXPECT_GT(read.bytes_required, 0u);
    EXPECT_LE(read.bytes_required, read.bytes);
    EXPECT_LT(read.bytes - read.bytes_required, alignment);
    EXPECT_GT(read.chunk_count + read.piece_count, 0u);
    if (read.in_place != nullptr) {
      EXPECT_TRUE(options_.in_place);
      EXPECT_EQ(reinterpret_cast<uintptr_t>(read.in_place) % alignment, 0u);
      EXPECT_EQ(read.bytes_required, read.bytes);
      EXPECT_EQ(read.chunk_count, 0u);
    }
    if (read.bytes <= std::max(options_.read_bytes, options_.alignment)) return;
    // Larger than aimed at: it must hold nothing but one coded chunk.
    ASSERT_FALSE(options_.stored);
    ASSERT_GT(read.chunk_count, 0u);
    EXPECT_EQ(read.piece_count, 0u);
    const uint64_t only = plan.chunks[read.first_chunk].chunk;
    EXPECT_FALSE(fixture_.index().form(fixture_.index().chunks()[only]).stored_raw());
    for (uint32_t i = 0; i < read.chunk_count; ++i) {
      EXPECT_EQ(plan.chunks[read.first_chunk + i].chunk, only);
    }
  }

  void carry_out(const ReadPlan& plan, const PlanRead& read) {
    // The file: base_offset other bytes, then the container.
    std::vector<std::byte> data(read.bytes, std::byte{0xEE});
    const auto& container = fixture_.bytes();
    const uint64_t end = options_.base_offset + container.size();
    ASSERT_LE(read.offset + read.bytes_required, end) << "needs bytes past the end of the file";
    const uint64_t begin = std::max(read.offset, options_.base_offset);
    const uint64_t bytes = std::min(end, read.offset + read.bytes) - begin;
    std::memcpy(data.data() + (begin - read.offset),
                container.data() + (begin - options_.base_offset), bytes);
    for (uint32_t i = 0; i < read.chunk_count; ++i) {
      ASSERT_NO_FATAL_FAILURE(decode(plan.chunks[read.first_chunk + i], data));
    }
    uint64_t piece_bytes = 0;
    for (uint32_t i = 0; i < read.piece_count; ++i) {
      const PlanPiece& piece = plan.pieces[read.first_piece + i];
      ASSERT_GT(piece.bytes, 0u);
      ASSERT_LE(uint64_t{piece.read_offset} + piece.bytes, read.bytes_required);
      const PlanRawChunk& raw = plan.raw_chunks[piece.raw_chunk];
      const ChunkRecord& record = fixture_.index().chunks()[raw.chunk];
      ASSERT_GE(piece.destination, raw.destination);
      ASSERT_EQ(raw.stored_bytes, record.stored_bytes);
      ASSERT_LE(piece.destination + piece.bytes, raw.destination + raw.stored_bytes);
      ASSERT_GT(missing_pieces_[piece.raw_chunk], 0u);
      --missing_pieces_[piece.raw_chunk];
      if (read.in_place != nullptr) {
        ASSERT_EQ(piece.destination, read.in_place + piece.read_offset);
      }
      piece_bytes += piece.bytes;
      if (read.in_place != nullptr) continue;
      arena_.write(piece.destination, std::span(data).subspan(piece.read_offset, piece.bytes));
    }
    if (read.in_place == nullptr) return;
    arena_.write(read.in_place, data);
    padding_bytes_ += read.bytes - piece_bytes;
    if (!options_.stored) {
      EXPECT_EQ(piece_bytes, read.bytes);
    }
  }

  void decode(const PlanChunk& chunk, std::span<const std::byte> data) {
    const ChunkRecord& record = fixture_.index().chunks()[chunk.chunk];
    ASSERT_LE(uint64_t{chunk.read_offset} + record.stored_bytes, data.size());
    const auto stored = data.subspan(chunk.read_offset, record.stored_bytes);
    ASSERT_EQ(checksum64(stored), record.stored_checksum);
    std::vector<std::byte> decoded(record.decoded_bytes);
    ASSERT_TRUE(decode_chunk(context_, fixture_.index().form(record), stored, decoded).ok());
    arena_.write(chunk.destination, decoded);
  }

  void check_results(const ReadPlan& plan, std::span<const PlanTensor> tensors) {
    uint64_t decoded_bytes = 0;
    for (const PlanTensor& wanted : tensors) {
      if (options_.stored) {
        decoded_bytes += fixture_.index().tensors()[wanted.tensor].stored_bytes;
        check_stored(wanted);
        continue;
      }
      const auto& data = fixture_.tensor(wanted.tensor).data;
      decoded_bytes += data.size();
      EXPECT_TRUE(std::equal(data.begin(), data.end(), wanted.data))
          << fixture_.tensor(wanted.tensor).name;
    }
    EXPECT_EQ(plan.decoded_bytes, decoded_bytes);
    EXPECT_TRUE(arena_.written_once(decoded_bytes + padding_bytes_));
  }

  /// Every chunk lies as far from the first one as in the file.
  void check_stored(const PlanTensor& wanted) {
    const auto chunks = wanted_chunks(fixture_.index(), wanted);
    for (const ChunkRecord& chunk : chunks) {
      const std::byte* data = wanted.data + (chunk.offset - chunks[0].offset);
      EXPECT_EQ(checksum64({data, chunk.stored_bytes}), chunk.stored_checksum)
          << fixture_.tensor(wanted.tensor).name << " at " << chunk.offset;
    }
  }

  const PlanFixture& fixture_;
  const PlanOptions& options_;
  Arena& arena_;
  DecodeContext context_;
  std::vector<uint32_t> missing_pieces_;
  uint64_t padding_bytes_ = 0;  // Between stored chunks that were read in place.
};

}  // namespace qload::test
