#include "tools/arguments.h"

#include <algorithm>
#include <array>

#include "base/text.h"

namespace kvorum::tools {
namespace {

constexpr std::array<std::string_view, 5> kCommands = {"dump", "verify", "stats", "diff",
                                                       "restore"};

absl::Status wrong(std::string message) { return absl::InvalidArgumentError(std::move(message)); }

absl::Status take_value(std::string_view option, const std::string& value, Arguments& arguments) {
  if (option == "--from") {
    arguments.from = value;
  } else if (option == "--to") {
    arguments.to = value;
  } else if (option == "--snapshot") {
    arguments.snapshots.push_back(value);
  } else {
    const auto point = parse_point(value);
    if (!point.ok()) return point.status();
    arguments.until = *point;
  }
  return absl::OkStatus();
}

absl::Status check(const Arguments& arguments) {
  const std::string& command = arguments.command;
  if (command.empty()) return wrong("no command is given");
  if (std::find(kCommands.begin(), kCommands.end(), command) == kCommands.end()) {
    return wrong(base::concat("unknown command '", command, "'"));
  }
  if (command == "restore") {
    if (arguments.from.empty() || arguments.to.empty())
      return wrong("restore needs --from and --to");
    if (!arguments.paths.empty()) {
      return wrong(base::concat("restore takes no '", arguments.paths.front(), "'"));
    }
    return absl::OkStatus();
  }
  const bool restores = !arguments.from.empty() || !arguments.to.empty() || arguments.rejoin ||
                        !arguments.snapshots.empty() || arguments.until.lsn.has_value() ||
                        arguments.until.unix_ms.has_value();
  if (restores) return wrong(base::concat(command, " has no such options: they are restore's"));
  if (command == "diff" && arguments.paths.size() != 2) return wrong("diff needs two directories");
  if (arguments.paths.empty()) return wrong(base::concat(command, " needs a directory or a file"));
  return absl::OkStatus();
}

}  // namespace

const std::string_view kHelp =
    "usage: kvorum-wal [--json] dump DIR|FILE...\n"
    "       kvorum-wal [--json] verify DIR|FILE...\n"
    "       kvorum-wal [--json] stats DIR|FILE...\n"
    "       kvorum-wal [--json] diff DIR DIR\n"
    "       kvorum-wal [--json] restore --from DIR --to DIR [--until POINT]\n"
    "                           [--snapshot DIR|FILE]... [--rejoin]\n"
    "\n"
    "dump     prints every frame, record and effect of the segments and of the orphaned records\n"
    "         of a data directory, or of such files. Keys and values are escaped; long ones are\n"
    "         cut, but not with --json.\n"
    "verify   reads everything and checks every byte: a data directory as a start would\n"
    "         (identity, snapshots, the whole log, orphaned records), a file of it by itself.\n"
    "         Damage is reported with file, offset and reason.\n"
    "stats    counts what is there: files, frames, records and effects by kind, their bytes, the\n"
    "         span of lsns, terms and times.\n"
    "diff     compares the logs of two nodes of one cluster: where they agree, where they part,\n"
    "         and whether any committed record differs. That must never be.\n"
    "restore  makes a new data directory from the newest snapshot before a point and the log up\n"
    "         to it; records after it are left out. POINT is an lsn, a time with its zone\n"
    "         (2026-11-21T10:00:00Z) or Unix milliseconds, and inclusive; without --until\n"
    "         everything is restored. --from is a data directory or a BACKUP and stays as it is;\n"
    "         --to must not exist or be empty. --snapshot adds snapshots that were kept\n"
    "         elsewhere, of a BACKUP say. A server that is started on the result is alone, or\n"
    "         founds a new cluster with its peers, which must be empty. With --rejoin the result\n"
    "         is for one node of the cluster that --from belongs to, and learns there what came\n"
    "         later.\n"
    "\n"
    "--json   prints JSON: one object, or with dump one in each line. A byte that is no ASCII\n"
    "         character is the character of its number.\n"
    "\n"
    "orphaned-TERM-LSN.wal holds the records, from that one on, that a returning old leader had\n"
    "to drop: they were never committed.\n"
    "\n"
    "Nothing is changed but --to, no lock is taken; beside a running server the newest batch may\n"
    "look torn. A log that ends in a torn tail is sound: a power cut leaves that, and nothing in\n"
    "it was synced. On a terminal a bar shows how far it is.\n"
    "\n"
    "exit status: 0 all is sound (restore: done), 1 something is damaged (diff: a committed\n"
    "record differs), 2 wrong usage, nothing to read, or a point that is not there\n";

absl::StatusOr<Arguments> parse_arguments(const std::vector<std::string>& words) {
  Arguments arguments;
  for (size_t i = 0; i < words.size(); ++i) {
    const std::string& word = words[i];
    if (word == "--help" || word == "-h") {
      arguments.help = true;
      return arguments;
    }
    if (word == "--json") {
      arguments.json = true;
    } else if (word == "--rejoin") {
      arguments.rejoin = true;
    } else if (word == "--from" || word == "--to" || word == "--until" || word == "--snapshot") {
      if (i + 1 == words.size()) return wrong(base::concat(word, " needs a value"));
      if (absl::Status status = take_value(word, words[++i], arguments); !status.ok()) {
        return status;
      }
    } else if (word.starts_with('-')) {
      return wrong(base::concat("unknown option '", word, "'"));
    } else if (arguments.command.empty()) {
      arguments.command = word;
    } else {
      arguments.paths.push_back(word);
    }
  }
  if (absl::Status status = check(arguments); !status.ok()) return status;
  return arguments;
}

}  // namespace kvorum::tools
