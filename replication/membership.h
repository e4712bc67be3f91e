// Who the cluster is: members, the instance each voter's vote is bound to, write quorum and timing.
// The payload of a membership record: in force from the moment it is in the log, committed or not
// (Raft dissertation, section 4.1). docs/replication.md has the bytes. Plain values, any thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "storage/record.h"
#include "storage/types.h"

namespace kvorum::replication {

// How many voters must have a record on disk before its write is answered.
class WriteQuorum {
 public:
  static constexpr uint16_t kMajority = 0;
  static constexpr uint16_t kAll = 0xffff;

  constexpr WriteQuorum() = default;
  constexpr explicit WriteQuorum(uint16_t setting) : setting_(setting) {}
  // "majority", "all" or a number from 1. nullopt: none of these.
  static std::optional<WriteQuorum> parse(std::string_view text);
  std::string text() const;

  constexpr uint16_t setting() const { return setting_; }
  // Voters needed of `voters`; a number beyond them stays what it is, and is never reached.
  constexpr size_t needed(size_t voters) const {
    return setting_ == kMajority ? voters / 2 + 1 : setting_ == kAll ? voters : setting_;
  }
  bool operator==(const WriteQuorum&) const = default;

 private:
  uint16_t setting_ = kMajority;
};

// What becomes of records that a deposed leader has to drop.
enum class Divergence : uint8_t {
  kSave = 0,   // they are saved in a file
  kMerge = 1,  // and offered to the new leader, if writes are answered below a majority
};

struct Member {
  storage::NodeId id{0};
  std::string address;             // host:port of clients and peers
  storage::InstanceId instance{};  // whose votes and acknowledgements count
  bool voter = true;               // else a learner: it counts in no quorum
  bool stays_learner = false;      // the wish: it is not promoted, though it has caught up
  bool operator==(const Member&) const = default;
};

struct Membership {
  std::vector<Member> members;  // by id, ascending
  WriteQuorum write_quorum;
  uint32_t heartbeat_ms = 50;
  uint32_t election_timeout_ms = 300;
  uint32_t max_clock_drift_ms = 500;  // 0: not judged
  Divergence divergence = Divergence::kSave;

  // Records that were answered may be dropped, and are merged.
  bool merges() const;
  const Member* find(storage::NodeId id) const;
  bool is_voter(storage::NodeId id) const;
  std::vector<storage::NodeId> voters() const;
  bool operator==(const Membership&) const = default;
};

// Little endian: u8 version, u16 write quorum, u32 heartbeat, u32 election timeout, u32 clock drift
// (ms), in version 2 u8 divergence, u16 members, then of each: u16 id, u8 flags (1: voter, 2: stays
// a learner), 16 bytes instance, u8 length and bytes of the address. Version 1, which older builds
// read, is written where divergence is kSave. REQUIRES: what decode_membership asks for.
[[nodiscard]] std::string encode_membership(const Membership& membership);
// False if the bytes are not one: ids ascending, none 0, at least one voter, no voter that stays a
// learner, no other flags, addresses ≤ 255 bytes, heartbeat < election timeout, both at least 1.
// Trusts no length.
[[nodiscard]] bool decode_membership(std::string_view bytes, Membership& membership);

}  // namespace kvorum::replication
