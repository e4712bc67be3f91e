#include "tests/simulation/log_checker.h"

#include <algorithm>
#include <bit>

#include "base/text.h"
#include "replication/membership.h"
#include "storage/effect.h"

namespace kvorum::simulation {

using storage::Position;
using storage::RecordView;
using storage::Term;

std::string token_text(uint64_t number) { return base::concat("#", number, ";"); }

template <class... Parts>
void LogChecker::fail(const Parts&... parts) {
  verdict_.fail(base::concat(parts...));
}

const LogChecker::Known* LogChecker::find(uint64_t lsn, Term term) const {
  if (lsn >= records_.size()) return nullptr;
  for (const Known& known : records_[lsn]) {
    if (known.term == term) return &known;
  }
  return nullptr;
}

LogChecker::Known* LogChecker::find(uint64_t lsn, Term term) {
  return const_cast<Known*>(static_cast<const LogChecker*>(this)->find(lsn, term));
}

Term LogChecker::term_at(uint32_t node, uint64_t lsn) const {
  const Log& log = nodes_[node];
  return lsn < log.terms.size() && lsn <= log.last ? log.terms[lsn] : Term{0};
}

void LogChecker::begin(uint32_t node, Position base) {
  Log& log = nodes_[node];
  const uint64_t lsn = base.lsn.value();
  if (lsn > committed_.size()) {
    fail("node ", node, " begins at lsn ", lsn, ", which was never committed");
    return;
  }
  if (lsn > 0 && committed_[lsn - 1] != base.term) {
    fail("node ", node, " begins at lsn ", lsn, " with term ", base.term.value(),
         ", committed was term ", committed_[lsn - 1].value());
  }
  if (lsn < log.committed) {
    fail("node ", node, " goes back to lsn ", lsn, ", it had committed ", log.committed);
  }
  log.terms.assign(lsn + 1, Term{0});
  log.terms[lsn] = base.term;
  log.last = log.committed = log.synced = lsn;
  for (uint64_t at = 1; at <= lsn; ++at) {
    if (Known* known = find(at, committed_[at - 1])) known->synced_on |= uint64_t{1} << node;
  }
}

void LogChecker::append(uint32_t node, const RecordView& record) {
  Log& log = nodes_[node];
  const uint64_t lsn = record.header.lsn.value();
  if (lsn != log.last + 1) {
    fail("node ", node, " has lsn ", lsn, " after lsn ", log.last);
    return;
  }
  const Term previous = log.terms[lsn - 1];
  const Known& known = learn(log, record);
  const uint64_t hash = hash_bytes(record.bytes);
  if (known.hash != hash) {
    fail("log matching: lsn ", lsn, " term ", record.header.term.value(), " of node ", node,
         " differs from another node's");
  }
  if (previous != Term{0} && known.previous_term != Term{0} && previous != known.previous_term) {
    fail("log matching: before lsn ", lsn, " term ", record.header.term.value(), " node ", node,
         " has term ", previous.value(), ", another one term ", known.previous_term.value());
  }
  if (const Known* before = find(lsn - 1, previous);
      before != nullptr && before->stamp.hlc >= known.stamp.hlc) {
    fail("the stamp of lsn ", lsn, " of node ", node, " is not above that of the record before");
  }
  log.terms.resize(lsn);
  log.terms.push_back(record.header.term);
  log.last = lsn;
}

LogChecker::Known& LogChecker::learn(Log& log, const RecordView& record) {
  const uint64_t lsn = record.header.lsn.value();
  if (Known* known = find(lsn, record.header.term)) {
    if (known->previous_term == Term{0}) known->previous_term = log.terms[lsn - 1];
    return *known;
  }
  if (records_.size() <= lsn) records_.resize(lsn + 1);
  Known known;
  known.term = record.header.term;
  known.previous_term = log.terms[lsn - 1];
  known.stamp = record.header.stamp;
  known.hash = hash_bytes(record.bytes);
  if (record.header.kind == storage::RecordKind::kEffects) {
    known.payload = record.payload;
    remember_tokens(lsn, known.term, record.payload);
  } else if (record.header.kind == storage::RecordKind::kMembership) {
    learn_membership(known, lsn, record.payload);
  }
  return records_[lsn].emplace_back(std::move(known));
}

void LogChecker::learn_membership(Known& known, uint64_t lsn, std::string_view payload) {
  replication::Membership membership;
  if (!replication::decode_membership(payload, membership)) {
    fail("lsn ", lsn, " holds a membership that cannot be read");
    return;
  }
  for (const storage::NodeId voter : membership.voters()) {
    known.voters |= uint64_t{1} << voter.value();
  }
  memberships_.insert(lsn);
  fewest_voters_ = std::min(fewest_voters_, membership.voters().size());
  most_voters_ = std::max(most_voters_, membership.voters().size());
}

uint64_t LogChecker::voters_at(uint32_t node, uint64_t membership_lsn) const {
  if (membership_lsn == 0) return founders_;
  Term term = term_at(node, membership_lsn);
  if (term == Term{0} && membership_lsn <= committed_.size()) term = committed_[membership_lsn - 1];
  const Known* known = find(membership_lsn, term);
  return known == nullptr ? 0 : known->voters;
}

uint64_t LogChecker::membership_of(uint32_t node, uint64_t lsn) const {
  for (auto at = memberships_.upper_bound(std::min(lsn, nodes_[node].last));
       at != memberships_.begin();) {
    if (voters_at(node, *--at) != 0) return *at;
  }
  return 0;
}

// A full disk cost the node a membership that it knew to be committed, though not the knowledge.
bool LogChecker::lost_after_commit(uint32_t node, uint64_t newest, uint64_t in_force) const {
  const auto end = memberships_.upper_bound(nodes_[node].heard_committed);
  return std::any_of(memberships_.upper_bound(newest), end,
                     [&](uint64_t lsn) { return voters_at(node, lsn) == in_force; });
}

void LogChecker::voters(uint32_t node, uint64_t in_force) {
  const uint64_t newest = membership_of(node, UINT64_MAX);
  if (in_force != voters_at(node, newest) && !lost_after_commit(node, newest, in_force)) {
    fail("node ", node, " does not go by the membership of lsn ", newest,
         ", the newest in its log");
  }
  if (newest <= std::max<uint64_t>(committed_.size(), 1)) return;
  const uint64_t before = membership_of(node, newest - 1);
  const Term term = nodes_[node].terms[newest];
  if (before > committed_.size()) {
    fail("the memberships of lsn ", before, " and ", newest, " of node ", node,
         " are under way at once");
  }
  if (std::popcount(voters_at(node, before) ^ in_force) > 1) {
    fail("the membership of lsn ", newest, " of node ", node, " changes more than one voter");
  }
  if (committed_.empty() || committed_.back() < term) {
    fail("the membership of lsn ", newest, " of node ", node, " was made before a record of term ",
         term.value(), " was committed");
  }
}

// The commit may have been counted before a membership of the same turn was made; and whoever tells
// of it may know an older one than the leader that has counted.
bool LogChecker::on_a_majority(const Known& known, uint64_t membership_lsn) const {
  const auto majority_of = [&](uint64_t voters) {
    return std::popcount(known.synced_on & voters) >= std::popcount(voters) / 2 + 1;
  };
  if (membership_lsn == 0 && majority_of(founders_)) return true;
  for (auto lsn = memberships_.lower_bound(membership_lsn); lsn != memberships_.end(); ++lsn) {
    for (const Known& each : records_[*lsn]) {
      if (each.voters != 0 && majority_of(each.voters)) return true;
    }
  }
  return false;
}

void LogChecker::remember_tokens(uint64_t lsn, Term term, std::string_view payload) {
  storage::Effect effect;
  while (!payload.empty() && storage::decode_effect(payload, effect)) {
    std::string_view value = effect.value;
    // What was appended comes last.
    const size_t mark = value.rfind('#');
    const size_t end = mark == std::string_view::npos ? mark : value.find(';', mark);
    if (end == std::string_view::npos) continue;
    const auto number = base::parse_integer<uint64_t>(value.substr(mark + 1, end - mark - 1));
    if (!number.has_value()) continue;
    if (tokens_.size() <= *number) tokens_.resize(*number + 1);
    auto& positions = tokens_[*number];
    const Position position{term, storage::Lsn{lsn}};
    // A pair's two keys have the same text.
    if (positions.empty() || positions.back() != position) positions.push_back(position);
  }
}

// Of the memberships that may have been in force when the record of that lsn was made, or since:
// from the newest before it that is committed on. One of a later term was not in its log: that
// leader came after it, and did not have the record.
int LogChecker::most_voters_with(const Known& known, uint64_t lsn) const {
  auto at = memberships_.lower_bound(lsn);
  bool committed = false;
  while (at != memberships_.begin() && !committed) {
    --at;
    const Known* membership = *at <= committed_.size() ? find(*at, committed_[*at - 1]) : nullptr;
    committed = membership != nullptr && membership->voters != 0 && membership->term <= known.term;
  }
  int most = committed ? 0 : std::popcount(known.synced_on & founders_);
  for (; at != memberships_.end(); ++at) {
    for (const Known& each : records_[*at]) {
      most = std::max(most, std::popcount(known.synced_on & each.voters));
    }
  }
  return most;
}

std::vector<LogChecker::Copy> LogChecker::copies_of(uint64_t token) const {
  std::vector<Copy> copies;
  if (token >= tokens_.size()) return copies;
  for (const Position& position : tokens_[token]) {
    const uint64_t lsn = position.lsn.value();
    const Known* known = find(lsn, position.term);
    Copy copy;
    copy.position = position;
    copy.synced_on = most_voters_with(*known, lsn);
    copy.committed = lsn <= committed_.size() && committed_[lsn - 1] == position.term;
    copies.push_back(copy);
  }
  return copies;
}

void LogChecker::truncate(uint32_t node, uint64_t kept) {
  Log& log = nodes_[node];
  // A full disk may cost a node committed records that were never on it.
  const uint64_t held = std::min(log.committed, log.synced);
  if (kept < held) fail("node ", node, " cuts its log at lsn ", kept, ", it had committed ", held);
  log.last = std::min(log.last, kept);
  log.synced = std::min(log.synced, kept);
  log.committed = std::min(log.committed, kept);
}

void LogChecker::forget(uint32_t node, uint64_t kept) {
  const Log& log = nodes_[node];
  for (uint64_t lsn = kept + 1; lsn <= log.last; ++lsn) {
    const Term term = log.terms[lsn];
    if (const Known* known = find(lsn, term); known != nullptr && known->synced_on != 0) {
      fail("the only member ", node, " cuts off lsn ", lsn, ", which was on a disk");
    }
    std::erase_if(records_[lsn], [term](const Known& each) { return each.term == term; });
    const Position forgotten{term, storage::Lsn{lsn}};
    for (auto& positions : tokens_) std::erase(positions, forgotten);
  }
}

void LogChecker::synced(uint32_t node, uint64_t lsn) {
  Log& log = nodes_[node];
  lsn = std::min(lsn, log.last);
  for (uint64_t at = log.synced + 1; at <= lsn; ++at) {
    if (Known* known = find(at, log.terms[at])) known->synced_on |= uint64_t{1} << node;
  }
  log.synced = std::max(log.synced, lsn);
}

void LogChecker::commit(uint32_t node, uint64_t lsn) {
  Log& log = nodes_[node];
  lsn = std::min(lsn, log.last);
  for (uint64_t at = log.committed + 1; at <= lsn; ++at) commit_record(node, at, log.terms[at]);
  log.committed = std::max(log.committed, lsn);
  log.heard_committed = std::max(log.heard_committed, lsn);
}

void LogChecker::commit_record(uint32_t node, uint64_t lsn, Term term) {
  if (lsn <= committed_.size()) {
    if (committed_[lsn - 1] != term) {
      fail("node ", node, " commits lsn ", lsn, " of term ", term.value(), ", committed was term ",
           committed_[lsn - 1].value());
    }
    return;
  }
  Known* known = find(lsn, term);
  if (lsn != committed_.size() + 1 || known == nullptr) {
    fail("node ", node, " commits lsn ", lsn, " before what precedes it");
    return;
  }
  // The first record is the cluster's birth, which nobody votes on.
  if (lsn > 1 && !on_a_majority(*known, membership_of(node, lsn))) {
    fail("node ", node, " commits lsn ", lsn, " of term ", term.value(), ", which ",
         std::popcount(known->synced_on), " nodes have on disk");
  }
  committed_.push_back(term);
  for (const std::string& error : {model_.apply(known->stamp.hlc, known->payload),
                                   merges_.commit(known->stamp, known->payload)}) {
    if (!error.empty()) fail("lsn ", lsn, ": ", error);
  }
  std::string().swap(known->payload);
}

void LogChecker::digest(uint32_t node, Position position, storage::Digest digest) {
  Known* known = find(position.lsn.value(), position.term);
  if (known == nullptr) return;
  if (!known->digest.has_value()) {
    known->digest = digest;
    known->digest_of = node;
  } else if (*known->digest != digest) {
    fail("the keyspaces of nodes ", known->digest_of, " and ", node, " differ at lsn ",
         position.lsn.value(), " term ", position.term.value());
  }
}

void LogChecker::ended(uint32_t node) {
  Log& log = nodes_[node];
  // It may end again before it has recovered.
  if (log.synced > log.synced_before || log.before.empty()) {
    log.before = log.terms;
    log.synced_before = log.synced;
  }
  log.last = log.committed = log.synced = 0;
  log.terms.assign(1, Term{0});
}

void LogChecker::disk_lost(uint32_t node) {
  nodes_[node] = {};
  nodes_[node].terms.assign(1, Term{0});
}

void LogChecker::recovered(uint32_t node) {
  Log& log = nodes_[node];
  if (log.last < log.synced_before) {
    fail("node ", node, " had synced its log up to lsn ", log.synced_before,
         ", after its restart it ends at ", log.last);
  }
  for (uint64_t at = 1; at <= std::min(log.last, log.synced_before); ++at) {
    if (log.terms[at] == Term{0} || log.before[at] == Term{0}) continue;
    if (log.terms[at] == log.before[at]) continue;
    fail("node ", node, " had synced lsn ", at, " of term ", log.before[at].value(),
         ", after its restart it is of term ", log.terms[at].value());
  }
  log.before.clear();
  log.synced_before = 0;
}

}  // namespace kvorum::simulation
