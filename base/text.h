// Small text helpers that the standard library lacks. Debian's abseil has a string_view of its own
// that does not meet std::string_view, so its string functions are no help here.
// Pure functions, any thread; ASCII only.
#pragma once

#include <charconv>
#include <concepts>
#include <cstddef>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>

namespace kvorum::base {

// A view of anything that has data() and size(): std and absl strings and views.
template <typename Text>
[[nodiscard]] std::string_view view(const Text& text) {
  if constexpr (requires { text.data(); }) {
    return {text.data(), text.size()};
  } else {
    return text;
  }
}

// The parts one after the other; integers in decimal.
template <typename... Parts>
[[nodiscard]] std::string concat(const Parts&... parts) {
  std::string text;
  const auto add = [&text](const auto& part) {
    using Part = std::decay_t<decltype(part)>;
    if constexpr (std::is_integral_v<Part>) {
      static_assert(!std::is_same_v<Part, char> && !std::is_same_v<Part, bool>);
      text += std::to_string(part);
    } else {
      text += view(part);
    }
  };
  (add(parts), ...);
  return text;
}

[[nodiscard]] constexpr char lower(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c;
}
[[nodiscard]] constexpr char upper(char c) {
  return c >= 'a' && c <= 'z' ? static_cast<char>(c - ('a' - 'A')) : c;
}
[[nodiscard]] inline std::string lower(std::string_view text) {
  std::string result(text);
  for (char& c : result) c = lower(c);
  return result;
}
[[nodiscard]] inline std::string upper(std::string_view text) {
  std::string result(text);
  for (char& c : result) c = upper(c);
  return result;
}
[[nodiscard]] constexpr bool equal_ignoring_case(std::string_view a, std::string_view b) {
  if (a.size() != b.size()) return false;
  for (size_t i = 0; i < a.size(); ++i) {
    if (lower(a[i]) != lower(b[i])) return false;
  }
  return true;
}

// The whole text as a decimal integer, or nothing.
template <std::integral Integer>
[[nodiscard]] std::optional<Integer> parse_integer(std::string_view text) {
  Integer value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

// For absl containers keyed by std::string and asked by std::string_view.
struct TextHash {
  using is_transparent = void;
  size_t operator()(std::string_view text) const { return std::hash<std::string_view>()(text); }
};

}  // namespace kvorum::base
