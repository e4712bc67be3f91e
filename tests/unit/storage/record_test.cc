#include "storage/record.h"

#include <gtest/gtest.h>

#include <string>
#include <string_view>

#include "storage/crc32c.h"

namespace kvorum::storage {
namespace {

using std::string_literals::operator""s;

constexpr Incarnation kIncarnation = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16};

constexpr RecordHeader kHeader = {
    .lsn = Lsn{0x0102030405060708},
    .term = Term{0x1112131415161718},
    .stamp = {Hlc{0x2122232425262728}, NodeId{0x3132}},
    .kind = RecordKind::kEffects,
};

std::string encode(std::string_view payload) {
  std::string bytes;
  encode_record(kIncarnation, kHeader, payload, bytes);
  return bytes;
}

TEST(Crc32cTest, MatchesThePublishedVectors) {  // RFC 3720, B.4
  EXPECT_EQ(crc32c("123456789"), 0xe3069283u);
  EXPECT_EQ(crc32c(std::string(32, '\0')), 0x8a9136aau);
  EXPECT_EQ(crc32c(std::string(32, '\xff')), 0x62a8ab43u);
  EXPECT_EQ(crc32c(""), 0u);
}

TEST(Crc32cTest, ContinuesFromWhatCameBefore) {
  EXPECT_EQ(crc32c("56789", crc32c("1234")), crc32c("123456789"));
}

TEST(RecordTest, EncodesToTheGoldenBytes) {
  // docs/wal-format.md, "Record": these bytes may never change.
  const std::string expected =
      "\x05\x00\x00\x00"
      "\x08\x07\x06\x05\x04\x03\x02\x01"
      "\x18\x17\x16\x15\x14\x13\x12\x11"
      "\x28\x27\x26\x25\x24\x23\x22\x21"
      "\x32\x31\x01\x00"
      "hello"s;
  const std::string bytes = encode("hello");
  EXPECT_EQ(bytes.substr(4), expected);
  const std::string seed(kIncarnation.begin(), kIncarnation.end());
  const uint32_t crc = crc32c(seed + expected);
  EXPECT_EQ(bytes.substr(0, 4), std::string(reinterpret_cast<const char*>(&crc), 4));
  EXPECT_EQ(crc, 0xcaa42276u);
}

TEST(RecordTest, APayloadWrittenInItsPlaceGivesTheSameBytes) {
  const Incarnation incarnation{5};
  RecordHeader header;
  header.lsn = Lsn{7};
  header.term = Term{3};
  header.stamp = {Hlc{9}, NodeId{2}};
  header.kind = RecordKind::kEffects;
  std::string expected;
  encode_record(incarnation, header, "payload", expected);
  std::string record = "from before";
  begin_record(record);
  record += "payload";
  seal_record(incarnation, header, record);
  EXPECT_EQ(record, expected);
}

TEST(RecordTest, DecodeGivesBackWhatWasEncoded) {
  const std::string bytes = encode("hello") + encode("");
  std::string_view view = bytes;
  RecordView record;
  ASSERT_EQ(decode_record(kIncarnation, view, record), RecordError::kNone);
  EXPECT_EQ(record.header.lsn, kHeader.lsn);
  EXPECT_EQ(record.header.term, kHeader.term);
  EXPECT_EQ(record.header.stamp, kHeader.stamp);
  EXPECT_EQ(record.header.kind, kHeader.kind);
  EXPECT_EQ(record.payload, "hello");
  EXPECT_EQ(record.bytes, encode("hello"));
  ASSERT_EQ(decode_record(kIncarnation, view, record), RecordError::kNone);
  EXPECT_EQ(record.payload, "");
  EXPECT_TRUE(view.empty());
}

TEST(RecordTest, EveryTruncationIsTruncatedAndTakesNothing) {
  const std::string bytes = encode("hello");
  for (size_t size = 0; size < bytes.size(); ++size) {
    const std::string cut = bytes.substr(0, size);
    std::string_view view = cut;
    RecordView record;
    EXPECT_EQ(decode_record(kIncarnation, view, record), RecordError::kTruncated);
    EXPECT_EQ(view.size(), size);
  }
}

TEST(RecordTest, EveryFlippedBitIsNoticed) {
  const std::string bytes = encode("hello");
  for (size_t i = 0; i < bytes.size() * 8; ++i) {
    std::string flipped = bytes;
    flipped[i / 8] = static_cast<char>(flipped[i / 8] ^ (1 << (i % 8)));
    std::string_view view = flipped;
    RecordView record;
    EXPECT_NE(decode_record(kIncarnation, view, record), RecordError::kNone) << "bit " << i;
    EXPECT_EQ(view.size(), flipped.size());
  }
}

TEST(RecordTest, ARecordOfAnotherClusterDoesNotVerify) {
  Incarnation other = kIncarnation;
  other[15] ^= 1;
  const std::string bytes = encode("hello");
  std::string_view view = bytes;
  RecordView record;
  EXPECT_EQ(decode_record(other, view, record), RecordError::kChecksum);
}

TEST(RecordTest, ALengthAboveTheLimitIsMalformedBeforeAnythingElse) {
  std::string bytes = encode("hello");
  bytes[7] = '\xff';
  std::string_view view = bytes;
  RecordView record;
  EXPECT_EQ(decode_record(kIncarnation, view, record), RecordError::kMalformed);
}

TEST(RecordTest, ChecksummedNonsenseIsMalformed) {
  const auto decode = [](const RecordHeader& header) {
    std::string bytes;
    encode_record(kIncarnation, header, "x", bytes);
    std::string_view view = bytes;
    RecordView record;
    return decode_record(kIncarnation, view, record);
  };
  RecordHeader header = kHeader;
  EXPECT_EQ(decode(header), RecordError::kNone);
  header.lsn = Lsn{0};
  EXPECT_EQ(decode(header), RecordError::kMalformed);
  header = kHeader;
  header.kind = static_cast<RecordKind>(0);
  EXPECT_EQ(decode(header), RecordError::kMalformed);
  header.kind = static_cast<RecordKind>(5);
  EXPECT_EQ(decode(header), RecordError::kMalformed);
}

}  // namespace
}  // namespace kvorum::storage
