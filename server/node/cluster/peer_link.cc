#include "server/node/cluster/peer_link.h"

#include <algorithm>
#include <utility>
#include <variant>
#include <vector>

#include "base/check.h"
#include "base/text.h"
#include "server/node/cluster/peer_fields.h"

namespace kvorum::server {
namespace {

// An answer is one array of seven short strings or an error line.
constexpr resp::ReplyLimits kAnswerLimits = {.max_depth = 2,
                                             .max_elements = 64,
                                             .max_bulk_bytes = 4096,
                                             .max_line_bytes = 4096,
                                             .max_reply_bytes = 16384};
// Messages up to here are copied together, so that a few make one write.
constexpr size_t kCopiedBytes = 4096;

}  // namespace

PeerLink::PeerLink(Host& host, Identity identity, Events events)
    : host_(host), identity_(std::move(identity)), events_(std::move(events)) {}

PeerLink::~PeerLink() {
  if (state_ != State::kDown) host_.hang_up(identity_.peer);
}

void PeerLink::tick(int64_t now_us) {
  switch (state_) {
    case State::kDown:
      if (now_us >= dial_at_us_) dial(now_us);
      return;
    case State::kDialling:
      if (now_us >= deadline_us_) fail("connecting took too long");
      return;
    case State::kHandshake:
      if (now_us >= deadline_us_) fail("no answer to HELLO");
      return;
    case State::kReady:
      if (now_us - ready_at_us_ >= kProvenAfterUs) backoff_us_ = kMinBackoffUs;
      if (stuck_) fail("it reads nothing of what is sent");
      return;
  }
}

void PeerLink::dial(int64_t now_us) {
  state_ = State::kDialling;
  deadline_us_ = now_us + kConnectTimeoutUs;
  reader_ = resp::ReplyReader(kAnswerLimits);
  host_.dial(identity_.peer, identity_.address);
}

void PeerLink::set_hello(const peer::Hello& hello) {
  identity_.hello = hello;
  if (state_ == State::kDown) return;
  host_.hang_up(identity_.peer);
  go_down("");
  backoff_us_ = kMinBackoffUs;
  dial_at_us_ = 0;
}

absl::Status PeerLink::admit(const peer::Hello& theirs) {
  absl::Status status = sightings_.admit(theirs, ready());
  if (status.ok()) dial_at_us_ = 0;
  return status;
}

void PeerLink::connected() {
  CHECK(state_ == State::kDialling);
  state_ = State::kHandshake;
  deadline_us_ = host_.monotonic_us() + kHandshakeTimeoutUs;
  host_.send_to_peer(identity_.peer, peer::encode(identity_.hello), nullptr);
}

void PeerLink::received(std::string_view bytes) {
  reader_.feed(bytes);
  resp::Reply reply;
  // An answer may end the connection, and with it what else has come.
  while (state_ == State::kHandshake || state_ == State::kReady) {
    switch (reader_.next(reply)) {
      case resp::ReplyReader::Result::kNeedMore:
        return;
      case resp::ReplyReader::Result::kError:
        return fail(base::concat("its answer is not RESP: ", peer::quoted(reader_.error())));
      case resp::ReplyReader::Result::kReply:
        answer(reply);
    }
  }
}

// After the answer to HELLO only an error may come: why the peer is about to hang up.
void PeerLink::answer(const resp::Reply& reply) {
  if (reply.type == resp::Reply::Type::kError) {
    if (state_ == State::kHandshake && events_.refused) events_.refused(reply.text);
    return fail(base::concat("it refuses: ", peer::quoted(reply.text)));
  }
  if (state_ == State::kReady) return fail("it answers what is not a question");
  peer::Hello theirs;
  if (const absl::Status status = check(reply, theirs); !status.ok()) {
    return fail(base::view(status.message()));
  }
  come_up(theirs);
}

absl::Status PeerLink::check(const resp::Reply& reply, peer::Hello& theirs) {
  std::vector<std::string_view> fields;
  for (const resp::Reply& element : reply.elements) fields.push_back(element.text);
  const absl::StatusOr<peer::Message> message = peer::decode({}, fields);
  if (!message.ok() || !std::holds_alternative<peer::Hello>(*message)) {
    return absl::InvalidArgumentError(
        base::concat("its answer to HELLO is none: ",
                     message.ok() ? "another message" : base::view(message.status().message())));
  }
  theirs = std::get<peer::Hello>(*message);
  absl::Status status = peer::check_answer(identity_.hello, theirs, identity_.peer);
  if (status.ok()) status = sightings_.admit(theirs, /*connected=*/false);
  return status;
}

void PeerLink::come_up(const peer::Hello& theirs) {
  state_ = State::kReady;
  ready_at_us_ = host_.monotonic_us();
  last_error_.clear();
  logged_.clear();
  version_ = peer::spoken_protocol_version(identity_.hello.version, theirs.version);
  const std::string other_build =
      theirs.version == identity_.hello.version
          ? ""
          : base::concat(", speaking protocol version ", version_, " (", identity_.hello.version,
                         " here, ", theirs.version, " there)");
  host_.log(LogLevel::kInfo, base::concat("peer ", identity_.peer.value(), " (", identity_.address,
                                          "): connected", other_build));
  if (events_.ready) events_.ready(theirs);
}

void PeerLink::closed(std::string_view reason) {
  if (state_ == State::kDown) return;
  log_once(reason);
  go_down(reason);
}

void PeerLink::fail(std::string_view reason) {
  host_.hang_up(identity_.peer);
  log_once(reason);
  go_down(reason);
}

// The same reason at every attempt is told once.
void PeerLink::log_once(std::string_view reason) {
  if (logged_ == reason) return;
  logged_ = reason;
  host_.log(LogLevel::kWarning,
            base::concat("peer ", identity_.peer.value(), " (", identity_.address, "): ", reason));
}

void PeerLink::go_down(std::string_view reason) {
  const bool was_ready = ready();
  const int64_t now_us = host_.monotonic_us();
  if (was_ready && now_us - ready_at_us_ >= kProvenAfterUs) backoff_us_ = kMinBackoffUs;
  // Between half and the whole of it, so that nodes that lost each other at once do not meet again.
  const auto half = static_cast<uint64_t>(backoff_us_ / 2);
  dial_at_us_ = now_us + static_cast<int64_t>(half + host_.random() % (half + 1));
  backoff_us_ = std::min(2 * backoff_us_, kMaxBackoffUs);
  state_ = State::kDown;
  last_error_ = reason;
  control_.clear();
  bulk_.clear();
  control_bytes_ = bulk_bytes_ = 0;
  was_full_ = stuck_ = false;
  if (was_ready && events_.lost) events_.lost();
}

void PeerLink::send(const peer::Message& message) {
  CHECK(ready());
  if (stuck_) return;
  control_.push_back(peer::encode(message));
  control_bytes_ += control_.back().size();
  pump();
  stuck_ = control_bytes_ > kStuckBytes;
}

void PeerLink::send_bulk(const peer::Message& message) {
  enqueue({.head = peer::encode(message), .records = nullptr, .tail = {}});
}

void PeerLink::send_append(const replication::Message& message,
                           std::shared_ptr<const std::string> records) {
  peer::EncodedAppend append = peer::encode_append(message, records->size());
  CHECK(append.tail == "\r\n");
  enqueue({.head = std::move(append.head), .records = std::move(records), .tail = "\r\n"});
}

void PeerLink::enqueue(Bulk bulk) {
  CHECK(ready());
  bulk_bytes_ += bulk.bytes();
  bulk_.push_back(std::move(bulk));
  pump();
  was_full_ = was_full_ || full();
}

void PeerLink::sent() {
  if (!ready()) return;
  pump();
  if (was_full_ && !full()) {
    was_full_ = false;
    if (events_.room) events_.room();
  }
}

// A socket that takes everything at once reports nothing later: so again, as long as there is room.
void PeerLink::pump() {
  while (!control_.empty() || !bulk_.empty()) {
    const size_t unsent = host_.peer_unsent_bytes(identity_.peer);
    if (unsent >= kHostBytes) return;
    pump_once(kHostBytes - unsent);
  }
}

// Gives the host `room` bytes, and what is left then of the last message or part.
void PeerLink::pump_once(size_t room) {
  std::string batch;
  size_t given = 0;  // without the batch
  while (given + batch.size() < room) {
    if (!control_.empty()) {
      batch += control_.front();
      control_bytes_ -= control_.front().size();
      control_.pop_front();
    } else if (!bulk_.empty()) {
      send_next_bulk(batch, given);
    } else {
      break;
    }
  }
  if (!batch.empty()) host_.send_to_peer(identity_.peer, std::move(batch), nullptr);
}

// One message, or one part of it, behind what the batch has. Records are shared where they are
// many.
void PeerLink::send_next_bulk(std::string& batch, size_t& given) {
  Bulk& bulk = bulk_.front();
  const size_t all = bulk.bytes();
  size_t bytes = all;
  if (all > peer::kMaxWholeBytes) {
    bytes = std::min(peer::kPartBytes, all - bulk.taken);
    std::string piece;
    bulk.copy(bulk.taken, bytes, piece);
    batch += peer::encode_part(piece, bulk.taken + bytes == all);
  } else if (bulk.records != nullptr && bulk.records->size() > kCopiedBytes) {
    batch += bulk.head;
    given += batch.size() + bulk.records->size();
    host_.send_to_peer(identity_.peer, std::move(batch), std::move(bulk.records));
    batch = bulk.tail;
  } else {
    bulk.copy(0, all, batch);
  }
  bulk_bytes_ -= bytes;
  bulk.taken += bytes;
  if (bulk.taken == all) bulk_.pop_front();
}

void PeerLink::Bulk::copy(size_t from, size_t bytes, std::string& out) const {
  const std::string_view pieces[] = {head, records == nullptr ? std::string_view() : *records,
                                     tail};
  for (const std::string_view piece : pieces) {
    if (from >= piece.size()) {
      from -= piece.size();
      continue;
    }
    const std::string_view taken = piece.substr(from, bytes);
    out += taken;
    bytes -= taken.size();
    from = 0;
  }
}

std::string_view PeerLink::state_text() const {
  switch (state_) {
    case State::kDown:
      return "down";
    case State::kDialling:
      return "connecting";
    case State::kHandshake:
      return "handshake";
    case State::kReady:
      return "up";
  }
  return "down";
}

}  // namespace kvorum::server
