// MEMBER: nodes join, are promoted, and leave, while the rest goes on.
#include "server/node/cluster/membership_change.h"
#include "tests/unit/node/cluster_fixture.h"

namespace kvorum::server {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

constexpr char kNoMember[] =
    "-CLUSTERDOWN This node is no member of the cluster any more: ask another one\r\n";

std::string address(uint16_t id) { return base::concat("127.0.0.1:", 7000 + id); }

class MembersTest : public ClusterFixture {
 protected:
  void start_three(const std::vector<std::pair<std::string, std::string>>& settings = {}) {
    start(3, settings);
    ASSERT_TRUE(wait_for([&] { return settled(); }));
  }
  // A process for a node that no member knows; `peers`: those its configuration names besides it.
  Member& start_new(uint16_t id, const std::vector<uint16_t>& peers) {
    const ClusterHost& other = alive().front()->host;
    Member& member = *members.emplace_back(std::make_unique<Member>(id));
    // Their clocks agree, or the new ones would find the leader's wrong.
    member.host.wall_now_us = other.wall_now_us;
    member.host.monotonic_now_us = other.monotonic_now_us;
    set(member, "id", std::to_string(id));
    set(member, "port", std::to_string(7000 + id));
    set(member, "cluster-id", "test");
    set(member, "cluster-secret", "secret");
    std::string list = base::concat(id, "=", address(id));
    for (const uint16_t peer : peers) list += base::concat(",", peer, "=", address(peer));
    set(member, "peers", list);
    open(member);
    return member;
  }
  std::string say(Member& member, const std::vector<std::string>& words) {
    return ask(connect(member), words);
  }
  bool is_voter(Member& member) {
    return member.node->loaded() && member.node->cluster().replica().is_voter();
  }
  void empty_disk(Member& member) {
    const std::string& directory = member.options.values().data_dir;
    const auto names = member.host.disk.list(directory);
    ASSERT_TRUE(names.ok());
    for (const std::string& name : *names) {
      ASSERT_TRUE(member.host.disk.remove(base::concat(directory, "/", name)).ok()) << name;
    }
  }
  Member& node(uint16_t id) { return *find(NodeId{id}); }
  const replication::Membership& membership() { return leader()->node->cluster().membership(); }
};

TEST_F(MembersTest, ANewNodeIsFedWhileWritesGoOnAndBecomesAVoter) {
  start_three();
  TestClient& client = connect(*leader());
  EXPECT_EQ(ask(client, {"SET", "before", "1"}), "+OK\r\n");
  EXPECT_EQ(say(follower(), {"MEMBER", "ADD", "4", address(4)}), "+OK\r\n");
  EXPECT_FALSE(membership().is_voter(NodeId{4}));
  Member& added = start_new(4, {2});
  for (int i = 0; i < 50; ++i)
    ASSERT_EQ(ask(client, {"INCR", "count"}), base::concat(":", i + 1, "\r\n"));
  ASSERT_TRUE(wait_for([&] { return is_voter(added); }));
  EXPECT_EQ(say(added, {"GET", "before"}), "$1\r\n1\r\n");
  EXPECT_EQ(say(added, {"SET", "through", "it"}), "+OK\r\n");
  EXPECT_EQ(membership().voters().size(), 4u);
}

TEST_F(MembersTest, ANodeThatStartsBeforeItIsAddedWaitsAndSaysForWhat) {
  start_three();
  Member& early = start_new(4, {1, 3});
  run_ms(3000);
  EXPECT_FALSE(early.node->loaded());
  EXPECT_THAT(say(early, {"GET", "k"}),
              AllOf(StartsWith("-CLUSTERDOWN"), HasSubstr("MEMBER ADD 4")));
  EXPECT_THAT(say(early, {"INFO", "replication"}), HasSubstr("role:slave\r\n"));
  EXPECT_THAT(say(early, {"HELLO"}), HasSubstr("role\r\n$7\r\nreplica\r\n"));
  EXPECT_EQ(say(*leader(), {"MEMBER", "ADD", "4", address(4)}), "+OK\r\n");
  EXPECT_TRUE(wait_for([&] { return is_voter(early); }));
}

TEST_F(MembersTest, ALearnerForGoodStaysOneUntilItIsPromoted) {
  start_three();
  EXPECT_EQ(say(*leader(), {"MEMBER", "ADD", "4", address(4), "LEARNER"}), "+OK\r\n");
  Member& learner = start_new(4, {1, 2, 3});
  EXPECT_EQ(say(*leader(), {"SET", "k", "v"}), "+OK\r\n");
  ASSERT_TRUE(wait_for([&] {
    return learner.node->loaded() &&
           learner.node->log().applied().lsn == leader()->node->log().last().lsn;
  }));
  EXPECT_EQ(say(learner, {"GET", "k"}), "$1\r\nv\r\n");
  run_ms(5000);
  EXPECT_FALSE(is_voter(learner));
  EXPECT_THAT(say(learner, {"MEMBER", "LIST"}), HasSubstr("learner"));
  EXPECT_THAT(say(*leader(), {"INFO", "replication"}), HasSubstr("connected_slaves:3"));
  EXPECT_EQ(say(learner, {"MEMBER", "PROMOTE", "4"}), "+OK\r\n");
  EXPECT_TRUE(wait_for([&] { return is_voter(learner); }));
  EXPECT_THAT(say(learner, {"MEMBER", "PROMOTE", "4"}), HasSubstr("a voter already"));
}

TEST_F(MembersTest, AClusterThatHasShrunkToOneMemberGrowsAgain) {
  for (const bool restarted : {false, true}) {
    members.clear();
    connections.clear();
    start(2);
    ASSERT_TRUE(wait_for([&] { return settled(); }));
    Member* one = leader();
    const auto id = static_cast<uint16_t>(follower().id.value());
    EXPECT_EQ(say(*one, {"MEMBER", "REMOVE", std::to_string(id)}), "+OK\r\n");
    EXPECT_EQ(say(*one, {"SET", "alone", "1"}), "+OK\r\n");
    if (restarted) {
      kill(*one);
      open(*one);
      ASSERT_TRUE(wait_for([&] { return leader() == one; }));
    }
    EXPECT_EQ(say(*one, {"SET", "alone", "2"}), "+OK\r\n");
    EXPECT_EQ(say(*one, {"MEMBER", "ADD", std::to_string(id), address(id)}), "+OK\r\n");
    EXPECT_EQ(say(*one, {"SET", "together", "3"}), "+OK\r\n");
    ASSERT_TRUE(wait_for([&] { return is_voter(node(id)); }));
    TestClient& reader = connect(node(id));
    EXPECT_EQ(ask(reader, {"CLIENT", "CONSISTENCY", "linearizable"}), "+OK\r\n");
    EXPECT_EQ(ask(reader, {"MGET", "alone", "together"}), "*2\r\n$1\r\n2\r\n$1\r\n3\r\n");
  }
}

TEST_F(MembersTest, TheOnlyVoterStaysReadableWithAFullDiskThoughItLeadsNoMore) {
  start(2);
  ASSERT_TRUE(wait_for([&] { return settled(); }));
  Member& voter = *leader();
  const auto id = static_cast<uint16_t>(follower().id.value());
  EXPECT_EQ(say(voter, {"MEMBER", "REMOVE", std::to_string(id)}), "+OK\r\n");
  EXPECT_EQ(say(voter, {"MEMBER", "ADD", std::to_string(id), address(id), "LEARNER"}), "+OK\r\n");
  EXPECT_EQ(say(voter, {"SET", "k", "kept"}), "+OK\r\n");
  voter.host.disk.set_capacity(voter.host.disk.used_bytes());
  TestClient& writer = connect(voter);
  // More than the log's file has grown ahead.
  writer.send({"SET", "k", std::string(400'000, 'x')});
  ASSERT_TRUE(wait_for([&] { return voter.node->log().disk_full(); }));
  run_ms(100);
  EXPECT_FALSE(voter.node->cluster().leads()) << "the learner may have what was lost";
  EXPECT_EQ(say(voter, {"GET", "k"}), "$4\r\nkept\r\n");
  voter.host.disk.set_capacity(UINT64_MAX);
  ASSERT_TRUE(wait_for([&] { return leader() == &voter; }));
  EXPECT_EQ(say(voter, {"SET", "k", "new"}), "+OK\r\n");
}

TEST_F(MembersTest, ALearnerCountsInNoQuorum) {
  start_three({{"write-timeout-ms", "300"}});
  EXPECT_EQ(say(*leader(), {"MEMBER", "ADD", "4", address(4), "LEARNER"}), "+OK\r\n");
  Member& learner = start_new(4, {1, 2, 3});
  ASSERT_TRUE(wait_for([&] {
    return learner.node->loaded() &&
           learner.node->log().applied().lsn == leader()->node->log().last().lsn;
  }));
  for (Member* member : alive()) member->disk_stuck = member != leader() && member != &learner;
  EXPECT_THAT(say(*leader(), {"SET", "k", "v"}), StartsWith("-TIMEOUT"));
}

TEST_F(MembersTest, OneChangeAtATime) {
  start_three();
  for (Member* member : alive()) member->disk_stuck = member != leader();
  TestClient& first = connect(*leader());
  first.send({"MEMBER", "ADD", "4", address(4)});
  run_ms(50);
  EXPECT_EQ(first.output(), "") << "its record is not committed";
  EXPECT_EQ(say(*leader(), {"MEMBER", "ADD", "5", address(5)}),
            "-TRYAGAIN another change of the membership is under way\r\n");
  for (Member* member : alive()) member->disk_stuck = false;
  ASSERT_TRUE(wait_for([&] { return !first.output().empty(); }));
  EXPECT_EQ(first.take(), "+OK\r\n");
  EXPECT_EQ(say(*leader(), {"MEMBER", "ADD", "5", address(5)}), "+OK\r\n");
}

TEST_F(MembersTest, ARemovedNodeIsToldAndDisturbsNobody) {
  start_three();
  Member& removed = follower();
  TestClient& client = connect(removed);
  EXPECT_EQ(ask(client, {"SET", "k", "v"}), "+OK\r\n");
  EXPECT_EQ(ask(client, {"MEMBER", "REMOVE", std::to_string(removed.id.value())}), "+OK\r\n");
  const storage::Term term = leader()->node->cluster().term();
  ASSERT_TRUE(wait_for([&] { return removed.node->cluster().removed(); }));
  EXPECT_EQ(ask(client, {"GET", "k"}), kNoMember);
  EXPECT_EQ(ask(client, {"SET", "k", "w"}), kNoMember);
  EXPECT_EQ(ask(client, {"PING"}), "+PONG\r\n");
  run_ms(5000);
  EXPECT_EQ(leader()->node->cluster().term(), term);
  EXPECT_EQ(membership().members.size(), 2u);
  EXPECT_EQ(say(*leader(), {"SET", "k", "w"}), "+OK\r\n");
}

// The record of its removal never reaches it: the refusal of its HELLO tells it.
TEST_F(MembersTest, ANodeThatWasAwayWhenItWasRemovedIsTold) {
  start_three();
  Member& removed = follower();
  kill(removed);
  run_ms(1000);
  EXPECT_EQ(say(*leader(), {"MEMBER", "REMOVE", std::to_string(removed.id.value())}), "+OK\r\n");
  const storage::Term term = leader()->node->cluster().term();
  open(removed);
  ASSERT_TRUE(
      wait_for([&] { return removed.node->loaded() && removed.node->cluster().removed(); }));
  EXPECT_EQ(say(removed, {"GET", "k"}), kNoMember);
  run_ms(5000);
  EXPECT_EQ(removed.node->cluster().term(), term);
  EXPECT_EQ(leader()->node->cluster().term(), term);
}

TEST_F(MembersTest, ALeaderThatRemovesItselfHandsOver) {
  start_three();
  Member& old = *leader();
  TestClient& client = connect(old);
  EXPECT_EQ(ask(client, {"SET", "k", "v"}), "+OK\r\n");
  EXPECT_EQ(ask(client, {"MEMBER", "REMOVE", std::to_string(old.id.value())}), "+OK\r\n");
  EXPECT_TRUE(wait_for([&] { return leader() != nullptr && leader() != &old; }, 100));
  EXPECT_EQ(ask(client, {"SET", "k", "w"}), kNoMember);
  EXPECT_EQ(say(*leader(), {"GET", "k"}), "$1\r\nv\r\n");
  EXPECT_EQ(membership().voters().size(), 2u);
}

TEST_F(MembersTest, ARemovedNodeComesBackWithAnotherDirectoryOrItsOwn) {
  for (const bool wiped : {true, false}) {
    SCOPED_TRACE(wiped);
    if (members.empty()) start_three();
    Member& away = follower();
    const std::string id = std::to_string(away.id.value());
    EXPECT_EQ(say(*leader(), {"MEMBER", "REMOVE", id}), "+OK\r\n");
    ASSERT_TRUE(wait_for([&] { return away.node->cluster().removed(); }));
    EXPECT_EQ(say(*leader(), {"SET", "k", id}), "+OK\r\n");
    if (wiped) {
      kill(away);
      empty_disk(away);
      open(away);
    }
    EXPECT_EQ(say(*leader(), {"MEMBER", "ADD", id, address(away.id.value())}), "+OK\r\n");
    ASSERT_TRUE(wait_for([&] { return is_voter(away); }));
    EXPECT_EQ(say(away, {"GET", "k"}), base::concat("$1\r\n", id, "\r\n"));
    ASSERT_TRUE(wait_for([&] { return settled(); }));
  }
}

// Its configuration and its log name nodes that are all gone; those that are there find it.
TEST_F(MembersTest, ANodeThatWasAwayWhileAllOthersWereReplacedIsFound) {
  start_three();
  Member& away = follower();
  kill(away);
  run_ms(1000);
  for (const uint16_t id : {4, 5}) {
    EXPECT_EQ(say(*leader(), {"MEMBER", "ADD", std::to_string(id), address(id)}), "+OK\r\n");
    Member& added = start_new(id, {1, 2, 3});
    ASSERT_TRUE(wait_for([&] { return is_voter(added); }));
  }
  for (uint16_t id = 1; id <= 3; ++id) {
    if (NodeId{id} == away.id) continue;
    ASSERT_TRUE(wait_for([&] { return leader() != nullptr; }));
    Member& stays = leader() == &node(id) ? node(4) : *leader();
    EXPECT_EQ(say(stays, {"MEMBER", "REMOVE", std::to_string(id)}), "+OK\r\n");
    kill(node(id));
  }
  ASSERT_TRUE(wait_for([&] { return leader() != nullptr; }));
  EXPECT_EQ(say(*leader(), {"SET", "k", "v"}), "+OK\r\n");
  open(away);
  ASSERT_TRUE(
      wait_for([&] { return away.node->loaded() && away.node->cluster().leader() != NodeId{0}; }));
  ASSERT_TRUE(
      wait_for([&] { return away.node->log().applied().lsn == leader()->node->log().last().lsn; }));
  EXPECT_EQ(say(away, {"GET", "k"}), "$1\r\nv\r\n");
}

TEST_F(MembersTest, WhatWouldStopTheClusterIsRefused) {
  start_three({{"write-quorum", "3"}});
  const std::string one = std::to_string(follower().id.value());
  EXPECT_THAT(say(*leader(), {"MEMBER", "REMOVE", one}),
              AllOf(StartsWith("-ERR"), HasSubstr("write quorum is 3")))
      << "no write could be answered";
  EXPECT_THAT(say(*leader(), {"MEMBER", "REMOVE", "9"}), HasSubstr("not a member"));
  EXPECT_THAT(say(*leader(), {"MEMBER", "ADD", "2", address(9)}), HasSubstr("a member already"));
  EXPECT_THAT(say(*leader(), {"MEMBER", "ADD", "9", address(2)}), HasSubstr("has the address"));
  EXPECT_THAT(say(*leader(), {"MEMBER", "ADD", "9", "nowhere"}), StartsWith("-ERR the address"));
  EXPECT_THAT(say(*leader(), {"MEMBER", "ADD", "0", address(9)}), StartsWith("-ERR a node's id"));
  EXPECT_THAT(say(*leader(), {"MEMBER", "ADD", "9", address(9), "VOTER"}),
              StartsWith("-ERR syntax"));
}

TEST_F(MembersTest, AVoterThatIsNeededIsNotRemoved) {
  start_three();
  Member& down = follower();
  const NodeId id = down.id;
  kill(down);
  run_ms(1000);
  Member& up = follower();
  EXPECT_THAT(say(*leader(), {"MEMBER", "REMOVE", std::to_string(up.id.value())}),
              HasSubstr("no majority"));
  EXPECT_EQ(say(*leader(), {"MEMBER", "REMOVE", std::to_string(id.value())}), "+OK\r\n");
  EXPECT_EQ(say(*leader(), {"MEMBER", "REMOVE", std::to_string(up.id.value())}), "+OK\r\n");
  EXPECT_THAT(say(*leader(), {"MEMBER", "REMOVE", std::to_string(leader()->id.value())}),
              HasSubstr("the last voter"));
  EXPECT_EQ(say(*leader(), {"SET", "k", "v"}), "+OK\r\n");
}

TEST_F(MembersTest, OldFilesAreAWarningAfterTheMembershipHasChanged) {
  start_three();
  EXPECT_EQ(say(*leader(), {"MEMBER", "ADD", "4", address(4)}), "+OK\r\n");
  Member& added = start_new(4, {1});
  ASSERT_TRUE(wait_for([&] { return is_voter(added); }));
  EXPECT_EQ(say(*leader(), {"SET", "k", "v"}), "+OK\r\n");
  ASSERT_TRUE(wait_for([&] { return settled(); }));
  for (Member* member : everyone()) kill(*member);
  for (Member* member : everyone()) open(*member);
  ASSERT_TRUE(wait_for([&] { return settled(); }));
  for (Member* member : alive()) {
    EXPECT_TRUE(is_voter(*member));
    EXPECT_EQ(say(*member, {"GET", "k"}), "$1\r\nv\r\n");
  }
}

}  // namespace
}  // namespace kvorum::server
