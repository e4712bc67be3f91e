// COMMAND INFO's form of a row.
#include <algorithm>
#include <utility>

#include "base/check.h"
#include "base/text.h"
#include "server/node/command_docs.h"

namespace kvorum::server {
namespace {

// In Redis' order.
constexpr std::pair<uint32_t, std::string_view> kFlagNames[] = {
    {command_flag::kWrite, "write"},
    {command_flag::kReadOnly, "readonly"},
    {command_flag::kDenyOom, "denyoom"},
    {command_flag::kAdmin, "admin"},
    {command_flag::kPubSub, "pubsub"},
    {command_flag::kNoScript, "noscript"},
    {command_flag::kBlocking, "blocking"},
    {command_flag::kLoading, "loading"},
    {command_flag::kStale, "stale"},
    {command_flag::kSkipMonitor, "skip_monitor"},
    {command_flag::kSkipSlowlog, "skip_slowlog"},
    {command_flag::kFast, "fast"},
    {command_flag::kNoAuth, "no_auth"},
    {command_flag::kNoAsyncLoading, "no_async_loading"},
    {command_flag::kNoMulti, "no_multi"},
    {command_flag::kNoMandatoryKeys, "no_mandatory_keys"},
    {command_flag::kMovableKeys, "movablekeys"},
    {command_flag::kAllowBusy, "allow_busy"},
};

void write_flags(resp::ReplyWriter& reply, uint32_t flags) {
  reply.set(static_cast<size_t>(
      std::count_if(std::begin(kFlagNames), std::end(kFlagNames),
                    [flags](const auto& flag) { return (flags & flag.first) != 0; })));
  for (const auto& [flag, name] : kFlagNames) {
    if (flags & flag) reply.simple_string(name);
  }
}

void write_words(resp::ReplyWriter& reply, const std::vector<std::string_view>& words) {
  reply.set(words.size());
  for (const std::string_view word : words) reply.simple_string(word);
}

void write_spec_numbers(resp::ReplyWriter& reply,
                        std::initializer_list<std::pair<std::string_view, int>> numbers) {
  reply.bulk("spec");
  reply.map(numbers.size());
  for (const auto& [name, number] : numbers) {
    reply.bulk(name);
    reply.integer(number);
  }
}

void write_key_spec(resp::ReplyWriter& reply, const KeySpec& spec) {
  reply.map(spec.note.empty() ? 3 : 4);
  if (!spec.note.empty()) {
    reply.bulk("notes");
    reply.bulk(spec.note);
  }
  reply.bulk("flags");
  write_words(reply, spec.flags);
  reply.bulk("begin_search");
  reply.map(2);
  reply.bulk("type");
  reply.bulk("index");
  write_spec_numbers(reply, {{"index", spec.first}});
  reply.bulk("find_keys");
  reply.map(2);
  reply.bulk("type");
  reply.bulk("range");
  write_spec_numbers(reply,
                     {{"lastkey", spec.last}, {"keystep", spec.step}, {"limit", spec.limit}});
}

}  // namespace

std::vector<KeySpec> parse_key_specs(std::string_view text) {
  std::vector<KeySpec> specs;
  for (std::string_view part : split(text, ';')) {
    KeySpec spec;
    const size_t note_end = part.find(": ");
    if (note_end != std::string_view::npos) {
      spec.note = part.substr(0, note_end);
      part.remove_prefix(note_end + 2);
    }
    const size_t place = part.find(" @");
    CHECK(place != std::string_view::npos) << part;
    spec.flags = split(part.substr(0, place), ' ');
    const auto words = split(part.substr(place + 2), ' ');
    CHECK(words.size() == 5 && words[1] == "range") << part;
    const auto number = [&](size_t i) { return base::parse_integer<int>(words[i]).value_or(0); };
    spec.first = number(0);
    spec.last = number(2);
    spec.step = number(3);
    spec.limit = number(4);
    specs.push_back(std::move(spec));
  }
  return specs;
}

void write_command_info(resp::ReplyWriter& reply, const Command& command) {
  const CommandDetails* details = find_command_details(command.name);
  reply.array(10);
  reply.bulk(command.name);
  reply.integer(command.arity);
  write_flags(reply, command.flags);
  reply.integer(command.keys.first);
  reply.integer(command.keys.last);
  reply.integer(command.keys.step);
  write_words(reply, split(command.categories, ' '));
  const auto tips = split(details == nullptr ? "" : details->tips, ' ');
  reply.set(tips.size());
  for (const std::string_view tip : tips) reply.bulk(tip);
  const auto specs = parse_key_specs(details == nullptr ? "" : details->key_specs);
  reply.set(specs.size());
  for (const KeySpec& spec : specs) write_key_spec(reply, spec);
  // Redis answers a set where there are none.
  if (command.subcommands.empty()) {
    reply.set(0);
  } else {
    reply.array(command.subcommands.size());
  }
  for (const Command& each : command.subcommands) write_command_info(reply, each);
}

}  // namespace kvorum::server
