// The two clocks of one machine, both wrong in their own way: they drift at one rate, the wall
// clock jumps, the monotonic one begins anew at a boot.
#pragma once

#include <cstdint>

namespace kvorum::simulation {

class VirtualClock {
 public:
  static constexpr int64_t kEpochUs = 1'700'000'000'000'000;

  // `true_us`: the simulation's time, which never goes back.
  int64_t monotonic_us(int64_t true_us) const { return monotonic_us_ + elapsed(true_us); }
  int64_t wall_us(int64_t true_us) const { return wall_us_ + elapsed(true_us); }

  // So many microseconds too fast in a second, from now on.
  void set_drift(int64_t true_us, int64_t per_million) {
    advance(true_us);
    drift_per_million_ = per_million;
  }
  void jump(int64_t true_us, int64_t by_us) {
    advance(true_us);
    wall_us_ += by_us;
  }
  // The wall clock is this much ahead of the truth.
  void set_wall_offset(int64_t true_us, int64_t offset_us) {
    advance(true_us);
    wall_us_ = kEpochUs + true_us + offset_us;
  }
  void reboot(int64_t true_us, int64_t uptime_us) {
    advance(true_us);
    monotonic_us_ = uptime_us;
  }

 private:
  int64_t elapsed(int64_t true_us) const {
    const int64_t since_us = true_us - anchor_us_;
    return since_us + since_us * drift_per_million_ / 1'000'000;
  }
  void advance(int64_t true_us) {
    monotonic_us_ = monotonic_us(true_us);
    wall_us_ = wall_us(true_us);
    anchor_us_ = true_us;
  }

  int64_t anchor_us_ = 0;
  int64_t monotonic_us_ = 1'000'000, wall_us_ = kEpochUs;  // at the anchor
  int64_t drift_per_million_ = 0;
};

}  // namespace kvorum::simulation
