#include "tests/simulation/simulated_connection.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "base/check.h"
#include "server/node/node.h"
#include "tests/simulation/simulated_node.h"

namespace kvorum::simulation {

namespace {

constexpr size_t kReadBytes = 16 * 1024;
constexpr size_t kPeerReadBytes = 64 * 1024;

}  // namespace

SimulatedConnection::SimulatedConnection(World& world, SimulatedNode& machine,
                                         SimulatedNetwork::ConnectionId id, Endpoint from)
    : world_(world), machine_(machine), id_(id), from_(from) {
  session_ = &machine.node()->connect();
  session_->address = base::concat(from_client() ? "client-" : "node-", from, ":", id);
  session_->host_tag = reinterpret_cast<uintptr_t>(this);
}

void SimulatedConnection::received(std::string_view bytes) {
  machine_.node()->refresh_clock();
  session_->last_interaction_us = machine_.node()->monotonic_us();
  input_ += bytes;
  read();
  if (!closed()) flush();
}

void SimulatedConnection::read() {
  // While a command waits, reading on could move its arguments.
  while (!closed() && !command_waits_ && !input_.empty()) {
    const std::span<char> room = parser_.reserve(peer_limits_ ? kPeerReadBytes : kReadBytes);
    if (room.empty()) {
      close(/*tell_other_side=*/true);
      return;
    }
    const size_t size = std::min(room.size(), input_.size());
    std::memcpy(room.data(), input_.data(), size);
    input_.erase(0, size);
    parser_.commit(size);
    ++session_->inputs;
    execute_buffered();
    if (session_->blocked || session_->postponed || session_->close_after_reply ||
        session_->close_now) {
      break;
    }
  }
}

void SimulatedConnection::execute_buffered() {
  server::Node& node = *machine_.node();
  while (!session_->blocked && !session_->postponed && !session_->close_after_reply &&
         !session_->close_now) {
    if (!std::exchange(command_waits_, false)) {
      const resp::Parser::Result result = parser_.next();
      if (result == resp::Parser::Result::kNeedMore) break;
      if (result == resp::Parser::Result::kError) {
        if (from_client()) world_.fail("node ", machine_.id(), ": ", parser_.error());
        node.protocol_error(*session_, parser_.error());
        break;
      }
    }
    if (node.execute(*session_, parser_.arguments()) == server::Execution::kComeAgain) {
      command_waits_ = true;
      break;
    }
    if (from_client()) facts_.push_back({node.log().leading()});
    if (!peer_limits_ && session_->peer != storage::NodeId{0}) {
      peer_limits_ = true;
      resp::Limits limits;
      limits.max_bulk_bytes = limits.max_query_bytes = 1 << 20;
      limits.max_arguments = (1 << 20) / 16;
      parser_.set_limits(limits);
    }
  }
}

void SimulatedConnection::handle_ready() {
  session_->ready = false;
  if (!session_->close_now && !session_->blocked && !session_->postponed &&
      (command_waits_ || parser_.buffered_bytes() > 0)) {
    execute_buffered();
  }
  if (!session_->blocked && !session_->postponed) read();
  if (!closed()) flush();
}

void SimulatedConnection::flush() {
  if (session_->close_now) {
    close(/*tell_other_side=*/true);
    return;
  }
  const std::string_view sendable = session_->output.sendable();
  if (!sendable.empty()) {
    world_.trace.add(sendable);
    if (from_client()) show_replies(sendable);
    world_.network.send(id_, Side::kAcceptor, std::string(sendable));
    session_->output.sent(sendable.size());
  }
  if (session_->close_after_reply && session_->output.size() == 0) close(/*tell_other_side=*/true);
}

void SimulatedConnection::show_replies(std::string_view bytes) {
  leaving_.feed(bytes);
  resp::Reply reply;
  while (leaving_.next(reply) == resp::ReplyReader::Result::kReply) {
    if (facts_.empty()) {
      world_.fail("node ", machine_.id(), " sends more replies than it has had commands");
      return;
    }
    world_.observer->reply_leaves(id_, reply, facts_.front());
    facts_.pop_front();
  }
}

void SimulatedConnection::other_side_closed() { close(/*tell_other_side=*/false); }

void SimulatedConnection::close(bool tell_other_side) {
  if (closed()) return;
  machine_.forget_ready(*session_);
  machine_.node()->disconnect(*std::exchange(session_, nullptr));
  if (tell_other_side) world_.network.close(id_, Side::kAcceptor);
}

}  // namespace kvorum::simulation
