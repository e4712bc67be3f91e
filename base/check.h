// Invariant checks that stay on in every build.
//
// CHECK is for what can only be false when the program itself is wrong; the process then stops
// with the place, the expression and the values. What the outside world can cause (bad input, a
// full disk) is an absl::Status instead.
//
//   CHECK(queue.empty()) << "after drain";
//   CHECK_EQ(record.lsn, last_lsn.next());
//
// The operands of CHECK_EQ and its sisters are evaluated once; integers of different signedness
// compare by value. Whatever has operator<< is printed, an enum as its number, the rest as "(?)".
// Thread: any. The message goes to standard error in one piece, then the process aborts.
#pragma once

#include <cstddef>
#include <ostream>
#include <sstream>
#include <string>
#include <type_traits>
#include <utility>

namespace kvorum::base {

// Collects the message of a failed check and ends the process when destroyed.
class CheckFailure {
 public:
  // `what` is the failed expression, with the values where there are any.
  CheckFailure(const char* file, int line, const std::string& what);
  CheckFailure(const CheckFailure&) = delete;
  CheckFailure& operator=(const CheckFailure&) = delete;
  [[noreturn]] ~CheckFailure();

  std::ostream& stream() { return message_; }

 private:
  std::ostringstream message_;
};

namespace internal {

// Turns the stream expression into void, so that both arms of the macro's `?:` agree.
struct Void {
  void operator&(std::ostream&) const {}
};

// Integers in the sense of std::cmp_equal: neither bool nor characters.
template <typename T>
concept Integer = std::is_integral_v<T> && !std::is_same_v<T, bool> && !std::is_same_v<T, char> &&
                  !std::is_same_v<T, wchar_t> && !std::is_same_v<T, char8_t> &&
                  !std::is_same_v<T, char16_t> && !std::is_same_v<T, char32_t>;

template <typename T>
void print_operand(std::ostream& out, const T& operand) {
  if constexpr (std::is_same_v<T, std::nullptr_t>) {
    out << "nullptr";
  } else if constexpr (std::is_same_v<T, bool>) {
    out << (operand ? "true" : "false");
  } else if constexpr (std::is_integral_v<T> && sizeof(T) == 1) {
    out << static_cast<int>(operand);  // a byte is a number here, not a letter
  } else if constexpr (requires { out << operand; }) {
    out << operand;
  } else if constexpr (std::is_enum_v<T>) {
    out << +static_cast<std::underlying_type_t<T>>(operand);
  } else {
    out << "(?)";
  }
}

// Out of the way of the caller's fast path. The string lives until the process ends.
template <typename Left, typename Right>
[[gnu::cold, gnu::noinline]] std::string* describe_comparison(const char* expression,
                                                              const Left& left,
                                                              const Right& right) {
  std::ostringstream out;
  out << expression << " (";
  print_operand(out, left);
  out << " vs. ";
  print_operand(out, right);
  out << ')';
  return new std::string(out.str());
}

// Defines `check_<name>`: null when `left op right` holds, else the message.
#define KVORUM_INTERNAL_DEFINE_COMPARISON(name, op)                             \
  template <typename Left, typename Right>                                      \
  constexpr std::string* check_##name(const char* expression, const Left& left, \
                                      const Right& right) {                     \
    bool holds = false;                                                         \
    if constexpr (Integer<Left> && Integer<Right>) {                            \
      holds = std::cmp_##name(left, right);                                     \
    } else {                                                                    \
      holds = left op right;                                                    \
    }                                                                           \
    if (__builtin_expect(holds, 1)) return nullptr;                             \
    return describe_comparison(expression, left, right);                        \
  }

KVORUM_INTERNAL_DEFINE_COMPARISON(equal, ==)
KVORUM_INTERNAL_DEFINE_COMPARISON(not_equal, !=)
KVORUM_INTERNAL_DEFINE_COMPARISON(less, <)
KVORUM_INTERNAL_DEFINE_COMPARISON(less_equal, <=)
KVORUM_INTERNAL_DEFINE_COMPARISON(greater, >)
KVORUM_INTERNAL_DEFINE_COMPARISON(greater_equal, >=)
#undef KVORUM_INTERNAL_DEFINE_COMPARISON

}  // namespace internal
}  // namespace kvorum::base

#define CHECK(condition)                            \
  __builtin_expect(static_cast<bool>(condition), 1) \
      ? static_cast<void>(0)                        \
      : ::kvorum::base::internal::Void() &          \
            ::kvorum::base::CheckFailure(__FILE__, __LINE__, #condition).stream()

// A `while` and not an `if`, so that an `else` after the macro binds where it looks as if it did.
#define KVORUM_INTERNAL_CHECK_COMPARISON(name, op, left, right)                             \
  while (std::string* kvorum_check_message =                                                \
             ::kvorum::base::internal::check_##name(#left " " #op " " #right, left, right)) \
  ::kvorum::base::CheckFailure(__FILE__, __LINE__, *kvorum_check_message).stream()

#define CHECK_EQ(left, right) KVORUM_INTERNAL_CHECK_COMPARISON(equal, ==, left, right)
#define CHECK_NE(left, right) KVORUM_INTERNAL_CHECK_COMPARISON(not_equal, !=, left, right)
#define CHECK_LT(left, right) KVORUM_INTERNAL_CHECK_COMPARISON(less, <, left, right)
#define CHECK_LE(left, right) KVORUM_INTERNAL_CHECK_COMPARISON(less_equal, <=, left, right)
#define CHECK_GT(left, right) KVORUM_INTERNAL_CHECK_COMPARISON(greater, >, left, right)
#define CHECK_GE(left, right) KVORUM_INTERNAL_CHECK_COMPARISON(greater_equal, >=, left, right)
