#include "tests/integration/process.h"

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <sstream>

#include "base/check.h"

namespace kvorum::integration {
namespace {

// Between fork and exec: only system calls. The signals are as a shell would have left them.
[[noreturn]] void become(char* const* arguments, char* const* environment, const char* output_path,
                         const char* error_path) {
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  ::signal(SIGPIPE, SIG_DFL);
  const int output = ::open(output_path, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND, 0644);
  const int error = ::open(error_path, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND, 0644);
  ::dup2(output, STDOUT_FILENO);
  ::dup2(error, STDERR_FILENO);
  ::close_range(3, ~0U, 0);
  ::execve(arguments[0], arguments, environment);
  ::_exit(127);
}

std::vector<char*> pointers(std::vector<std::string>& texts) {
  std::vector<char*> result;
  for (std::string& text : texts) result.push_back(text.data());
  result.push_back(nullptr);
  return result;
}

}  // namespace

TemporaryDirectory::TemporaryDirectory() {
  std::string pattern = (std::filesystem::temp_directory_path() / "kvorum-XXXXXX").string();
  CHECK(::mkdtemp(pattern.data()) != nullptr);
  path_ = pattern;
}

TemporaryDirectory::~TemporaryDirectory() {
  if (kept_) return;
  std::error_code error;
  std::filesystem::remove_all(path_, error);
}

Process::Process(const std::vector<std::string>& arguments, const Environment& environment,
                 const std::string& output_path, const std::string& error_path) {
  std::vector<std::string> words = arguments;
  std::vector<std::string> variables;
  for (char** variable = environ; *variable != nullptr; ++variable)
    variables.emplace_back(*variable);
  for (const auto& [name, value] : environment) variables.push_back(name + "=" + value);
  const std::vector<char*> word_pointers = pointers(words);
  const std::vector<char*> variable_pointers = pointers(variables);
  pid_ = ::fork();
  CHECK(pid_ >= 0);
  if (pid_ == 0) {
    become(word_pointers.data(), variable_pointers.data(), output_path.c_str(), error_path.c_str());
  }
}

Process::~Process() {
  if (exit_.has_value()) return;
  send_signal(SIGKILL);
  wait();
}

void Process::send_signal(int signal) const {
  if (!exit_.has_value()) ::kill(pid_, signal);
}

bool Process::reap() {
  if (exit_.has_value()) return true;
  int status = 0;
  if (::waitpid(pid_, &status, WNOHANG) != pid_) return false;
  exit_ = WIFSIGNALED(status) ? Exit{-1, WTERMSIG(status)} : Exit{WEXITSTATUS(status), 0};
  return true;
}

std::optional<Exit> Process::wait(int timeout_ms) {
  eventually([this] { return reap(); }, timeout_ms);
  return exit_;
}

Outcome run_program(const std::vector<std::string>& arguments) {
  const TemporaryDirectory directory;
  Process process(arguments, {}, directory.file("output"), directory.file("error"));
  if (!process.wait()) process.send_signal(SIGKILL);
  const Exit exit = process.wait().value_or(Exit{});
  return {exit, read_file(directory.file("output")), read_file(directory.file("error"))};
}

std::string read_file(const std::string& path) {
  std::ostringstream text;
  text << std::ifstream(path, std::ios::binary).rdbuf();
  return text.str();
}

}  // namespace kvorum::integration
