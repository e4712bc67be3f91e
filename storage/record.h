// A record: the unit of the log, all or nothing on every node. It is encoded and checksummed once,
// where it is made; the same bytes go to the WAL, onto the wire and into every follower's WAL.
// docs/wal-format.md has the bytes. Pure functions, any thread.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "storage/types.h"

namespace kvorum::storage {

// Random identity of a cluster, drawn once when it is born. It seeds every record's checksum, so
// that a record of another cluster never verifies.
using Incarnation = std::array<uint8_t, 16>;

// Random identity of a data directory: seeds the checksums of its frames.
using InstanceId = std::array<uint8_t, 16>;

enum class RecordKind : uint8_t {
  kEffects = 1,     // payload: one or more effects (effect.h)
  kNoop = 2,        // start of a term
  kMembership = 3,  // voters, quorum, timing
  kDigest = 4,      // keyspace digest at an lsn
};

struct RecordHeader {
  Lsn lsn{0};
  Term term{0};
  Stamp stamp;
  RecordKind kind = RecordKind::kNoop;
};

inline constexpr size_t kRecordHeaderBytes = 36;
inline constexpr size_t kMaxRecordPayloadBytes = size_t{1} << 31;

// A record whose payload is written in its place: begin_record() makes `record` the room for the
// header and nothing else, the payload is appended, seal_record() fills the header in.
void begin_record(std::string& record);
// REQUIRES: the payload has at most kMaxRecordPayloadBytes.
void seal_record(const Incarnation& incarnation, const RecordHeader& header, std::string& record);

// Appends the whole record to `out`. REQUIRES: payload.size() <= kMaxRecordPayloadBytes.
void encode_record(const Incarnation& incarnation, const RecordHeader& header,
                   std::string_view payload, std::string& out);

enum class RecordError : uint8_t { kNone, kTruncated, kChecksum, kMalformed };

struct RecordView {
  RecordHeader header;
  std::string_view payload;
  std::string_view bytes;  // the whole record as it was encoded
};

// Size of the record at the front of `bytes`, which are known to be whole records, at least one.
[[nodiscard]] size_t record_bytes(std::string_view bytes);

// Takes the record at the front of `bytes`, which are known to be whole records that were verified.
[[nodiscard]] RecordView take_record(std::string_view& bytes);

// Takes one record from the front of `bytes`; on error takes nothing. Looks at no byte beyond
// bytes.size() and trusts no length before checking it.
[[nodiscard]] RecordError decode_record(const Incarnation& incarnation, std::string_view& bytes,
                                        RecordView& record);

}  // namespace kvorum::storage
