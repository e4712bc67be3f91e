#include "tests/chaos/member_change.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "base/text.h"

namespace kvorum::chaos {
namespace {

// For an answer of a node that may hang.
constexpr int kPatienceMs = 500;
constexpr int64_t kLeastPauseUs = 50'000, kMostPauseUs = 300'000;
constexpr char kNoMember[] = "no member of the cluster any more";

std::string field(const integration::Reply& row, const std::string& name) {
  for (size_t i = 0; i + 1 < row.elements.size(); i += 2) {
    const integration::Reply& value = row.elements[i + 1];
    if (row.elements[i].text != name) continue;
    return value.type == REDIS_REPLY_INTEGER ? std::to_string(value.integer) : value.text;
  }
  return "";
}

}  // namespace

int MemberChange::anybody() {
  const std::vector<int> nodes(cluster_.present().begin(), cluster_.present().end());
  return random_.pick(nodes);
}

bool MemberChange::turn() {
  if (now_us() < next_us_) return false;
  const std::map<int, Row> members = list();
  const bool happened = !members.empty() && (leaves() ? leave(members) : join(members));
  next_us_ = now_us() + random_.between(kLeastPauseUs, kMostPauseUs);
  return happened;
}

std::map<int, MemberChange::Row> MemberChange::list() {
  const auto reply = cluster_.command(anybody(), {"MEMBER", "LIST"}, kPatienceMs);
  std::map<int, Row> members;
  bool leader_known = false;
  if (!reply) return members;
  for (const integration::Reply& row : reply->elements) {
    const int id = base::parse_integer<int>(field(row, "id")).value_or(0);
    members[id] = {field(row, "role"), field(row, "promotion")};
    if (members[id].role == "leader") leader_known = true;
  }
  if (!leader_known) members.clear();
  return members;
}

bool MemberChange::join(const std::map<int, Row>& members) {
  const auto member = members.find(node_);
  const std::string id = std::to_string(node_);
  if (member == members.end()) {
    const auto [host, port] = cluster_.peer_address(node_);
    integration::Arguments arguments = {"ADD", id, base::concat(host, ":", port)};
    if (kind_ == Kind::kJoinAsLearnerFirst) arguments.emplace_back("LEARNER");
    change(members, std::move(arguments));
    return false;
  }
  if (cluster_.down(node_)) return false;
  const auto quorum = cluster_.command(node_, {"INFO", "quorum"}, kPatienceMs);
  const std::string role = quorum ? integration::info_field(quorum->text, "node_role") : "";
  if (member->second.role != "learner") return !role.empty() && role != "learner";
  // It has had its time as a learner only when it knows that it is one.
  if (member->second.promotion == "none" && role == "learner") change(members, {"PROMOTE", id});
  return false;
}

bool MemberChange::leave(const std::map<int, Row>& members) {
  if (members.contains(node_)) {
    change(members, {"REMOVE", std::to_string(node_)});
    return false;
  }
  const auto reply = cluster_.command(node_, {"GET", "{harness}"}, kPatienceMs);
  return reply && reply->is_error() && reply->text.find(kNoMember) != std::string::npos;
}

void MemberChange::change(const std::map<int, Row>& members, integration::Arguments arguments) {
  arguments.insert(arguments.begin(), "MEMBER");
  const int asked = anybody();
  const auto reply = cluster_.command(asked, arguments, kPatienceMs);
  std::string words;
  for (const std::string& word : arguments) words += " " + word;
  const auto leader = std::find_if(members.begin(), members.end(), [](const auto& member) {
    return member.second.role == "leader";
  });
  last_answer_ = base::concat("node ", asked, " was told", words, " while node ", leader->first,
                              " led: ", reply ? reply->text : "(no answer)");
  told_(last_answer_);
}

}  // namespace kvorum::chaos
