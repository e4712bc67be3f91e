#include "storage/record.h"

#include "base/check.h"
#include "storage/byte_order.h"
#include "storage/crc32c.h"

namespace kvorum::storage {
namespace {

// docs/wal-format.md, "Record".
constexpr size_t kCrcAt = 0;
constexpr size_t kPayloadSizeAt = 4;
constexpr size_t kLsnAt = 8;
constexpr size_t kTermAt = 16;
constexpr size_t kHlcAt = 24;
constexpr size_t kOriginAt = 32;
constexpr size_t kKindAt = 34;
constexpr size_t kReservedAt = 35;
static_assert(kReservedAt + 1 == kRecordHeaderBytes);

uint32_t record_crc(const Incarnation& incarnation, std::string_view record) {
  const std::string_view seed(reinterpret_cast<const char*>(incarnation.data()),
                              incarnation.size());
  return crc32c(record.substr(kPayloadSizeAt), crc32c(seed));
}

bool is_record_kind(uint8_t kind) {
  return kind >= static_cast<uint8_t>(RecordKind::kEffects) &&
         kind <= static_cast<uint8_t>(RecordKind::kDigest);
}

RecordView view_of(std::string_view whole) {
  const char* from = whole.data();
  RecordView record;
  record.header.lsn = Lsn{load_little_endian<uint64_t>(from + kLsnAt)};
  record.header.term = Term{load_little_endian<uint64_t>(from + kTermAt)};
  record.header.stamp.hlc = Hlc{load_little_endian<uint64_t>(from + kHlcAt)};
  record.header.stamp.origin = NodeId{load_little_endian<uint16_t>(from + kOriginAt)};
  record.header.kind = static_cast<RecordKind>(from[kKindAt]);
  record.payload = whole.substr(kRecordHeaderBytes);
  record.bytes = whole;
  return record;
}

void fill_header(const Incarnation& incarnation, const RecordHeader& header, char* to,
                 size_t size) {
  CHECK(size - kRecordHeaderBytes <= kMaxRecordPayloadBytes);
  store_little_endian(to + kPayloadSizeAt, static_cast<uint32_t>(size - kRecordHeaderBytes));
  store_little_endian(to + kLsnAt, header.lsn.value());
  store_little_endian(to + kTermAt, header.term.value());
  store_little_endian(to + kHlcAt, header.stamp.hlc.value());
  store_little_endian(to + kOriginAt, header.stamp.origin.value());
  to[kKindAt] = static_cast<char>(header.kind);
  to[kReservedAt] = 0;
  store_little_endian(to + kCrcAt, record_crc(incarnation, {to, size}));
}

}  // namespace

void begin_record(std::string& record) { record.assign(kRecordHeaderBytes, '\0'); }

void seal_record(const Incarnation& incarnation, const RecordHeader& header, std::string& record) {
  fill_header(incarnation, header, record.data(), record.size());
}

void encode_record(const Incarnation& incarnation, const RecordHeader& header,
                   std::string_view payload, std::string& out) {
  const size_t start = out.size();
  out.append(kRecordHeaderBytes, '\0');
  out.append(payload);
  fill_header(incarnation, header, out.data() + start, out.size() - start);
}

size_t record_bytes(std::string_view bytes) {
  CHECK(bytes.size() >= kRecordHeaderBytes);
  const size_t size =
      kRecordHeaderBytes + load_little_endian<uint32_t>(bytes.data() + kPayloadSizeAt);
  CHECK(size <= bytes.size());
  return size;
}

RecordView take_record(std::string_view& bytes) {
  const RecordView record = view_of(bytes.substr(0, record_bytes(bytes)));
  bytes.remove_prefix(record.bytes.size());
  return record;
}

RecordError decode_record(const Incarnation& incarnation, std::string_view& bytes,
                          RecordView& record) {
  if (bytes.size() < kRecordHeaderBytes) return RecordError::kTruncated;
  const char* from = bytes.data();
  const size_t payload_size = load_little_endian<uint32_t>(from + kPayloadSizeAt);
  if (payload_size > kMaxRecordPayloadBytes) return RecordError::kMalformed;
  if (payload_size > bytes.size() - kRecordHeaderBytes) return RecordError::kTruncated;
  const std::string_view whole = bytes.substr(0, kRecordHeaderBytes + payload_size);
  if (load_little_endian<uint32_t>(from + kCrcAt) != record_crc(incarnation, whole)) {
    return RecordError::kChecksum;
  }
  const Lsn lsn{load_little_endian<uint64_t>(from + kLsnAt)};
  if (!is_record_kind(static_cast<uint8_t>(from[kKindAt])) || from[kReservedAt] != 0 ||
      lsn == Lsn{0}) {
    return RecordError::kMalformed;
  }
  record = view_of(whole);
  bytes.remove_prefix(whole.size());
  return RecordError::kNone;
}

}  // namespace kvorum::storage
