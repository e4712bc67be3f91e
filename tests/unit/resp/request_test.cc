#include "resp/request.h"

#include <gtest/gtest.h>

#include <string>
#include <string_view>
#include <vector>

#include "tests/unit/resp/parse.h"

namespace kvorum::resp {
namespace {

TEST(Request, IsAnArrayOfBulkStrings) {
  EXPECT_EQ(encode_request({"SET", "k", "hello world"}),
            "*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$11\r\nhello world\r\n");
  EXPECT_EQ(encode_request({"ECHO", ""}), "*2\r\n$4\r\nECHO\r\n$0\r\n\r\n");
}

TEST(Request, IsAppended) {
  std::string out = encode_request({"PING"});
  append_request(out, std::vector<std::string_view>{"GET", "k"});
  EXPECT_EQ(out, "*1\r\n$4\r\nPING\r\n*2\r\n$3\r\nGET\r\n$1\r\nk\r\n");
}

TEST(Request, ParsesBackToItsArguments) {
  const Command command = {std::string("\0\r\n$*", 5), "", std::string(1000, 'x')};
  std::string out;
  append_request(out, std::vector<std::string_view>(command.begin(), command.end()));
  EXPECT_EQ(parse(out).commands, std::vector<Command>{command});
}

}  // namespace
}  // namespace kvorum::resp
