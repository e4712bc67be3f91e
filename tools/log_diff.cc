#include "tools/log_diff.h"

#include <algorithm>
#include <memory>

#include "base/text.h"
#include "storage/effect.h"
#include "storage/snapshot_file.h"
#include "storage/snapshot_reader.h"
#include "tools/json.h"
#include "tools/log_cursor.h"
#include "tools/print.h"

namespace kvorum::tools {
namespace {

constexpr size_t kMaxDifferences = 20;
constexpr size_t kMaxEffects = 10;

std::string describe_whole(const storage::RecordView& record) {
  std::string text = describe(record.header, record.payload.size());
  if (record.header.kind != storage::RecordKind::kEffects) return text;
  std::string_view payload = record.payload;
  storage::Effect effect;
  for (size_t i = 0; !payload.empty() && decode_effect(payload, effect); ++i) {
    if (i == kMaxEffects) return text + "; …";
    text += base::concat("; ", describe(effect));
  }
  return text;
}

class Comparison {
 public:
  Comparison(storage::FileSystem& files, Progress& progress) : files_(files), progress_(progress) {}

  absl::StatusOr<LogDiff> run(const std::array<std::string, 2>& directories);

 private:
  absl::Status open(const std::array<std::string, 2>& directories);
  absl::Status advance(size_t side);
  absl::Status compare_logs();
  void compare_records();
  absl::Status compare_snapshots();

  storage::FileSystem& files_;
  Progress& progress_;
  std::array<std::unique_ptr<LogCursor>, 2> cursors_;
  std::array<const storage::RecordView*, 2> records_{};  // null: that log has ended
  LogDiff diff_;
};

absl::StatusOr<LogDiff> Comparison::run(const std::array<std::string, 2>& directories) {
  if (absl::Status status = open(directories); !status.ok()) return status;
  if (absl::Status status = compare_logs(); !status.ok()) return status;
  if (absl::Status status = compare_snapshots(); !status.ok()) return status;
  progress_.clear();
  return std::move(diff_);
}

absl::Status Comparison::open(const std::array<std::string, 2>& directories) {
  uint64_t total = 0;
  for (size_t i = 0; i < 2; ++i) {
    auto cursor = LogCursor::open(files_, directories[i], {});
    if (!cursor.ok()) return cursor.status();
    cursors_[i] = *std::move(cursor);
    diff_.sides[i].directory = directories[i];
    diff_.sides[i].node = cursors_[i]->identity().node;
    total += cursors_[i]->progress().bytes_total;
  }
  const auto& one = cursors_[0]->identity().incarnation;
  const auto& other = cursors_[1]->identity().incarnation;
  if (one != other) {
    return absl::FailedPreconditionError(
        base::concat(directories[0], " is of cluster incarnation ", hex(one), ", ", directories[1],
                     " of ", hex(other), ": their logs have nothing in common"));
  }
  progress_.begin("diff", total);
  return absl::OkStatus();
}

absl::Status Comparison::advance(size_t side) {
  const auto record = cursors_[side]->next();
  if (!record.ok()) return record.status();
  records_[side] = *record;
  LogDiff::Side& log = diff_.sides[side];
  if (*record == nullptr) {
    log.commit = cursors_[side]->log().commit;
    return absl::OkStatus();
  }
  const storage::RecordHeader& header = (*record)->header;
  if (log.first == storage::Lsn{0}) log.first = header.lsn;
  log.last = {header.term, header.lsn};
  progress_.reach(cursors_[0]->progress().bytes_read + cursors_[1]->progress().bytes_read);
  return absl::OkStatus();
}

absl::Status Comparison::compare_logs() {
  std::array<bool, 2> forward = {true, true};
  while (true) {
    for (size_t side = 0; side < 2; ++side) {
      if (!forward[side]) continue;
      if (absl::Status status = advance(side); !status.ok()) return status;
    }
    if (records_[0] == nullptr && records_[1] == nullptr) return absl::OkStatus();
    const auto lsn = [this](size_t side) {
      return records_[side] == nullptr ? storage::Lsn::max() : records_[side]->header.lsn;
    };
    if (lsn(0) == lsn(1)) compare_records();
    forward = {lsn(0) <= lsn(1), lsn(1) <= lsn(0)};
  }
}

void Comparison::compare_records() {
  const storage::RecordHeader& header = records_[0]->header;
  if (records_[0]->bytes == records_[1]->bytes) {
    if (diff_.equal_records++ == 0) diff_.equal_first = header.lsn;
    diff_.equal_last = {header.term, header.lsn};
    return;
  }
  const bool same_position = header.term == records_[1]->header.term;
  diff_.same_position_differs += same_position ? 1 : 0;
  if (!diff_.differing.empty() && diff_.differing.back().second.next() == header.lsn) {
    diff_.differing.back().second = header.lsn;
  } else {
    diff_.differing.emplace_back(header.lsn, header.lsn);
  }
  if (diff_.differences.size() == kMaxDifferences) return;
  diff_.differences.push_back(
      {header.lsn, {describe_whole(*records_[0]), describe_whole(*records_[1])}, same_position});
}

absl::Status Comparison::compare_snapshots() {
  std::array<std::vector<storage::SnapshotName>, 2> names;
  for (size_t i = 0; i < 2; ++i) {
    auto list = list_snapshots(files_, diff_.sides[i].directory);
    if (!list.ok()) return list.status();
    names[i] = *std::move(list);
  }
  for (const storage::SnapshotName& one : names[0]) {
    for (const storage::SnapshotName& other : names[1]) {
      if (one.lsn != other.lsn) continue;
      const auto first = storage::verify_snapshot(files_, one.path);
      if (!first.ok()) return first.status();
      const auto second = storage::verify_snapshot(files_, other.path);
      if (!second.ok()) return second.status();
      if (first->footer.digest == second->footer.digest) continue;
      diff_.snapshots.push_back({one.lsn, {first->footer.digest, second->footer.digest}});
    }
  }
  return absl::OkStatus();
}

std::string sentence(const LogDiff::Side& side) {
  if (side.first == storage::Lsn{0}) return base::concat(side.directory, ": no records");
  return base::concat(side.directory, ": node ", side.node.value(), ", lsn ", side.first.value(),
                      " to ", side.last.lsn.value(), " of term ", side.last.term.value(),
                      ", committed as far as it knows up to ", side.commit.value());
}

}  // namespace

uint64_t LogDiff::committed_differences() const {
  const storage::Lsn commit = std::min(sides[0].commit, sides[1].commit);
  uint64_t count = 0;
  for (const auto& [first, last] : differing) {
    const storage::Lsn end = std::min(last, commit);
    if (first <= end) count += end.value() - first.value() + 1;
  }
  return count;
}

bool LogDiff::impossible() const {
  return committed_differences() > 0 || same_position_differs > 0 || !snapshots.empty();
}

std::string LogDiff::text() const {
  std::string text = base::concat(sentence(sides[0]), "\n", sentence(sides[1]), "\n");
  text += equal_records == 0
              ? "no record is in both"
              : base::concat("equal: ", equal_records, " records, lsn ", equal_first.value(),
                             " to ", equal_last.lsn.value(), " of term ", equal_last.term.value());
  for (const auto& [first, last] : differing) {
    text += base::concat("\ndifferent: lsn ", first.value(), " to ", last.value());
  }
  for (const Difference& difference : differences) {
    for (size_t side = 0; side < 2; ++side) {
      text += base::concat("\n  ", sides[side].directory, ": ", difference.records[side]);
    }
  }
  for (const SnapshotDifference& snapshot : snapshots) {
    text += base::concat("\nDIFFERENT SNAPSHOTS: the two of lsn ", snapshot.lsn.value(),
                         " have other contents");
  }
  if (same_position_differs > 0) {
    text += base::concat("\nDIFFERENT RECORDS OF ONE TERM AND LSN: ", same_position_differs);
  }
  if (const uint64_t count = committed_differences(); count > 0) {
    return base::concat(text, "\nCOMMITTED RECORDS DIFFER: ", count);
  }
  return base::concat(text, "\ncommitted records: no difference");
}

std::string LogDiff::json() const {
  std::vector<std::string> logs, ranges, records, cuts;
  for (const Side& side : sides) {
    JsonObject object;
    object.text("directory", side.directory).number("node", side.node.value());
    object.number("first_lsn", side.first.value()).number("last_lsn", side.last.lsn.value());
    object.number("last_term", side.last.term.value()).number("commit", side.commit.value());
    logs.push_back(object.str());
  }
  for (const auto& [first, last] : differing) {
    ranges.push_back(json_list({std::to_string(first.value()), std::to_string(last.value())}));
  }
  for (const Difference& difference : differences) {
    JsonObject object;
    object.number("lsn", difference.lsn.value()).flag("same_position", difference.same_position);
    object.json("records",
                json_list({json_text(difference.records[0]), json_text(difference.records[1])}));
    records.push_back(object.str());
  }
  for (const SnapshotDifference& snapshot : snapshots) {
    cuts.push_back(std::to_string(snapshot.lsn.value()));
  }
  JsonObject object;
  object.json("logs", json_list(logs)).number("equal_records", equal_records);
  object.number("equal_first_lsn", equal_first.value());
  object.number("equal_last_lsn", equal_last.lsn.value());
  object.number("equal_last_term", equal_last.term.value());
  object.json("differing_lsns", json_list(ranges)).json("differences", json_list(records));
  object.number("same_position_differs", same_position_differs);
  object.number("committed_differences", committed_differences());
  return object.json("differing_snapshots", json_list(cuts)).str();
}

absl::StatusOr<LogDiff> diff_logs(storage::FileSystem& files,
                                  const std::array<std::string, 2>& directories,
                                  Progress& progress) {
  return Comparison(files, progress).run(directories);
}

}  // namespace kvorum::tools
