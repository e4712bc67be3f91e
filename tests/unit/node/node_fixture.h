// A node on a simulated host: a disk in memory, a clock that only tests move, lanes that run when
// told to. Commands go in as words, replies come out as RESP bytes.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "server/node/host.h"
#include "server/node/node.h"
#include "server/node/options.h"
#include "server/node/session.h"
#include "tests/support/simulated_disk.h"

namespace kvorum::server {

class SimulatedHost : public Host {
 public:
  int64_t wall_us() override { return wall_now_us; }
  int64_t monotonic_us() override { return monotonic_now_us; }
  uint64_t random() override {
    return random_state_ = random_state_ * 6364136223846793005u + 1442695040888963407u;
  }
  std::array<uint8_t, 16> kernel_boot() override { return {1}; }
  uint64_t (*lane_clock_us())() override { return nullptr; }
  void log(LogLevel, std::string_view message) override { log_lines.emplace_back(message); }
  void show_loading(const LoadingProgress&) override {}
  storage::FileSystem& file_system() override { return disk; }
  void run(Lane lane, std::function<void()> work, std::function<void()> done) override {
    lanes_[static_cast<size_t>(lane)].push_back({std::move(work), std::move(done)});
  }
  void session_ready(Session& session) override { ready.push_back(&session); }
  void dial(storage::NodeId peer, const std::string&) override { dialled.push_back(peer); }
  void send_to_peer(storage::NodeId, std::string head,
                    std::shared_ptr<const std::string> body) override {
    sent_to_peers += head;
    if (body != nullptr) sent_to_peers += *body;
  }
  size_t peer_unsent_bytes(storage::NodeId) override { return 0; }
  void hang_up(storage::NodeId) override {}
  ProcessFigures process_figures() override { return figures; }
  void options_changed() override { ++option_changes; }
  absl::Status rewrite_configuration() override { return rewrite_result; }
  void stopped(int code) override { exit_code = code; }

  // Runs one job of the lane and delivers it; false if there is none.
  bool run_one(Lane lane) {
    auto& jobs = lanes_[static_cast<size_t>(lane)];
    if (jobs.empty()) return false;
    Job job = std::move(jobs.front());
    jobs.pop_front();
    job.work();
    job.done();
    return true;
  }

  // The process died: what was on its lanes is gone.
  void drop_jobs() {
    for (auto& jobs : lanes_) jobs.clear();
    ready.clear();
    disk.crash();
  }

  storage::SimulatedDisk disk;
  int64_t wall_now_us = 1'700'000'000'000'000;
  int64_t monotonic_now_us = 1'000'000;
  std::vector<std::string> log_lines;
  std::vector<Session*> ready;
  std::vector<storage::NodeId> dialled;
  std::string sent_to_peers;
  ProcessFigures figures;
  int option_changes = 0;
  absl::Status rewrite_result;
  int exit_code = -1;

 private:
  struct Job {
    std::function<void()> work, done;
  };
  std::deque<Job> lanes_[2];
  uint64_t random_state_ = 42;
};

class NodeFixture : public testing::Test {
 protected:
  NodeFixture() { open(); }

  // Starts a node on what the disk holds and lets it load.
  void open() {
    node = std::make_unique<Node>(options, host);
    ASSERT_TRUE(node->start().ok());
    while (!node->loaded()) ASSERT_TRUE(pump());
    settle();
  }
  // As open() after the process ended: memory is gone, the disk stays.
  void restart() {
    node.reset();
    host.drop_jobs();
    client = nullptr;
    open();
  }

  Session& connect() {
    Session& session = node->connect();
    session.address = "127.0.0.1:50000";
    return session;
  }

  // Executes, without letting anything become durable. What is sealed and open already is returned
  // by take().
  Execution execute(Session& session, const std::vector<std::string>& words) {
    const std::vector<std::string_view> arguments(words.begin(), words.end());
    node->refresh_clock();
    return node->execute(session, arguments);
  }
  // What the session may send now, as the client would read it.
  std::string take(Session& session) {
    std::string bytes(session.output.sendable());
    session.output.sent(bytes.size());
    session.ready = false;
    return bytes;
  }
  // Executes, lets the disk finish, and returns the reply.
  std::string run(Session& session, const std::vector<std::string>& words) {
    EXPECT_EQ(execute(session, words), Execution::kDone);
    settle();
    return take(session);
  }
  std::string run(const std::vector<std::string>& words) {
    if (client == nullptr) client = &connect();
    return run(*client, words);
  }

  // One job of each lane; false if there was none.
  bool pump() {
    node->end_turn();
    const bool wal = host.run_one(Lane::kWal);
    const bool background = host.run_one(Lane::kBackground);
    return wal || background;
  }
  void settle() {
    while (pump()) {
    }
  }
  void advance_ms(int64_t ms) {
    host.wall_now_us += ms * 1000;
    host.monotonic_now_us += ms * 1000;
    node->refresh_clock();
  }
  void set_option(std::string_view name, std::string_view value) {
    ASSERT_TRUE(options.set(*OptionTable::find(name), value).ok());
    node->options_changed();
  }

  SimulatedHost host;
  OptionTable options;
  std::unique_ptr<Node> node;
  Session* client = nullptr;
};

}  // namespace kvorum::server
