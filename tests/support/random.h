// The only source of chance in a simulation: one seed, the same numbers on every machine.
#pragma once

#include <cstdint>
#include <iterator>

namespace kvorum::simulation {

class Random {
 public:
  explicit Random(uint64_t seed) : state_(seed) {}

  uint64_t next() {
    uint64_t bits = state_ += 0x9e3779b97f4a7c15u;
    bits = (bits ^ (bits >> 30)) * 0xbf58476d1ce4e5b9u;
    bits = (bits ^ (bits >> 27)) * 0x94d049bb133111ebu;
    return bits ^ (bits >> 31);
  }
  // REQUIRES: bound > 0.
  uint64_t below(uint64_t bound) { return next() % bound; }
  // Both ends included. REQUIRES: low <= high.
  int64_t between(int64_t low, int64_t high) {
    return low + static_cast<int64_t>(below(static_cast<uint64_t>(high - low) + 1));
  }
  bool one_in(uint64_t n) { return below(n) == 0; }
  bool chance(uint64_t per_million) { return below(1'000'000) < per_million; }
  template <class Choices>
  auto pick(const Choices& choices) {
    return choices[below(std::size(choices))];
  }
  // Mostly small, sometimes several times `mean`.
  int64_t around(int64_t mean) {
    const int64_t part = between(0, mean);
    return one_in(8) ? 4 * part : part;
  }

 private:
  uint64_t state_;
};

}  // namespace kvorum::simulation
