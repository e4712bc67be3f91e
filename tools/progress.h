// How far a long command has come: a bar on standard error where that is a terminal, nothing
// elsewhere. One thread.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>

namespace kvorum::tools {

class Progress {
 public:
  // `shown` false: never anything.
  explicit Progress(bool shown) : shown_(shown) {}
  ~Progress() { clear(); }
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  // Something of `total` units (bytes) begins: "restore: reading the log".
  void begin(std::string what, uint64_t total);
  // So much of it is done. Draws at most ten times a second.
  void reach(uint64_t done);
  // Takes the bar away, before anything else is printed.
  void clear();

 private:
  const bool shown_;
  bool drawn_ = false;
  std::string what_;
  uint64_t total_ = 0;
  std::chrono::steady_clock::time_point begun_, drawn_at_;
};

// The line that is drawn: "what [#####-----]  50 %  12.3 MB/s  4 s left".
[[nodiscard]] std::string progress_line(const std::string& what, uint64_t done, uint64_t total,
                                        double seconds);

// Standard error is a terminal.
[[nodiscard]] bool somebody_watches();

}  // namespace kvorum::tools
