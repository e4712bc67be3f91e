// What values are called where clients ask: TYPE, SCAN … TYPE, OBJECT ENCODING. Pure functions.
#pragma once

#include <string_view>

#include "storage/entry.h"

namespace kvorum::server {

inline std::string_view type_name(storage::ValueType type) {
  switch (type) {
    case storage::ValueType::kString:
      return "string";
  }
  return "unknown";
}

// "int", "embstr" or "raw": what Redis would hold the value as.
std::string_view encoding_name(const storage::Entry& entry);

// What OBJECT REFCOUNT answers: Redis shares small integers and shows a very large count for them.
int64_t reference_count(const storage::Entry& entry);

}  // namespace kvorum::server
