// One client's socket: bytes to commands, replies to bytes. Belongs to the loop.
#pragma once

#include <uv.h>

#include <cstdint>
#include <string>
#include <string_view>

#include "resp/parser.h"
#include "server/node/session.h"

namespace kvorum::server {

class Server;

// What a connection is to the server.
enum class Standing : uint8_t {
  kNone,      // not open
  kClient,    // counts in maxclients
  kUnproven,  // would be refused as a client; may still say REPLCONF HELLO
  kPeer,      // another node, which has proven it
};

class Connection {
 public:
  // Accepts the connection that waits on `listener` and registers it with the node; null if it was
  // refused (and answered why) or is gone already. It deletes itself when it has been closed.
  static Connection* accept(Server& server, uv_stream_t* listener, bool unix_socket);

  // The node has made the session ready: sends what may leave, executes what waited, closes.
  void handle_ready();
  // The turn goes on with what was read in one that was too long.
  void handle_deferred();
  void close();

  Session& session() { return *session_; }
  Standing standing() const { return standing_; }
  bool idle_since(int64_t monotonic_us) const;
  // Answers why it is not served; the next turn closes it. REQUIRES: kUnproven.
  void refuse_unproven();
  // Gives back what an idle client need not hold.
  void release_memory();
  // Some of what may leave has not left yet.
  bool has_output() const;

 private:
  Connection(Server& server, bool unix_socket);
  ~Connection() = default;

  uv_stream_t* stream() { return reinterpret_cast<uv_stream_t*>(&handle_); }
  bool open_session(bool unix_socket);
  void set_standing(Standing standing);
  void update_limits();
  void refuse(std::string_view error);
  void configure_socket();
  void start_reading();
  void stop_reading();
  void read_finished(ssize_t bytes);
  void execute_buffered();
  bool is_http(resp::Arguments arguments);
  void flush();
  void queue_write();
  void write_finished(int status);
  void update_figures();

  Server& server_;
  union {
    uv_tcp_t tcp;
    uv_pipe_t pipe;
  } handle_;
  resp::Parser parser_;
  Session* session_ = nullptr;
  bool reading_ = false;
  bool closing_ = false;
  Standing standing_ = Standing::kNone;
  std::string_view refusal_;  // why it is not served as a client, or empty
  bool trusted_limits_ = false;
  bool command_waits_ = false;  // parser_.arguments() was told to come again
  bool deferred_ = false;       // what was read waits for the server: handle_deferred()
  std::string writing_;         // bytes of the write request that is out
  uv_write_t write_request_;
  bool write_out_ = false;
};

}  // namespace kvorum::server
