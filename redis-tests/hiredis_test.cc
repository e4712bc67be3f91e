// hiredis in use: commands, pipelines, transactions, pub/sub, binary and large values, reconnect.
// Prints `ok NAME` or `FAILED NAME` with indented reasons, then `done`. Started by
// clients/client_programs.py with --host, --port, --password and --large-bytes.

#include <hiredis/hiredis.h>

#include <charconv>
#include <functional>
#include <iostream>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace {

constexpr int kPipelineLength = 10'000;
constexpr int kScanKeys = 1'000;
constexpr timeval kTimeout{20, 0};

struct Options {
  std::string host;
  int port = 0;
  std::string password;
  std::size_t large_bytes = 0;
};

struct FreeReply {
  void operator()(redisReply* reply) const { freeReplyObject(reply); }
};
struct FreeContext {
  void operator()(redisContext* context) const { redisFree(context); }
};
using Reply = std::unique_ptr<redisReply, FreeReply>;
using Words = std::vector<std::string>;

std::string quoted(std::string_view text) {
  std::string result(1, '"');
  result += text;
  result += '"';
  return result;
}

// A reply as text that tells type and content, for comparisons and messages.
std::string describe(const redisReply* reply) {
  if (reply == nullptr) return "connection lost";
  const std::string text(reply->str == nullptr ? "" : reply->str,
                         reply->str == nullptr ? 0 : reply->len);
  switch (reply->type) {
    case REDIS_REPLY_STRING:
      return quoted(text);
    case REDIS_REPLY_STATUS:
      return "+" + text;
    case REDIS_REPLY_ERROR:
      return "-" + text;
    case REDIS_REPLY_INTEGER:
      return std::to_string(reply->integer);
    case REDIS_REPLY_NIL:
      return "nil";
    default:
      break;
  }
  std::string list = "[";
  for (std::size_t i = 0; i < reply->elements; ++i) {
    list += (i == 0 ? "" : " ") + describe(reply->element[i]);
  }
  return list + "]";
}

// A connection whose commands may hold any bytes.
class Client {
 public:
  explicit Client(const Options& options)
      : context_(redisConnectWithTimeout(options.host.c_str(), options.port, kTimeout)),
        password_(options.password) {
    if (usable()) redisSetTimeout(context_.get(), kTimeout);
    authenticate();
  }

  [[nodiscard]] bool usable() const { return context_ != nullptr && context_->err == 0; }

  Reply command(const Words& words) {
    append(words);
    return read();
  }

  std::string answer(const Words& words) { return describe(command(words).get()); }

  void append(const Words& words) {
    std::vector<const char*> texts;
    std::vector<std::size_t> lengths;
    for (const std::string& word : words) {
      texts.push_back(word.data());
      lengths.push_back(word.size());
    }
    redisAppendCommandArgv(context_.get(), static_cast<int>(words.size()), texts.data(),
                           lengths.data());
  }

  Reply read() {
    void* reply = nullptr;
    if (redisGetReply(context_.get(), &reply) != REDIS_OK) return nullptr;
    return Reply(static_cast<redisReply*>(reply));
  }

  bool reconnect() {
    if (redisReconnect(context_.get()) != REDIS_OK) return false;
    authenticate();
    return usable();
  }

 private:
  void authenticate() {
    if (usable() && !password_.empty()) command({"AUTH", password_});
  }

  std::unique_ptr<redisContext, FreeContext> context_;
  std::string password_;
};

// Collects the reasons why one test failed.
class Check {
 public:
  void equal(const std::string& found, const std::string& expected, std::string_view what) {
    if (found == expected) return;
    problems_.push_back(std::string(what) + ": " + found.substr(0, 200) + " is not " +
                        expected.substr(0, 200));
  }

  void that(bool good, std::string_view what) {
    if (!good) problems_.emplace_back(what);
  }

  [[nodiscard]] const std::vector<std::string>& problems() const { return problems_; }

 private:
  std::vector<std::string> problems_;
};

std::string all_bytes() {
  std::string bytes;
  for (int byte = 0; byte < 256; ++byte) bytes.push_back(static_cast<char>(byte));
  return bytes;
}

void test_commands(const Options& options, Check& check) {
  Client client(options);
  const std::vector<std::pair<Words, std::string>> cases = {
      {{"PING"}, "+PONG"},
      {{"SET", "k", "v"}, "+OK"},
      {{"GET", "k"}, "\"v\""},
      {{"GET", "absent"}, "nil"},
      {{"SET", "k", "w", "NX"}, "nil"},
      {{"MSET", "a", "1", "b", "2"}, "+OK"},
      {{"MGET", "a", "absent", "b"}, "[\"1\" nil \"2\"]"},
      {{"INCRBY", "a", "41"}, "42"},
      {{"INCRBYFLOAT", "a", "0.5"}, "\"42.5\""},
      {{"APPEND", "k", "xyz"}, "4"},
      {{"GETRANGE", "k", "1", "2"}, "\"xy\""},
      {{"EXPIRE", "k", "100"}, "1"},
      {{"PERSIST", "k"}, "1"},
      {{"TTL", "k"}, "-1"},
      {{"EXISTS", "k", "a", "absent"}, "2"},
      {{"TYPE", "k"}, "+string"},
      {{"DEL", "k", "absent"}, "1"},
      {{"DBSIZE"}, "2"},
  };
  for (const auto& [words, expected] : cases) {
    check.equal(client.answer(words), expected, words.front());
  }
}

void test_scan(const Options& options, Check& check) {
  Client client(options);
  Words set{"MSET"};
  for (int number = 0; number < kScanKeys; ++number) {
    set.push_back("key:" + std::to_string(number));
    set.emplace_back("1");
  }
  client.command(set);
  std::set<std::string> found;
  std::string cursor = "0";
  do {
    const Reply page = client.command({"SCAN", cursor, "COUNT", "37"});
    if (page == nullptr || page->type != REDIS_REPLY_ARRAY || page->elements != 2) {
      check.that(false, "SCAN answered " + describe(page.get()));
      return;
    }
    cursor = page->element[0]->str;
    for (std::size_t i = 0; i < page->element[1]->elements; ++i) {
      found.insert(page->element[1]->element[i]->str);
    }
  } while (cursor != "0");
  check.equal(std::to_string(found.size()), std::to_string(kScanKeys), "keys found");
}

void test_errors(const Options& options, Check& check) {
  Client client(options);
  client.command({"SET", "k", "abc"});
  check.equal(client.answer({"INCR", "k"}), "-ERR value is not an integer or out of range", "INCR");
  check.equal(client.answer({"GET"}), "-ERR wrong number of arguments for 'get' command", "GET");
  check.equal(client.answer({"GET", "k"}), "\"abc\"", "GET afterwards");
}

void test_pipeline(const Options& options, Check& check) {
  Client client(options);
  for (int number = 0; number < kPipelineLength; ++number) {
    const std::string text = std::to_string(number);
    client.append({"SET", "key:" + text, text});
    client.append({"GET", "key:" + text});
  }
  for (int number = 0; number < kPipelineLength; ++number) {
    check.equal(describe(client.read().get()), "+OK", "SET");
    check.equal(describe(client.read().get()), quoted(std::to_string(number)), "GET");
    if (!check.problems().empty()) return;
  }
}

void test_transaction(const Options& options, Check& check) {
  Client client(options);
  check.equal(client.answer({"MULTI"}), "+OK", "MULTI");
  check.equal(client.answer({"SET", "n", "1"}), "+QUEUED", "SET");
  client.command({"INCR", "n"});
  client.command({"MGET", "n", "absent"});
  client.command({"INCRBY", "n", "x"});
  check.equal(client.answer({"EXEC"}),
              "[+OK 2 [\"2\" nil] -ERR value is not an integer or out of range]", "EXEC");
  client.command({"MULTI"});
  client.command({"SET", "n", "9"});
  check.equal(client.answer({"DISCARD"}), "+OK", "DISCARD");
  check.equal(client.answer({"GET", "n"}), "\"2\"", "GET");
}

void test_watch(const Options& options, Check& check) {
  Client client(options);
  Client other(options);
  for (const bool disturbed : {true, false}) {
    client.command({"WATCH", "n"});
    if (disturbed) other.command({"SET", "n", "5"});
    client.command({"MULTI"});
    client.command({"INCR", "n"});
    check.equal(client.answer({"EXEC"}), disturbed ? "nil" : "[6]", "EXEC");
  }
}

void test_publish_subscribe(const Options& options, Check& check) {
  Client publisher(options);
  Client subscriber(options);
  check.equal(subscriber.answer({"SUBSCRIBE", "news"}), "[\"subscribe\" \"news\" 1]", "SUBSCRIBE");
  check.equal(subscriber.answer({"PSUBSCRIBE", "n*"}), "[\"psubscribe\" \"n*\" 2]", "PSUBSCRIBE");
  check.equal(publisher.answer({"PUBLISH", "news", all_bytes()}), "2", "PUBLISH");
  check.equal(describe(subscriber.read().get()),
              "[\"message\" \"news\" " + quoted(all_bytes()) + "]", "message");
  check.equal(describe(subscriber.read().get()),
              "[\"pmessage\" \"n*\" \"news\" " + quoted(all_bytes()) + "]", "pmessage");
  check.equal(subscriber.answer({"UNSUBSCRIBE"}), "[\"unsubscribe\" \"news\" 1]", "UNSUBSCRIBE");
  check.equal(subscriber.answer({"PUNSUBSCRIBE"}), "[\"punsubscribe\" \"n*\" 0]", "PUNSUBSCRIBE");
  check.equal(subscriber.answer({"GET", "absent"}), "nil", "GET afterwards");
}

void test_binary_values(const Options& options, Check& check) {
  Client client(options);
  const std::string bytes = all_bytes();
  check.equal(client.answer({"SET", bytes, bytes + bytes}), "+OK", "SET");
  check.equal(client.answer({"GET", bytes}), quoted(bytes + bytes), "GET");
  check.equal(client.answer({"KEYS", "*"}), "[" + quoted(bytes) + "]", "KEYS");
  check.equal(client.answer({"APPEND", bytes, std::string(1, '\0')}), "513", "APPEND");
}

void test_large_value(const Options& options, Check& check) {
  Client client(options);
  std::string value;
  value.reserve(options.large_bytes);
  while (value.size() < options.large_bytes) value += all_bytes();
  check.equal(client.answer({"SET", "large", value}), "+OK", "SET");
  check.equal(client.answer({"STRLEN", "large"}), std::to_string(value.size()), "STRLEN");
  const Reply reply = client.command({"GET", "large"});
  check.that(reply != nullptr && reply->type == REDIS_REPLY_STRING &&
                 std::string_view(reply->str, reply->len) == value,
             "GET returned other bytes");
}

void test_reconnect_after_kill(const Options& options, Check& check) {
  Client control(options);
  Client victim(options);
  victim.command({"SET", "k", "v"});
  const std::string id = victim.answer({"CLIENT", "ID"});
  check.equal(control.answer({"CLIENT", "KILL", "ID", id}), "1", "CLIENT KILL");
  check.equal(victim.answer({"GET", "k"}), "connection lost", "GET on the killed connection");
  check.that(victim.reconnect(), "reconnecting failed");
  check.equal(victim.answer({"GET", "k"}), "\"v\"", "GET afterwards");
  check.that(victim.answer({"CLIENT", "ID"}) != id, "the client id is the old one");
}

// The reader keeps its state while one reply of many parts arrives over several reads.
void test_replies_in_pieces(const Options& options, Check& check) {
  Client client(options);
  client.command({"SET", "k", std::string(100'000, 'x')});
  Words get{"MGET"};
  get.insert(get.end(), 100, "k");
  const Reply reply = client.command(get);
  check.that(reply != nullptr && reply->type == REDIS_REPLY_ARRAY && reply->elements == 100,
             "MGET answered something else");
  for (std::size_t i = 0; reply != nullptr && i < reply->elements; ++i) {
    check.that(reply->element[i]->len == 100'000, "a value was cut");
  }
}

using Test = std::function<void(const Options&, Check&)>;

const std::vector<std::pair<std::string, Test>>& tests() {
  static const std::vector<std::pair<std::string, Test>> kTests = {
      {"commands", test_commands},
      {"scan-iterator", test_scan},
      {"errors", test_errors},
      {"pipeline", test_pipeline},
      {"transaction", test_transaction},
      {"watch", test_watch},
      {"publish-subscribe", test_publish_subscribe},
      {"binary-values", test_binary_values},
      {"large-value", test_large_value},
      {"reconnect-after-kill", test_reconnect_after_kill},
      {"replies-in-pieces", test_replies_in_pieces},
  };
  return kTests;
}

template <typename Number>
bool read_number(const std::string& text, Number& number) {
  return std::from_chars(text.data(), text.data() + text.size(), number).ec == std::errc();
}

bool read_options(const std::vector<std::string>& words, Options& options) {
  std::map<std::string, std::string> values;
  for (std::size_t i = 0; i + 1 < words.size(); i += 2) values[words[i]] = words[i + 1];
  options.host = values["--host"];
  options.password = values["--password"];
  return !options.host.empty() && read_number(values["--port"], options.port) &&
         read_number(values["--large-bytes"], options.large_bytes);
}

}  // namespace

int main(int argc, char** argv) {
  Options options;
  if (!read_options(std::vector<std::string>(argv + 1, argv + argc), options)) {
    std::cerr << "usage: redis_tests_hiredis --host H --port P --large-bytes N [--password X]\n";
    return 2;
  }
  for (const auto& [name, test] : tests()) {
    Check check;
    Client client(options);
    if (client.usable()) {
      client.command({"FLUSHALL"});
      test(options, check);
    } else {
      check.that(false, "cannot connect");
    }
    std::cout << (check.problems().empty() ? "ok " : "FAILED ") << name << '\n';
    for (const std::string& problem : check.problems()) std::cout << "  " << problem << '\n';
    std::cout.flush();
  }
  std::cout << "done\n";
  return 0;
}
