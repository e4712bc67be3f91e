#include "tests/benchmarks/request_writer.h"

#include <gtest/gtest.h>

#include <string>

namespace kvorum::load {
namespace {

Options small_options(Workload workload) {
  Options options;
  options.workload = workload;
  options.keys = 3;
  options.key_size = 8;
  options.value_size = 4;
  options.mset_keys = 2;
  options.sequential = true;
  return options;
}

std::string next(RequestWriter& writer) {
  std::string out;
  writer.append_request(out);
  return out;
}

TEST(RequestWriter, SequentialKeysCountUpAndStartAgain) {
  RequestWriter writer(small_options(Workload::kGet));
  for (const char* key : {"key:0000", "key:0001", "key:0002", "key:0000"}) {
    EXPECT_EQ(next(writer), "*2\r\n$3\r\nGET\r\n$8\r\n" + std::string(key) + "\r\n");
  }
}

TEST(RequestWriter, SetCarriesAValueOfTheSizeAskedFor) {
  RequestWriter writer(small_options(Workload::kSet));
  const std::string request = next(writer);
  const std::string head = "*3\r\n$3\r\nSET\r\n$8\r\nkey:0000\r\n$4\r\n";
  EXPECT_EQ(request.substr(0, head.size()), head);
  EXPECT_EQ(request.size(), head.size() + 6);
  EXPECT_EQ(request.substr(request.size() - 2), "\r\n");
}

TEST(RequestWriter, MsetHoldsSeveralKeys) {
  RequestWriter writer(small_options(Workload::kMset));
  const std::string request = next(writer);
  EXPECT_EQ(request.substr(0, 14), "*5\r\n$4\r\nMSET\r\n");
  EXPECT_NE(request.find("key:0000"), std::string::npos);
  EXPECT_NE(request.find("key:0001"), std::string::npos);
}

TEST(RequestWriter, RandomKeysReachTheWholeKeySpaceAndRepeatWithTheSeed) {
  Options options = small_options(Workload::kIncr);
  options.sequential = false;
  RequestWriter one(options);
  RequestWriter other(options);
  std::string seen;
  for (int i = 0; i < 100; ++i) {
    const std::string request = next(one);
    EXPECT_EQ(request, next(other));
    seen += request;
  }
  for (const char* key : {"key:0000", "key:0001", "key:0002"}) {
    EXPECT_NE(seen.find(key), std::string::npos) << key;
  }
  EXPECT_EQ(seen.find("key:0003"), std::string::npos);
}

}  // namespace
}  // namespace kvorum::load
