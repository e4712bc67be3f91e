#include "tests/chaos/key_groups.h"

#include <algorithm>
#include <numeric>

#include "base/text.h"

namespace kvorum::chaos {
namespace {

// What a group serves for: the more operations of unknown outcome there are, the longer the search.
constexpr size_t kOperations = 200;
constexpr int64_t kAgeUs = 4'000'000;

// Of a history that is told in short: so many operations, of so many bytes.
constexpr size_t kExcerptLines = 40;
constexpr size_t kLineBytes = 150;
constexpr size_t kShownBytes = 3000;  // of a value, always

void shorten(std::string& line) {
  if (line.size() <= kLineBytes) return;
  const size_t half = kLineBytes / 2;
  line.replace(half, line.size() - 2 * half, " ... ");
}

constexpr std::array<const char*, kGroupKinds> kKindNames = {"counter", "text", "register", "pair"};

std::string shown(const std::optional<std::string>& value) {
  if (!value.has_value()) return "nil";
  if (value->size() <= kShownBytes) return base::concat("'", *value, "'");
  return base::concat("'", value->substr(0, kShownBytes / 10), "'... of ", value->size(), " bytes");
}

std::string question(const Operation& operation) {
  switch (operation.kind) {
    case OperationKind::kSet:
      return base::concat("SET ", shown(operation.value));
    case OperationKind::kSetVolatile:
      return base::concat("SET ", shown(operation.value), " PX");
    case OperationKind::kSetIfAbsent:
      return base::concat("SET ", shown(operation.value), " NX");
    case OperationKind::kAppend:
      return base::concat("APPEND ", shown(operation.value));
    case OperationKind::kIncrement:
      return "INCR";
    case OperationKind::kDelete:
      return "DEL";
    case OperationKind::kGet:
      return "GET";
    case OperationKind::kSetBoth:
      return base::concat("SET both ", shown(operation.value));
    case OperationKind::kGetBoth:
      return "GET both";
    case OperationKind::kCompareAndSet:
      return base::concat("from ", shown(operation.expected), " to ", shown(operation.value));
  }
  return "";
}

std::string answer(const Operation& operation) {
  if (operation.outcome == simulation::Outcome::kUnknown) return "outcome unknown";
  if (operation.outcome == simulation::Outcome::kRefused) return "refused";
  switch (operation.kind) {
    case OperationKind::kAppend:
    case OperationKind::kIncrement:
      return std::to_string(operation.number);
    case OperationKind::kSetIfAbsent:
    case OperationKind::kDelete:
      return operation.flag ? "done" : "not done";
    case OperationKind::kGet:
      return shown(operation.read[0]);
    case OperationKind::kGetBoth:
      return base::concat(shown(operation.read[0]), " and ", shown(operation.read[1]));
    default:
      return "OK";
  }
}

}  // namespace

std::string describe(const Operation& operation) {
  return base::concat(question(operation), " -> ", answer(operation));
}

std::string KeyGroup::key(int index) const {
  return base::concat(kKindNames[static_cast<size_t>(kind_)], ":", number_, ":", index);
}

std::vector<std::string> KeyGroup::keys() const {
  if (kind_ == GroupKind::kPair) return {key(0), key(1)};
  return {key(0)};
}

void KeyGroup::add(Operation operation, int client, int node) {
  const std::lock_guard lock(mutex_);
  operations_.push_back(std::move(operation));
  origins_.push_back({client, node});
}

size_t KeyGroup::size() const {
  const std::lock_guard lock(mutex_);
  return operations_.size();
}

Linearizable KeyGroup::judge() const {
  const std::lock_guard lock(mutex_);
  return simulation::check_linearizable(operations_);
}

std::string KeyGroup::story(Detail detail) const {
  const std::lock_guard lock(mutex_);
  const Operation& misfit = simulation::first_misfit(operations_);
  std::vector<size_t> order(operations_.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::stable_sort(order.begin(), order.end(), [this](size_t a, size_t b) {
    return operations_[a].invoked_us < operations_[b].invoked_us;
  });
  std::vector<std::string> lines;
  size_t end = 0;  // of what the misfit may have met
  for (const size_t i : order) {
    const Operation& operation = operations_[i];
    lines.push_back(line(i, &operation == &misfit));
    if (operation.invoked_us <= misfit.completed_us) end = lines.size();
    if (detail == Detail::kShort) shorten(lines.back());
  }
  const bool whole = detail == Detail::kWhole;
  if (!whole) lines.resize(end);
  const size_t begin = whole ? 0 : end - std::min(end, kExcerptLines);
  std::string text = base::concat("the history of ", key(), " is not linearizable, of ",
                                  order.size(), " operations (µs since the group began):\n");
  for (size_t i = begin; i < lines.size(); ++i) text += lines[i] + "\n";
  return text;
}

std::string KeyGroup::line(size_t i, bool misfit) const {
  const Operation& operation = operations_[i];
  const std::string end = operation.completed_us == Operation::kNever
                              ? std::string("...")
                              : std::to_string(operation.completed_us - born_us_);
  return base::concat(misfit ? "* " : "  ", operation.invoked_us - born_us_, " to ", end,
                      "  client ", origins_[i].client, " at node ", origins_[i].node, ": ",
                      describe(operation), misfit ? "   <- fits nowhere" : "");
}

std::shared_ptr<KeyGroup> KeyGroups::take(GroupKind kind, size_t slot, int64_t now_us) {
  const std::lock_guard lock(mutex_);
  std::shared_ptr<KeyGroup>& group = serving_[static_cast<size_t>(kind)][slot];
  if (group != nullptr && (group->size() >= kOperations || now_us - group->born_us() >= kAgeUs)) {
    retired_.push_back(std::move(group));
  }
  if (group == nullptr) group = std::make_shared<KeyGroup>(kind, ++next_number_, now_us);
  return group;
}

std::shared_ptr<KeyGroup> KeyGroups::take_finished() {
  const std::lock_guard lock(mutex_);
  // Nobody gets a retired group any more: who holds none now never will.
  const auto found = std::find_if(retired_.begin(), retired_.end(),
                                  [](const auto& group) { return group.use_count() == 1; });
  if (found == retired_.end()) return nullptr;
  std::shared_ptr<KeyGroup> group = std::move(*found);
  retired_.erase(found);
  return group;
}

std::vector<std::shared_ptr<KeyGroup>> KeyGroups::serving() const {
  const std::lock_guard lock(mutex_);
  std::vector<std::shared_ptr<KeyGroup>> groups;
  for (const auto& slots : serving_) {
    for (const auto& group : slots) {
      if (group != nullptr) groups.push_back(group);
    }
  }
  return groups;
}

void KeyGroups::retire_all() {
  const std::lock_guard lock(mutex_);
  for (auto& slots : serving_) {
    for (auto& group : slots) {
      if (group != nullptr) retired_.push_back(std::move(group));
    }
  }
}

}  // namespace kvorum::chaos
