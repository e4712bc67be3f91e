#include "storage/snapshot_format.h"

#include <cstring>
#include <numeric>

#include "storage/byte_order.h"
#include "storage/crc32c.h"

namespace kvorum::storage {

namespace {

constexpr size_t kFooterBytes = 16;

template <typename Integer>
void append_integer(std::string& out, Integer value) {
  char bytes[sizeof(value)];
  store_little_endian(bytes, value);
  out.append(bytes, sizeof(bytes));
}

template <typename Integer>
[[nodiscard]] bool take_integer(std::string_view& bytes, Integer& value) {
  if (bytes.size() < sizeof(value)) return false;
  value = load_little_endian<Integer>(bytes.data());
  bytes.remove_prefix(sizeof(value));
  return true;
}

}  // namespace

uint64_t SnapshotInfo::total_keys() const {
  return std::accumulate(keys.begin(), keys.end(), uint64_t{0});
}

SnapshotBlockHeaderBytes encode_block_header(const SnapshotBlockHeader& header, uint32_t seed) {
  SnapshotBlockHeaderBytes bytes{};
  store_little_endian(bytes.data() + 4, header.payload_bytes);
  store_little_endian(bytes.data() + 8, header.payload_crc);
  store_little_endian(bytes.data() + 12, header.entries);
  store_little_endian(bytes.data() + 16, header.number);
  bytes[20] = static_cast<char>(header.kind);
  bytes[21] = static_cast<char>(header.database);
  store_little_endian(bytes.data(), crc32c({bytes.data() + 4, bytes.size() - 4}, seed));
  return bytes;
}

uint32_t block_header_crc(std::string_view bytes) {
  return load_little_endian<uint32_t>(bytes.data());
}

bool decode_block_header(std::string_view bytes, uint32_t seed, SnapshotBlockHeader& header) {
  if (block_header_crc(bytes) != crc32c(bytes.substr(4), seed)) return false;
  header.payload_bytes = load_little_endian<uint32_t>(bytes.data() + 4);
  header.payload_crc = load_little_endian<uint32_t>(bytes.data() + 8);
  header.entries = load_little_endian<uint32_t>(bytes.data() + 12);
  header.number = load_little_endian<uint32_t>(bytes.data() + 16);
  header.kind = static_cast<SnapshotBlockKind>(bytes[20]);
  header.database = static_cast<uint8_t>(bytes[21]);
  return header.kind >= SnapshotBlockKind::kInfo && header.kind <= SnapshotBlockKind::kTombstones &&
         header.database < kDatabaseCount && bytes[22] == 0 && bytes[23] == 0;
}

std::string encode_snapshot_info(const SnapshotInfo& info) {
  std::string out;
  append_integer(out, kSnapshotFormatVersion);
  append_integer(out, static_cast<uint32_t>(kPartitionCount));
  out.append(reinterpret_cast<const char*>(info.incarnation.data()), info.incarnation.size());
  append_integer(out, info.node.value());
  append_integer(out, info.hash_seed);
  append_integer(out, info.position.term.value());
  append_integer(out, info.position.lsn.value());
  append_integer(out, info.hlc.value());
  append_integer(out, info.wall_ms);
  for (uint64_t keys : info.keys) append_integer(out, keys);
  out += info.membership;
  return out;
}

SnapshotInfoError decode_snapshot_info(std::string_view payload, SnapshotInfo& info) {
  uint32_t version = 0;
  if (!take_integer(payload, version)) return SnapshotInfoError::kMalformed;
  if (version != kSnapshotFormatVersion) return SnapshotInfoError::kVersion;
  uint32_t partitions = 0;
  if (!take_integer(payload, partitions)) return SnapshotInfoError::kMalformed;
  if (partitions != kPartitionCount) return SnapshotInfoError::kPartitionCount;
  if (payload.size() < info.incarnation.size()) return SnapshotInfoError::kMalformed;
  std::memcpy(info.incarnation.data(), payload.data(), info.incarnation.size());
  payload.remove_prefix(info.incarnation.size());
  uint16_t node = 0;
  uint64_t term = 0;
  uint64_t lsn = 0;
  uint64_t hlc = 0;
  bool taken = take_integer(payload, node) && take_integer(payload, info.hash_seed) &&
               take_integer(payload, term) && take_integer(payload, lsn) &&
               take_integer(payload, hlc) && take_integer(payload, info.wall_ms);
  for (uint64_t& keys : info.keys) taken = taken && take_integer(payload, keys);
  if (!taken) return SnapshotInfoError::kMalformed;
  info.node = NodeId{node};
  info.position = {Term{term}, Lsn{lsn}};
  info.hlc = Hlc{hlc};
  info.membership = payload;
  return SnapshotInfoError::kNone;
}

std::string encode_snapshot_footer(const SnapshotFooter& footer) {
  std::string out;
  append_integer(out, footer.keys);
  append_integer(out, footer.digest);
  return out;
}

bool decode_snapshot_footer(std::string_view payload, SnapshotFooter& footer) {
  if (payload.size() != kFooterBytes) return false;
  return take_integer(payload, footer.keys) && take_integer(payload, footer.digest);
}

}  // namespace kvorum::storage
