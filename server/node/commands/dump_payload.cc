#include "server/node/commands/dump_payload.h"

#include "storage/byte_order.h"
#include "storage/crc32c.h"

namespace kvorum::server {

namespace {

// Redis ends with a 16-bit version and a 64-bit CRC; these letters can be neither by accident.
constexpr std::string_view kMark = "KV\x01";
constexpr size_t kChecksumBytes = sizeof(uint32_t);
constexpr size_t kFooterBytes = kMark.size() + kChecksumBytes;

}  // namespace

std::string encode_dump(const DumpedValue& value) {
  std::string payload;
  payload.reserve(1 + value.bytes.size() + kFooterBytes);
  payload += static_cast<char>(value.type);
  payload += value.bytes;
  payload += kMark;
  char checksum[kChecksumBytes];
  storage::store_little_endian(checksum, storage::crc32c(payload));
  payload.append(checksum, sizeof(checksum));
  return payload;
}

DumpError decode_dump(std::string_view payload, DumpedValue& value) {
  if (payload.size() < kFooterBytes) return DumpError::kForeign;
  const std::string_view checked = payload.substr(0, payload.size() - kChecksumBytes);
  if (!checked.ends_with(kMark) ||
      storage::crc32c(checked) !=
          storage::load_little_endian<uint32_t>(checked.data() + checked.size())) {
    return DumpError::kForeign;
  }
  const std::string_view body = checked.substr(0, checked.size() - kMark.size());
  if (body.empty() || body.front() != static_cast<char>(storage::ValueType::kString)) {
    return DumpError::kMalformed;
  }
  value = {.type = storage::ValueType::kString, .bytes = body.substr(1)};
  return DumpError::kNone;
}

}  // namespace kvorum::server
