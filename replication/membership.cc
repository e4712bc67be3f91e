#include "replication/membership.h"

#include <algorithm>
#include <cstring>

#include "base/check.h"
#include "base/text.h"

namespace kvorum::replication {
namespace {

constexpr uint8_t kVersion = 1;
constexpr uint8_t kVersionWithDivergence = 2;
constexpr uint8_t kVoterFlag = 1;
constexpr uint8_t kStaysLearnerFlag = 2;
constexpr size_t kMaxAddressBytes = 255;

// Little endian, as all formats.
template <typename Integer>
void put(std::string& out, Integer value) {
  for (size_t i = 0; i < sizeof(Integer); ++i) {
    out.push_back(static_cast<char>(static_cast<uint64_t>(value) >> (8 * i) & 0xff));
  }
}

// Takes fields from the front; after the first that is not there nothing is.
class Fields {
 public:
  explicit Fields(std::string_view bytes) : bytes_(bytes) {}

  template <typename Integer>
  Integer take() {
    const std::string_view field = take_bytes(sizeof(Integer));
    uint64_t value = 0;
    for (size_t i = 0; i < field.size(); ++i) {
      value |= static_cast<uint64_t>(static_cast<uint8_t>(field[i])) << (8 * i);
    }
    return static_cast<Integer>(value);
  }

  std::string_view take_bytes(size_t size) {
    if (size > bytes_.size()) ok_ = false;
    if (!ok_) return {};
    const std::string_view field = bytes_.substr(0, size);
    bytes_.remove_prefix(size);
    return field;
  }

  bool ok() const { return ok_; }
  bool ended() const { return ok_ && bytes_.empty(); }

 private:
  std::string_view bytes_;
  bool ok_ = true;
};

bool take_member(Fields& fields, Member& member) {
  member.id = storage::NodeId{fields.take<uint16_t>()};
  const auto flags = fields.take<uint8_t>();
  member.voter = (flags & kVoterFlag) != 0;
  member.stays_learner = (flags & kStaysLearnerFlag) != 0;
  const std::string_view instance = fields.take_bytes(member.instance.size());
  member.address = fields.take_bytes(fields.take<uint8_t>());
  if (!fields.ok()) return false;
  std::memcpy(member.instance.data(), instance.data(), member.instance.size());
  return (flags & ~(kVoterFlag | kStaysLearnerFlag)) == 0;
}

bool is_valid(const Membership& membership) {
  storage::NodeId before{0};
  for (const Member& member : membership.members) {
    if (member.id <= before || member.address.size() > kMaxAddressBytes) return false;
    if (member.voter && member.stays_learner) return false;
    before = member.id;
  }
  return !membership.voters().empty() && membership.heartbeat_ms >= 1 &&
         membership.heartbeat_ms < membership.election_timeout_ms;
}

}  // namespace

std::optional<WriteQuorum> WriteQuorum::parse(std::string_view text) {
  if (base::equal_ignoring_case(text, "majority")) return WriteQuorum(kMajority);
  if (base::equal_ignoring_case(text, "all")) return WriteQuorum(kAll);
  const auto voters = base::parse_integer<uint16_t>(text);
  if (!voters || *voters == kMajority || *voters == kAll) return std::nullopt;
  return WriteQuorum(*voters);
}

std::string WriteQuorum::text() const {
  if (setting_ == kMajority) return "majority";
  if (setting_ == kAll) return "all";
  return std::to_string(setting_);
}

const Member* Membership::find(storage::NodeId id) const {
  for (const Member& member : members) {
    if (member.id == id) return &member;
  }
  return nullptr;
}

bool Membership::is_voter(storage::NodeId id) const {
  const Member* member = find(id);
  return member != nullptr && member->voter;
}

std::vector<storage::NodeId> Membership::voters() const {
  std::vector<storage::NodeId> ids;
  for (const Member& member : members) {
    if (member.voter) ids.push_back(member.id);
  }
  return ids;
}

bool Membership::merges() const {
  if (divergence != Divergence::kMerge) return false;  // asked at every commit
  const size_t count = voters().size();
  return write_quorum.needed(count) < count / 2 + 1;
}

std::string encode_membership(const Membership& membership) {
  CHECK(is_valid(membership)) << "a membership that would not be read again";
  std::string out;
  const bool merge = membership.divergence == Divergence::kMerge;
  put(out, merge ? kVersionWithDivergence : kVersion);
  put(out, membership.write_quorum.setting());
  put(out, membership.heartbeat_ms);
  put(out, membership.election_timeout_ms);
  put(out, membership.max_clock_drift_ms);
  if (merge) put(out, static_cast<uint8_t>(membership.divergence));
  put(out, static_cast<uint16_t>(membership.members.size()));
  for (const Member& member : membership.members) {
    put(out, member.id.value());
    put(out, static_cast<uint8_t>((member.voter ? kVoterFlag : 0) |
                                  (member.stays_learner ? kStaysLearnerFlag : 0)));
    out.append(reinterpret_cast<const char*>(member.instance.data()), member.instance.size());
    put(out, static_cast<uint8_t>(member.address.size()));
    out += member.address;
  }
  return out;
}

bool decode_membership(std::string_view bytes, Membership& membership) {
  Fields fields(bytes);
  Membership read;
  const auto version = fields.take<uint8_t>();
  if (version != kVersion && version != kVersionWithDivergence) return false;
  read.write_quorum = WriteQuorum(fields.take<uint16_t>());
  read.heartbeat_ms = fields.take<uint32_t>();
  read.election_timeout_ms = fields.take<uint32_t>();
  read.max_clock_drift_ms = fields.take<uint32_t>();
  if (version == kVersionWithDivergence) {
    // One encoding for each membership: kSave has the other version.
    if (fields.take<uint8_t>() != static_cast<uint8_t>(Divergence::kMerge)) return false;
    read.divergence = Divergence::kMerge;
  }
  const auto count = fields.take<uint16_t>();
  for (uint16_t i = 0; i < count && fields.ok(); ++i) {
    if (!take_member(fields, read.members.emplace_back())) return false;
  }
  if (!fields.ended() || !is_valid(read)) return false;
  membership = std::move(read);
  return true;
}

}  // namespace kvorum::replication
