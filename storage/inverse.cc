#include "storage/inverse.h"

#include <utility>

namespace kvorum::storage {

Inverse::Inverse(Inverse&& other) noexcept
    : steps_(std::move(other.steps_)),
      memory_bytes_(std::exchange(other.memory_bytes_, 0)),
      marks_(std::exchange(other.marks_, 0)) {
  other.steps_.clear();
}

Inverse& Inverse::operator=(Inverse&& other) noexcept {
  steps_ = std::move(other.steps_);
  other.steps_.clear();
  memory_bytes_ = std::exchange(other.memory_bytes_, 0);
  marks_ = std::exchange(other.marks_, 0);
  return *this;
}

}  // namespace kvorum::storage
