// What CLIENT TOKEN gives and takes: a position of one cluster's log as a short printable word, so
// that a client can go on at another node where it was. Opaque to clients. Pure functions.
#pragma once

#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "storage/record.h"
#include "storage/types.h"

namespace kvorum::server {

// REQUIRES: the position is committed, or zeros.
[[nodiscard]] std::string encode_token(const storage::Incarnation& incarnation,
                                       storage::Position position);
// kFailedPrecondition: a token of another cluster; kInvalidArgument: no token, or a damaged one.
[[nodiscard]] absl::StatusOr<storage::Position> decode_token(
    const storage::Incarnation& incarnation, std::string_view token);

}  // namespace kvorum::server
