// A client as CLIENT LIST shows it, and the words clients give themselves. Belongs to the loop.
#pragma once

#include <string>
#include <string_view>

#include "server/node/command.h"

namespace kvorum::server {

inline constexpr std::string_view kInvalidClientName =
    "ERR Client names cannot contain spaces, newlines or special characters.";

// Printable ASCII without blanks, or empty: what may stand in a line of CLIENT LIST.
bool valid_client_word(std::string_view word);

// "id=3 addr=127.0.0.1:50188 … resp=2", without a line end.
std::string client_line(const Node& node, const Session& session);

// Redis' classes of clients. Another node of the cluster is a replica, nobody is a master.
enum class ClientType : uint8_t { kNormal, kPubSub, kMaster, kReplica };
// False if there is no such class.
bool parse_client_type(std::string_view text, ClientType& type);
ClientType client_type(const Session& session);

}  // namespace kvorum::server
