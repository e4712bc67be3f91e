// What happened, as a hash (two runs of one seed must agree) and, on demand, as text. And what went
// wrong: the first violation ends the run.
#pragma once

#include <cstdint>
#include <cstdio>
#include <string>
#include <string_view>

namespace kvorum::simulation {

// A hash of bytes that is the same everywhere.
inline uint64_t hash_bytes(std::string_view bytes, uint64_t seed = 0) {
  uint64_t hash = seed ^ (bytes.size() * 0x9e3779b97f4a7c15u);
  const auto mix = [&hash](uint64_t word) {
    hash = (hash ^ word) * 0xff51afd7ed558ccdu;
    hash ^= hash >> 32;
  };
  uint64_t word = 0;
  size_t held = 0;
  for (const char byte : bytes) {
    word = word << 8 | static_cast<uint8_t>(byte);
    if (++held == 8) {
      mix(word);
      word = held = 0;
    }
  }
  mix(word);
  return hash;
}

class Trace {
 public:
  explicit Trace(bool print) : print_(print) {}

  bool printing() const { return print_; }
  void set_time(int64_t now_us) { now_us_ = now_us; }
  void add(uint64_t what) {
    hash_ = (hash_ ^ what ^ static_cast<uint64_t>(now_us_)) * 0xff51afd7ed558ccdu;
    hash_ ^= hash_ >> 29;
  }
  void add(std::string_view what) { add(hash_bytes(what)); }
  uint64_t hash() const { return hash_; }
  // Only text: no part of the hash.
  void print(std::string_view line) const {
    if (!print_) return;
    std::printf("%10.6f %.*s\n", static_cast<double>(now_us_) / 1e6, static_cast<int>(line.size()),
                line.data());
  }

 private:
  const bool print_;
  int64_t now_us_ = 0;
  uint64_t hash_ = 0;
};

class Verdict {
 public:
  bool failed() const { return !text_.empty(); }
  const std::string& text() const { return text_; }
  void fail(std::string text) {
    if (text_.empty()) text_ = std::move(text);
  }

 private:
  std::string text_;
};

}  // namespace kvorum::simulation
