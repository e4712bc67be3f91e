#include "server/shell/peer_connection.h"

#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/text.h"

namespace kvorum::server {
namespace {

using storage::NodeId;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::StartsWith;

constexpr NodeId kPeer{2};

// A listening socket of 127.0.0.1, with blocking calls for what it accepts.
class FakePeer {
 public:
  FakePeer() : listener_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof(address);
    EXPECT_EQ(::bind(listener_, reinterpret_cast<sockaddr*>(&address), size), 0);
    EXPECT_EQ(::getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size), 0);
    EXPECT_EQ(::listen(listener_, 8), 0);
    port_ = ntohs(address.sin_port);
  }
  ~FakePeer() {
    hang_up();
    ::close(listener_);
  }

  int port() const { return port_; }
  std::string address() const { return base::concat("127.0.0.1:", port_); }
  void accept() { socket_ = ::accept(listener_, nullptr, nullptr); }
  void hang_up() {
    if (socket_ >= 0) ::close(socket_);
    socket_ = -1;
  }
  void send(std::string_view bytes) {
    EXPECT_EQ(::send(socket_, bytes.data(), bytes.size(), 0), static_cast<ssize_t>(bytes.size()));
  }
  // What has arrived, at most so much; never waits.
  std::string read(size_t bytes) {
    std::string text(bytes, '\0');
    const ssize_t got = ::recv(socket_, text.data(), bytes, MSG_DONTWAIT);
    text.resize(got > 0 ? static_cast<size_t>(got) : 0);
    return text;
  }

 private:
  int listener_;
  int socket_ = -1;
  int port_ = 0;
};

class PeerConnectionTest : public testing::Test, protected PeerEvents {
 protected:
  PeerConnectionTest() {
    EXPECT_EQ(uv_loop_init(&loop_), 0);
    uv_prepare_init(&loop_, &before_poll_);
    before_poll_.data = this;
    uv_prepare_start(&before_poll_, [](uv_prepare_t* handle) {
      auto* self = static_cast<PeerConnectionTest*>(handle->data);
      self->connections_.end_turn();
    });
    uv_timer_init(&loop_, &timer_);  // so that no turn waits for ever
    uv_timer_start(
        &timer_, [](uv_timer_t*) {}, 1, 1);
  }
  ~PeerConnectionTest() override {
    connections_.close();
    uv_close(reinterpret_cast<uv_handle_t*>(&before_poll_), nullptr);
    uv_close(reinterpret_cast<uv_handle_t*>(&timer_), nullptr);
    uv_run(&loop_, UV_RUN_DEFAULT);
    EXPECT_EQ(uv_loop_close(&loop_), 0);
  }

  void peer_connected(NodeId peer) override { note(peer, "connected"); }
  void peer_received(NodeId, std::string_view bytes) override { received_ += bytes; }
  void peer_sent(NodeId peer) override {
    ++sent_events_;
    if (on_sent_) on_sent_(peer);
  }
  void peer_closed(NodeId peer, std::string_view reason) override {
    note(peer, base::concat("closed: ", reason));
    if (on_closed_) on_closed_(peer);
  }
  void note(NodeId peer, std::string_view what) {
    EXPECT_FALSE(inside_call_) << what;
    events_.push_back(base::concat(peer.value(), " ", what));
  }

  // Turns of the loop until the condition holds.
  bool turn_until(const std::function<bool()>& condition) {
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(30);
    while (!condition()) {
      if (std::chrono::steady_clock::now() > deadline) return false;
      uv_run(&loop_, UV_RUN_ONCE);
    }
    return true;
  }
  bool turn_until_events(size_t count) {
    return turn_until([&] { return events_.size() >= count; });
  }
  void dial(NodeId peer, const std::string& address) {
    inside_call_ = true;
    connections_.dial(peer, address);
    inside_call_ = false;
  }
  void connect() {
    dial(kPeer, peer_.address());
    ASSERT_TRUE(turn_until_events(1));
    peer_.accept();
  }
  // Reads at the other end until so much has come.
  std::string read(size_t bytes) {
    std::string text;
    EXPECT_TRUE(turn_until([&] {
      text += peer_.read(bytes - text.size());
      return text.size() == bytes;
    }));
    return text;
  }

  uv_loop_t loop_;
  uv_prepare_t before_poll_;
  uv_timer_t timer_;
  PeerConnections connections_{&loop_, *this};
  FakePeer peer_;
  std::vector<std::string> events_;
  std::string received_;
  int sent_events_ = 0;
  bool inside_call_ = false;
  std::function<void(NodeId)> on_sent_, on_closed_;
};

TEST_F(PeerConnectionTest, HeadsAndBodiesArriveInTheOrderTheyWereSent) {
  connect();
  EXPECT_THAT(events_, ElementsAre("2 connected"));
  const auto body = std::make_shared<const std::string>("BODY");
  connections_.send(kPeer, "head ", body);
  connections_.send(kPeer, " alone ", nullptr);
  connections_.send(kPeer, "", body);
  EXPECT_EQ(connections_.unsent_bytes(kPeer), 20u);
  EXPECT_EQ(read(20), "head BODY alone BODY");
  EXPECT_EQ(connections_.unsent_bytes(kPeer), 0u);
  EXPECT_EQ(connections_.sent_bytes(), 20u);
  EXPECT_EQ(sent_events_, 1);
}

TEST_F(PeerConnectionTest, WhatThePeerAnswersIsReceived) {
  connect();
  peer_.send("+OK\r\n");
  EXPECT_TRUE(turn_until([&] { return received_ == "+OK\r\n"; }));
  EXPECT_EQ(connections_.received_bytes(), 5u);
}

TEST_F(PeerConnectionTest, ABodyThatWaitsForTheSocketIsSharedAndNotCopied) {
  connect();
  const auto body = std::make_shared<const std::string>(std::string(1 << 20, 'x'));
  constexpr size_t kBodies = 32;  // far more than the kernel buffers
  for (size_t i = 0; i < kBodies; ++i) connections_.send(kPeer, "", body);
  for (int i = 0; i < 10; ++i) uv_run(&loop_, UV_RUN_ONCE);
  const size_t unsent = connections_.unsent_bytes(kPeer);
  EXPECT_GT(unsent, 0u);
  EXPECT_GE(static_cast<size_t>(body.use_count()), unsent >> 20);
  EXPECT_EQ(read(kBodies << 20), std::string(kBodies << 20, 'x'));
  EXPECT_TRUE(turn_until([&] { return connections_.unsent_bytes(kPeer) == 0; }));
  EXPECT_EQ(body.use_count(), 1);
}

// A window that is refilled whenever some of it has gone never stalls.
TEST_F(PeerConnectionTest, WhoeverSendsMoreWhenSomeHasGoneSendsEverything) {
  connect();
  size_t left = 3000;
  on_sent_ = [&](NodeId peer) {
    while (left > 0 && connections_.unsent_bytes(peer) < 4096) {
      connections_.send(peer, std::string(1024, 'y'), nullptr);
      --left;
    }
  };
  connections_.send(kPeer, "first", nullptr);
  EXPECT_EQ(read(5 + 3000 * 1024).substr(0, 6), "firsty");
  EXPECT_TRUE(turn_until([&] { return connections_.unsent_bytes(kPeer) == 0; }));
}

TEST_F(PeerConnectionTest, APeerThatIsNotThereIsReportedOnceAndOutsideOfTheCall) {
  const FakePeer other;
  std::string gone;
  {
    const FakePeer closed;
    gone = closed.address();
  }
  dial(kPeer, gone);
  ASSERT_TRUE(turn_until_events(1));
  EXPECT_THAT(events_, ElementsAre("2 closed: connection refused"));
  EXPECT_EQ(connections_.unsent_bytes(kPeer), 0u);
}

TEST_F(PeerConnectionTest, APeerThatClosedMayBeDialledAgainAtOnce) {
  on_closed_ = [&](NodeId peer) {
    on_closed_ = nullptr;
    dial(peer, peer_.address());
  };
  connect();
  peer_.hang_up();
  ASSERT_TRUE(turn_until_events(3));
  EXPECT_THAT(events_,
              ElementsAre("2 connected", "2 closed: it closed the connection", "2 connected"));
}

TEST_F(PeerConnectionTest, NothingIsHeardOfAConnectionThatWasHungUp) {
  connect();
  peer_.send("late");
  connections_.send(kPeer, "never read", nullptr);
  connections_.hang_up(kPeer);
  dial(kPeer, peer_.address());
  ASSERT_TRUE(turn_until_events(2));
  EXPECT_THAT(events_, ElementsAre("2 connected", "2 connected"));
  EXPECT_THAT(received_, IsEmpty());
}

TEST_F(PeerConnectionTest, WhatIsSentToALostConnectionIsDropped) {
  connect();
  peer_.hang_up();
  on_closed_ = [&](NodeId peer) { EXPECT_EQ(connections_.unsent_bytes(peer), 0u); };
  EXPECT_TRUE(turn_until([&] {
    if (events_.size() < 2) connections_.send(kPeer, std::string(65536, 'z'), nullptr);
    return events_.size() == 2;
  }));
  EXPECT_THAT(events_[1], StartsWith("2 closed: "));
}

TEST_F(PeerConnectionTest, AHostNameIsLookedUpAndEachOfItsAddressesTried) {
  // On most machines localhost is ::1 first, where nobody listens.
  dial(kPeer, base::concat("localhost:", peer_.port()));
  ASSERT_TRUE(turn_until_events(1));
  EXPECT_THAT(events_, ElementsAre("2 connected"));
}

TEST_F(PeerConnectionTest, AnAddressThatCannotBeIsReported) {
  dial(kPeer, "no-port");
  dial(NodeId{3}, "no.such.host.invalid:7000");
  ASSERT_TRUE(turn_until_events(2));
  EXPECT_THAT(events_[0], HasSubstr("not an address: no-port"));
  EXPECT_THAT(events_[1], StartsWith("3 closed: its name cannot be looked up: "));
}

TEST_F(PeerConnectionTest, ClosingWhileANameIsLookedUpOrAConnectionOpensTellsNothing) {
  dial(kPeer, "localhost:1");
  dial(NodeId{3}, peer_.address());
  connections_.close();
  for (int i = 0; i < 10; ++i) uv_run(&loop_, UV_RUN_ONCE);
  EXPECT_THAT(events_, IsEmpty());
}

}  // namespace
}  // namespace kvorum::server
