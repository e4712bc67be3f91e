#include "base/secret.h"

#include <gtest/gtest.h>

namespace kvorum::base {
namespace {

TEST(SecretTest, OnlyAllOfItFits) {
  EXPECT_TRUE(same_secret("hunter2", "hunter2"));
  for (const char* given : {"", "hunter", "hunter22", "hunter3", "Hunter2", "hunter2hunter2"}) {
    EXPECT_FALSE(same_secret(given, "hunter2")) << given;
  }
}

TEST(SecretTest, NoSecretFitsOnlyNoSecret) {
  EXPECT_TRUE(same_secret("", ""));
  EXPECT_FALSE(same_secret("a", ""));
  EXPECT_FALSE(same_secret("", "a"));
  EXPECT_FALSE(same_secret(std::string_view("\0", 1), ""));
}

}  // namespace
}  // namespace kvorum::base
