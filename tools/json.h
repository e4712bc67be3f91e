// Writes JSON: for `kvorum-wal --json`. Pure functions, any thread.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace kvorum::tools {

// In quotes. The bytes need not be UTF-8: each becomes the character of its value (0 … 255), so
// nothing is lost.
[[nodiscard]] std::string json_text(std::string_view bytes);
[[nodiscard]] std::string json_list(const std::vector<std::string>& values);

class JsonObject {
 public:
  JsonObject& text(std::string_view name, std::string_view value);
  JsonObject& number(std::string_view name, uint64_t value);
  JsonObject& flag(std::string_view name, bool value);
  // `value` is JSON already.
  JsonObject& json(std::string_view name, std::string_view value);
  [[nodiscard]] std::string str() const { return "{" + members_ + "}"; }

 private:
  std::string members_;
};

}  // namespace kvorum::tools
