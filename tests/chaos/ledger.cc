#include "tests/chaos/ledger.h"

#include <algorithm>

#include "base/text.h"

namespace kvorum::chaos {

std::string Ledger::key(size_t slot) const { return base::concat("ledger:", client_, ":", slot); }

std::string Ledger::next_value(size_t slot) {
  slots_[slot].unsettled.push_back(base::concat(client_, ".", ++values_));
  return slots_[slot].unsettled.back();
}

std::string Ledger::acknowledged(size_t slot, const std::string& value,
                                 const std::optional<std::string>& replaced) {
  refused(slot, value);  // it was not there before
  const std::string wrong = read(slot, replaced);
  slots_[slot].acknowledged = value;
  return wrong;
}

void Ledger::refused(size_t slot, const std::string& value) {
  std::erase(slots_[slot].unsettled, value);
}

std::string Ledger::read(size_t slot, const std::optional<std::string>& value) const {
  const Slot& known = slots_[slot];
  if (value == known.acknowledged) return "";
  if (value.has_value() &&
      std::find(known.unsettled.begin(), known.unsettled.end(), *value) != known.unsettled.end()) {
    return "";
  }
  std::string text =
      base::concat(key(slot), " is '", value.value_or("(nil)"), "': acknowledged was '",
                   known.acknowledged.value_or("(nil)"), "'");
  for (const std::string& each : known.unsettled) text += base::concat(", perhaps '", each, "'");
  return text;
}

}  // namespace kvorum::chaos
