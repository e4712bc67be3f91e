#include "server/node/output_queue.h"

#include <gtest/gtest.h>

#include <string>

namespace kvorum::server {
namespace {

using storage::Lsn;
using storage::Term;

Gate at(uint64_t lsn) { return {{Term{1}, Lsn{lsn}}, 1}; }

void add(OutputQueue& queue, std::string_view bytes, uint64_t lsn,
         OutputKind kind = OutputKind::kWrite) {
  queue.buffer() += bytes;
  queue.seal(at(lsn), kind);
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
  EXPECT_FALSE(queue.open(Lsn{4}));
  EXPECT_EQ(queue.sendable(), "");
  EXPECT_TRUE(queue.open(Lsn{5}));
  EXPECT_EQ(queue.sendable(), "a");
}

TEST(OutputQueueTest, NothingOvertakesAGatedReply) {
  OutputQueue queue;
  add(queue, "write", 5);
  add(queue, "read", 0, OutputKind::kRead);
  EXPECT_EQ(queue.sendable(), "");
  queue.open(Lsn{5});
  EXPECT_EQ(queue.sendable(), "writeread");
}

TEST(OutputQueueTest, GatesOpenOneByOne) {
  OutputQueue queue;
  add(queue, "one", 1);
  add(queue, "two", 2);
  queue.open(Lsn{1});
  EXPECT_EQ(queue.sendable(), "one");
  queue.sent(3);
  queue.open(Lsn{2});
  EXPECT_EQ(queue.sendable(), "two");
}

TEST(OutputQueueTest, AnUndoneWriteBecomesAnErrorAndItsPushVanishes) {
  OutputQueue queue;
  add(queue, "kept", 3);
  add(queue, "undone", 4);
  add(queue, "saw it", 4, OutputKind::kRead);
  add(queue, "event", 4, OutputKind::kPush);
  add(queue, "free", 0, OutputKind::kRead);
  EXPECT_TRUE(queue.undo_above(Lsn{3}, "-W\r\n", "-R\r\n"));
  EXPECT_EQ(queue.sendable(), "kept-W\r\n-R\r\nfree");
}

TEST(OutputQueueTest, WhatIsCommittedLeavesThoughItStoodBehindAnUndoneReply) {
  OutputQueue queue;
  add(queue, "undone", 10);
  add(queue, "read of 5", 5, OutputKind::kRead);
  queue.open(Lsn{9});
  queue.undo_above(Lsn{9}, "-W\r\n", "-R\r\n");
  EXPECT_EQ(queue.sendable(), "-W\r\nread of 5");
}

TEST(OutputQueueTest, WhatFollowsAnUndoneReplyCanLeave) {
  OutputQueue queue;
  add(queue, "sent before", 0);
  add(queue, "undone", 9);
  EXPECT_TRUE(queue.undo_above(Lsn{8}, "-W\r\n", "-R\r\n"));
  EXPECT_EQ(queue.sendable(), "sent before-W\r\n");
  EXPECT_FALSE(queue.gated());
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
  queue.open(Lsn{1});
  queue.sent(150'000);
  EXPECT_EQ(queue.size(), 50'004u);
  queue.sent(50'000);
  EXPECT_EQ(queue.sendable(), "");
  queue.open(Lsn{2});
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
