#include "server/shell/logging.h"

#include <gtest/gtest.h>

#include <string>

namespace kvorum::server {
namespace {

TEST(LoggingTest, ControlBytesAreEscaped) {
  EXPECT_EQ(printable("a\r\nb\x1b[31m\x7f"), "a\\x0d\\x0ab\\x1b[31m\\x7f");
}

TEST(LoggingTest, PlainTextAndUtf8Stay) { EXPECT_EQ(printable("grün 100 %"), "grün 100 %"); }

TEST(LoggingTest, AnOverlongMessageIsCut) {
  EXPECT_LT(printable(std::string(100'000, 'x')).size(), 1100u);
}

TEST(LoggingTest, AFileThatCannotBeOpenedIsAnError) {
  Options options;
  options.log_file = "/dev/null/kvorum.log";
  EXPECT_FALSE(open_log(options).ok());
}

}  // namespace
}  // namespace kvorum::server
