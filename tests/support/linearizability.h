// Whether there is one order of a history's operations that every reply agrees with and that puts
// no operation before one that had completed when it was asked for: the search of Wing and Gong,
// with Lowe's memory of where it has been.
#pragma once

#include <cstddef>
#include <span>

#include "tests/support/history.h"

namespace kvorum::simulation {

enum class Linearizable : uint8_t { kYes, kNo, kUndecided };

// Of the operations of one partition, in any order; refused ones are passed over. Those with
// unknown outcomes may be anywhere after they were asked for, or nowhere. `max_steps` bounds the
// search.
Linearizable check_linearizable(std::span<const Operation> operations,
                                size_t max_steps = 2'000'000);

// Of a history that is not: the operation whose reply was the first that fits nowhere.
const Operation& first_misfit(std::span<const Operation> operations);

}  // namespace kvorum::simulation
