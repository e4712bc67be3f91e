#include "server/shell/address.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "base/text.h"

namespace kvorum::server {

namespace {

bool is_loopback(const sockaddr_storage& address) {
  if (address.ss_family == AF_INET) {
    const auto& v4 = reinterpret_cast<const sockaddr_in&>(address);
    return (ntohl(v4.sin_addr.s_addr) >> 24) == 127;
  }
  const auto& v6 = reinterpret_cast<const sockaddr_in6&>(address);
  return IN6_IS_ADDR_LOOPBACK(&v6.sin6_addr) ||
         (IN6_IS_ADDR_V4MAPPED(&v6.sin6_addr) && v6.sin6_addr.s6_addr[12] == 127);
}

std::string as_text(const sockaddr_storage& address) {
  char text[INET6_ADDRSTRLEN] = "?";
  if (address.ss_family == AF_INET) {
    const auto& v4 = reinterpret_cast<const sockaddr_in&>(address);
    uv_ip4_name(&v4, text, sizeof(text));
    return base::concat(text, ":", ntohs(v4.sin_port));
  }
  const auto& v6 = reinterpret_cast<const sockaddr_in6&>(address);
  uv_ip6_name(&v6, text, sizeof(text));
  return base::concat("[", text, "]:", ntohs(v6.sin6_port));
}

}  // namespace

SocketAddresses socket_addresses(uv_stream_t* stream, bool unix_socket) {
  SocketAddresses result;
  if (unix_socket) {
    char path[256];
    size_t size = sizeof(path);
    if (uv_pipe_getsockname(reinterpret_cast<uv_pipe_t*>(stream), path, &size) != 0) size = 0;
    result.peer = result.local = base::concat(std::string_view(path, size), ":0");
    result.loopback = true;
    return result;
  }
  auto* tcp = reinterpret_cast<uv_tcp_t*>(stream);
  sockaddr_storage address{};
  int size = sizeof(address);
  if (uv_tcp_getpeername(tcp, reinterpret_cast<sockaddr*>(&address), &size) == 0) {
    result.peer = as_text(address);
    result.loopback = is_loopback(address);
  }
  size = sizeof(address);
  if (uv_tcp_getsockname(tcp, reinterpret_cast<sockaddr*>(&address), &size) == 0) {
    result.local = as_text(address);
  }
  return result;
}

}  // namespace kvorum::server
