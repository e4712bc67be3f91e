#include "resp/reply_writer.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <functional>
#include <limits>
#include <string>
#include <string_view>

namespace kvorum::resp {
namespace {

using Write = std::function<void(ReplyWriter&)>;

std::string written(Protocol protocol, const Write& write) {
  std::string out = "before";
  ReplyWriter writer(out, protocol);
  write(writer);
  EXPECT_EQ(out.substr(0, 6), "before");
  return out.substr(6);
}

void expect_bytes(const Write& write, std::string_view resp2, std::string_view resp3) {
  EXPECT_EQ(written(Protocol::kResp2, write), resp2);
  EXPECT_EQ(written(Protocol::kResp3, write), resp3);
}

void expect_bytes(const Write& write, std::string_view both) { expect_bytes(write, both, both); }

TEST(ReplyWriter, SimpleStrings) {
  expect_bytes([](ReplyWriter& w) { w.ok(); }, "+OK\r\n");
  expect_bytes([](ReplyWriter& w) { w.simple_string("PONG"); }, "+PONG\r\n");
  expect_bytes([](ReplyWriter& w) { w.simple_string(""); }, "+\r\n");
}

TEST(ReplyWriter, ErrorsStayOneLine) {
  const auto error = [](std::string_view text) {
    return [text](ReplyWriter& w) { w.error(text); };
  };
  expect_bytes(error("ERR no such key"), "-ERR no such key\r\n");
  expect_bytes(error("ERR a\r\nb\nc\rd"), "-ERR a  b c d\r\n");
  expect_bytes(error("\r\n\nERR a\r\n\r\n"), "-ERR a\r\n");
  expect_bytes(error("ERR got '\r'"), "-ERR got ' '\r\n");
  expect_bytes(error("ERR x\r\n+OK"), "-ERR x  +OK\r\n");
  expect_bytes(error("\r\n"), "-\r\n");
  expect_bytes(error(""), "-\r\n");
}

TEST(ReplyWriter, AnErrorDoesNotTouchWhatIsBeforeIt) {
  std::string out;
  ReplyWriter writer(out, Protocol::kResp2);
  writer.ok();
  writer.error("ERR a\nb");
  writer.ok();
  EXPECT_EQ(out, "+OK\r\n-ERR a b\r\n+OK\r\n");
}

TEST(ReplyWriter, IntegersOfEveryLength) {
  std::string digits;
  int64_t value = 0;
  for (int length = 1; length <= 18; ++length) {
    value = value * 10 + length % 10;
    digits += static_cast<char>('0' + length % 10);
    expect_bytes([value](ReplyWriter& w) { w.integer(value); }, ":" + digits + "\r\n");
    expect_bytes([value](ReplyWriter& w) { w.integer(-value); }, ":-" + digits + "\r\n");
  }
}

TEST(ReplyWriter, IntegersAroundThePowersOfTen) {
  int64_t power = 1;
  for (int exponent = 0; exponent <= 18; ++exponent) {
    for (const int64_t value : {power - 1, power, power + 1, -power, 1 - power}) {
      expect_bytes([value](ReplyWriter& w) { w.integer(value); },
                   ":" + std::to_string(value) + "\r\n");
    }
    if (exponent < 18) power *= 10;
  }
  expect_bytes([](ReplyWriter& w) { w.integer(std::numeric_limits<int64_t>::max()); },
               ":9223372036854775807\r\n");
  expect_bytes([](ReplyWriter& w) { w.integer(std::numeric_limits<int64_t>::min()); },
               ":-9223372036854775808\r\n");
}

TEST(ReplyWriter, BulkStringsOfEverySize) {
  expect_bytes([](ReplyWriter& w) { w.bulk({}); }, "$0\r\n\r\n");
  for (const size_t size : {1, 9, 10, 99, 100, 126, 127, 128, 129, 130, 1000, 100000}) {
    const std::string bytes(size, 'x');
    expect_bytes([&](ReplyWriter& w) { w.bulk(bytes); },
                 "$" + std::to_string(size) + "\r\n" + bytes + "\r\n");
  }
}

TEST(ReplyWriter, BulkStringsMayHoldAnyBytes) {
  const std::string_view bytes("a\0\r\n$", 5);
  expect_bytes([&](ReplyWriter& w) { w.bulk(bytes); }, std::string_view("$5\r\na\0\r\n$\r\n", 11));
}

TEST(ReplyWriter, BulkIntegers) {
  expect_bytes([](ReplyWriter& w) { w.bulk_integer(0); }, "$1\r\n0\r\n");
  expect_bytes([](ReplyWriter& w) { w.bulk_integer(-12); }, "$3\r\n-12\r\n");
  expect_bytes([](ReplyWriter& w) { w.bulk_integer(std::numeric_limits<int64_t>::min()); },
               "$20\r\n-9223372036854775808\r\n");
}

TEST(ReplyWriter, Nulls) {
  expect_bytes([](ReplyWriter& w) { w.null(); }, "$-1\r\n", "_\r\n");
  expect_bytes([](ReplyWriter& w) { w.null_array(); }, "*-1\r\n", "_\r\n");
}

TEST(ReplyWriter, Booleans) {
  expect_bytes([](ReplyWriter& w) { w.boolean(true); }, ":1\r\n", "#t\r\n");
  expect_bytes([](ReplyWriter& w) { w.boolean(false); }, ":0\r\n", "#f\r\n");
}

TEST(ReplyWriter, DoublesHaveSeventeenDigits) {
  const auto real = [](double value) { return [value](ReplyWriter& w) { w.real(value); }; };
  expect_bytes(real(0), "$1\r\n0\r\n", ",0\r\n");
  expect_bytes(real(-0.0), "$2\r\n-0\r\n", ",-0\r\n");
  expect_bytes(real(3), "$1\r\n3\r\n", ",3\r\n");
  expect_bytes(real(1.5), "$3\r\n1.5\r\n", ",1.5\r\n");
  expect_bytes(real(0.1), "$19\r\n0.10000000000000001\r\n", ",0.10000000000000001\r\n");
  expect_bytes(real(1e100), "$6\r\n1e+100\r\n", ",1e+100\r\n");
  expect_bytes(real(-1.7976931348623157e308), "$24\r\n-1.7976931348623157e+308\r\n",
               ",-1.7976931348623157e+308\r\n");
  expect_bytes(real(1e-5), "$22\r\n1.0000000000000001e-05\r\n", ",1.0000000000000001e-05\r\n");
}

TEST(ReplyWriter, DoublesThatAreNoNumbers) {
  const auto real = [](double value) { return [value](ReplyWriter& w) { w.real(value); }; };
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
  expect_bytes(real(kInfinity), "$3\r\ninf\r\n", ",inf\r\n");
  expect_bytes(real(-kInfinity), "$4\r\n-inf\r\n", ",-inf\r\n");
  expect_bytes(real(kNan), "$3\r\nnan\r\n", ",nan\r\n");
  expect_bytes(real(-kNan), "$3\r\nnan\r\n", ",nan\r\n");
}

TEST(ReplyWriter, VerbatimStrings) {
  expect_bytes([](ReplyWriter& w) { w.verbatim("txt", "a\r\nb"); }, "$4\r\na\r\nb\r\n",
               "=8\r\ntxt:a\r\nb\r\n");
  expect_bytes([](ReplyWriter& w) { w.verbatim("mkd", ""); }, "$0\r\n\r\n", "=4\r\nmkd:\r\n");
}

TEST(ReplyWriter, BigNumbers) {
  expect_bytes([](ReplyWriter& w) { w.big_number("-123456789012345678901234567890"); },
               "$31\r\n-123456789012345678901234567890\r\n",
               "(-123456789012345678901234567890\r\n");
}

TEST(ReplyWriter, AggregateHeaders) {
  expect_bytes([](ReplyWriter& w) { w.array(0); }, "*0\r\n");
  expect_bytes([](ReplyWriter& w) { w.array(123); }, "*123\r\n");
  expect_bytes([](ReplyWriter& w) { w.map(6); }, "*12\r\n", "%6\r\n");
  expect_bytes([](ReplyWriter& w) { w.set(3); }, "*3\r\n", "~3\r\n");
  expect_bytes([](ReplyWriter& w) { w.push(3); }, "*3\r\n", ">3\r\n");
}

TEST(ReplyWriter, AnArraysLengthMayComeLast) {
  for (const size_t count : {0, 1, 9, 10, 99, 100, 12345}) {
    const Write deferred = [count](ReplyWriter& w) {
      const size_t mark = w.begin_array();
      for (size_t i = 0; i < count; ++i) w.bulk("x");
      w.end_array(mark, count);
      w.ok();
    };
    const Write direct = [count](ReplyWriter& w) {
      w.array(count);
      for (size_t i = 0; i < count; ++i) w.bulk("x");
      w.ok();
    };
    expect_bytes(deferred, written(Protocol::kResp2, direct));
  }
}

TEST(ReplyWriter, AMapsLengthMayComeLast) {
  const Write write = [](ReplyWriter& w) {
    const size_t mark = w.begin_map();
    for (int i = 0; i < 6; ++i) {
      w.integer(i);
      w.ok();
    }
    w.end_map(mark, 6);
  };
  const std::string body =
      ":0\r\n+OK\r\n:1\r\n+OK\r\n:2\r\n+OK\r\n:3\r\n+OK\r\n:4\r\n+OK\r\n:5\r\n+OK\r\n";
  expect_bytes(write, "*12\r\n" + body, "%6\r\n" + body);
}

TEST(ReplyWriter, LateLengthsNest) {
  const Write write = [](ReplyWriter& w) {
    const size_t outer = w.begin_array();
    const size_t inner = w.begin_array();
    for (int i = 0; i < 10; ++i) w.integer(i);
    w.end_array(inner, 10);
    const size_t last = w.begin_map();
    w.end_map(last, 0);
    w.end_array(outer, 2);
  };
  const std::string numbers = ":0\r\n:1\r\n:2\r\n:3\r\n:4\r\n:5\r\n:6\r\n:7\r\n:8\r\n:9\r\n";
  expect_bytes(write, "*2\r\n*10\r\n" + numbers + "*0\r\n", "*2\r\n*10\r\n" + numbers + "%0\r\n");
}

}  // namespace
}  // namespace kvorum::resp
