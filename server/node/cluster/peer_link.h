// The way to one peer: dials it, says HELLO, checks the answer, then sends, short messages before
// long ones; dials again when the connection is lost, later each time. The other direction is the
// peer's own link to us. Belongs to the loop.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "resp/reply_reader.h"
#include "server/node/cluster/hello_check.h"
#include "server/node/cluster/peer_message.h"
#include "server/node/host.h"

namespace kvorum::server {

class PeerLink {
 public:
  static constexpr int64_t kConnectTimeoutUs = 1'000'000;
  static constexpr int64_t kHandshakeTimeoutUs = 1'000'000;
  static constexpr int64_t kMinBackoffUs = 50'000;
  static constexpr int64_t kMaxBackoffUs = 2'000'000;
  static constexpr int64_t kProvenAfterUs =
      1'000'000;                                      // ready for so long: the backoff begins anew
  static constexpr size_t kHostBytes = 128 * 1024;    // at a time; the rest waits here
  static constexpr size_t kFullBytes = 1024 * 1024;   // of bulk
  static constexpr size_t kStuckBytes = 1024 * 1024;  // of short messages: the peer reads nothing

  // No event comes from inside send, send_bulk, send_append, full or the constructor. An event's
  // handler may call anything here but the destructor.
  struct Events {
    // The peer has proven who it is: messages may be sent. `hello` is its answer.
    std::function<void(const peer::Hello& hello)> ready;
    // The peer has answered HELLO with this error.
    std::function<void(std::string_view error)> refused;
    // What was sent and not confirmed by other means may be lost.
    std::function<void()> lost;
    // There is room for bulk messages again (was_full before).
    std::function<void()> room;
  };
  struct Identity {     // ours, and what we expect
    peer::Hello hello;  // with the secret
    storage::NodeId peer{0};
    std::string address;
  };

  PeerLink(Host& host, Identity identity, Events events);
  PeerLink(const PeerLink&) = delete;
  PeerLink& operator=(const PeerLink&) = delete;
  ~PeerLink();

  // Dials if it is time to. Called every tick.
  void tick(int64_t now_us);
  bool ready() const { return state_ == State::kReady; }
  // Of the protocol: what both sides understand. REQUIRES: ready().
  uint32_t version() const { return version_; }
  // Our identity has changed (a cluster was born): hangs up and dials again with the new one.
  void set_hello(const peer::Hello& hello);
  // The peer has dialled us and peer::check_hello had nothing against it: says what speaks against
  // it after all (its boot counter has fallen; this link leads to another instance). If not, it is
  // there: the next tick dials, whatever the backoff.
  [[nodiscard]] absl::Status admit(const peer::Hello& theirs);

  // REQUIRES of all: ready().
  // Votes, acks, heartbeats: overtakes everything queued by send_bulk.
  void send(const peer::Message& message);
  // Appends with records, snapshots, forwarded commands and replies: in order among themselves.
  void send_bulk(const peer::Message& message);
  // An append whose records are a block shared with other links.
  void send_append(const replication::Message& message, std::shared_ptr<const std::string> records);
  // No room: more bulk now would only wait here. (Nothing is refused.)
  bool full() const { return bulk_bytes_ > kFullBytes; }

  // What the host reports.
  void connected();
  void received(std::string_view bytes);  // on the dialled connection: HELLO's answer, errors
  void sent();
  void closed(std::string_view reason);

  const std::string& address() const { return identity_.address; }

  // For INFO and logs.
  std::string_view state_text() const;  // connecting, handshake, up, down
  // Why it is not up: of the last attempt. Empty once it is.
  std::string_view last_error() const { return last_error_; }
  size_t queued_bytes() const { return control_bytes_ + bulk_bytes_; }

 private:
  enum class State : uint8_t { kDown, kDialling, kHandshake, kReady };

  // A long message, sent whole or in parts: head, records if there are any, tail.
  struct Bulk {
    std::string head;
    std::shared_ptr<const std::string> records;
    std::string_view tail;
    size_t taken = 0;  // bytes that have left in parts
    size_t bytes() const {
      return head.size() + (records == nullptr ? 0 : records->size()) + tail.size();
    }
    void copy(size_t from, size_t bytes, std::string& out) const;
  };

  void dial(int64_t now_us);
  void answer(const resp::Reply& reply);
  absl::Status check(const resp::Reply& reply, peer::Hello& theirs);
  void come_up(const peer::Hello& theirs);
  // Hangs up, unless the connection is gone already, and says why, once.
  void fail(std::string_view reason);
  void go_down(std::string_view reason);
  void log_once(std::string_view reason);

  void enqueue(Bulk bulk);
  void pump();
  void pump_once(size_t room);
  void send_next_bulk(std::string& batch, size_t& given);

  Host& host_;
  Identity identity_;
  Events events_;
  State state_ = State::kDown;
  uint32_t version_ = 0;
  std::string last_error_;
  std::string logged_;  // the reason that was logged last; empty: the link has been up since
  peer::PeerSightings sightings_;
  resp::ReplyReader reader_;
  int64_t dial_at_us_ = 0;
  int64_t deadline_us_ = 0;  // of connecting, of the handshake
  int64_t ready_at_us_ = 0;
  int64_t backoff_us_ = kMinBackoffUs;

  std::deque<std::string> control_;
  std::deque<Bulk> bulk_;
  size_t control_bytes_ = 0;
  size_t bulk_bytes_ = 0;
  bool was_full_ = false;
  bool stuck_ = false;  // too many short messages wait: the next tick hangs up
};

}  // namespace kvorum::server
