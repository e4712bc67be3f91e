#include "tools/arguments.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tools/json.h"
#include "tools/progress.h"

namespace kvorum::tools {
namespace {

using ::testing::HasSubstr;

std::string error(const std::vector<std::string>& words) {
  return std::string(parse_arguments(words).status().message());
}

TEST(ArgumentsTest, OptionsMayStandAnywhere) {
  const auto arguments =
      parse_arguments({"--json", "restore", "--to", "b", "--rejoin", "--from", "a", "--snapshot",
                       "c", "--snapshot", "d", "--until", "12"});
  ASSERT_TRUE(arguments.ok()) << arguments.status();
  EXPECT_EQ(arguments->command, "restore");
  EXPECT_TRUE(arguments->json);
  EXPECT_TRUE(arguments->rejoin);
  EXPECT_EQ(arguments->from, "a");
  EXPECT_EQ(arguments->to, "b");
  EXPECT_EQ(arguments->snapshots, (std::vector<std::string>{"c", "d"}));
  EXPECT_EQ(arguments->until.lsn, storage::Lsn{12});
  EXPECT_EQ(parse_arguments({"dump", "x", "y", "--json"})->paths,
            (std::vector<std::string>{"x", "y"}));
  EXPECT_TRUE(parse_arguments({"dump", "--help"})->help);
}

TEST(ArgumentsTest, WhatIsWrongIsSaid) {
  EXPECT_THAT(error({}), HasSubstr("no command"));
  EXPECT_THAT(error({"frobnicate", "x"}), HasSubstr("unknown command 'frobnicate'"));
  EXPECT_THAT(error({"dump", "--frob", "x"}), HasSubstr("unknown option '--frob'"));
  EXPECT_THAT(error({"dump"}), HasSubstr("dump needs a directory or a file"));
  EXPECT_THAT(error({"diff", "a"}), HasSubstr("diff needs two directories"));
  EXPECT_THAT(error({"restore", "--from", "a"}), HasSubstr("restore needs --from and --to"));
  EXPECT_THAT(error({"restore", "--from", "a", "--to", "b", "c"}), HasSubstr("takes no 'c'"));
  EXPECT_THAT(error({"restore", "--from", "a", "--to"}), HasSubstr("--to needs a value"));
  EXPECT_THAT(error({"restore", "--from", "a", "--to", "b", "--until", "noon"}),
              HasSubstr("'noon' is no point of a log"));
  EXPECT_THAT(error({"verify", "a", "--until", "3"}), HasSubstr("they are restore's"));
}

TEST(JsonTest, BytesBecomeCharactersOfTheirNumber) {
  EXPECT_EQ(json_text(std::string_view("a\"\\\n\0\xff", 6)), R"("a\"\\\u000a\u0000\u00ff")");
  EXPECT_EQ(JsonObject().str(), "{}");
  EXPECT_EQ(JsonObject().number("n", 1).flag("f", false).json("l", json_list({"1", "2"})).str(),
            R"({"n":1,"f":false,"l":[1,2]})");
}

TEST(ProgressTest, TheLineSaysHowFarHowFastAndHowLong) {
  EXPECT_EQ(progress_line("verify", 0, 100, 0), "verify [------------------------------]   0 %");
  EXPECT_EQ(progress_line("verify", 50'000'000, 100'000'000, 2),
            "verify [###############---------------]  50 %  25.0 MB/s  2 s left");
  // A file that grows while it is read.
  EXPECT_EQ(progress_line("verify", 30'000'000, 20'000'000, 3),
            "verify [##############################] 100 %  10.0 MB/s  0 s left");
}

}  // namespace
}  // namespace kvorum::tools
