// LCS: the longest common subsequence of two strings, by dynamic programming over a table of both
// lengths. Which of several longest ones is answered follows Redis' walk through that table.
#include <algorithm>
#include <cstdint>
#include <memory>
#include <new>
#include <string>

#include "server/node/commands/arguments.h"
#include "server/node/commands/string_handlers.h"
#include "server/node/node.h"

namespace kvorum::server {

using storage::Entry;
using storage::ValueType;

namespace {

struct LcsOptions {
  bool length_only = false;
  bool indexes = false;
  bool with_match_lengths = false;
  int64_t min_match_length = 0;
};

bool read_options(CommandContext& context, LcsOptions& options) {
  const resp::Arguments arguments = context.arguments;
  for (size_t i = 3; i < arguments.size(); ++i) {
    if (is_word(arguments[i], "IDX")) {
      options.indexes = true;
    } else if (is_word(arguments[i], "LEN")) {
      options.length_only = true;
    } else if (is_word(arguments[i], "WITHMATCHLEN")) {
      options.with_match_lengths = true;
    } else if (is_word(arguments[i], "MINMATCHLEN") && i + 1 < arguments.size()) {
      if (!read_integer(context, arguments[++i], options.min_match_length)) return false;
    } else {
      context.reply.error(kSyntaxError);
      return false;
    }
  }
  if (options.indexes && options.length_only) {
    context.reply.error("ERR If you want both the length and indexes, please just use IDX.");
    return false;
  }
  return true;
}

// at(i, j): length of the longest subsequence common to the first i bytes of `a` and j of `b`.
class LcsTable {
 public:
  // False if there is no memory.
  bool fill(std::string_view a, std::string_view b) {
    columns_ = b.size() + 1;
    cells_.reset(new (std::nothrow) uint32_t[(a.size() + 1) * columns_]);
    if (cells_ == nullptr) return false;
    for (size_t j = 0; j <= b.size(); ++j) cells_[j] = 0;
    for (size_t i = 1; i <= a.size(); ++i) {
      const uint32_t* above = &cells_[(i - 1) * columns_];
      uint32_t* row = &cells_[i * columns_];
      row[0] = 0;
      for (size_t j = 1; j <= b.size(); ++j) {
        row[j] = a[i - 1] == b[j - 1] ? above[j - 1] + 1 : std::max(above[j], row[j - 1]);
      }
    }
    return true;
  }

  uint32_t at(size_t i, size_t j) const { return cells_[i * columns_ + j]; }

 private:
  size_t columns_ = 0;
  std::unique_ptr<uint32_t[]> cells_;
};

// A stretch common to both: `length` bytes, beginning where the walk has come to.
struct Match {
  size_t a_start = 0, b_start = 0, length = 0;
};

// Walks from the table's far corner to its beginning; calls `visit` for every stretch, last first.
template <class Visit>
void walk_matches(const LcsTable& table, std::string_view a, std::string_view b,
                  const Visit& visit) {
  Match match;
  size_t i = a.size(), j = b.size();
  while (i > 0 && j > 0) {
    if (a[i - 1] == b[j - 1]) {
      --i;
      --j;
      match = {i, j, match.length + 1};
      continue;
    }
    if (match.length > 0) visit(match);
    match.length = 0;
    table.at(i - 1, j) > table.at(i, j - 1) ? --i : --j;
  }
  if (match.length > 0) visit(match);
}

void reply_range(CommandContext& context, size_t start, size_t length) {
  context.reply.array(2);
  context.reply.integer(static_cast<int64_t>(start));
  context.reply.integer(static_cast<int64_t>(start + length - 1));
}

void reply_indexes(CommandContext& context, const LcsOptions& options, const LcsTable& table,
                   std::string_view a, std::string_view b) {
  context.reply.map(2);
  context.reply.bulk("matches");
  size_t matches = 0;
  const size_t mark = context.reply.begin_array();
  walk_matches(table, a, b, [&](const Match& match) {
    if (static_cast<int64_t>(match.length) < options.min_match_length) return;
    context.reply.array(options.with_match_lengths ? 3 : 2);
    reply_range(context, match.a_start, match.length);
    reply_range(context, match.b_start, match.length);
    if (options.with_match_lengths) context.reply.integer(static_cast<int64_t>(match.length));
    ++matches;
  });
  context.reply.end_array(mark, matches);
  context.reply.bulk("len");
  context.reply.integer(table.at(a.size(), b.size()));
}

void reply_subsequence(CommandContext& context, const LcsTable& table, std::string_view a,
                       std::string_view b) {
  std::string subsequence(table.at(a.size(), b.size()), '\0');
  size_t end = subsequence.size();
  walk_matches(table, a, b, [&](const Match& match) {
    end -= match.length;
    a.copy(&subsequence[end], match.length, match.a_start);
  });
  context.reply.bulk(subsequence);
}

}  // namespace

// LCS key1 key2 [LEN] [IDX] [MINMATCHLEN min-match-len] [WITHMATCHLEN]
void lcs_command(CommandContext& context) {
  // The first entry stays valid through the second lookup: that deletes at most an expired key.
  const Entry* first = context.node.lookup(context, context.arguments[1], Node::Lookup::kRead);
  const Entry* second = context.node.lookup(context, context.arguments[2], Node::Lookup::kRead);
  if ((first != nullptr && first->type() != ValueType::kString) ||
      (second != nullptr && second->type() != ValueType::kString)) {
    context.reply.error("ERR The specified keys must contain string values");
    return;
  }
  LcsOptions options;
  if (!read_options(context, options)) return;
  const std::string_view a = first == nullptr ? "" : first->string();
  const std::string_view b = second == nullptr ? "" : second->string();

  const uint64_t limit = context.node.options().values().max_bulk_bytes;
  if (a.size() + 1 > limit / sizeof(uint32_t) / (b.size() + 1)) {
    context.reply.error(
        "ERR Insufficient memory, transient memory for LCS exceeds proto-max-bulk-len");
    return;
  }
  LcsTable table;
  if (!table.fill(a, b)) {
    context.reply.error("ERR Insufficient memory, failed allocating transient memory for LCS");
    return;
  }
  if (options.indexes) {
    reply_indexes(context, options, table, a, b);
  } else if (options.length_only) {
    context.reply.integer(table.at(a.size(), b.size()));
  } else {
    reply_subsequence(context, table, a, b);
  }
}

}  // namespace kvorum::server
