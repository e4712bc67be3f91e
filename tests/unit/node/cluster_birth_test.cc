#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <optional>
#include <random>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "server/node/cluster/birth.h"
#include "tests/unit/node/cluster_birth_world.h"

namespace kvorum::server {
namespace {

using peer::Hello;
using storage::Incarnation;
using storage::NodeId;
using testing::HasSubstr;

bool saving(World& world, uint16_t id) { return world.node(id).saving.has_value(); }

// --- Founding.

TEST(BirthTest, AClusterIsBornWhenAllAreThereForAnySize) {
  for (const uint16_t count : {uint16_t{2}, uint16_t{3}, uint16_t{5}, uint16_t{7}}) {
    World world(count);
    world.start_and_settle();
    EXPECT_TRUE(world.born_whole()) << count;
    EXPECT_TRUE(world.node(1).process->member());
    EXPECT_EQ(world.node(1).process->waiting_for(), "");
  }
}

TEST(BirthTest, TheFoundingRecordIsTheFirstAndBindsEveryInstance) {
  World world(3);
  world.start_and_settle();
  const peer::Birth& birth = *world.node(3).directory.birth;
  std::string_view bytes = birth.record;
  storage::RecordView record;
  ASSERT_EQ(storage::decode_record(birth.incarnation, bytes, record), storage::RecordError::kNone);
  EXPECT_EQ(record.header.lsn, storage::Lsn{1});
  EXPECT_EQ(record.header.term, storage::Term{1});
  EXPECT_EQ(record.header.kind, storage::RecordKind::kMembership);
  EXPECT_EQ(record.header.stamp.origin, NodeId{1});
  EXPECT_EQ(record.header.stamp.hlc.value() >> 16, 1'700'000'000'000u);
  const auto founding = founding_membership(birth);
  ASSERT_TRUE(founding.ok());
  ASSERT_EQ(founding->members.size(), 3u);
  for (uint16_t id = 1; id <= 3; ++id) {
    EXPECT_EQ(founding->members[id - 1].instance, world.node(id).directory.instance);
    EXPECT_TRUE(founding->is_voter(NodeId{id}));
  }
  EXPECT_EQ(founding->members[2].address, "127.0.0.1:7003");
}

TEST(BirthTest, NobodyFoundsWhileOneIsMissing) {
  World world(3);
  world.start(1);
  world.start(2);
  world.settle();
  EXPECT_EQ(world.incarnation(1), kUnborn);
  EXPECT_FALSE(saving(world, 1));
  EXPECT_EQ(world.node(1).process->waiting_for(), "peers 3 to be up");
  world.start(3);
  world.settle();
  EXPECT_TRUE(world.born_whole());
}

TEST(BirthTest, OnlyTheLowestIdFounds) {
  World world(3);
  world.start(2);
  world.start(3);
  world.settle();
  world.start(1);
  for (const uint16_t other : {uint16_t{1}, uint16_t{3}}) world.link(2, other);
  EXPECT_FALSE(saving(world, 2));
  EXPECT_EQ(world.node(2).process->waiting_for(), "node 1 to found the cluster");
}

TEST(BirthTest, AnAnswerCountsOnlyWhileItsLinkIsUp) {
  World world(3);
  world.start_all();
  world.link(1, 2);
  world.node(1).process->link_lost(NodeId{2});
  world.link(1, 3);
  EXPECT_FALSE(saving(world, 1));
}

TEST(BirthTest, APeerThatHasBecomeAMemberSinceItAnsweredStopsTheFounding) {
  World world(3);
  world.start_all();
  world.link(1, 2);
  Hello member = world.hello(2);
  member.incarnation = {0xee};
  world.node(1).process->heard(member);
  world.link(1, 3);
  EXPECT_FALSE(saving(world, 1));
}

TEST(BirthTest, NobodyIsToldBeforeTheFounderIsDurable) {
  World world(3);
  world.start_all();
  world.link_all();
  EXPECT_TRUE(saving(world, 1));
  EXPECT_TRUE(world.messages().empty());
  EXPECT_EQ(world.node(1).process->waiting_for(), "the disk");
  world.unlink(2);
  world.link_all();
  EXPECT_TRUE(world.messages().empty());
  world.save(1);
  EXPECT_TRUE(world.messages().empty());
  world.tell_durable(1, /*dial_again=*/false);
  EXPECT_EQ(world.messages().size(), 2u);
}

TEST(BirthTest, AMemberOffersUntilThePeerSaysItIsOne) {
  World world(2);
  world.start_all();
  world.link_all();
  world.save(1);
  world.tell_durable(1);
  for (int i = 0; i < 3; ++i) {
    EXPECT_FALSE(world.messages().empty());
    world.messages().clear();  // lost with the connection
    world.unlink(2);
    world.link_all();
  }
  world.settle();
  EXPECT_TRUE(world.born_whole());
  world.unlink(2);
  world.link_all();
  EXPECT_TRUE(world.messages().empty());
}

// --- Every point at which a node may die, and every set of nodes that is started again afterwards.

// Runs a birth of three up to its step `stop_at`, a step being one thing of: saving, telling,
// delivering. Returns false if the birth needs fewer steps.
bool run_steps(World& world, int stop_at) {
  world.start_all();
  world.link_all();
  int step = 0;
  for (bool again = true; again;) {
    again = false;
    for (uint16_t id = 1; id <= world.size(); ++id) {
      if (!saving(world, id)) continue;
      if (step++ == stop_at) return true;
      again = true;
      if (!world.save(id)) world.tell_durable(id);
    }
    if (!world.messages().empty()) {
      if (step++ == stop_at) return true;
      again = world.deliver();
    }
  }
  return false;
}

TEST(BirthTest, ADeathOfAnyNodesAtAnyStepIsSurvived) {
  int steps = 0;
  for (bool more = true; more; ++steps) {
    for (int dying = 1; dying < 8 && more; ++dying) {
      World world(3);
      more = run_steps(world, steps);
      if (!more) break;
      std::set<Incarnation> before;
      for (uint16_t id = 1; id <= 3; ++id) {
        if (dying >> (id - 1) & 1) world.stop(id);
        if (world.incarnation(id) != kUnborn) before.insert(world.incarnation(id));
      }
      world.settle();
      world.start_and_settle();
      ASSERT_TRUE(world.born_whole()) << "step " << steps << ", dying " << dying;
      if (!before.empty()) {
        EXPECT_TRUE(before.contains(world.incarnation(1)));
      }
    }
  }
  EXPECT_GT(steps, 8);
}

TEST(BirthTest, AWipedNodeAtAnyStepNeverMakesASecondCluster) {
  int steps = 0;
  for (bool more = true; more; ++steps) {
    for (uint16_t wiped = 1; wiped <= 3 && more; ++wiped) {
      World world(3);
      more = run_steps(world, steps);
      if (!more) break;
      world.stop(wiped);
      world.wipe(wiped);
      world.settle();
      world.start(wiped);
      world.settle();
      std::set<Incarnation> clusters;
      int voters = 0;
      for (uint16_t id = 1; id <= 3; ++id) {
        clusters.insert(world.incarnation(id));
        voters += world.voter(id);
      }
      EXPECT_EQ(clusters.size(), 1u) << "step " << steps << ", wiped " << wiped;
      EXPECT_FALSE(clusters.contains(kUnborn));
      EXPECT_GE(voters, 2) << "step " << steps << ", wiped " << wiped;
    }
  }
  EXPECT_GT(steps, 8);
}

// --- Wiped, new and restored nodes.

TEST(BirthTest, TwoWipedNodesAndAnOldOneFormNoNewCluster) {
  for (uint16_t old = 1; old <= 3; ++old) {
    World world(3);
    world.start_and_settle();
    const Incarnation first = world.incarnation(old);
    for (uint16_t id = 1; id <= 3; ++id) {
      world.stop(id);
      if (id != old) world.wipe(id);
    }
    for (uint16_t id = 1; id <= 3; ++id) {
      if (id != old) world.start(id);
    }
    world.settle();
    for (uint16_t id = 1; id <= 3; ++id) {
      if (id != old) {
        EXPECT_EQ(world.incarnation(id), kUnborn);
      }
    }
    world.start(old);
    world.settle();
    for (uint16_t id = 1; id <= 3; ++id) {
      EXPECT_EQ(world.incarnation(id), first);
      EXPECT_EQ(world.voter(id), id == old);
    }
  }
}

TEST(BirthTest, AWipedFounderIsLetInAsALearnerByAnyMember) {
  World world(3);
  world.start_and_settle();
  const Incarnation first = world.incarnation(2);
  world.stop(1);
  world.wipe(1);
  world.stop(2);
  world.start(1);
  world.settle();
  EXPECT_EQ(world.incarnation(1), first);
  EXPECT_TRUE(world.node(1).directory.learner);
  EXPECT_EQ(world.node(1).directory.birth->hash_seed, world.node(3).directory.birth->hash_seed);
}

TEST(BirthTest, ANewNodeJoinsAsALearner) {
  World world(4);
  for (uint16_t id = 1; id <= 3; ++id) world.start(id, 3);
  world.settle();
  world.start(4, 4);
  world.settle();
  EXPECT_EQ(world.incarnation(4), world.incarnation(1));
  EXPECT_TRUE(world.node(4).directory.learner);
}

TEST(BirthTest, ADirectoryThatWasAMemberAndSaysItNeverWasIsNotTaken) {
  World world(3);
  world.start_and_settle();
  world.stop(2);
  world.node(2).directory.birth.reset();  // restored from a backup made before the birth
  world.start(2);
  world.settle();
  EXPECT_EQ(world.incarnation(2), kUnborn);
  EXPECT_THAT(world.node(1).host.log_lines, testing::Contains(HasSubstr("restored from a backup")));
}

TEST(BirthTest, OfTwoClustersNeitherIsJoined) {
  World one(3, 1), two(3, 2);
  for (World* world : {&one, &two}) {
    world->start_and_settle();
  }
  one.stop(3);
  one.wipe(3);
  one.start(3);
  Hello stranger = two.hello(2);
  one.node(3).process->linked(stranger);
  const absl::Status status = one.node(3).process->received(*one.node(1).directory.birth);
  EXPECT_TRUE(absl::IsFailedPrecondition(status));
  EXPECT_THAT(std::string(status.message()), HasSubstr("but node 2 is a member of "));
  EXPECT_FALSE(saving(one, 3));
}

TEST(BirthTest, AMemberIsNotBornAgain) {
  World one(3, 1), two(3, 2);
  for (World* world : {&one, &two}) {
    world->start_and_settle();
  }
  Birth& member = *one.node(3).process;
  EXPECT_TRUE(member.received(*one.node(1).directory.birth).ok());
  EXPECT_TRUE(absl::IsFailedPrecondition(member.received(*two.node(1).directory.birth)));
}

TEST(BirthTest, WhoeverMeansOtherPeersIsRefused) {
  World world(4);
  world.start(1, 2);
  world.start(2, 4);
  world.settle();
  EXPECT_NE(world.incarnation(1), kUnborn);
  EXPECT_EQ(world.incarnation(2), kUnborn);
  EXPECT_EQ(std::string(world.last_refusal.message()),
            "peers 1 2 3 4 are configured here, 1 2 where the cluster was founded");
}

TEST(BirthTest, ADamagedOfferIsRefused) {
  World world(2);
  world.start_all();
  world.link_all();
  world.save(1);
  const peer::Birth good = *world.node(1).directory.birth;
  Birth& unborn = *world.node(2).process;
  for (size_t i = 0; i < good.record.size(); ++i) {
    peer::Birth bad = good;
    bad.record[i] ^= 1;
    EXPECT_TRUE(absl::IsInvalidArgument(unborn.received(bad))) << i;
    bad.record = good.record.substr(0, i);
    EXPECT_TRUE(absl::IsInvalidArgument(unborn.received(bad))) << i;
  }
  peer::Birth bad = good;
  bad.record += 'x';
  EXPECT_TRUE(absl::IsInvalidArgument(unborn.received(bad)));
  bad = good;
  bad.incarnation = {};
  EXPECT_TRUE(absl::IsInvalidArgument(unborn.received(bad)));
  EXPECT_TRUE(unborn.received(good).ok());
}

TEST(BirthTest, ALoneNodeFoundsItsClusterByItself) {
  ClusterTestHost host;
  replication::Membership membership;
  membership.members.push_back({.id = NodeId{1}, .address = "", .instance = {7}, .voter = true});
  const peer::Birth birth = found_cluster(host, NodeId{1}, membership);
  const auto founding = founding_membership(birth);
  ASSERT_TRUE(founding.ok()) << founding.status();
  EXPECT_EQ(*founding, membership);
}

// --- At random: nodes that start, die and are wiped, links that come and go, at every step of
// births. A cluster is founded only where no directory belongs to another one; and in the end all
// that was not wiped after the first birth belongs to one cluster.

void random_step(World& world, std::mt19937_64& random) {
  const auto id = static_cast<uint16_t>(1 + random() % world.size());
  const auto other = static_cast<uint16_t>(1 + random() % world.size());
  switch (random() % 12) {
    case 0:
      if (world.up(id)) world.stop(id);
      return;
    case 1:
      if (!world.up(id) && random() % 4 == 0) world.wipe(id);
      return;
    case 2:
    case 3:
      if (!world.up(id)) world.start(id);
      return;
    case 4:
      if (world.up(id)) world.unlink(id);
      return;
    case 5:
    case 6:
      if (saving(world, id) && !world.save(id)) world.tell_durable(id);
      return;
    case 7:
    case 8:
      world.deliver();
      return;
    default:
      if (id != other) world.link(id, other);
  }
}

TEST(BirthTest, AtRandomNoClusterIsFoundedBesideAnother) {
  int foundings = 0;
  for (uint64_t seed = 1; seed <= 3000; ++seed) {
    std::mt19937_64 random(seed);
    World world(static_cast<uint16_t>(2 + random() % 4), seed);
    world.on_founding = [&](uint16_t founder) {
      ++foundings;
      for (uint16_t id = 1; id <= world.size(); ++id) {
        EXPECT_EQ(world.incarnation(id), kUnborn)
            << "seed " << seed << ", node " << id << " beside founder " << founder;
      }
    };
    for (int step = 0; step < 200; ++step) random_step(world, random);
    world.start_and_settle();
    // Each is a member of something: a directory is never left behind unborn.
    for (uint16_t id = 1; id <= world.size(); ++id) {
      EXPECT_TRUE(world.node(id).process->member() || !world.last_refusal.ok()) << "seed " << seed;
    }
  }
  EXPECT_GT(foundings, 1000);
}

}  // namespace
}  // namespace kvorum::server
