// The follower's half of forwarding: commands that this node's clients sent and a leader must
// execute, in order, until their replies are back. A command is sent again only if it is certain
// that no leader executed it; otherwise a write's outcome is unknown, and the client is told so.
// Belongs to the loop.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <limits>
#include <memory>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "absl/container/btree_map.h"
#include "absl/container/flat_hash_map.h"
#include "resp/parser.h"
#include "server/node/cluster/peer_message.h"
#include "server/node/session.h"

namespace kvorum::server {

class Node;

class Forwarder {
 public:
  // What one session may have under way.
  static constexpr size_t kMaxCommands = 1024;
  static constexpr size_t kMaxBytes = size_t{1} << 20;

  explicit Forwarder(Node& node);
  ~Forwarder();

  // --- For dispatch.
  // What is to be known of a command besides its arguments.
  struct Traits {
    bool writes = false;
    bool waits = false;  // WAIT: it is answered when it is answered
    bool watches = false;
    bool silent = false;  // CLIENT REPLY: its reply is dropped
  };
  // The session has no more under way than it may.
  bool has_room(const Session& session) const;
  // Takes the command over (EXEC: with what MULTI queued): its reply will be the session's next
  // one.
  void take(Session& session, resp::Arguments arguments, const Traits& traits);
  // The session watches keys at a leader.
  bool watches(const Session& session) const;
  void unwatch(Session& session);
  // A command waits for its answer, or to be sent.
  bool anything_under_way() const;

  // --- What happens.
  void receive(storage::NodeId from, const peer::Relay& relay);
  // Commands on their way to the peer, or replies on their way from it, may be lost.
  void connection_lost(storage::NodeId peer);
  void leader_changed();
  void session_closed(Session& session);
  // Sends, or if this node leads by now executes, what waits.
  void end_turn();
  void tick();

 private:
  enum class State : uint8_t {
    kWaiting,  // not sent, or refused
    kSent,
    kAnswered,  // the reply waits for those before it
  };
  struct Item {
    peer::Message message;  // a Forward
    size_t bytes = 0;
    int64_t deadline_us = 0;  // of being sent
    State state = State::kWaiting;
    Traits traits;
    std::string answer;
    peer::Forward& forward() { return std::get<peer::Forward>(message); }
  };
  struct Client {
    explicit Client(Session& of) : session(of) {}

    Session& session;
    std::deque<Item> items;  // oldest first; those that wait come last
    size_t bytes = 0;
    size_t sent = 0;       // items in that state
    int64_t front_us = 0;  // since when the oldest item is the oldest
    // The sequence of commands under way: its name, unique among nodes and restarts, and whom it is
    // meant for. Another leadership or a lost connection begins another one.
    uint64_t stream = 0;
    storage::NodeId leader{0};
    storage::Term term{0};
    uint64_t sequence = 0;
    bool closed = true;                                        // nothing more is sent in it
    int64_t give_up_us = std::numeric_limits<int64_t>::max();  // on what was sent in it
    uint64_t watch_stream = 0;  // in which WATCH was executed; 0: nothing is watched
    bool listed = false;
  };

  Client& client_of(Session& session);
  bool current(const Client& client) const;
  bool begin_stream(Client& client);
  void close_stream(Client& client);
  void send_waiting(Client& client);
  void run_here(Client& client);
  void pump(Client& client);
  void answer(Client& client, Item& item, std::string_view error);
  void answer_nil(Client& client, Item& item);
  void watch_answered(Client& client);
  void answered(Client& client, Item& item);
  void pop(Client& client);
  void deliver(Client& client);
  void refused(Client& client, uint64_t sequence);
  // Whatever was sent and not answered never will be.
  void give_up(Client& client, std::string_view write_error);
  void look_at_deadlines(Client& client);
  std::string_view why_not_sent() const;
  void list(Client& client);

  Node& node_;
  uint64_t newest_stream_;
  absl::btree_map<uint64_t, std::unique_ptr<Client>> clients_;  // by session id
  absl::flat_hash_map<uint64_t, Client*> streams_;
  std::vector<uint64_t> listed_;  // session ids: something waits that may be sent now
};

}  // namespace kvorum::server
