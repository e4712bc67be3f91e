// SnapshotSender and SnapshotReceiver against each other: two hosts, and messages that the test
// carries, or loses.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <deque>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "server/node/cluster/snapshot_receiver.h"
#include "server/node/cluster/snapshot_sender.h"
#include "storage/inverse.h"
#include "storage/keyspace.h"
#include "storage/snapshot_file.h"
#include "storage/snapshot_writer.h"
#include "tests/unit/node/node_fixture.h"

namespace kvorum::server {
namespace {

using storage::Keyspace;
using storage::Lsn;
using storage::Position;
using storage::Term;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr uint64_t kSeed = 0x5eed;
constexpr char kIncoming[] = "data/incoming-0000000000000064.tmp";
constexpr char kInstalled[] = "data/snapshot-0000000000000064.kvs";

class SnapshotTransferTest : public ::testing::Test {
 protected:
  static constexpr Position kCut{Term{3}, Lsn{100}};

  SnapshotTransferTest() {
    identity_.incarnation[0] = 7;
    identity_.hash_seed = kSeed;
    fill(120);
    EXPECT_TRUE(follower_.disk.create_directory("data").ok());
    source_ = take_snapshot(kCut);
    receive_anew();
  }

  void fill(int keys) {
    storage::Inverse inverse;
    const std::string value(30'000, 'v');
    for (int i = 0; i < keys; ++i) {
      const std::string key = "key " + std::to_string(hlc_);
      keyspace_.apply({.kind = storage::EffectKind::kSet, .key = key, .value = value},
                      {storage::Hlc{++hlc_}, storage::NodeId{1}}, inverse);
    }
  }
  SnapshotSender::Source take_snapshot(Position cut) {
    storage::SnapshotInfo info;
    info.incarnation = identity_.incarnation;
    info.node = storage::NodeId{1};
    info.position = cut;
    info.hlc = storage::Hlc{hlc_};
    storage::SnapshotWriter writer(keyspace_, info);
    while (writer.step(100)) {
    }
    EXPECT_TRUE(leader_.disk.create_directory("data").ok());
    auto file = storage::SnapshotFile::create(leader_.disk, "data", cut.lsn);
    EXPECT_TRUE(file.ok() && (*file)->write(writer.take_blocks()).ok() && (*file)->sync().ok() &&
                (*file)->publish().ok());
    return {(*file)->path(), cut, (*file)->bytes()};
  }

  void send_anew(Term term = Term{5}, bool keyspace_only = false) {
    chunks_.clear();
    SnapshotSender::Events events;
    events.send = [this](peer::SnapshotChunk&& chunk) { chunks_.push_back(std::move(chunk)); };
    events.finished = [this](const absl::Status& status) {
      events_.emplace_back("finished");
      finished_ = status;
      sender_ = nullptr;
    };
    finished_.reset();
    sender_ =
        std::make_unique<SnapshotSender>(leader_, source_, term, keyspace_only, std::move(events));
    sender_->start();
  }
  void receive_anew() {
    SnapshotReceiver::Events events;
    events.acknowledge = [this](const peer::SnapshotAck& ack) { acks_.push_back(ack); };
    events.installed = [this](std::unique_ptr<Keyspace> keyspace, const storage::SnapshotInfo& info,
                              const std::string& path, uint64_t bytes) {
      events_.emplace_back("installed");
      EXPECT_EQ(info.position, source_.cut);
      EXPECT_EQ(bytes, source_.bytes);
      installed_ = std::move(keyspace);
      installed_path_ = path;
      acks_before_install_ = acks_.size();
      if (destroy_at_install_) receiver_ = nullptr;
    };
    events.failed = [this](const absl::Status& status) {
      events_.emplace_back("failed");
      failed_ = status;
    };
    receiver_ = std::make_unique<SnapshotReceiver>(follower_, identity_, "data", std::move(events));
  }

  bool run_lanes() {
    const bool leader = leader_.run_one(Lane::kBackground);
    const bool follower = follower_.run_one(Lane::kBackground);
    return leader || follower;
  }
  // Lets one message each way arrive; false if there was none.
  bool deliver() {
    bool any = false;
    if (!chunks_.empty()) {
      peer::SnapshotChunk chunk = std::move(chunks_.front());
      chunks_.pop_front();
      if (receiver_ != nullptr) receiver_->receive(std::move(chunk));
      any = true;
    }
    if (!acks_.empty()) {
      const peer::SnapshotAck ack = acks_.front();
      acks_.pop_front();
      if (sender_ != nullptr) sender_->acknowledged(ack);
      any = true;
    }
    return any;
  }
  void settle() {
    while (run_lanes() || deliver()) {
    }
  }
  // Until the follower has this much.
  void settle_until(uint64_t bytes) {
    while (receiver_->read_bytes() < bytes) ASSERT_TRUE(run_lanes() || deliver());
  }
  void pass_ms(int64_t ms) {
    leader_.monotonic_now_us += ms * 1000;
    follower_.monotonic_now_us += ms * 1000;
    if (sender_ != nullptr) sender_->tick();
  }
  void expect_arrived() {
    ASSERT_NE(installed_, nullptr);
    EXPECT_EQ(installed_->digest(), keyspace_.digest());
    EXPECT_EQ(installed_path_, kInstalled);
    EXPECT_EQ(follower_.disk.contents(kInstalled), leader_.disk.contents(source_.path));
    EXPECT_FALSE(follower_.disk.exists(kIncoming));
    ASSERT_TRUE(finished_.has_value());
    EXPECT_TRUE(finished_->ok()) << *finished_;
  }

  SimulatedHost leader_, follower_;
  storage::Identity identity_;
  Keyspace keyspace_{kSeed};
  uint64_t hlc_ = 0;
  SnapshotSender::Source source_;
  std::unique_ptr<SnapshotSender> sender_;
  std::unique_ptr<SnapshotReceiver> receiver_;
  std::deque<peer::SnapshotChunk> chunks_;
  std::deque<peer::SnapshotAck> acks_;
  std::vector<std::string> events_;
  std::optional<absl::Status> finished_;
  absl::Status failed_;
  std::unique_ptr<Keyspace> installed_;
  std::string installed_path_;
  size_t acks_before_install_ = 0;
  bool destroy_at_install_ = false;
};

TEST_F(SnapshotTransferTest, ArrivesWholeAndIsLoaded) {
  ASSERT_GT(source_.bytes, 3 * SnapshotSender::kWindowBytes);
  send_anew();
  settle();
  expect_arrived();
  EXPECT_THAT(events_, ElementsAre("installed", "finished"));
  EXPECT_EQ(receiver_->total_bytes(), source_.bytes);
  EXPECT_EQ(receiver_->left_bytes(), 0u);
}

TEST_F(SnapshotTransferTest, NoMoreThanAWindowIsUnderWay) {
  send_anew();
  while (leader_.run_one(Lane::kBackground)) {
  }
  EXPECT_EQ(chunks_.size() * SnapshotSender::kChunkBytes, SnapshotSender::kWindowBytes);
  EXPECT_EQ(sender_->sent_bytes(), SnapshotSender::kWindowBytes);
  EXPECT_EQ(sender_->acknowledged_bytes(), 0u);
  sender_->acknowledged({Term{5}, kCut, SnapshotSender::kChunkBytes, false});
  while (leader_.run_one(Lane::kBackground)) {
  }
  EXPECT_EQ(sender_->sent_bytes(), SnapshotSender::kWindowBytes + SnapshotSender::kChunkBytes);
  for (const peer::SnapshotChunk& chunk : chunks_) {
    EXPECT_EQ(chunk.term, Term{5});
    EXPECT_EQ(chunk.cut, kCut);
    EXPECT_EQ(chunk.total_bytes, source_.bytes);
    EXPECT_EQ(chunk.bytes.size(), SnapshotSender::kChunkBytes);
  }
}

TEST_F(SnapshotTransferTest, OnlyWhatIsInTheFileIsAcknowledged) {
  send_anew();
  while (leader_.run_one(Lane::kBackground)) {
  }
  receiver_->receive(std::move(chunks_.front()));
  EXPECT_TRUE(acks_.empty());
  EXPECT_EQ(receiver_->read_bytes(), SnapshotSender::kChunkBytes);
  follower_.run_one(Lane::kBackground);
  ASSERT_EQ(acks_.size(), 1u);
  EXPECT_EQ(acks_.front().offset, SnapshotSender::kChunkBytes);
}

TEST_F(SnapshotTransferTest, TheWholeIsAcknowledgedOnlyWhenItIsInstalled) {
  send_anew();
  std::vector<uint64_t> offsets;
  while (run_lanes() || !chunks_.empty() || !acks_.empty()) {
    if (!acks_.empty()) offsets.push_back(acks_.front().offset);
    const bool over = installed_ != nullptr;
    if (!over) {
      EXPECT_TRUE(offsets.empty() || offsets.back() < source_.bytes);
    }
    deliver();
    if (over && acks_.empty()) break;
  }
  EXPECT_EQ(offsets.back(), source_.bytes);
}

TEST_F(SnapshotTransferTest, LostMessagesAreSentAgain) {
  for (uint64_t seed = 0; seed < 20; ++seed) {
    SCOPED_TRACE(seed);
    std::mt19937_64 random(seed);
    installed_ = nullptr;
    receive_anew();
    send_anew();
    for (int round = 0; !finished_.has_value(); ++round) {
      ASSERT_LT(round, 10'000) << "no progress";
      if (random() % 8 == 0) chunks_.clear();
      if (random() % 8 == 0) acks_.clear();
      const bool moved = random() % 2 == 0 ? run_lanes() : deliver();
      if (!moved) pass_ms(300);
    }
    expect_arrived();
    acks_.clear();
  }
}

TEST_F(SnapshotTransferTest, ALostLastAcknowledgementIsRepeated) {
  send_anew();
  while (installed_ == nullptr) ASSERT_TRUE(run_lanes() || deliver());
  acks_.clear();
  settle();
  EXPECT_FALSE(finished_.has_value());
  pass_ms(2'000);
  settle();
  expect_arrived();
  EXPECT_THAT(events_, ElementsAre("installed", "finished"));
}

TEST_F(SnapshotTransferTest, AFollowerThatHasRestartedBeginsAnew) {
  send_anew();
  settle_until(source_.bytes / 2);
  receiver_ = nullptr;
  follower_.drop_jobs();
  receive_anew();
  settle();
  expect_arrived();
}

TEST_F(SnapshotTransferTest, ALeaderThatBeginsAnewIsFollowed) {
  send_anew();
  settle_until(source_.bytes / 2);
  send_anew(Term{6});
  settle();
  expect_arrived();
}

TEST_F(SnapshotTransferTest, ANewerCutTakesThePlaceOfTheOneUnderWay) {
  send_anew();
  settle_until(source_.bytes / 2);
  fill(10);
  source_ = take_snapshot({Term{5}, Lsn{200}});
  send_anew(Term{5}, true);
  settle();
  ASSERT_NE(installed_, nullptr);
  EXPECT_EQ(installed_->digest(), keyspace_.digest());
  EXPECT_TRUE(receiver_->keyspace_only());
  EXPECT_THAT(*follower_.disk.list("data"), ElementsAre("snapshot-00000000000000c8.kvs"));
}

TEST_F(SnapshotTransferTest, ChunksOfAnEarlierTermArePassedOver) {
  send_anew();
  settle_until(source_.bytes / 4);
  std::deque<peer::SnapshotChunk> old = chunks_;
  ASSERT_FALSE(old.empty());
  send_anew(Term{6});
  settle_until(source_.bytes / 2);
  const uint64_t read = receiver_->read_bytes();
  acks_.clear();
  for (peer::SnapshotChunk& chunk : old) receiver_->receive(std::move(chunk));
  EXPECT_EQ(receiver_->read_bytes(), read);
  EXPECT_TRUE(acks_.empty());
}

TEST_F(SnapshotTransferTest, AcknowledgementsOfAnotherTransferArePassedOver) {
  send_anew();
  while (leader_.run_one(Lane::kBackground)) {
  }
  sender_->acknowledged({Term{4}, kCut, 65536, false});
  sender_->acknowledged({Term{5}, {Term{3}, Lsn{99}}, 65536, true});
  EXPECT_EQ(sender_->acknowledged_bytes(), 0u);
}

TEST_F(SnapshotTransferTest, DamageIsToldToBothAndNothingIsInstalled) {
  leader_.disk.flip_bit(source_.path, source_.bytes / 2, 1);
  send_anew();
  settle();
  EXPECT_THAT(events_, ElementsAre("failed", "finished"));
  EXPECT_TRUE(absl::IsDataLoss(failed_)) << failed_;
  EXPECT_TRUE(absl::IsAborted(*finished_)) << *finished_;
  EXPECT_TRUE(follower_.disk.list("data")->empty());
}

TEST_F(SnapshotTransferTest, AnotherClustersSnapshotIsRefused) {
  identity_.incarnation[1] = 1;
  receive_anew();
  send_anew();
  settle();
  EXPECT_TRUE(absl::IsFailedPrecondition(failed_)) << failed_;
  EXPECT_EQ(installed_, nullptr);
  EXPECT_TRUE(follower_.disk.list("data")->empty());
}

TEST_F(SnapshotTransferTest, AFullDiskEndsTheTransferAndLeavesNothing) {
  follower_.disk.set_capacity(source_.bytes / 2);
  send_anew();
  settle();
  EXPECT_TRUE(absl::IsResourceExhausted(failed_)) << failed_;
  EXPECT_TRUE(absl::IsAborted(*finished_));
  EXPECT_TRUE(follower_.disk.list("data")->empty());
  follower_.disk.set_capacity(UINT64_MAX);
  acks_.clear();
  send_anew();
  settle();
  expect_arrived();
}

TEST_F(SnapshotTransferTest, AFileThatIsGoneIsReported) {
  ASSERT_TRUE(leader_.disk.remove(source_.path).ok());
  send_anew();
  settle();
  EXPECT_TRUE(absl::IsNotFound(*finished_)) << *finished_;
}

TEST_F(SnapshotTransferTest, AFileThatIsRemovedWhileItIsSentStillArrives) {
  const std::string contents = leader_.disk.contents(source_.path);
  send_anew();
  settle_until(source_.bytes / 4);
  ASSERT_TRUE(leader_.disk.remove(source_.path).ok());
  settle();
  EXPECT_EQ(follower_.disk.contents(kInstalled), contents);
  EXPECT_TRUE(finished_->ok());
}

TEST_F(SnapshotTransferTest, WhatIsQueuedIsBounded) {
  peer::SnapshotChunk chunk;
  chunk.term = Term{5};
  chunk.cut = kCut;
  chunk.total_bytes = 1 << 30;
  for (int i = 0; i < 1000; ++i) {
    chunk.offset = receiver_->read_bytes();
    chunk.bytes.assign(SnapshotSender::kChunkBytes, 'x');
    receiver_->receive(peer::SnapshotChunk(chunk));
  }
  EXPECT_LE(receiver_->read_bytes(), 2 * SnapshotSender::kWindowBytes);
}

TEST_F(SnapshotTransferTest, AChunkBeyondTheEndIsRefused) {
  peer::SnapshotChunk chunk;
  chunk.term = Term{5};
  chunk.cut = kCut;
  chunk.total_bytes = 10;
  chunk.bytes = "more than ten";
  receiver_->receive(std::move(chunk));
  EXPECT_THAT(std::string(failed_.message()),
              HasSubstr("13 bytes at offset 0 of a snapshot of 10"));
  EXPECT_TRUE(acks_.back().failed);
}

TEST_F(SnapshotTransferTest, EitherEndMayBeDestroyedAtAnyTime) {
  for (int jobs = 0; jobs < 60; ++jobs) {
    receive_anew();
    send_anew();
    for (int i = 0; i < jobs && (run_lanes() || deliver()); ++i) deliver();
    sender_ = nullptr;
    receiver_ = nullptr;
    receive_anew();  // of the same cut, behind jobs of the old one
    acks_.clear();
    installed_ = nullptr;
    send_anew();
    settle();
    expect_arrived();
    EXPECT_EQ(follower_.disk.list("data")->size(), 1u);
  }
}

TEST_F(SnapshotTransferTest, TheReceiverMayBeDestroyedWhenItHasInstalled) {
  destroy_at_install_ = true;
  send_anew();
  settle();
  expect_arrived();
}

}  // namespace
}  // namespace kvorum::server
