#include "server/node/transactions.h"

#include <algorithm>

#include "server/node/session.h"

namespace kvorum::server {

using storage::Effect;
using storage::EffectKind;

void Transactions::watch(Session& session, int database, std::string_view key) {
  WatchedKey watched{database, std::string(key)};
  std::vector<Session*>& watchers = watchers_[watched];
  if (std::find(watchers.begin(), watchers.end(), &session) != watchers.end()) return;
  watchers.push_back(&session);
  session.watched.push_back(std::move(watched));
}

void Transactions::unwatch(Session& session) {
  for (const WatchedKey& key : session.watched) {
    const auto row = watchers_.find(key);
    std::erase(row->second, &session);
    if (row->second.empty()) watchers_.erase(row);
  }
  session.watched.clear();
  session.watch_touched = false;
}

void Transactions::discard(Session& session) {
  session.in_transaction = false;
  session.transaction_broken = false;
  session.queued.clear();
  session.queued_bytes = 0;
  unwatch(session);
}

template <class Predicate>
void Transactions::touch_where(const Predicate& changes) {
  for (const auto& [key, sessions] : watchers_) {
    if (!changes(key)) continue;
    for (Session* session : sessions) session->watch_touched = true;
  }
}

void Transactions::touch_all() {
  touch_where([](const WatchedKey&) { return true; });
}

void Transactions::touch_key(int database, std::string_view key) {
  const auto row = watchers_.find(WatchedKey{database, std::string(key)});
  if (row == watchers_.end()) return;
  for (Session* session : row->second) session->watch_touched = true;
}

void Transactions::touch_watched(const Effect& effect, const storage::Keyspace& keyspace) {
  switch (effect.kind) {
    case EffectKind::kSet:
    case EffectKind::kSplice:
    case EffectKind::kSetExpiry:
    case EffectKind::kDelete:
      touch_key(effect.database, effect.key);
      return;
    case EffectKind::kRename:
      touch_key(effect.database, effect.key);
      touch_key(effect.database, effect.other_key);
      return;
    case EffectKind::kMove:
      touch_key(effect.database, effect.key);
      touch_key(effect.other_database, effect.key);
      return;
    case EffectKind::kCopy:
      touch_key(effect.other_database, effect.other_key);
      return;
    case EffectKind::kSwapDatabases:
      // A swap changes a watched key if it exists on either side.
      touch_where([&](const WatchedKey& key) {
        return (key.first == effect.database || key.first == effect.other_database) &&
               (keyspace.find(effect.database, key.second) != nullptr ||
                keyspace.find(effect.other_database, key.second) != nullptr);
      });
      return;
    case EffectKind::kFlush:
      touch_where([&](const WatchedKey& key) {
        return (effect.database == storage::kAllDatabases || key.first == effect.database) &&
               keyspace.find(key.first, key.second) != nullptr;
      });
      return;
    case EffectKind::kMerge:
    case EffectKind::kForgetTombstones:
      return;
  }
}

}  // namespace kvorum::server
