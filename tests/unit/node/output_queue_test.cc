#include "server/node/output_queue.h"

#include <gtest/gtest.h>

#include <string>

namespace kvorum::server {
namespace {

using storage::Lsn;

constexpr OutputQueue::Errors kErrors = {"-W\r\n", "-R\r\n"};

// A write waits for two of three voters, a read for its record's commit; lsn 0: nothing waits.
void add(OutputQueue& queue, std::string_view bytes, uint64_t lsn,
         OutputKind kind = OutputKind::kWrite) {
  queue.buffer() += bytes;
  std::optional<Gate> gate;
  if (lsn != 0)
    gate = Gate{.lsn = Lsn{lsn}, .voters = uint16_t(kind == OutputKind::kWrite ? 2 : 0)};
  queue.seal(gate, kind);
}

// Three voters; two of them, and so the commit, are at `commit`.
bool open(OutputQueue& queue, uint64_t commit) {
  const Lsn durable_on[] = {Lsn{commit + 1}, Lsn{commit}, Lsn{0}};
  return queue.open({.commit = Lsn{commit}, .majority = 2, .durable_on = durable_on});
}

TEST(OutputQueueTest, AReplyWithoutAGateLeavesAtOnce) {
  OutputQueue queue;
  add(queue, "a", 0);
  EXPECT_EQ(queue.sendable(), "a");
  EXPECT_FALSE(queue.gated());
}

TEST(OutputQueueTest, AGatedReplyWaitsForItsCommit) {
  OutputQueue queue;
  add(queue, "a", 5);
  EXPECT_EQ(queue.sendable(), "");
  EXPECT_FALSE(open(queue, 4));
  EXPECT_EQ(queue.sendable(), "");
  EXPECT_TRUE(open(queue, 5));
  EXPECT_EQ(queue.sendable(), "a");
}

TEST(OutputQueueTest, NothingOvertakesAGatedReply) {
  OutputQueue queue;
  add(queue, "write", 5);
  add(queue, "read", 0, OutputKind::kRead);
  EXPECT_EQ(queue.sendable(), "");
  open(queue, 5);
  EXPECT_EQ(queue.sendable(), "writeread");
}

TEST(OutputQueueTest, GatesOpenOneByOne) {
  OutputQueue queue;
  add(queue, "one", 1);
  add(queue, "two", 2);
  open(queue, 1);
  EXPECT_EQ(queue.sendable(), "one");
  queue.sent(3);
  open(queue, 2);
  EXPECT_EQ(queue.sendable(), "two");
}

TEST(OutputQueueTest, AnUndoneWriteBecomesAnErrorAndItsPushVanishes) {
  OutputQueue queue;
  add(queue, "kept", 3);
  add(queue, "undone", 4);
  add(queue, "saw it", 4, OutputKind::kRead);
  add(queue, "event", 4, OutputKind::kPush);
  add(queue, "free", 0, OutputKind::kRead);
  queue.drop_above(Lsn{3}, kErrors);
  EXPECT_TRUE(open(queue, 3));
  EXPECT_EQ(queue.sendable(), "kept-W\r\n-R\r\nfree");
}

TEST(OutputQueueTest, WhatIsCommittedLeavesThoughItStoodBehindAnUndoneReply) {
  OutputQueue queue;
  add(queue, "undone", 10);
  add(queue, "read of 5", 5, OutputKind::kRead);
  open(queue, 9);
  queue.drop_above(Lsn{9}, kErrors);
  open(queue, 9);
  EXPECT_EQ(queue.sendable(), "-W\r\nread of 5");
}

TEST(OutputQueueTest, WhatFollowsAnUndoneReplyCanLeave) {
  OutputQueue queue;
  add(queue, "sent before", 0);
  add(queue, "undone", 9);
  queue.drop_above(Lsn{8}, kErrors);
  EXPECT_TRUE(open(queue, 8));
  EXPECT_EQ(queue.sendable(), "sent before-W\r\n");
  EXPECT_FALSE(queue.gated());
}

TEST(OutputQueueTest, BelowAMajorityAWriteNeedsNoCommit) {
  OutputQueue queue;
  queue.buffer() += "asynchronous";
  queue.seal(Gate{.lsn = Lsn{5}, .voters = 1}, OutputKind::kWrite);
  const Lsn durable_on[] = {Lsn{5}, Lsn{0}, Lsn{0}};
  EXPECT_TRUE(queue.open({.commit = Lsn{0}, .majority = 2, .durable_on = durable_on}));
}

TEST(OutputQueueTest, AMajorityOnDiskIsNotEnoughWithoutACommit) {
  OutputQueue queue;
  add(queue, "of an older term", 5);
  const Lsn durable_on[] = {Lsn{5}, Lsn{5}, Lsn{5}};
  EXPECT_FALSE(queue.open({.commit = Lsn{4}, .majority = 2, .durable_on = durable_on}));
}

TEST(OutputQueueTest, MoreVotersThanThereAreNeverAnswer) {
  OutputQueue queue;
  queue.buffer() += "w";
  queue.seal(Gate{.lsn = Lsn{5}, .voters = 4}, OutputKind::kWrite);
  const Lsn durable_on[] = {Lsn{9}, Lsn{9}, Lsn{9}};
  EXPECT_FALSE(queue.open({.commit = Lsn{9}, .majority = 2, .durable_on = durable_on}));
}

// Four voters by then, of which two have it.
TEST(OutputQueueTest, AQuorumThatWasAMajorityWaitsForTheCommitWhenItIsNoneAnyMore) {
  OutputQueue queue;
  queue.buffer() += "w";
  queue.seal(Gate{.lsn = Lsn{5}, .voters = 2, .committed = true}, OutputKind::kWrite);
  const Lsn durable_on[] = {Lsn{9}, Lsn{9}, Lsn{0}, Lsn{0}};
  EXPECT_FALSE(queue.open({.commit = Lsn{4}, .majority = 3, .durable_on = durable_on}));
  EXPECT_TRUE(queue.open({.commit = Lsn{5}, .majority = 3, .durable_on = durable_on}));
}

TEST(OutputQueueTest, AllAreTheVotersThatThereAreByThen) {
  OutputQueue queue;
  queue.buffer() += "w";
  queue.seal(Gate{.lsn = Lsn{5}, .all = true}, OutputKind::kWrite);
  const Lsn three[] = {Lsn{9}, Lsn{9}, Lsn{0}};
  EXPECT_FALSE(queue.open({.commit = Lsn{9}, .majority = 2, .durable_on = three}));
  const Lsn two[] = {Lsn{9}, Lsn{9}};
  EXPECT_TRUE(queue.open({.commit = Lsn{9}, .majority = 2, .durable_on = two}));
}

TEST(OutputQueueTest, AReadWaitsUntilLeadershipIsConfirmedBeyondIt) {
  OutputQueue queue;
  queue.buffer() += "read";
  queue.seal(Gate{.read_us = 1000}, OutputKind::kRead);
  GateView view;
  view.reads_until_us = 999;
  EXPECT_FALSE(queue.open(view));
  view.reads_until_us = 1000;
  EXPECT_TRUE(queue.open(view));
}

TEST(OutputQueueTest, LostLeadershipFailsTheReadsItHasNotConfirmedAndNothingElse) {
  OutputQueue queue;
  add(queue, "write", 5);
  queue.buffer() += "read";
  queue.seal(Gate{.read_us = 1000}, OutputKind::kRead);
  queue.drop_reads(999, kErrors);
  EXPECT_FALSE(open(queue, 4));
  EXPECT_TRUE(open(queue, 5));
  EXPECT_EQ(queue.sendable(), "write-R\r\n");
}

TEST(OutputQueueTest, AGateThatHasWaitedTooLongBecomesAnError) {
  OutputQueue queue;
  queue.buffer() += "write";
  queue.seal(Gate{.lsn = Lsn{5}, .voters = 2, .deadline_us = 100}, OutputKind::kWrite);
  EXPECT_EQ(queue.deadline_us(), 100);
  queue.expire(99, kErrors);
  EXPECT_FALSE(open(queue, 4));
  queue.expire(100, kErrors);
  EXPECT_TRUE(open(queue, 4));
  EXPECT_EQ(queue.sendable(), "-W\r\n");
}

TEST(OutputQueueTest, DroppedBytesLeaveNoTrace) {
  OutputQueue queue;
  add(queue, "a", 0);
  queue.buffer() += "dropped";
  EXPECT_EQ(queue.unsealed(), "dropped");
  queue.drop_unsealed();
  add(queue, "b", 0);
  EXPECT_EQ(queue.sendable(), "ab");
}

TEST(OutputQueueTest, SentBytesAreCutOffWithoutDisturbingTheGates) {
  OutputQueue queue;
  const std::string large(200'000, 'x');
  add(queue, large, 1);
  add(queue, "tail", 2);
  open(queue, 1);
  queue.sent(150'000);
  EXPECT_EQ(queue.size(), 50'004u);
  queue.sent(50'000);
  EXPECT_EQ(queue.sendable(), "");
  open(queue, 2);
  EXPECT_EQ(queue.sendable(), "tail");
  queue.sent(4);
  EXPECT_EQ(queue.size(), 0u);
}

TEST(OutputQueueDeathTest, MoreThanSendableCannotHaveBeenSent) {
  OutputQueue queue;
  add(queue, "gated", 1);
  EXPECT_DEATH(queue.sent(1), "open_");
}

}  // namespace
}  // namespace kvorum::server
