// What a peer sends is decoded or refused, never trusted; what is decoded is written again as the
// same message, and comes through whole in parts of any size.
//
// Input: a byte that chooses the incarnation of the records and the size of the parts, then the
// bytes of a connection.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <string_view>

#include "base/check.h"
#include "resp/parser.h"
#include "server/node/cluster/peer_message.h"

namespace kvorum::server::peer {
namespace {

// Decodes what is one message in parts, and checks that it is `bytes`.
void check_parts(const storage::Incarnation& incarnation, const std::string& bytes, size_t size) {
  PartAssembler assembler;
  for (size_t at = 0; at < bytes.size(); at += size) {
    const bool last = at + size >= bytes.size();
    const absl::StatusOr<bool> whole = assembler.add({last, bytes.substr(at, size)});
    CHECK(whole.ok());
    CHECK(*whole == last);
  }
  const absl::StatusOr<Message> message = decode(incarnation, assembler.arguments());
  CHECK(message.ok());
  CHECK(encode(*message) == bytes);
}

void check(uint8_t choice, std::string_view bytes) {
  const storage::Incarnation incarnation = {static_cast<uint8_t>(choice % 2)};
  resp::Parser parser;
  PartAssembler parts;
  bool parts_are_good = true;
  while (!bytes.empty()) {
    const std::span<char> room = parser.reserve(bytes.size());
    const size_t taken = std::min(room.size(), bytes.size());
    if (taken == 0) return;
    std::memcpy(room.data(), bytes.data(), taken);
    parser.commit(taken);
    bytes.remove_prefix(taken);
    while (parser.next() == resp::Parser::Result::kCommand) {
      const absl::StatusOr<Message> message = decode(incarnation, parser.arguments());
      if (!message.ok()) {
        CHECK(message.status().message().size() < 600);
        continue;
      }
      CHECK(is_peer_word(parser.arguments()[1]));
      const auto* hello = std::get_if<Hello>(&*message);
      if (hello != nullptr && hello->version != newest_protocol_version())
        continue;  // read in part
      check_parts(incarnation, encode(*message), 1 + choice / 2);
      if (const auto* part = std::get_if<Part>(&*message); part != nullptr && parts_are_good) {
        const absl::StatusOr<bool> whole = parts.add(*part);
        parts_are_good = whole.ok();
        if (parts_are_good && *whole) (void)decode(incarnation, parts.arguments());
      }
    }
  }
}

}  // namespace
}  // namespace kvorum::server::peer

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  kvorum::server::peer::check(data[0], input.substr(1));
  return 0;
}
