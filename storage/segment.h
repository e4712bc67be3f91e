// Names of the files the WAL keeps in its directory. Pure functions, any thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace kvorum::storage {

// "segment-0000000017.wal": part of the log.
[[nodiscard]] std::string segment_file_name(uint64_t segment);
// "spare-0000000017.wal": a retired segment kept to be overwritten; nothing in it counts.
[[nodiscard]] std::string spare_file_name(uint64_t segment);
// "torn-0000000017-0000004096.wal": bytes that recovery cut from the log's end, for people to read.
[[nodiscard]] std::string torn_file_name(uint64_t segment, uint64_t offset);
// "damaged-0000000017.wal": a segment that recovery took out of the log, or the copy of one that it
// cut; for people to read, never log again.
[[nodiscard]] std::string damaged_file_name(uint64_t segment);

// The segment's number if `name` is exactly what the function above makes of it.
[[nodiscard]] std::optional<uint64_t> parse_segment_file_name(std::string_view name);
[[nodiscard]] std::optional<uint64_t> parse_spare_file_name(std::string_view name);

[[nodiscard]] std::string join_path(std::string_view directory, std::string_view name);

}  // namespace kvorum::storage
