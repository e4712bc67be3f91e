#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <deque>
#include <memory>
#include <optional>
#include <random>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "server/node/cluster/birth.h"
#include "tests/unit/node/cluster_test_host.h"

namespace kvorum::server {
namespace {

using peer::Hello;
using storage::Incarnation;
using storage::NodeId;
using testing::HasSubstr;

constexpr Incarnation kUnborn{};

// Some nodes, each a directory that lasts and a process that does not, and the links between them.
// Nothing happens by itself: births wait until they are saved, messages until they are delivered.
class World {
 public:
  struct Directory {
    storage::InstanceId instance{};
    uint64_t boot = 0;
    std::optional<peer::Birth> birth;  // durable: the identity names its incarnation
    bool learner = false;
  };
  struct Node {
    Directory directory;
    ClusterTestHost host;
    std::unique_ptr<Birth> process;
    std::optional<std::pair<peer::Birth, bool>> saving;  // reported by `born`, not yet on disk
    std::set<uint16_t> links;                            // of ours that are up
  };
  struct Sent {
    uint16_t from, to;
    uint64_t boot;  // of the receiver, when the link was made
    peer::Birth birth;
  };

  explicit World(uint16_t count, uint64_t seed = 1) : nodes_(count), random_(seed) {
    for (uint16_t id = 1; id <= count; ++id) {
      node(id).host.random_state = random_();
      wipe(id);
    }
  }

  uint16_t size() const { return static_cast<uint16_t>(nodes_.size()); }
  Node& node(uint16_t id) { return nodes_[id - 1]; }
  bool up(uint16_t id) { return node(id).process != nullptr; }
  std::deque<Sent>& messages() { return messages_; }

  Hello hello(uint16_t id) {
    Hello hello;
    hello.node = NodeId{id};
    hello.instance = node(id).directory.instance;
    hello.boot = node(id).directory.boot;
    // The directory's, not the process': what it says it has made durable first.
    if (node(id).directory.birth) hello.incarnation = node(id).directory.birth->incarnation;
    return hello;
  }

  Birth::Settings settings(uint16_t id, uint16_t configured) {
    Birth::Settings settings{
        .node = NodeId{id}, .instance = node(id).directory.instance, .seed = {}};
    for (uint16_t peer = 1; peer <= configured; ++peer) {
      replication::Member member;
      member.id = NodeId{peer};
      member.address = "127.0.0.1:" + std::to_string(7000 + peer);
      settings.seed.members.push_back(member);
    }
    return settings;
  }

  void start(uint16_t id) { start(id, size()); }
  void start(uint16_t id, uint16_t configured) {
    Node& self = node(id);
    ++self.directory.boot;
    const Birth::Events events = {
        .born = [this, id](const peer::Birth& birth,
                           bool as_learner) { on_born(id, birth, as_learner); },
        .send =
            [this, id](NodeId to, const peer::Birth& birth) {
              EXPECT_EQ(incarnation(id), birth.incarnation);  // on disk
              messages_.push_back({id, to.value(), node(to.value()).directory.boot, birth});
            }};
    if (self.directory.birth) {
      self.process = std::make_unique<Birth>(self.host, settings(id, configured), events,
                                             *self.directory.birth);
    } else {
      self.process = std::make_unique<Birth>(self.host, settings(id, configured), events);
    }
  }
  // The process dies, at once for everybody. What it sent may still arrive.
  void stop(uint16_t id) {
    node(id).process = nullptr;
    node(id).saving.reset();
    unlink(id);
  }
  // REQUIRES: not up.
  void wipe(uint16_t id) {
    node(id).directory = {};
    const uint64_t random = random_() | 1;
    for (size_t i = 0; i < 8; ++i) {
      node(id).directory.instance[i] = static_cast<uint8_t>(random >> 8 * i);
    }
  }

  void link(uint16_t from, uint16_t to) {
    if (!up(from) || !up(to) || !node(from).links.insert(to).second) return;
    node(to).process->heard(hello(from));
    node(from).process->linked(hello(to));
  }
  void link_all() {
    for (uint16_t from = 1; from <= size(); ++from) {
      for (uint16_t to = 1; to <= size(); ++to) {
        if (from != to) link(from, to);
      }
    }
  }
  void unlink(uint16_t id) {
    for (uint16_t other = 1; other <= size(); ++other) {
      if (node(other).links.erase(id) > 0 && up(other)) {
        node(other).process->link_lost(NodeId{id});
      }
      if (node(id).links.erase(other) > 0 && up(id)) node(id).process->link_lost(NodeId{other});
    }
  }

  // Makes the reported birth durable; the process has not heard of it yet.
  bool save(uint16_t id) {
    Node& self = node(id);
    if (!self.saving || self.directory.birth) return false;
    self.directory.birth = self.saving->first;
    self.directory.learner = self.saving->second;
    return true;
  }
  // It hears, and dials everybody again with its new identity.
  void tell_durable(uint16_t id, bool dial_again = true) {
    node(id).saving.reset();
    node(id).process->durable();
    if (dial_again) {
      unlink(id);
      link_all();
    }
  }
  // False: there was nothing to deliver.
  bool deliver() {
    if (messages_.empty()) return false;
    const Sent sent = messages_.front();
    messages_.pop_front();
    if (up(sent.to) && node(sent.to).directory.boot == sent.boot) {
      last_refusal = node(sent.to).process->received(sent.birth);
    }
    return true;
  }
  void settle() {
    for (bool again = true; again;) {
      again = false;
      link_all();
      while (deliver()) again = true;
      for (uint16_t id = 1; id <= size(); ++id) {
        if (!node(id).saving) continue;
        save(id);
        tell_durable(id);
        again = true;
      }
    }
  }
  void start_all() {
    for (uint16_t id = 1; id <= size(); ++id) {
      if (!up(id)) start(id);
    }
  }
  void start_and_settle() {
    start_all();
    settle();
  }

  Incarnation incarnation(uint16_t id) {
    return node(id).directory.birth ? node(id).directory.birth->incarnation : kUnborn;
  }
  bool voter(uint16_t id) { return node(id).directory.birth && !node(id).directory.learner; }
  // All are voters of one cluster.
  bool born_whole() {
    for (uint16_t id = 1; id <= size(); ++id) {
      if (!voter(id) || incarnation(id) != incarnation(1)) return false;
    }
    return true;
  }

  // Called where a node founds a cluster.
  std::function<void(uint16_t founder)> on_founding;
  absl::Status last_refusal;

 private:
  void on_born(uint16_t id, const peer::Birth& birth, bool as_learner) {
    ASSERT_FALSE(node(id).saving);
    node(id).saving = {birth, as_learner};
    const auto founding = founding_membership(birth);
    ASSERT_TRUE(founding.ok());
    if (as_learner || id != 1 || !founded_.insert(birth.incarnation).second) return;
    if (on_founding) on_founding(id);
  }

  std::vector<Node> nodes_;
  std::mt19937_64 random_;
  std::deque<Sent> messages_;
  std::set<Incarnation> founded_;
};

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
