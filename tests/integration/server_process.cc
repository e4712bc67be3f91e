#include "tests/integration/server_process.h"

#include <netinet/in.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <random>

#include "base/check.h"

namespace kvorum::integration {
namespace {

// Between asking for a free port and listening on it, somebody else may take it.
constexpr int kPortTries = 5;

bool can_listen(int port) {
  const int socket = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(static_cast<uint16_t>(port));
  const bool bound =
      ::bind(socket, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0;
  ::close(socket);
  return bound;
}

}  // namespace

int free_port() {
  const int socket = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof(address);
  CHECK_EQ(::bind(socket, reinterpret_cast<sockaddr*>(&address), size), 0);
  CHECK_EQ(::getsockname(socket, reinterpret_cast<sockaddr*>(&address), &size), 0);
  ::close(socket);
  return ntohs(address.sin_port);
}

std::vector<int> lasting_ports(int count) {
  constexpr int kLowest = 10'000, kHighest = 32'000;  // Linux gives connections 32768 and above
  std::random_device random;
  std::vector<int> ports;
  while (ports.size() < static_cast<size_t>(count)) {
    const int port = std::uniform_int_distribution<int>(kLowest, kHighest)(random);
    if (std::find(ports.begin(), ports.end(), port) == ports.end() && can_listen(port)) {
      ports.push_back(port);
    }
  }
  return ports;
}

std::vector<std::string> ServerProcess::arguments(const Flags& flags) const {
  std::vector<std::string> words = surroundings_.launcher;
  for (const std::string& word :
       {program_, std::string("--bind"), surroundings_.host, std::string("--port"),
        std::to_string(port_), std::string("--data-dir"), data_directory()}) {
    words.push_back(word);
  }
  words.insert(words.end(), flags_.begin(), flags_.end());
  words.insert(words.end(), flags.begin(), flags.end());
  return words;
}

void ServerProcess::run(const Flags& flags, const std::string& fail_points) {
  Process::Environment environment = surroundings_.environment;
  environment.emplace_back("KVORUM_FAIL_POINTS", fail_points);
  process_ = std::make_unique<Process>(arguments(flags), environment, root_.file("output"),
                                       root_.file("error"));
}

void ServerProcess::launch(const Flags& flags, const std::string& fail_points) {
  CHECK(!running() && port_stays_);
  run(flags, fail_points);
}

bool ServerProcess::start(const Flags& flags, const std::string& fail_points) {
  CHECK(!running());
  for (int i = 0; i < kPortTries; ++i) {
    if (!port_stays_) port_ = free_port();
    run(flags, fail_points);
    CHECK(eventually([this] { return !process_->running() || serves(); }))
        << "neither serves nor ends: " << log() << error();
    if (process_->running()) return true;
    if (error().find("address already in use") == std::string::npos) return false;
  }
  return false;
}

bool ServerProcess::serves() const {
  if (log().find("loaded: ") == std::string::npos) return false;
  const std::unique_ptr<Client> client = connect();
  if (client == nullptr) return false;
  const std::string answer = client->ask({"PING"});
  return answer == "PONG" || answer.starts_with("-NOAUTH");
}

void ServerProcess::wipe() {
  CHECK(!running());
  std::filesystem::remove_all(data_directory());
}

Exit ServerProcess::stop(int signal) {
  process_->send_signal(signal);
  return exit();
}

Exit ServerProcess::exit() {
  if (!process_->wait()) process_->send_signal(SIGKILL);
  return process_->wait().value_or(Exit{});
}

std::string ServerProcess::ask(const Arguments& arguments) const {
  const std::unique_ptr<Client> client = connect();
  return client == nullptr ? "(not connected)" : client->ask(arguments);
}

}  // namespace kvorum::integration
