#include "storage/segment.h"

#include <charconv>

#include "base/text.h"

namespace kvorum::storage {
namespace {

constexpr std::string_view kSegmentPrefix = "segment-";
constexpr std::string_view kSparePrefix = "spare-";
constexpr std::string_view kSuffix = ".wal";

// Ten digits, so that names sort by number as long as people care.
std::string digits(uint64_t number) {
  std::string text = std::to_string(number);
  if (text.size() < 10) text.insert(0, 10 - text.size(), '0');
  return text;
}

std::optional<uint64_t> parse(std::string_view name, std::string_view prefix) {
  if (!name.starts_with(prefix) || !name.ends_with(kSuffix)) return std::nullopt;
  if (name.size() <= prefix.size() + kSuffix.size()) return std::nullopt;
  const std::string_view text =
      name.substr(prefix.size(), name.size() - prefix.size() - kSuffix.size());
  uint64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  if (number == 0 || digits(number) != text) return std::nullopt;
  return number;
}

}  // namespace

std::string segment_file_name(uint64_t segment) {
  return base::concat(kSegmentPrefix, digits(segment), kSuffix);
}

std::string spare_file_name(uint64_t segment) {
  return base::concat(kSparePrefix, digits(segment), kSuffix);
}

std::string torn_file_name(uint64_t segment, uint64_t offset) {
  return base::concat("torn-", digits(segment), "-", digits(offset), kSuffix);
}

std::string damaged_file_name(uint64_t segment) {
  return base::concat("damaged-", digits(segment), kSuffix);
}

std::optional<uint64_t> parse_segment_file_name(std::string_view name) {
  return parse(name, kSegmentPrefix);
}

std::optional<uint64_t> parse_spare_file_name(std::string_view name) {
  return parse(name, kSparePrefix);
}

std::string join_path(std::string_view directory, std::string_view name) {
  if (directory.ends_with('/')) return base::concat(directory, name);
  return base::concat(directory, "/", name);
}

}  // namespace kvorum::storage
