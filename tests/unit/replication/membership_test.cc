#include "replication/membership.h"

#include <gtest/gtest.h>

#include <functional>

namespace kvorum::replication {
namespace {

using storage::NodeId;

Membership three() {
  Membership membership;
  for (uint16_t id = 1; id <= 3; ++id) {
    Member member{NodeId{id}, "host" + std::to_string(id) + ":7000", {}, id != 2};
    member.instance.fill(static_cast<uint8_t>(0x10 * id));
    membership.members.push_back(member);
  }
  membership.write_quorum = WriteQuorum(2);
  membership.heartbeat_ms = 20;
  membership.election_timeout_ms = 400;
  membership.max_clock_drift_ms = 1;
  return membership;
}

TEST(WriteQuorumTest, ReadsWhatItWrites) {
  for (const char* text : {"majority", "all", "1", "7"}) {
    const auto quorum = WriteQuorum::parse(text);
    ASSERT_TRUE(quorum.has_value()) << text;
    EXPECT_EQ(quorum->text(), text);
  }
  for (const char* text : {"", "0", "-1", "65535", "70000", "half", "2 "}) {
    EXPECT_EQ(WriteQuorum::parse(text), std::nullopt) << text;
  }
}

TEST(WriteQuorumTest, CountsTheLeader) {
  EXPECT_EQ(WriteQuorum::parse("majority")->needed(3), 2u);
  EXPECT_EQ(WriteQuorum::parse("majority")->needed(4), 3u);
  EXPECT_EQ(WriteQuorum::parse("ALL")->needed(5), 5u);
  EXPECT_EQ(WriteQuorum::parse("4")->needed(3), 4u) << "never reached";
}

TEST(MembershipTest, IsReadAsItWasWritten) {
  Membership read;
  ASSERT_TRUE(decode_membership(encode_membership(three()), read));
  EXPECT_EQ(read, three());
}

TEST(MembershipTest, TheWishToStayALearnerIsAFlagOfItsOwn) {
  Membership learner = three();
  learner.members[1].stays_learner = true;
  Membership read;
  const std::string bytes = encode_membership(learner);
  ASSERT_TRUE(decode_membership(bytes, read));
  EXPECT_EQ(read, learner);
  std::string without = encode_membership(three());
  ASSERT_TRUE(decode_membership(without, read));
  EXPECT_FALSE(read.members[1].stays_learner) << "as records of before the flag are read";
}

TEST(MembershipTest, TheBytesAreFixed) {
  Membership one;
  one.members.push_back({NodeId{0x0102}, "a:1", {}, true});
  one.members[0].instance.fill(0xee);
  std::string expected("\x01\x00\x00\x32\x00\x00\x00\x2c\x01\x00\x00\xf4\x01\x00\x00\x01\x00", 17);
  expected += std::string("\x02\x01\x01", 3) + std::string(16, '\xee') + "\x03" + "a:1";
  EXPECT_EQ(encode_membership(one), expected);
}

TEST(MembershipTest, DivergenceIsInAVersionOfItsOwn) {
  Membership merging = three();
  merging.divergence = Divergence::kMerge;
  const std::string bytes = encode_membership(merging);
  Membership read;
  ASSERT_TRUE(decode_membership(bytes, read));
  EXPECT_EQ(read, merging);
  EXPECT_EQ(bytes.substr(0, 1), "\x02");
  EXPECT_EQ(bytes[15], 1);
  // Builds of before the option read all others.
  EXPECT_EQ(encode_membership(three()).substr(0, 1), "\x01");
  std::string spoilt = bytes;
  spoilt[15] = 0;
  EXPECT_FALSE(decode_membership(spoilt, read)) << "that is what version 1 says";
  spoilt[15] = 2;
  EXPECT_FALSE(decode_membership(spoilt, read));
}

TEST(MembershipTest, OnlyWhatIsAnsweredBelowAMajorityIsMerged) {
  Membership merging = three();
  EXPECT_EQ(merging.voters().size(), 2u);
  merging.divergence = Divergence::kMerge;
  for (const char* quorum : {"majority", "all", "2"}) {
    merging.write_quorum = *WriteQuorum::parse(quorum);
    EXPECT_FALSE(merging.merges()) << quorum;
  }
  merging.write_quorum = *WriteQuorum::parse("1");
  EXPECT_TRUE(merging.merges());
  merging.members[2].voter = false;
  EXPECT_FALSE(merging.merges()) << "one voter is a majority";
  merging = three();
  merging.write_quorum = *WriteQuorum::parse("1");
  EXPECT_FALSE(merging.merges());
}

TEST(MembershipTest, ShortenedOrPaddedBytesAreRefused) {
  const std::string bytes = encode_membership(three());
  Membership read;
  for (size_t size = 0; size < bytes.size(); ++size) {
    EXPECT_FALSE(decode_membership(bytes.substr(0, size), read)) << size;
  }
  EXPECT_FALSE(decode_membership(bytes + '\0', read));
  EXPECT_EQ(read, Membership()) << "untouched";
}

TEST(MembershipTest, WhatMakesNoClusterIsRefused) {
  // Encoded well, then spoilt: at these offsets.
  const std::string good = encode_membership(three());
  const size_t first_member = 17, member_bytes = 3 + 16 + 1 + 10;
  const auto refused = [&](const std::function<void(std::string&)>& spoil) {
    std::string bytes = good;
    spoil(bytes);
    Membership read;
    return !decode_membership(bytes, read);
  };
  EXPECT_TRUE(refused([](std::string& bytes) { bytes[0] = 2; })) << "version";
  EXPECT_TRUE(refused([](std::string& bytes) { bytes[3] = 0; })) << "no heartbeat";
  EXPECT_TRUE(refused([](std::string& bytes) { bytes[7] = 20, bytes[8] = 0; })) << "timeout";
  EXPECT_TRUE(refused([&](std::string& bytes) { bytes[first_member] = 0; })) << "node 0";
  EXPECT_TRUE(refused([&](std::string& bytes) { bytes[first_member + member_bytes] = 1; }))
      << "an id twice";
  EXPECT_TRUE(refused([&](std::string& bytes) { bytes[first_member + 2] = 3; }))
      << "a voter that stays a learner";
  EXPECT_TRUE(refused([&](std::string& bytes) { bytes[first_member + 2] = 5; })) << "a flag";
  EXPECT_TRUE(refused([&](std::string& bytes) {
    bytes[first_member + 2] = bytes[first_member + 2 * member_bytes + 2] = 0;
  })) << "no voter";
}

TEST(MembershipTest, VotersAreTheMembersThatAreNotLearners) {
  EXPECT_EQ(three().voters(), (std::vector<NodeId>{NodeId{1}, NodeId{3}}));
  EXPECT_TRUE(three().is_voter(NodeId{1}));
  EXPECT_FALSE(three().is_voter(NodeId{2}));
  EXPECT_FALSE(three().is_voter(NodeId{4}));
  EXPECT_EQ(three().find(NodeId{4}), nullptr);
}

}  // namespace
}  // namespace kvorum::replication
