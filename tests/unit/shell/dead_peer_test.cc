#include "server/shell/dead_peer.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

namespace kvorum::server {
namespace {

int option(int descriptor, int level, int name) {
  int value = -1;
  socklen_t size = sizeof(value);
  EXPECT_EQ(::getsockopt(descriptor, level, name, &value, &size), 0);
  return value;
}

// That the system then does it is the system's business; a machine that loses its power is no unit.
TEST(DeadPeerTest, TheSystemIsToldToGiveUpAfterSeconds) {
  uv_loop_t loop;
  ASSERT_EQ(uv_loop_init(&loop), 0);
  uv_tcp_t tcp;
  ASSERT_EQ(uv_tcp_init_ex(&loop, &tcp, AF_INET), 0);
  end_when_machine_is_silent(reinterpret_cast<uv_stream_t*>(&tcp));
  uv_os_fd_t descriptor = -1;
  ASSERT_EQ(uv_fileno(reinterpret_cast<uv_handle_t*>(&tcp), &descriptor), 0);
  EXPECT_EQ(option(descriptor, SOL_SOCKET, SO_KEEPALIVE), 1);
  const int probes_s =
      option(descriptor, IPPROTO_TCP, TCP_KEEPIDLE) +
      option(descriptor, IPPROTO_TCP, TCP_KEEPCNT) * option(descriptor, IPPROTO_TCP, TCP_KEEPINTVL);
  EXPECT_LE(probes_s, 5);
  EXPECT_EQ(option(descriptor, IPPROTO_TCP, TCP_USER_TIMEOUT), 5000);
  uv_close(reinterpret_cast<uv_handle_t*>(&tcp), nullptr);
  uv_run(&loop, UV_RUN_DEFAULT);
  EXPECT_EQ(uv_loop_close(&loop), 0);
}

}  // namespace
}  // namespace kvorum::server
