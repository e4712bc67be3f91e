// What one client has written to keys that are its own, and what therefore may be there: the last
// acknowledged value, or one whose outcome is not known. One thread at a time.
//
// Each check tells what is wrong, or nothing.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace kvorum::chaos {

class Ledger {
 public:
  Ledger(int client, size_t slots) : client_(client), slots_(slots) {}

  size_t slots() const { return slots_.size(); }
  std::string key(size_t slot) const;

  // The value to write now; until it is settled it may be there or not.
  std::string next_value(size_t slot);
  // The write was answered, with what it has replaced.
  std::string acknowledged(size_t slot, const std::string& value,
                           const std::optional<std::string>& replaced);
  // The write was certainly not executed.
  void refused(size_t slot, const std::string& value);

  // What the slot is read as, after everything that was acknowledged.
  std::string read(size_t slot, const std::optional<std::string>& value) const;

 private:
  struct Slot {
    std::optional<std::string> acknowledged;
    std::vector<std::string> unsettled;
  };

  const int client_;
  uint64_t values_ = 0;
  std::vector<Slot> slots_;
};

}  // namespace kvorum::chaos
