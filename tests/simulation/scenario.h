// Small stories about a cluster, told step by step: who crashes, who is cut off, what a client asks
// and hears. All checkers look on; nothing happens that the story does not say.
//
//   Scenario story(3);
//   story.elect();
//   ScenarioClient client = story.client(story.leader());
//   EXPECT_EQ(client.ask({"SET", "k", "v"}), "OK");
//   story.crash(story.leader());
//   story.expect_recovery();
#pragma once

#include <gtest/gtest.h>

#include <functional>
#include <initializer_list>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "resp/reply_reader.h"
#include "resp/request.h"
#include "server/node/cluster/cluster.h"
#include "tests/simulation/simulation.h"

namespace kvorum::simulation {

// One connection. It asks and waits; copies are the same connection.
class ScenarioClient {
 public:
  ScenarioClient(Simulation& simulation, Endpoint endpoint, Endpoint node)
      : simulation_(&simulation), state_(std::make_shared<State>()) {
    ConnectionEnd end;
    end.connected = [] {};
    end.received = [state = state_](std::string bytes) { state->reader.feed(bytes); };
    end.closed = [state = state_](std::string_view) { state->closed = true; };
    state_->id = simulation.world().network.dial(endpoint, node, std::move(end));
    simulation.run_for(5000);
  }

  // The reply as text: "OK", "12", "nil", "[OK OK]", "-TRYAGAIN …"; "closed", or "silence" after
  // `ms`.
  std::string ask(std::initializer_list<std::string_view> words, int64_t ms = 6000) {
    std::string request;
    resp::append_request(request, {words.begin(), words.size()});
    simulation_->world().network.send(state_->id, Side::kDialler, std::move(request));
    resp::Reply reply;
    const bool answered = simulation_->run_until(
        [&] {
          return state_->closed || state_->reader.next(reply) == resp::ReplyReader::Result::kReply;
        },
        ms * 1000);
    return !answered ? "silence" : state_->closed ? "closed" : text_of(reply);
  }

 private:
  struct State {
    SimulatedNetwork::ConnectionId id = 0;
    resp::ReplyReader reader;
    bool closed = false;
  };

  static std::string text_of(const resp::Reply& reply) {
    using Type = resp::Reply::Type;
    if (reply.type == Type::kNull) return "nil";
    if (reply.type == Type::kInteger) return std::to_string(reply.integer);
    if (reply.type == Type::kError) return "-" + reply.text;
    if (reply.type != Type::kArray) return reply.text;
    std::string text = "[";
    for (const resp::Reply& element : reply.elements) {
      text += (text.size() > 1 ? " " : "") + text_of(element);
    }
    return text + "]";
  }

  Simulation* simulation_;
  std::shared_ptr<State> state_;
};

class Scenario {
 public:
  explicit Scenario(int nodes, const std::function<void(Parameters&)>& adjust = nullptr)
      : simulation_(quiet(nodes, adjust), /*print=*/false) {}

  Simulation& simulation() { return simulation_; }
  SimulatedNode& node(Endpoint id) { return simulation_.node(id); }
  void run_ms(int64_t ms) { simulation_.run_for(ms * 1000); }

  // Everybody starts, and a leader is there.
  void elect() {
    simulation_.start_nodes();
    wait_for_leader();
  }
  void wait_for_leader() {
    ASSERT_TRUE(simulation_.run_until(
        [this] { return leader() != 0 && node(leader()).node()->cluster().replica().settled(); },
        20'000'000))
        << simulation_.world().verdict.text();
  }
  // 0: there is none. Of several that believe so the one with the highest term.
  Endpoint leader() {
    Endpoint best = 0;
    for (const auto& each : simulation_.nodes()) {
      if (!each->leads()) continue;
      if (best == 0 || each->node()->cluster().term() > node(best).node()->cluster().term()) {
        best = each->id();
      }
    }
    return best;
  }
  // The `n`-th node that does not lead.
  Endpoint follower(int n = 0) {
    for (const auto& each : simulation_.nodes()) {
      if (each->id() != leader() && n-- == 0) return each->id();
    }
    return 0;
  }
  ScenarioClient client(Endpoint node) {
    return ScenarioClient(simulation_, kFirstClient + next_client_++, node);
  }

  void crash(Endpoint id) { node(id).crash(); }
  void power_cut(Endpoint id) { node(id).power_cut(); }
  void start(Endpoint id) { node(id).start(); }
  void wipe(Endpoint id) {
    node(id).crash();
    node(id).wipe();
  }
  void cut_off(Endpoint id) {
    for (const auto& each : simulation_.nodes()) {
      if (each->id() == id) continue;
      simulation_.world().network.block(id, each->id());
      simulation_.world().network.block(each->id(), id);
    }
  }
  void reconnect() { simulation_.world().network.heal_partitions(); }
  // Asks the leader to hand over, to anybody or to one node, and waits until another one leads.
  void hand_over(Endpoint to = 0) {
    const Endpoint old = leader();
    node(old).post([this, old, to] {
      node(old).node()->cluster().transfer(storage::NodeId{static_cast<uint16_t>(to)});
    });
    ASSERT_TRUE(simulation_.run_until([&] { return leader() != 0 && leader() != old; }, 5'000'000));
  }

  // No checker has found anything so far.
  void expect_well() { EXPECT_EQ(simulation_.world().verdict.text(), ""); }
  // Everybody comes back, agrees and serves; no checker has found anything.
  void expect_recovery() {
    simulation_.heal();
    simulation_.demand_progress();
    EXPECT_EQ(simulation_.judge().failure, "");
  }

 private:
  static Parameters quiet(int nodes, const std::function<void(Parameters&)>& adjust) {
    Parameters parameters;
    parameters.nodes = nodes;
    parameters.clients = 0;
    parameters.fault_interval_us = 0;
    if (adjust) adjust(parameters);
    return parameters;
  }

  Simulation simulation_;
  Endpoint next_client_ = 500;
};

}  // namespace kvorum::simulation
