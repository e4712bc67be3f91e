#include "tools/point.h"

#include <array>
#include <cstdio>

#include "base/text.h"
#include "storage/hlc.h"

namespace kvorum::tools {
namespace {

// Unix milliseconds of 1973; no log has so many records.
constexpr uint64_t kFirstTime = 100'000'000'000;
constexpr uint64_t kMaxUnixMs = uint64_t{1} << 47;
constexpr int64_t kDaysTo1970 = 719'468;  // from 0000-03-01
constexpr int64_t kDaysIn400Years = 146'097;

// Years begin in March here: a leap day is a year's last one.
int64_t days_from_date(int64_t year, int64_t month, int64_t day) {
  year -= month <= 2 ? 1 : 0;
  const int64_t era = year / 400;
  const int64_t year_of_era = year % 400;
  const int64_t day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
  const int64_t day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
  return era * kDaysIn400Years + day_of_era - kDaysTo1970;
}

struct Date {
  int64_t year = 0, month = 0, day = 0;
};

Date date_from_days(int64_t days) {
  days += kDaysTo1970;
  const int64_t era = days / kDaysIn400Years;
  const int64_t day_of_era = days % kDaysIn400Years;
  const int64_t year_of_era =
      (day_of_era - day_of_era / 1460 + day_of_era / 36'524 - day_of_era / 146'096) / 365;
  const int64_t day_of_year =
      day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
  const int64_t month_from_march = (5 * day_of_year + 2) / 153;
  Date date;
  date.day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
  date.month = month_from_march < 10 ? month_from_march + 3 : month_from_march - 9;
  date.year = year_of_era + era * 400 + (date.month <= 2 ? 1 : 0);
  return date;
}

// Takes exactly `digits` digits.
bool take_number(std::string_view& text, size_t digits, int64_t low, int64_t high, int64_t& value) {
  if (text.size() < digits || text.front() < '0' || text.front() > '9') return false;
  const auto number = base::parse_integer<int64_t>(text.substr(0, digits));
  if (!number.has_value() || *number < low || *number > high) return false;
  value = *number;
  text.remove_prefix(digits);
  return true;
}

bool take(std::string_view& text, char c) {
  if (!text.starts_with(c)) return false;
  text.remove_prefix(1);
  return true;
}

// ".123": to the millisecond, further digits are cut off.
bool take_fraction(std::string_view& text, int64_t& ms) {
  if (!take(text, '.')) return true;
  size_t digits = 0;
  for (int64_t unit = 100; !text.empty() && text.front() >= '0' && text.front() <= '9'; ++digits) {
    ms += unit * (text.front() - '0');
    unit /= 10;
    text.remove_prefix(1);
  }
  return digits > 0;
}

bool take_zone(std::string_view& text, int64_t& minutes) {
  if (take(text, 'Z')) return true;
  const bool east = text.starts_with('+');
  if (!east && !text.starts_with('-')) return false;
  text.remove_prefix(1);
  int64_t hours = 0;
  if (!take_number(text, 2, 0, 23, hours) || !take(text, ':')) return false;
  if (!take_number(text, 2, 0, 59, minutes)) return false;
  minutes = (east ? 1 : -1) * (60 * hours + minutes);
  return true;
}

std::optional<uint64_t> parse_time(std::string_view text) {
  int64_t year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0, ms = 0, zone = 0;
  const bool good = take_number(text, 4, 1970, 9999, year) && take(text, '-') &&
                    take_number(text, 2, 1, 12, month) && take(text, '-') &&
                    take_number(text, 2, 1, 31, day) && (take(text, 'T') || take(text, ' ')) &&
                    take_number(text, 2, 0, 23, hour) && take(text, ':') &&
                    take_number(text, 2, 0, 59, minute) && take(text, ':') &&
                    take_number(text, 2, 0, 60, second) && take_fraction(text, ms) &&
                    take_zone(text, zone) && text.empty();
  if (!good) return std::nullopt;
  const int64_t days = days_from_date(year, month, day);
  if (date_from_days(days).day != day) return std::nullopt;  // the 31st of a shorter month
  const int64_t minutes = (days * 24 + hour) * 60 + minute - zone;
  const int64_t unix_ms = (minutes * 60 + second) * 1000 + ms;
  if (unix_ms < 0) return std::nullopt;
  return static_cast<uint64_t>(unix_ms);
}

}  // namespace

bool Point::includes(storage::Lsn record, storage::Hlc hlc) const {
  if (lsn.has_value() && record > *lsn) return false;
  return !unix_ms.has_value() || storage::HybridLogicalClock::wall_ms(hlc) <= *unix_ms;
}

std::string Point::text() const {
  if (lsn.has_value()) return base::concat("lsn ", lsn->value());
  return unix_ms.has_value() ? time_text(*unix_ms) : "the end";
}

absl::StatusOr<Point> parse_point(std::string_view text) {
  Point point;
  if (const auto number = base::parse_integer<uint64_t>(text)) {
    if (*number >= kFirstTime && *number < kMaxUnixMs) {
      point.unix_ms = *number;
    } else if (*number > 0 && *number < kFirstTime) {
      point.lsn = storage::Lsn{*number};
    }
  } else {
    point.unix_ms = parse_time(text);
  }
  if (point.lsn.has_value() || point.unix_ms.has_value()) return point;
  return absl::InvalidArgumentError(
      base::concat("'", text,
                   "' is no point of a log: give an lsn, a time with its zone as "
                   "2026-11-21T10:00:00Z, or Unix milliseconds"));
}

std::string time_text(uint64_t unix_ms) {
  const auto seconds = static_cast<int64_t>(unix_ms / 1000);
  const Date date = date_from_days(seconds / 86'400);
  std::array<char, 96> text;
  std::snprintf(text.data(), text.size(), "%04d-%02d-%02dT%02d:%02d:%02d.%03dZ",
                static_cast<int>(date.year), static_cast<int>(date.month),
                static_cast<int>(date.day), static_cast<int>(seconds / 3600 % 24),
                static_cast<int>(seconds / 60 % 60), static_cast<int>(seconds % 60),
                static_cast<int>(unix_ms % 1000));
  return text.data();
}

}  // namespace kvorum::tools
