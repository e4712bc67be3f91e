#include "replication/durable_positions.h"

#include <gtest/gtest.h>

#include <array>
#include <vector>

namespace kvorum::replication {
namespace {

using storage::Lsn;
using storage::NodeId;
using storage::Position;
using storage::Term;

Position at(uint64_t term, uint64_t lsn) { return {Term{term}, Lsn{lsn}}; }

std::vector<NodeId> voters(uint16_t count) {
  std::vector<NodeId> ids;
  for (uint16_t id = 1; id <= count; ++id) ids.push_back(NodeId{id});
  return ids;
}

TEST(DurablePositionsTest, NothingIsDurableAtFirst) {
  const DurablePositions positions(voters(3));
  EXPECT_EQ(positions.on_majority(), Position());
}

TEST(DurablePositionsTest, OneVoterIsItsOwnMajority) {
  DurablePositions positions(voters(1));
  positions.update(NodeId{1}, at(1, 7));
  EXPECT_EQ(positions.on_majority(), at(1, 7));
}

TEST(DurablePositionsTest, AMajorityHasWhatTheMiddleVoterHas) {
  DurablePositions positions(voters(5));
  const std::array<uint64_t, 5> lsns = {9, 2, 7, 4, 5};
  for (uint16_t i = 0; i < 5; ++i) {
    positions.update(NodeId{static_cast<uint16_t>(i + 1)}, at(1, lsns[i]));
  }
  EXPECT_EQ(positions.on_majority(), at(1, 5));
  EXPECT_EQ(positions.on(1), at(1, 9));
  EXPECT_EQ(positions.on(5), at(1, 2));
}

TEST(DurablePositionsTest, AnEvenClusterNeedsMoreThanHalf) {
  DurablePositions positions(voters(4));
  positions.update(NodeId{1}, at(1, 9));
  positions.update(NodeId{2}, at(1, 9));
  EXPECT_EQ(positions.on_majority(), Position());
  positions.update(NodeId{3}, at(1, 3));
  EXPECT_EQ(positions.on_majority(), at(1, 3));
}

TEST(DurablePositionsTest, ADuplicateOrOlderAcknowledgementCountsOnce) {
  DurablePositions positions(voters(3));
  positions.update(NodeId{2}, at(2, 9));
  positions.update(NodeId{2}, at(2, 9));
  positions.update(NodeId{2}, at(1, 20));
  EXPECT_EQ(positions.on(1), at(2, 9));
  EXPECT_EQ(positions.on_majority(), Position());
}

TEST(DurablePositionsTest, ANodeWithoutAVoteCountsInNoQuorum) {
  DurablePositions positions(voters(3));
  positions.update(NodeId{1}, at(1, 5));
  positions.update(NodeId{9}, at(1, 5));
  EXPECT_EQ(positions.on_majority(), Position());
}

TEST(DurablePositionsDeathTest, AVoterListedTwiceIsABrokenInvariant) {
  const std::array<NodeId, 2> twice = {NodeId{1}, NodeId{1}};
  EXPECT_DEATH(DurablePositions{twice}, "twice");
}

}  // namespace
}  // namespace kvorum::replication
