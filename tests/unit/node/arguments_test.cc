#include "server/node/commands/arguments.h"

#include <gtest/gtest.h>

#include <limits>
#include <string>

namespace kvorum::server {
namespace {

TEST(ParseInteger, TakesWhatPrintingTheNumberGives) {
  for (const int64_t number :
       {int64_t{0}, int64_t{7}, int64_t{-7}, int64_t{1234567890},
        std::numeric_limits<int64_t>::max(), std::numeric_limits<int64_t>::min()}) {
    int64_t value = 1;
    EXPECT_TRUE(parse_integer(std::to_string(number), value)) << number;
    EXPECT_EQ(value, number);
  }
}

TEST(ParseInteger, RefusesEverythingElse) {
  int64_t value = 0;
  for (const std::string_view text :
       {"", "-", "+1", "-0", "00", "01", "-01", " 1", "1 ", "1.0", "1e3", "0x1", "x",
        "9223372036854775808", "-9223372036854775809", "99999999999999999999999"}) {
    EXPECT_FALSE(parse_integer(text, value)) << text;
  }
  EXPECT_FALSE(parse_integer(std::string_view("1\0", 2), value));
}

TEST(ParseLongDouble, TakesTheWholeTextOrNothing) {
  long double value = 0;
  EXPECT_TRUE(parse_long_double("-2.5e1", value));
  EXPECT_EQ(value, -25.0L);
  EXPECT_TRUE(parse_long_double("0x10", value));
  EXPECT_EQ(value, 16.0L);
  EXPECT_TRUE(parse_long_double("1e4932", value));
  for (const std::string_view text :
       {"", " 1", "1 ", "1x", "nan", "1e5000", "-1e5000", "1e-5000"}) {
    EXPECT_FALSE(parse_long_double(text, value)) << text;
  }
  EXPECT_FALSE(parse_long_double(std::string_view("1\0", 2), value));
  EXPECT_TRUE(parse_long_double(std::string(5119, '0'), value));
  EXPECT_FALSE(parse_long_double(std::string(5120, '0'), value));
}

TEST(IsWord, IgnoresCaseOnly) {
  EXPECT_TRUE(is_word("KeepTtl", "KEEPTTL"));
  EXPECT_FALSE(is_word("KEEPTTLS", "KEEPTTL"));
  EXPECT_FALSE(is_word("", "KEEPTTL"));
}

}  // namespace
}  // namespace kvorum::server
