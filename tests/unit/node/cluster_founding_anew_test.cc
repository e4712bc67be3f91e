// A restored data directory founds its cluster anew.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "server/node/cluster/birth.h"
#include "tests/unit/node/cluster_birth_world.h"

namespace kvorum::server {
namespace {

using storage::Incarnation;
using storage::NodeId;
using testing::HasSubstr;

TEST(FoundingAnewTest, ARestoredNodeFoundsItsClusterAsTheOnlyVoterWhateverItsId) {
  for (uint16_t restored = 1; restored <= 3; ++restored) {
    World world(3);
    world.node(restored).directory.restored = {0xab};
    world.start_and_settle();
    for (uint16_t id = 1; id <= 3; ++id) {
      EXPECT_EQ(world.incarnation(id), (Incarnation{0xab}));
      EXPECT_EQ(world.voter(id), id == restored) << "only it has what was restored";
    }
    const auto founding = founding_membership(*world.node(1).directory.birth);
    EXPECT_EQ(founding->voters(), (std::vector<NodeId>{NodeId{restored}}));
    for (uint16_t id = 1; id <= 3; ++id) {
      EXPECT_EQ(founding->members[id - 1].instance, world.node(id).directory.instance);
    }
    EXPECT_EQ(world.node(1).directory.birth->hash_seed, 77u);
  }
}

TEST(FoundingAnewTest, ARestoredNodeWaitsUntilEverybodyIsEmpty) {
  World world(3);
  world.start_and_settle();
  world.stop(1);
  world.wipe(1);
  // The very incarnation that lives on elsewhere: one restored directory, used twice.
  world.node(1).directory.restored = world.incarnation(2);
  world.start(1);
  world.settle();
  EXPECT_FALSE(world.node(1).directory.birth.has_value());
  EXPECT_EQ(world.node(1).process->waiting_for(),
            "node 2 to be started with an empty data directory");
}

TEST(FoundingAnewTest, ARestoredNodeFoundsNothingWhileOneIsMissing) {
  World world(3);
  world.node(1).directory.restored = {0xab};
  world.start(1);
  world.start(2);
  world.settle();
  EXPECT_FALSE(world.node(1).saving.has_value());
  EXPECT_EQ(world.node(1).process->waiting_for(), "peers 3 to be up");
  EXPECT_EQ(world.incarnation(2), kUnborn);
}

TEST(FoundingAnewTest, TwoRestoredNodesFoundNothing) {
  World world(3);
  world.node(1).directory.restored = {0xab};
  world.node(2).directory.restored = {0xcd};
  world.start_and_settle();
  for (uint16_t id = 1; id <= 3; ++id) EXPECT_FALSE(world.node(id).directory.birth.has_value());
}

TEST(FoundingAnewTest, ARestoredNodeJoinsNoOtherCluster) {
  World world(3);
  world.start_and_settle();
  world.stop(1);
  world.wipe(1);
  world.node(1).directory.restored = {0xab};
  world.start(1);
  const absl::Status refused = world.node(1).process->received(*world.node(2).directory.birth);
  EXPECT_TRUE(absl::IsFailedPrecondition(refused));
  EXPECT_THAT(std::string(refused.message()), HasSubstr("start with an empty one to join"));
}

}  // namespace
}  // namespace kvorum::server
