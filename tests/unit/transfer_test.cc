// Every answer a kernel can give to one piece of a read, without a kernel.
#include "runtime/io/transfer.h"

#include <gtest/gtest.h>

#include <vector>

namespace qload {
namespace {

using Next = Transfer::Next;

class TransferTest : public ::testing::Test {
 protected:
  Transfer make(uint32_t bytes, uint32_t required, bool direct = false) {
    return Transfer({.offset = 1 << 20,
                     .data = memory_.data(),
                     .bytes = bytes,
                     .bytes_required = required,
                     .tag = 7,
                     .direct = direct},
                    4096);
  }
  std::vector<std::byte> memory_ = std::vector<std::byte>(16384);
};

TEST_F(TransferTest, WholeAnswerFinishes) {
  auto transfer = make(8192, 8192);
  EXPECT_EQ(transfer.offset(), 1u << 20);
  EXPECT_EQ(transfer.data(), memory_.data());
  EXPECT_EQ(transfer.bytes(), 8192u);
  EXPECT_EQ(transfer.take_result(8192), Next::kFinished);
  EXPECT_EQ(transfer.completion().tag, 7u);
  EXPECT_EQ(transfer.completion().error_number, 0);
  EXPECT_EQ(transfer.completion().bytes, 8192u);
  EXPECT_FALSE(transfer.was_short());
}

TEST_F(TransferTest, EnoughIsWhatIsRequired) {
  for (const uint32_t answer : {5000u, 5001u, 8192u}) {
    auto transfer = make(8192, 5000, true);
    EXPECT_EQ(transfer.take_result(answer), Next::kFinished);
    EXPECT_EQ(transfer.completion().error_number, 0);
    EXPECT_EQ(transfer.completion().bytes, answer);
    EXPECT_FALSE(transfer.was_short());
  }
}

TEST_F(TransferTest, BufferedResumesWhereItStopped) {
  auto transfer = make(8192, 8192);
  EXPECT_EQ(transfer.take_result(1), Next::kResume);
  EXPECT_EQ(transfer.offset(), (1u << 20) + 1);
  EXPECT_EQ(transfer.data(), memory_.data() + 1);
  EXPECT_EQ(transfer.bytes(), 8191u);
  EXPECT_EQ(transfer.take_result(5000), Next::kResume);
  EXPECT_EQ(transfer.bytes(), 3191u);
  EXPECT_EQ(transfer.take_result(3191), Next::kFinished);
  EXPECT_EQ(transfer.completion().error_number, 0);
  EXPECT_EQ(transfer.completion().bytes, 8192u);
  EXPECT_TRUE(transfer.was_short());
}

TEST_F(TransferTest, DirectResumesAtTheLastAlignedByte) {
  auto transfer = make(16384, 16384, true);
  EXPECT_EQ(transfer.take_result(8192 + 512), Next::kResume);
  EXPECT_EQ(transfer.offset(), (1u << 20) + 8192);
  EXPECT_EQ(transfer.data(), memory_.data() + 8192);
  EXPECT_EQ(transfer.bytes(), 8192u);
  EXPECT_EQ(transfer.take_result(8192), Next::kFinished);
  EXPECT_EQ(transfer.completion().error_number, 0);
  EXPECT_EQ(transfer.completion().bytes, 16384u);
}

TEST_F(TransferTest, DirectShortByLessThanABlockIsReadAgain) {
  auto transfer = make(8192, 8192, true);
  EXPECT_EQ(transfer.take_result(512), Next::kResume);
  EXPECT_EQ(transfer.offset(), 1u << 20);
  EXPECT_EQ(transfer.take_result(1024), Next::kResume);
  EXPECT_EQ(transfer.take_result(8192), Next::kFinished);
  EXPECT_EQ(transfer.completion().error_number, 0);
}

TEST_F(TransferTest, EndOfFileBeforeWhatIsRequired) {
  auto empty = make(8192, 1);
  EXPECT_EQ(empty.take_result(0), Next::kFinished);
  EXPECT_EQ(empty.completion().error_number, ENODATA);
  EXPECT_EQ(empty.completion().bytes, 0u);
  EXPECT_FALSE(empty.was_short());

  auto buffered = make(8192, 5001);
  EXPECT_EQ(buffered.take_result(5000), Next::kResume);
  EXPECT_EQ(buffered.take_result(0), Next::kFinished);
  EXPECT_EQ(buffered.completion().error_number, ENODATA);
  EXPECT_EQ(buffered.completion().bytes, 5000u);

  // The example in transfer.h.
  auto direct = make(12288, 7000, true);
  EXPECT_EQ(direct.take_result(6000), Next::kResume);
  EXPECT_EQ(direct.bytes(), 8192u);
  EXPECT_EQ(direct.take_result(1904), Next::kFinished);
  EXPECT_EQ(direct.completion().error_number, ENODATA);
  EXPECT_EQ(direct.completion().bytes, 6000u);

  auto aligned = make(8192, 8192, true);  // The file ends on a block.
  EXPECT_EQ(aligned.take_result(4096), Next::kResume);
  EXPECT_EQ(aligned.take_result(0), Next::kFinished);
  EXPECT_EQ(aligned.completion().error_number, ENODATA);
}

TEST_F(TransferTest, NothingRequiredIsNeverTooLittle) {
  auto transfer = make(0, 0);
  EXPECT_EQ(transfer.take_result(0), Next::kFinished);
  EXPECT_EQ(transfer.completion().error_number, 0);
  auto past_end = make(4096, 0);
  EXPECT_EQ(past_end.take_result(0), Next::kFinished);
  EXPECT_EQ(past_end.completion().error_number, 0);
}

TEST_F(TransferTest, InterruptedIsRepeatedUpToTheBound) {
  for (const int error : {EINTR, EAGAIN}) {
    auto transfer = make(8192, 8192);
    for (uint32_t i = 0; i < Transfer::kRepeatsMax; ++i) {
      ASSERT_EQ(transfer.take_result(-error), Next::kResume);
      ASSERT_EQ(transfer.bytes(), 8192u);
    }
    EXPECT_FALSE(transfer.was_short());
    auto lucky = transfer;
    EXPECT_EQ(lucky.take_result(8192), Next::kFinished);
    EXPECT_EQ(lucky.completion().error_number, 0);
    EXPECT_EQ(transfer.take_result(-error), Next::kFinished);
    EXPECT_EQ(transfer.completion().error_number, error);
  }
}

TEST_F(TransferTest, OtherErrorsFailAtOnce) {
  for (const int error : {EIO, EINVAL, EBADF, EISDIR, EFAULT, ECANCELED}) {
    auto transfer = make(8192, 8192);
    EXPECT_EQ(transfer.take_result(100), Next::kResume);
    EXPECT_EQ(transfer.take_result(-error), Next::kFinished);
    EXPECT_EQ(transfer.completion().error_number, error);
    EXPECT_EQ(transfer.completion().bytes, 100u);
  }
}

}  // namespace
}  // namespace qload
