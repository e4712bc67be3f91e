#include "tools/stats.h"

#include <algorithm>
#include <utility>

#include "base/text.h"
#include "storage/hlc.h"
#include "storage/orphan_file.h"
#include "storage/segment.h"
#include "storage/snapshot_reader.h"
#include "tools/json.h"
#include "tools/point.h"
#include "tools/print.h"

namespace kvorum::tools {
namespace {

bool is_orphan_path(std::string_view path) {
  return storage::is_orphan_file_name(path.substr(path.find_last_of('/') + 1));
}

bool put_aside(std::string_view name) {
  return name.starts_with("torn-") || name.starts_with("damaged-") || name.ends_with(".damaged");
}

std::string list(const std::map<std::string_view, uint64_t>& counts) {
  std::string text;
  for (const auto& [name, count] : counts) {
    text += base::concat(text.empty() ? "" : ", ", name, " ", count);
  }
  return text.empty() ? "none" : text;
}

std::string json(const std::map<std::string_view, uint64_t>& counts) {
  JsonObject object;
  for (const auto& [name, count] : counts) object.number(name, count);
  return object.str();
}

}  // namespace

absl::Status Stats::add(storage::FileSystem& files, const std::string& path, bool directory,
                        Progress& progress) {
  if (directory) return add_directory(files, path, progress);
  if (path.ends_with(".kvs")) return add_snapshot(files, path);
  return add_log_file(files, path, is_orphan_path(path) ? orphaned_ : segments_, progress);
}

absl::Status Stats::add_directory(storage::FileSystem& files, const std::string& directory,
                                  Progress& progress) {
  const auto names = files.list(directory);
  if (!names.ok()) return names.status();
  absl::Status result;
  bool found = false;
  for (const std::string& name : *names) {
    const std::string path = storage::join_path(directory, name);
    const bool segment = storage::parse_segment_file_name(name).has_value();
    const bool orphaned = storage::is_orphan_file_name(name);
    found |= segment || orphaned || name.ends_with(".kvs");
    if (segment || orphaned) {
      result.Update(add_log_file(files, path, segment ? segments_ : orphaned_, progress));
    } else if (name.ends_with(".kvs")) {
      result.Update(add_snapshot(files, path));
    } else if (storage::parse_spare_file_name(name).has_value()) {
      result.Update(add_size(files, path, spare_));
    } else if (put_aside(name)) {
      result.Update(add_size(files, path, aside_));
    }
  }
  if (found) return result;
  return absl::NotFoundError(base::concat(directory, ": no segments and no snapshots"));
}

absl::Status Stats::add_log_file(storage::FileSystem& files, const std::string& path, Files& kind,
                                 Progress& progress) {
  if (absl::Status status = add_size(files, path, kind); !status.ok()) return status;
  const auto summary = is_orphan_path(path) ? walk_orphan_file(files, path, *this, progress)
                                            : walk_segment(files, path, *this, progress);
  if (!summary.ok()) return summary.status();
  valid_bytes_ += summary->end;
  return absl::OkStatus();
}

absl::Status Stats::add_snapshot(storage::FileSystem& files, const std::string& path) {
  const auto reader = storage::SnapshotReader::open(files, path);
  if (!reader.ok()) return reader.status();
  snapshots_.push_back({path, (*reader)->file_bytes(), (*reader)->info()});
  return absl::OkStatus();
}

absl::Status Stats::add_size(storage::FileSystem& files, const std::string& path, Files& kind) {
  const auto file = files.open(path, storage::OpenMode::kRead);
  if (!file.ok()) return file.status();
  const auto size = (*file)->size();
  if (!size.ok()) return size.status();
  ++kind.files;
  kind.bytes += *size;
  return absl::OkStatus();
}

void Stats::frame(const storage::FrameHeader& header) { ++frames_[name_of(header.kind)]; }

void Stats::record(const storage::RecordView& record) {
  const storage::RecordHeader& header = record.header;
  const uint64_t unix_ms = storage::HybridLogicalClock::wall_ms(header.stamp.hlc);
  const bool first = record_count_++ == 0;
  ++records_[name_of(header.kind)];
  record_bytes_ += record.bytes.size();
  if (record.bytes.size() > largest_bytes_) {
    largest_bytes_ = record.bytes.size();
    largest_ = header.lsn;
  }
  first_ = first ? header.lsn : std::min(first_, header.lsn);
  last_ = std::max(last_, header.lsn);
  first_term_ = first ? header.term : std::min(first_term_, header.term);
  last_term_ = std::max(last_term_, header.term);
  first_ms_ = first ? unix_ms : std::min(first_ms_, unix_ms);
  last_ms_ = std::max(last_ms_, unix_ms);
}

void Stats::effect(const storage::Effect& effect) { ++effects_[name_of(effect.kind)]; }

std::string Stats::text() const {
  std::string text =
      base::concat("segments:  ", segments_.files, ", ", segments_.bytes, " bytes\n",  //
                   "orphaned:  ", orphaned_.files, ", ", orphaned_.bytes, " bytes\n",  //
                   "spares:    ", spare_.files, ", ", spare_.bytes, " bytes\n",        //
                   "put aside: ", aside_.files, ", ", aside_.bytes, " bytes\n",        //
                   "valid:     ", valid_bytes_, " bytes\n",                            //
                   "frames:    ", list(frames_), "\n",                                 //
                   "records:   ", list(records_), "\n",                                //
                   "effects:   ", list(effects_), "\n");
  for (const Snapshot& snapshot : snapshots_) {
    text += base::concat("snapshot:  ", snapshot.path, ": lsn ", snapshot.info.position.lsn.value(),
                         ", ", snapshot.info.total_keys(), " keys, ", snapshot.bytes, " bytes, of ",
                         time_text(snapshot.info.wall_ms), "\n");
  }
  if (record_count_ == 0) return text + "span:      no records";
  const auto batches = frames_.find(name_of(storage::FrameKind::kRecords));
  return base::concat(text, "span:      lsn ", first_.value(), " to ", last_.value(), ", term ",
                      first_term_.value(), " to ", last_term_.value(), ", ", time_text(first_ms_),
                      " to ", time_text(last_ms_), "\n", "bytes:     ", record_bytes_,
                      " in records, ", record_bytes_ / record_count_, " each, the largest ",
                      largest_bytes_, " (lsn ", largest_.value(), ")\n", "batches:   ",
                      record_count_ / (batches == frames_.end() ? 1 : batches->second),
                      " records each");
}

std::string Stats::json() const {
  const auto files = [](const Files& kind) {
    return JsonObject().number("files", kind.files).number("bytes", kind.bytes).str();
  };
  std::vector<std::string> snapshots;
  for (const Snapshot& snapshot : snapshots_) {
    JsonObject object;
    object.text("path", snapshot.path).number("lsn", snapshot.info.position.lsn.value());
    object.number("keys", snapshot.info.total_keys()).number("bytes", snapshot.bytes);
    snapshots.push_back(object.number("unix_ms", snapshot.info.wall_ms).str());
  }
  JsonObject object;
  object.json("segments", files(segments_)).json("orphaned", files(orphaned_));
  object.json("spares", files(spare_)).json("put_aside", files(aside_));
  object.number("valid_bytes", valid_bytes_).json("snapshots", json_list(snapshots));
  object.json("frames", tools::json(frames_)).json("records", tools::json(records_));
  object.json("effects", tools::json(effects_)).number("record_bytes", record_bytes_);
  if (record_count_ == 0) return object.str();
  object.number("first_lsn", first_.value()).number("last_lsn", last_.value());
  object.number("first_term", first_term_.value()).number("last_term", last_term_.value());
  object.number("first_unix_ms", first_ms_).number("last_unix_ms", last_ms_);
  object.number("largest_bytes", largest_bytes_).number("largest_lsn", largest_.value());
  return object.str();
}

}  // namespace kvorum::tools
