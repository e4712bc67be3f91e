// Several nodes in one process: one clock, a disk in memory each, and connections between them that
// are two streams of bytes which tests can cut or hold. Deterministic.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/text.h"
#include "resp/parser.h"
#include "server/node/cluster/cluster.h"
#include "tests/unit/node/node_fixture.h"

namespace kvorum::server {

using storage::NodeId;

// The connections that this node has dialled.
class ClusterHost : public SimulatedHost {
 public:
  explicit ClusterHost(uint64_t seed) : state_(seed) {}

  uint64_t random() override {
    state_ = state_ * 6364136223846793005u + 1442695040888963407u;
    return state_ ^ state_ >> 29;
  }
  void dial(NodeId peer, const std::string&) override { dialling.push_back(peer); }
  void send_to_peer(NodeId peer, std::string head,
                    std::shared_ptr<const std::string> body) override {
    unsent[peer] += head;
    if (body != nullptr) unsent[peer] += *body;
  }
  size_t peer_unsent_bytes(NodeId peer) override { return unsent[peer].size(); }
  void hang_up(NodeId peer) override {
    std::erase(dialling, peer);
    unsent.erase(peer);
    hung_up.push_back(peer);
  }

  std::vector<NodeId> dialling, hung_up;
  std::map<NodeId, std::string> unsent;

 private:
  uint64_t state_;
};

// A client of one node. Commands go out in order, each when the node takes it.
class TestClient {
 public:
  TestClient(Node& node, Session& session) : node_(node), session_(session) {}

  void send(std::vector<std::string> words) { input_.push_back(std::move(words)); }
  // True if something was executed.
  bool pump() {
    bool moved = false;
    session_.ready = false;
    while (!input_.empty() && !session_.blocked && !session_.postponed && !closed()) {
      const std::vector<std::string_view> words(input_.front().begin(), input_.front().end());
      node_.refresh_clock();
      if (node_.execute(session_, words) == Execution::kComeAgain) break;
      input_.pop_front();
      moved = true;
    }
    const std::string_view bytes = session_.output.sendable();
    output_ += bytes;
    moved |= !bytes.empty();
    session_.output.sent(bytes.size());
    return moved;
  }
  // What has come back since the last time.
  std::string take() { return std::exchange(output_, {}); }
  const std::string& output() const { return output_; }
  bool closed() const { return session_.close_now || session_.close_after_reply; }
  size_t unexecuted() const { return input_.size(); }
  Session& session() { return session_; }

 private:
  Node& node_;
  Session& session_;
  std::deque<std::vector<std::string>> input_;
  std::string output_;
};

class ClusterFixture : public testing::Test {
 protected:
  struct Member {
    explicit Member(uint16_t number) : id(number), host(number * 977u) {}
    NodeId id;
    ClusterHost host;
    OptionTable options;
    bool disk_stuck = false;  // nothing of its log gets written
    std::unique_ptr<Node> node;
    std::vector<std::unique_ptr<TestClient>> clients;
  };
  // `to` has accepted what `from` dialled.
  struct Connection {
    Session* session = nullptr;
    std::unique_ptr<resp::Parser> parser = std::make_unique<resp::Parser>();
  };
  using Way = std::pair<NodeId, NodeId>;  // from, to

  ~ClusterFixture() override {
    for (auto& member : members) member->node.reset();
  }

  void start(uint16_t nodes,
             const std::vector<std::pair<std::string, std::string>>& settings = {}) {
    std::string peers;
    for (uint16_t id = 1; id <= nodes; ++id) {
      peers += base::concat(id == 1 ? "" : ",", id, "=127.0.0.1:", 7000 + id);
    }
    for (uint16_t id = 1; id <= nodes; ++id) {
      Member& member = *members.emplace_back(std::make_unique<Member>(id));
      set(member, "id", std::to_string(id));
      set(member, "port", std::to_string(7000 + id));
      set(member, "cluster-id", "test");
      set(member, "cluster-secret", "secret");
      set(member, "peers", peers);
      for (const auto& [name, value] : settings) set(member, name, value);
      open(member);
    }
  }
  void set(Member& member, std::string_view name, std::string_view value) {
    ASSERT_TRUE(member.options.set(*OptionTable::find(name), value).ok()) << name;
    if (member.node != nullptr) member.node->options_changed();
  }
  void open(Member& member) {
    member.node = std::make_unique<Node>(member.options, member.host);
    ASSERT_TRUE(member.node->start().ok());
  }
  // The process is gone, and everything that was not on disk.
  void kill(Member& member) {
    for (Member* other : everyone()) {
      if (other == &member) continue;
      cut(member.id, other->id);
      cut(other->id, member.id);
    }
    member.clients.clear();
    member.node.reset();
    member.host.drop_jobs();
    member.host.dialling.clear();
    member.host.unsent.clear();
  }

  std::vector<Member*> everyone() {
    std::vector<Member*> all;
    for (const auto& member : members) all.push_back(member.get());
    return all;
  }
  std::vector<Member*> alive() {
    std::vector<Member*> all = everyone();
    std::erase_if(all, [](const Member* member) { return member->node == nullptr; });
    return all;
  }
  Member* find(NodeId id) {
    for (Member* member : alive()) {
      if (member->id == id) return member;
    }
    return nullptr;
  }

  // --- Connections.
  void cut(NodeId from, NodeId to) {
    const auto row = connections.find({from, to});
    if (row == connections.end()) return;
    Session* session = row->second.session;
    connections.erase(row);
    if (Member* accepted = find(to)) accepted->node->disconnect(*session);
    if (Member* dialled = find(from)) {
      dialled->host.unsent.erase(to);
      dialled->node->peer_closed(to, "cut");
    }
  }
  // Nothing passes between the two any more, until healed.
  void separate(NodeId one, NodeId other) {
    separated.push_back({one, other});
    separated.push_back({other, one});
    cut(one, other);
    cut(other, one);
  }
  void isolate(Member& member) {
    for (Member* other : everyone()) {
      if (other != &member) separate(member.id, other->id);
    }
  }
  void heal() {
    separated.clear();
    held.clear();
  }
  bool is_in(const std::vector<Way>& ways, NodeId from, NodeId to) const {
    return std::find(ways.begin(), ways.end(), Way{from, to}) != ways.end();
  }

  // --- Time passes.
  bool dial(Member& member) {
    bool moved = false;
    for (const NodeId peer : std::exchange(member.host.hung_up, {})) {
      const auto row = connections.find({member.id, peer});
      if (row == connections.end()) continue;
      Session* session = row->second.session;
      connections.erase(row);
      if (Member* other = find(peer)) other->node->disconnect(*session);
      moved = true;
    }
    for (const NodeId peer : std::exchange(member.host.dialling, {})) {
      moved = true;
      Member* other = find(peer);
      if (other == nullptr || is_in(separated, member.id, peer)) {
        member.node->peer_closed(peer, "refused");
        continue;
      }
      Connection& connection = connections[{member.id, peer}];
      connection.session = &other->node->connect();
      connection.session->address = base::concat("node-", member.id.value());
      member.node->peer_connected(peer);
    }
    return moved;
  }
  bool deliver(Member& member) {
    bool moved = false;
    for (Member* other : alive()) {
      const auto row = connections.find({member.id, other->id});
      if (row == connections.end() || is_in(held, member.id, other->id)) continue;
      moved |= feed(member, *other, row->second);
    }
    return moved;
  }
  bool feed(Member& from, Member& to, Connection& connection) {
    const std::string bytes = std::exchange(from.host.unsent[to.id], {});
    Session& session = *connection.session;
    if (!bytes.empty()) {
      const std::span<char> room = connection.parser->reserve(bytes.size());
      std::copy(bytes.begin(), bytes.end(), room.begin());
      connection.parser->commit(bytes.size());
      from.node->peer_sent(to.id);
    }
    to.node->refresh_clock();
    while (!session.close_now && !session.close_after_reply &&
           connection.parser->next() == resp::Parser::Result::kCommand) {
      EXPECT_EQ(to.node->execute(session, connection.parser->arguments()), Execution::kDone);
    }
    const std::string reply(session.output.sendable());
    session.output.sent(reply.size());
    session.ready = false;
    const bool closed = session.close_now || session.close_after_reply;
    if (!reply.empty()) from.node->peer_received(to.id, reply);
    if (closed) cut(from.id, to.id);
    return !bytes.empty() || !reply.empty();
  }
  bool pump() {
    bool moved = false;
    for (Member* member : alive()) {
      moved |= dial(*member);
      moved |= deliver(*member);
      for (const auto& client : member->clients) moved |= client->pump();
      member->node->end_turn();
      moved |= member->host.run_one(Lane::kBackground);
      if (!member->disk_stuck) moved |= member->host.run_one(Lane::kWal);
    }
    return moved;
  }
  void run_ms(int64_t ms) {
    for (int64_t step = 0; step < ms; step += 5) {
      for (Member* member : alive()) {
        member->host.wall_now_us += 5000;
        member->host.monotonic_now_us += 5000;
        member->node->tick();
      }
      for (int turns = 0; turns < 200 && pump(); ++turns) {
      }
    }
  }
  testing::AssertionResult wait_for(const std::function<bool()>& condition,
                                    int64_t at_most_ms = 10'000) {
    for (int64_t ms = 0; ms < at_most_ms; ms += 5) {
      if (condition()) return testing::AssertionSuccess();
      run_ms(5);
    }
    return testing::AssertionFailure() << "not within " << at_most_ms << " ms";
  }

  // --- Roles.
  Member* leader() {
    for (Member* member : alive()) {
      if (member->node->loaded() && member->node->cluster().leads() &&
          member->node->cluster().replica().settled()) {
        return member;
      }
    }
    return nullptr;
  }
  // Everybody there agrees on who leads.
  bool settled() {
    Member* leads = leader();
    if (leads == nullptr) return false;
    for (Member* member : alive()) {
      if (!member->node->loaded() || member->node->cluster().leader() != leads->id) return false;
      for (Member* other : alive()) {
        if (other != member && member->node->cluster().ready_link(other->id) == nullptr) {
          return false;
        }
      }
    }
    return true;
  }
  Member& follower() {
    for (Member* member : alive()) {
      if (member != leader()) return *member;
    }
    ADD_FAILURE() << "no follower";
    return *members.front();
  }

  // --- Clients.
  TestClient& connect(Member& member) {
    Session& session = member.node->connect();
    session.address = "127.0.0.1:50000";
    return *member.clients.emplace_back(std::make_unique<TestClient>(*member.node, session));
  }
  // Sends, and waits for something to come back.
  std::string ask(TestClient& client, const std::vector<std::string>& words,
                  int64_t at_most_ms = 10'000) {
    client.send(words);
    EXPECT_TRUE(wait_for([&] { return !client.output().empty(); }, at_most_ms)) << words[0];
    return client.take();
  }

  std::vector<std::unique_ptr<Member>> members;
  std::map<Way, Connection> connections;
  std::vector<Way> separated;  // cannot connect
  std::vector<Way> held;       // bytes stay where they are
};

}  // namespace kvorum::server
