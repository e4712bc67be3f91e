// Clients of a server on 127.0.0.1: one that speaks RESP through hiredis, one that sends raw bytes.
#pragma once

#include <hiredis/hiredis.h>

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "tests/integration/wait.h"

namespace kvorum::integration {

struct Reply {
  int type = REDIS_REPLY_NIL;
  std::string text;  // strings, status lines and errors
  long long integer = 0;
  std::vector<Reply> elements;

  bool is_error() const { return type == REDIS_REPLY_ERROR; }
  bool is_nil() const { return type == REDIS_REPLY_NIL; }
};

using Arguments = std::vector<std::string>;

class Client {
 public:
  // Null if nobody listens, or the connection fails.
  static std::unique_ptr<Client> connect(int port) { return connect("127.0.0.1", port); }
  // The connection counts as broken when it is silent for `patience_ms`.
  static std::unique_ptr<Client> connect(const std::string& host, int port,
                                         int patience_ms = kPatienceMs);
  static std::unique_ptr<Client> connect(const std::string& unix_socket);

  // Sends and waits; nothing if the connection broke.
  std::optional<Reply> command(const Arguments& arguments);
  // The reply as a text: errors with a leading '-', integers in decimal, "(nil)", "(closed)".
  std::string ask(const Arguments& arguments);

  // A pipeline: what is appended is sent by the next read().
  void append(const Arguments& arguments);
  std::optional<Reply> read();

 private:
  struct Free {
    void operator()(redisContext* context) const { redisFree(context); }
  };
  explicit Client(redisContext* context) : context_(context) {}

  std::unique_ptr<redisContext, Free> context_;
};

class RawConnection {
 public:
  explicit RawConnection(int port);
  ~RawConnection();
  RawConnection(const RawConnection&) = delete;
  RawConnection& operator=(const RawConnection&) = delete;

  bool connected() const { return connected_; }
  // False if the other side closed before everything was sent.
  bool send(std::string_view bytes);
  // Everything that arrives until the other side closes; nothing if it does not in time.
  std::optional<std::string> read_to_end();
  // As many bytes as wanted, fewer if the other side closes or is silent too long.
  std::string read(size_t bytes);

 private:
  bool wait_readable() const;

  int socket_ = -1;
  bool connected_ = false;
};

}  // namespace kvorum::integration
