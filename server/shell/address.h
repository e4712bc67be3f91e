// Addresses as text, and which of them are this machine's own. Any thread.
#pragma once

#include <uv.h>

#include <string>

namespace kvorum::server {

struct SocketAddresses {
  std::string peer, local;  // "127.0.0.1:6379", "[::1]:6379", "/path/kvorum.sock:0"
  bool loopback = false;    // a Unix socket counts as one
};

SocketAddresses socket_addresses(uv_stream_t* stream, bool unix_socket);

}  // namespace kvorum::server
