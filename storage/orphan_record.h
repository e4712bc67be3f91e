// What of a record that its node had to drop can be merged (docs/replication.md, Merging): effects
// that say what a key becomes, whatever it was. Pure functions, any thread.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "storage/record.h"
#include "storage/types.h"

namespace kvorum::storage {

// What a record of effects says, without what an earlier merge has put before it.
struct OrphanRecord {
  Stamp stamp;
  std::string_view effects;
};
// REQUIRES: record.header.kind is kEffects.
[[nodiscard]] OrphanRecord orphan_record(const RecordView& record);

// Nothing but sets and deletes: a blind write, which means the same over any other value.
[[nodiscard]] bool is_blind(std::string_view effects);

// A dropped log without what cannot be merged: records that are no blind writes, and those before
// them of the same keys. Without its FLUSHALL or EXPIRE a SET would bring back what its client has
// removed.
struct MergeableRecords {
  std::string records;  // whole, in log order
  uint64_t kept = 0;    // how many were left out; those without effects are not counted
};
// `records`: whole and verified, in log order.
[[nodiscard]] MergeableRecords mergeable_records(std::string_view records);

}  // namespace kvorum::storage
