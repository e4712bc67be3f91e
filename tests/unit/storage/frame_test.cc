#include "storage/frame.h"

#include <gtest/gtest.h>

#include <cstring>
#include <string>
#include <string_view>

#include "storage/crc32c.h"

namespace kvorum::storage {
namespace {

using std::string_literals::operator""s;

constexpr InstanceId kInstance = {0xa0, 0xa1, 0xa2, 0xa3, 0xa4, 0xa5, 0xa6, 0xa7,
                                  0xa8, 0xa9, 0xaa, 0xab, 0xac, 0xad, 0xae, 0xaf};

FrameHeader test_header(size_t payload_bytes) {
  FrameHeader header;
  header.kind = FrameKind::kRecords;
  header.payload_bytes = static_cast<uint32_t>(payload_bytes);
  header.segment = 7;
  header.offset = 1024;
  header.boot = 3;
  header.batch = 9;
  header.first_lsn = Lsn{100};
  header.last = Position{Term{2}, Lsn{104}};
  header.synced_up_to = 512;
  header.commit = Lsn{99};
  return header;
}

std::string make_frame(const FrameHeader& header, std::string_view payload) {
  std::string frame(frame_bytes(payload.size()), '\0');
  std::memcpy(frame.data() + kFrameHeaderBytes, payload.data(), payload.size());
  seal_frame(kInstance, header, frame.data(), frame.size());
  return frame;
}

bool verifies(const std::string& frame) {
  FrameHeader header;
  return decode_frame_header(kInstance, frame, header) == FrameError::kNone &&
         check_frame_payload(kInstance, header, frame) == FrameError::kNone;
}

TEST(FrameTest, SealsToTheGoldenBytes) {
  // docs/wal-format.md, "Frame": these bytes may never change.
  const std::string frame = make_frame(test_header(5), "hello");
  ASSERT_EQ(frame.size(), 512u);
  EXPECT_EQ(frame.substr(4, 8), "KVW1\x05\x00\x00\x00"s);
  EXPECT_EQ(frame.substr(16, 8), "\x02\0\0\0\0\0\0\0"s);
  EXPECT_EQ(frame.substr(24, 8), "\x07\0\0\0\0\0\0\0"s);
  EXPECT_EQ(frame.substr(32, 8), "\0\x04\0\0\0\0\0\0"s);
  EXPECT_EQ(frame.substr(40, 8), "\x03\0\0\0\0\0\0\0"s);
  EXPECT_EQ(frame.substr(48, 8), "\x09\0\0\0\0\0\0\0"s);
  EXPECT_EQ(frame.substr(56, 8), "\x64\0\0\0\0\0\0\0"s);
  EXPECT_EQ(frame.substr(64, 8), "\x68\0\0\0\0\0\0\0"s);
  EXPECT_EQ(frame.substr(72, 8), "\x02\0\0\0\0\0\0\0"s);
  EXPECT_EQ(frame.substr(80, 8), "\0\x02\0\0\0\0\0\0"s);
  EXPECT_EQ(frame.substr(88, 8), "\x63\0\0\0\0\0\0\0"s);
  EXPECT_EQ(frame.substr(96), "hello"s + std::string(411, '\0'));
  const std::string seed(kInstance.begin(), kInstance.end());
  const uint32_t payload_crc = crc32c(seed + frame.substr(96));
  EXPECT_EQ(frame.substr(12, 4), std::string(reinterpret_cast<const char*>(&payload_crc), 4));
  const uint32_t header_crc = crc32c(seed + frame.substr(4, 92));
  EXPECT_EQ(frame.substr(0, 4), std::string(reinterpret_cast<const char*>(&header_crc), 4));
}

TEST(FrameTest, DecodesWhatWasSealed) {
  const FrameHeader expected = test_header(5);
  const std::string frame = make_frame(expected, "hello");
  FrameHeader header;
  ASSERT_EQ(decode_frame_header(kInstance, frame, header), FrameError::kNone);
  EXPECT_EQ(header.kind, expected.kind);
  EXPECT_EQ(header.payload_bytes, expected.payload_bytes);
  EXPECT_EQ(header.segment, expected.segment);
  EXPECT_EQ(header.offset, expected.offset);
  EXPECT_EQ(header.boot, expected.boot);
  EXPECT_EQ(header.batch, expected.batch);
  EXPECT_EQ(header.first_lsn, expected.first_lsn);
  EXPECT_EQ(header.last, expected.last);
  EXPECT_EQ(header.synced_up_to, expected.synced_up_to);
  EXPECT_EQ(header.commit, expected.commit);
  EXPECT_EQ(check_frame_payload(kInstance, header, frame), FrameError::kNone);
}

TEST(FrameTest, FramesFillWholeSectors) {
  EXPECT_EQ(frame_bytes(0), 512u);
  EXPECT_EQ(frame_bytes(512 - 96), 512u);
  EXPECT_EQ(frame_bytes(512 - 96 + 1), 1024u);
}

TEST(FrameTest, EveryFlippedBitIsNoticed) {
  const std::string frame = make_frame(test_header(5), "hello");
  ASSERT_TRUE(verifies(frame));
  for (size_t i = 0; i < frame.size() * 8; ++i) {
    std::string flipped = frame;
    flipped[i / 8] = static_cast<char>(flipped[i / 8] ^ (1 << (i % 8)));
    EXPECT_FALSE(verifies(flipped)) << "bit " << i;
  }
}

TEST(FrameTest, AWholeHeaderOverATornPayloadIsToldApart) {
  const std::string payload(2000, 'x');
  std::string frame = make_frame(test_header(payload.size()), payload);
  frame[1500] = 'y';
  FrameHeader header;
  ASSERT_EQ(decode_frame_header(kInstance, frame, header), FrameError::kNone);
  EXPECT_EQ(check_frame_payload(kInstance, header, frame), FrameError::kPayload);
  EXPECT_EQ(check_frame_payload(kInstance, header, frame.substr(0, 1024)), FrameError::kPayload);
  FrameHeader again;
  EXPECT_EQ(decode_frame_header(kInstance, frame.substr(0, 95), again), FrameError::kNoHeader);
}

TEST(FrameTest, AFrameOfAnotherInstanceDoesNotVerify) {
  const std::string frame = make_frame(test_header(5), "hello");
  InstanceId other = kInstance;
  other[0] ^= 1;
  FrameHeader header;
  EXPECT_EQ(decode_frame_header(other, frame, header), FrameError::kNoHeader);
}

TEST(FrameTest, ASegmentStartIsReadableWhateverTheInstance) {
  SegmentStart expected;
  expected.node = NodeId{4};
  expected.incarnation[3] = 5;
  expected.instance = kInstance;
  expected.kernel_boot[15] = 6;
  expected.hard_state = {Term{8}, NodeId{9}};
  expected.previous_end = 4096;
  expected.last_hlc = Hlc{77};
  expected.recycled_bytes = 65536;
  expected.previous_segment = 5;
  expected.claim = Position{Term{3}, Lsn{103}};
  expected.claim_unknown = true;
  std::string payload(kSegmentStartBytes, '\xff');
  encode_segment_start(expected, payload.data());
  FrameHeader header = test_header(payload.size());
  header.kind = FrameKind::kSegmentStart;
  const std::string frame = make_frame(header, payload);
  FrameHeader decoded;
  ASSERT_EQ(decode_frame_header(InstanceId{}, frame, decoded), FrameError::kNone);
  ASSERT_EQ(check_frame_payload(InstanceId{}, decoded, frame), FrameError::kNone);
  SegmentStart start;
  ASSERT_TRUE(decode_segment_start(payload, start));
  EXPECT_EQ(start.format_version, kWalFormatVersion);
  EXPECT_EQ(start.node, expected.node);
  EXPECT_EQ(start.incarnation, expected.incarnation);
  EXPECT_EQ(start.instance, expected.instance);
  EXPECT_EQ(start.kernel_boot, expected.kernel_boot);
  EXPECT_EQ(start.hard_state, expected.hard_state);
  EXPECT_EQ(start.previous_end, expected.previous_end);
  EXPECT_EQ(start.last_hlc, expected.last_hlc);
  EXPECT_EQ(start.recycled_bytes, expected.recycled_bytes);
  EXPECT_EQ(start.previous_segment, expected.previous_segment);
  EXPECT_EQ(start.claim, expected.claim);
  EXPECT_TRUE(start.claim_unknown);
  EXPECT_FALSE(decode_segment_start(payload.substr(1), start));
}

TEST(FrameTest, ASegmentStartOfTheFirstVersionsIsReadable) {
  SegmentStart expected;
  expected.node = NodeId{4};
  expected.recycled_bytes = 65536;
  expected.previous_segment = 5;
  expected.claim = Position{Term{3}, Lsn{103}};
  expected.claim_unknown = true;
  std::string payload(kSegmentStartBytes, '\xff');
  encode_segment_start(expected, payload.data());
  payload.resize(kShortSegmentStartBytes);
  SegmentStart start = expected;
  ASSERT_TRUE(decode_segment_start(payload, start));
  EXPECT_EQ(start.node, expected.node);
  EXPECT_EQ(start.recycled_bytes, expected.recycled_bytes);
  EXPECT_EQ(start.previous_segment, 0u);
  EXPECT_EQ(start.claim, Position{});
  EXPECT_FALSE(start.claim_unknown);
}

TEST(FrameTest, AHardStateSurvivesTheRoundTrip) {
  const HardState expected{Term{5}, NodeId{6}};
  std::string payload(kHardStateBytes, '\xff');
  encode_hard_state(expected, payload.data());
  EXPECT_EQ(payload, "\x05\0\0\0\0\0\0\0\x06\0\0\0\0\0\0\0"s);
  HardState state;
  ASSERT_TRUE(decode_hard_state(payload, state));
  EXPECT_EQ(state, expected);
  EXPECT_FALSE(decode_hard_state(payload.substr(1), state));
}

TEST(FrameTest, ADamagedHeaderStillResemblesItsPlace) {
  std::string frame = make_frame(test_header(5), "hello");
  frame[50] = 'x';
  EXPECT_TRUE(resembles_frame_header(frame, 7, 1024, 3));
  frame[4] = 'x';
  EXPECT_TRUE(resembles_frame_header(frame, 7, 1024, 3)) << "one of the four may be damaged";
  EXPECT_FALSE(resembles_frame_header(frame, 7, 2048, 3));
  EXPECT_FALSE(resembles_frame_header(std::string(512, 'z'), 7, 1024, 3));
}

}  // namespace
}  // namespace kvorum::storage
