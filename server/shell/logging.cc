#include "server/shell/logging.h"

#include <spdlog/sinks/basic_file_sink.h>
#include <spdlog/sinks/rotating_file_sink.h>
#include <spdlog/sinks/stdout_color_sinks.h>
#include <spdlog/spdlog.h>

#include <memory>

#include "base/text.h"

namespace kvorum::server {

namespace {

constexpr size_t kLongestMessageBytes = 1024;

spdlog::level::level_enum spdlog_level(LogLevel level) {
  switch (level) {
    case LogLevel::kDebug:
      return spdlog::level::debug;
    case LogLevel::kInfo:
      return spdlog::level::info;
    case LogLevel::kWarning:
      return spdlog::level::warn;
    case LogLevel::kError:
      return spdlog::level::err;
  }
  return spdlog::level::err;
}

spdlog::sink_ptr make_sink(const Options& options) {
  if (options.log_file.empty()) return std::make_shared<spdlog::sinks::stdout_color_sink_mt>();
  if (options.log_rotate_size == 0) {
    return std::make_shared<spdlog::sinks::basic_file_sink_mt>(options.log_file);
  }
  return std::make_shared<spdlog::sinks::rotating_file_sink_mt>(
      options.log_file, options.log_rotate_size, static_cast<size_t>(options.log_rotate_files));
}

}  // namespace

absl::Status open_log(const Options& options) {
  try {
    auto logger = std::make_shared<spdlog::logger>("kvorum", make_sink(options));
    logger->set_pattern("%Y-%m-%d %H:%M:%S.%e %P %^%l%$ %v");
    logger->flush_on(spdlog::level::info);
    spdlog::set_default_logger(std::move(logger));
  } catch (const spdlog::spdlog_ex& error) {  // how spdlog reports; it goes no further
    return absl::InvalidArgumentError(
        base::concat("cannot log to ", options.log_file, ": ", std::string_view(error.what())));
  }
  set_log_level(options.log_level);
  return absl::OkStatus();
}

void set_log_level(std::string_view level) {
  // "verbose" and "notice" are Redis' names.
  spdlog::set_level(level == "debug" || level == "verbose" ? spdlog::level::debug
                    : level == "info" || level == "notice" ? spdlog::level::info
                    : level == "warning"                   ? spdlog::level::warn
                                                           : spdlog::level::err);
}

std::string printable(std::string_view message) {
  std::string text;
  for (const char c : message.substr(0, kLongestMessageBytes)) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte >= 0x20 && byte != 0x7f) {
      text += c;
      continue;
    }
    constexpr std::string_view kDigits = "0123456789abcdef";
    text += "\\x";
    text += kDigits[byte >> 4];
    text += kDigits[byte & 15];
  }
  if (message.size() > kLongestMessageBytes) text += "…";
  return text;
}

void write_log(LogLevel level, std::string_view message) {
  spdlog::default_logger_raw()->log(spdlog_level(level), printable(message));
}

}  // namespace kvorum::server
