// Programs started by a test, and directories that disappear with it.
#pragma once

#include <sys/types.h>

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "tests/integration/wait.h"

namespace kvorum::integration {

// An empty directory, removed with all its contents by the destructor.
class TemporaryDirectory {
 public:
  TemporaryDirectory();
  ~TemporaryDirectory();
  TemporaryDirectory(const TemporaryDirectory&) = delete;
  TemporaryDirectory& operator=(const TemporaryDirectory&) = delete;

  const std::string& path() const { return path_; }
  std::string file(const std::string& name) const { return path_ + "/" + name; }
  // From now on it stays.
  void keep() { kept_ = true; }

 private:
  std::string path_;
  bool kept_ = false;
};

// How a process ended: by itself with a code, or by a signal.
struct Exit {
  int code = -1;
  int signal = 0;

  bool operator==(const Exit&) const = default;
};

// A child process. It is killed with this object, and with the test's own process.
class Process {
 public:
  using Environment = std::vector<std::pair<std::string, std::string>>;

  // Standard output and error go to these files, made anew.
  Process(const std::vector<std::string>& arguments, const Environment& environment,
          const std::string& output_path, const std::string& error_path);
  ~Process();
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;

  pid_t pid() const { return pid_; }
  void send_signal(int signal) const;
  // How it ended; nothing if it has not within the time.
  std::optional<Exit> wait(int timeout_ms = kPatienceMs);
  bool running() { return !wait(0).has_value(); }

 private:
  bool reap();

  pid_t pid_ = -1;
  std::optional<Exit> exit_;
};

struct Outcome {
  Exit exit;
  std::string output;
  std::string error;
};

// Runs a program to its end. A program that does not end is killed: its exit has the signal.
Outcome run_program(const std::vector<std::string>& arguments);

// All of a file; empty if there is none.
std::string read_file(const std::string& path);

}  // namespace kvorum::integration
