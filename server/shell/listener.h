// The sockets the server listens on. Belongs to the loop.
#pragma once

#include <uv.h>

#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "server/node/options.h"

namespace kvorum::server {

class Server;

class Listeners {
 public:
  explicit Listeners(Server& server) : server_(server) {}

  // Binds and listens wherever the options say; the error names the address.
  absl::Status open(const Options& options);
  void close();

 private:
  struct Listener {
    Server* server;
    bool unix_socket;
    union {
      uv_tcp_t tcp;
      uv_pipe_t pipe;
    } handle;
    uv_stream_t* stream() { return reinterpret_cast<uv_stream_t*>(&handle); }
  };

  absl::Status listen_on_address(const std::string& address, const Options& options);
  absl::Status listen_on_path(const Options& options);
  absl::Status listen(Listener& listener, const std::string& name, int64_t backlog);

  Server& server_;
  std::vector<Listener*> listeners_;  // each deletes itself when its handle has been closed
  std::string unix_path_;
};

}  // namespace kvorum::server
