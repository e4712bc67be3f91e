// The real server, on a free port and a data directory of its own.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "tests/integration/client.h"
#include "tests/integration/process.h"

namespace kvorum::integration {

// A port that nobody listened on a moment ago.
int free_port();
// Ports for programs that are started again and again: outside of the range from which the system
// takes ports for connections.
std::vector<int> lasting_ports(int count);

// Where a server runs, if not simply on this machine.
struct Surroundings {
  std::string host = "127.0.0.1";     // its address, here and for its peers
  std::vector<std::string> launcher;  // a program that becomes the server, with its arguments
  Process::Environment environment;
};

class ServerProcess {
 public:
  using Flags = std::vector<std::string>;

  // `flags` are given at every start, before those of the start.
  explicit ServerProcess(Flags flags = {}) : flags_(std::move(flags)) {}
  // The same with a port that stays. REQUIRES: port != 0.
  ServerProcess(Flags flags, int port) : flags_(std::move(flags)), port_(port), port_stays_(true) {}

  // Starts on the data directory, which is kept from start to start, and waits until commands are
  // served. False if the process ended first: exit() says how. REQUIRES: it does not run.
  bool start(const Flags& flags = {}, const std::string& fail_points = {});
  // Starts and does not wait. REQUIRES: the port stays; it does not run.
  void launch(const Flags& flags = {}, const std::string& fail_points = {});
  // From the next start on, instead of those it was made with.
  void configure(Flags flags) { flags_ = std::move(flags); }
  // From the next start on.
  void place(Surroundings surroundings) { surroundings_ = std::move(surroundings); }
  // From the next start on, instead of KVORUM_SERVER: KVORUM_SERVER_LATER, another build.
  void replace_program(std::string path) { program_ = std::move(path); }
  // What a start would run, for those that must fail.
  std::vector<std::string> arguments(const Flags& flags = {}) const;

  void send_signal(int signal) { process_->send_signal(signal); }
  // Sends the signal and waits for the end.
  Exit stop(int signal);
  // Waits for the end; a process that does not end is killed.
  Exit exit();
  bool running() { return process_ != nullptr && process_->running(); }
  Process& process() { return *process_; }

  int port() const { return port_; }
  std::unique_ptr<Client> connect(int patience_ms = kPatienceMs) const {
    return Client::connect(surroundings_.host, port_, patience_ms);
  }
  // One command on a connection of its own, as Client::ask().
  std::string ask(const Arguments& arguments) const;

  // Removes the data directory. REQUIRES: it does not run.
  void wipe();

  const std::string& root() const { return root_.path(); }
  // Its directory is not removed with this object.
  void keep_files() { root_.keep(); }
  std::string data_directory() const { return root_.file("data"); }
  // Of the running or last process.
  std::string log() const { return read_file(root_.file("output")); }
  std::string error() const { return read_file(root_.file("error")); }

 private:
  bool serves() const;
  void run(const Flags& flags, const std::string& fail_points);

  TemporaryDirectory root_;
  std::string program_ = KVORUM_SERVER;
  Flags flags_;
  Surroundings surroundings_;
  int port_ = 0;
  bool port_stays_ = false;
  std::unique_ptr<Process> process_;
};

}  // namespace kvorum::integration
