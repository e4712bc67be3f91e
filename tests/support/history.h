// What clients asked for and what they were told: the history that linearizability is judged by.
#pragma once

#include <array>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>

namespace kvorum::simulation {

enum class OperationKind : uint8_t {
  kSet,
  kSetVolatile,    // with an expiry: from then on the key may be gone at any time
  kSetIfAbsent,    // flag: it was set
  kAppend,         // number: the new length
  kIncrement,      // number: the new value
  kDelete,         // flag: it was there
  kGet,            // read[0]
  kSetBoth,        // both keys of a pair to one value, in a transaction
  kGetBoth,        // read[0], read[1]
  kCompareAndSet,  // the first key from `expected` to `value`: WATCH, GET, MULTI, SET, EXEC
};

enum class Outcome : uint8_t {
  kOk,
  kUnknown,  // may have taken effect, may yet, or never will
  kRefused,  // certainly not executed
};

struct Operation {
  static constexpr int64_t kNever = std::numeric_limits<int64_t>::max();

  OperationKind kind = OperationKind::kGet;
  int partition = 0;  // keys of different partitions never meet in one operation
  int key = 0;        // 0 or 1, within the partition
  std::string value;  // unique, where something is written
  std::optional<std::string> expected;

  int64_t invoked_us = 0;
  int64_t completed_us = kNever;
  Outcome outcome = Outcome::kUnknown;
  bool flag = false;
  int64_t number = 0;
  std::array<std::optional<std::string>, 2> read;

  bool reads_only() const { return kind == OperationKind::kGet || kind == OperationKind::kGetBoth; }
};

}  // namespace kvorum::simulation
