#include "server/node/session_token.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cctype>

namespace kvorum::server {
namespace {

using storage::Lsn;
using storage::Position;
using storage::Term;

constexpr storage::Incarnation kOurs = {1, 2, 3};
constexpr storage::Incarnation kAnother = {1, 2, 4};

TEST(SessionToken, APositionComesBack) {
  for (const Position position :
       {Position{}, Position{Term{7}, Lsn{12'345}}, Position{Term{UINT64_MAX}, Lsn{UINT64_MAX}}}) {
    const auto read = decode_token(kOurs, encode_token(kOurs, position));
    ASSERT_TRUE(read.ok()) << read.status();
    EXPECT_EQ(*read, position);
  }
}

TEST(SessionToken, ATokenIsAShortPrintableWord) {
  const std::string token = encode_token(kOurs, {Term{UINT64_MAX}, Lsn{UINT64_MAX}});
  EXPECT_LE(token.size(), 64u);
  for (const char c : token) EXPECT_TRUE(std::isalnum(c) || c == '-') << token;
}

TEST(SessionToken, ATokenOfAnotherClusterIsToldApart) {
  const auto read = decode_token(kOurs, encode_token(kAnother, {Term{7}, Lsn{9}}));
  EXPECT_EQ(read.status().code(), absl::StatusCode::kFailedPrecondition);
}

TEST(SessionToken, WhatWasNeverGivenIsNoToken) {
  const std::string token = encode_token(kOurs, {Term{7}, Lsn{9}});
  std::vector<std::string> wrong = {"",          "-",         "----",     "k1-1-7-9-0",
                                    token + "-", token + "0", " " + token};
  for (size_t i = 0; i < token.size(); ++i) {
    wrong.push_back(token.substr(0, i));
    wrong.push_back(token);
    wrong.back()[i] = wrong.back()[i] == 'z' ? 'y' : 'z';
    wrong.push_back(token);
    wrong.back()[i] = wrong.back()[i] == '3' ? '4' : '3';
  }
  for (const std::string& text : wrong) {
    EXPECT_EQ(decode_token(kOurs, text).status().code(), absl::StatusCode::kInvalidArgument)
        << text;
  }
}

}  // namespace
}  // namespace kvorum::server
