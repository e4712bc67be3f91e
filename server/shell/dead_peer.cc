#include "server/shell/dead_peer.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

namespace kvorum::server {

void end_when_machine_is_silent(uv_stream_t* stream) {
  uv_os_fd_t descriptor = -1;
  if (stream->type != UV_TCP ||
      uv_fileno(reinterpret_cast<uv_handle_t*>(stream), &descriptor) != 0) {
    return;
  }
  const auto set = [descriptor](int level, int option, int value) {
    // Without it the connection works all the same, and dies later.
    ::setsockopt(descriptor, level, option, &value, sizeof(value));
  };
  constexpr int kSilentMs = 5000;
  set(SOL_SOCKET, SO_KEEPALIVE, 1);
  set(IPPROTO_TCP, TCP_KEEPIDLE, 2);   // seconds without anything until the first probe
  set(IPPROTO_TCP, TCP_KEEPINTVL, 1);  // seconds between probes
  set(IPPROTO_TCP, TCP_KEEPCNT, 3);
  set(IPPROTO_TCP, TCP_USER_TIMEOUT, kSilentMs);  // when something was sent
}

}  // namespace kvorum::server
