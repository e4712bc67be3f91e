#include "server/node/command_docs.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>
#include <string>

#include "server/node/command.h"

namespace kvorum::server {
namespace {

using testing::ElementsAre;
using testing::SizeIs;

ArgumentDocumentation parse_one(std::string_view text) {
  const auto arguments = parse_argument_documentation(text);
  EXPECT_TRUE(arguments.ok()) << arguments.status();
  EXPECT_THAT(*arguments, SizeIs(1));
  return arguments->front();
}

void for_each_row(const std::function<void(const Command&)>& visit) {
  for (const Command* command : all_commands()) {
    visit(*command);
    for (const Command& subcommand : command->subcommands) visit(subcommand);
  }
}

TEST(ArgumentDocumentation, TheTypeFollowsFromTokenAndKeySpec) {
  EXPECT_EQ(parse_one("value").type, "string");
  EXPECT_EQ(parse_one("key#0").type, "key");
  EXPECT_EQ(parse_one("equal='='").type, "pure-token");
  EXPECT_EQ(parse_one("count<integer>=COUNT").type, "integer");
}

TEST(ArgumentDocumentation, AWordInCapitalsIsAPureToken) {
  const ArgumentDocumentation argument = parse_one("KEEPTTL@6.0.0?");
  EXPECT_EQ(argument.name, "keepttl");
  EXPECT_EQ(argument.token, "KEEPTTL");
  EXPECT_EQ(argument.type, "pure-token");
  EXPECT_EQ(argument.since, "6.0.0");
  EXPECT_TRUE(argument.optional);
  EXPECT_FALSE(argument.multiple);
}

TEST(ArgumentDocumentation, GroupsNest) {
  const ArgumentDocumentation argument =
      parse_one("range(limit{offset<integer> count<integer>}=LIMIT|ALL)?");
  EXPECT_EQ(argument.type, "oneof");
  ASSERT_THAT(argument.arguments, SizeIs(2));
  EXPECT_EQ(argument.arguments[0].type, "block");
  EXPECT_EQ(argument.arguments[0].token, "LIMIT");
  ASSERT_THAT(argument.arguments[0].arguments, SizeIs(2));
  EXPECT_EQ(argument.arguments[0].arguments[1].name, "count");
  EXPECT_EQ(argument.arguments[1].name, "all");
}

TEST(ArgumentDocumentation, APlusMeansTheTokenEachTime) {
  const ArgumentDocumentation argument = parse_one("pattern<pattern>=GET?+");
  EXPECT_TRUE(argument.multiple);
  EXPECT_TRUE(argument.multiple_token);
}

TEST(ArgumentDocumentation, WhatIsNotGrammaticalIsRefused) {
  for (const std::string_view text :
       {" ", "a ", "a  b", "a(", "a(b", "a{b|c}", "a<int>", "a<", "a=", "a='b", "a#", "a@", "?"}) {
    EXPECT_FALSE(parse_argument_documentation(text).ok()) << text;
  }
}

TEST(CommandTable, TheArgumentsOfEveryRowParse) {
  for_each_row([](const Command& row) {
    const auto arguments = parse_argument_documentation(row.arguments);
    EXPECT_TRUE(arguments.ok()) << row.name << ": " << arguments.status();
  });
}

TEST(CommandTable, EveryRowIsWhole) {
  for_each_row([](const Command& row) {
    EXPECT_NE(row.arity, 0) << row.name;
    EXPECT_FALSE(row.group.empty()) << row.name;
    EXPECT_FALSE(row.since.empty()) << row.name;
    EXPECT_FALSE(row.summary.empty()) << row.name;
    EXPECT_TRUE(row.categories.starts_with('@')) << row.name;
    EXPECT_TRUE(row.handler != nullptr || !row.subcommands.empty()) << row.name;
  });
}

TEST(CommandTable, SubcommandsAreNamedAfterTheirContainer) {
  for (const Command* command : all_commands()) {
    for (const Command& subcommand : command->subcommands) {
      EXPECT_TRUE(subcommand.name.starts_with(std::string(command->name) + '|')) << subcommand.name;
    }
  }
}

TEST(CommandTable, KeySpecsAgreeWithTheKeyRange) {
  for_each_row([](const Command& row) {
    const CommandDetails* details = find_command_details(row.name);
    const auto specs = parse_key_specs(details == nullptr ? "" : details->key_specs);
    if (row.keys.first == 0) {
      EXPECT_TRUE(specs.empty()) << row.name;
    } else {
      ASSERT_FALSE(specs.empty()) << row.name;
      EXPECT_EQ(specs.front().first, row.keys.first) << row.name;
    }
  });
}

TEST(CommandDetails, AreSortedAndBelongToARow) {
  std::set<std::string_view> rows;
  for_each_row([&](const Command& row) { rows.insert(row.name); });
  std::string_view before;
  for (const CommandDetails& details : all_command_details()) {
    EXPECT_LT(before, details.name);
    EXPECT_TRUE(rows.contains(details.name)) << details.name;
    before = details.name;
  }
}

TEST(CommandLookup, FindsSubcommandsByTheirFullName) {
  ASSERT_NE(find_full_command("Config|GET"), nullptr);
  EXPECT_EQ(find_full_command("Config|GET")->name, "config|get");
  EXPECT_EQ(find_full_command("get")->name, "get");
  EXPECT_EQ(find_full_command("config|nothing"), nullptr);
  EXPECT_EQ(find_full_command("nothing|get"), nullptr);
}

TEST(Split, KeepsEmptyPartsInside) {
  EXPECT_THAT(split("a;;b", ';'), ElementsAre("a", "", "b"));
  EXPECT_TRUE(split("", ';').empty());
}

}  // namespace
}  // namespace kvorum::server
