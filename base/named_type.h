// Strong integers: a Term is not an Lsn, though both are counts.
//
//   using Term = base::NamedType<struct TermTag, std::uint64_t>;
//   using Lsn = base::NamedType<struct LsnTag, std::uint64_t>;
//
//   Lsn lsn{7};
//   lsn.next() == Lsn{8};   // and ++lsn
//   lsn.value() == 7u;      // the way out
//   Term term = lsn;        // does not compile; nor does lsn == 7 or lsn + 1
//
// Same size and cost as the bare integer; zero by default. Usable as a key of std and absl
// containers.
#pragma once

#include <compare>
#include <concepts>
#include <cstddef>
#include <functional>
#include <limits>
#include <ostream>
#include <utility>

#include "base/check.h"

namespace kvorum::base {

template <typename Tag, std::integral Rep>
class NamedType {
 public:
  using rep = Rep;

  constexpr NamedType() = default;
  constexpr explicit NamedType(Rep value) : value_(value) {}

  static constexpr NamedType min() { return NamedType(std::numeric_limits<Rep>::min()); }
  static constexpr NamedType max() { return NamedType(std::numeric_limits<Rep>::max()); }

  [[nodiscard]] constexpr Rep value() const { return value_; }

  // REQUIRES: *this < max().
  [[nodiscard]] constexpr NamedType next() const {
    CHECK(value_ != std::numeric_limits<Rep>::max()) << "a counter never wraps";
    return NamedType(static_cast<Rep>(value_ + 1));
  }

  // REQUIRES: *this > min().
  [[nodiscard]] constexpr NamedType previous() const {
    CHECK(value_ != std::numeric_limits<Rep>::min()) << "a counter never wraps";
    return NamedType(static_cast<Rep>(value_ - 1));
  }

  // REQUIRES: *this < max().
  constexpr NamedType& operator++() { return *this = next(); }
  constexpr NamedType operator++(int) { return std::exchange(*this, next()); }

  friend constexpr auto operator<=>(NamedType, NamedType) = default;
  friend constexpr bool operator==(NamedType, NamedType) = default;

  template <typename Hash>
  friend Hash AbslHashValue(Hash state, NamedType named) {
    return Hash::combine(std::move(state), named.value_);
  }

  friend std::ostream& operator<<(std::ostream& out, NamedType named) {
    return out << +named.value_;
  }

 private:
  Rep value_ = 0;
};

}  // namespace kvorum::base

template <typename Tag, std::integral Rep>
struct std::hash<kvorum::base::NamedType<Tag, Rep>> {
  std::size_t operator()(kvorum::base::NamedType<Tag, Rep> named) const noexcept {
    return std::hash<Rep>()(named.value());
  }
};
