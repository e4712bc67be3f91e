// The entries of one database that expire, soonest first; equal times in key order, so that the
// order is the same on every node. Entries are not owned. Belongs to the node's loop.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "absl/container/btree_set.h"
#include "absl/numeric/int128.h"
#include "base/check.h"
#include "storage/entry.h"

namespace kvorum::storage {

class ExpiryIndex {
 public:
  // REQUIRES: entry.expiry_ms() != 0, and no other entry of the same key and expiry is present.
  void add(const Entry& entry) {
    const bool added = entries_.insert({entry.expiry_ms(), &entry}).second;
    CHECK(added);
    sum_ms_ += entry.expiry_ms();
  }
  // REQUIRES: present, unchanged.
  void remove(const Entry& entry) {
    const size_t removed = entries_.erase({entry.expiry_ms(), &entry});
    CHECK_EQ(removed, 1u);
    sum_ms_ -= entry.expiry_ms();
  }
  // Forgets any one entry, without looking at it. REQUIRES: not empty.
  void drop_one() { entries_.erase(entries_.begin()); }

  [[nodiscard]] const Entry* first() const {
    return entries_.empty() ? nullptr : entries_.begin()->entry;
  }
  [[nodiscard]] size_t size() const { return entries_.size(); }

  // Mean time left at `now_ms`, not below 0; 0 if nothing expires.
  [[nodiscard]] int64_t average_ttl_ms(int64_t now_ms) const {
    if (entries_.empty()) return 0;
    const auto mean_ms = static_cast<int64_t>(sum_ms_ / static_cast<int64_t>(entries_.size()));
    return std::max<int64_t>(0, mean_ms - now_ms);
  }

  // Nodes are about three quarters full.
  [[nodiscard]] size_t memory_bytes() const { return entries_.size() * sizeof(Item) * 4 / 3; }

 private:
  struct Item {
    ExpiryMs expiry_ms;
    const Entry* entry;
  };
  struct Sooner {
    bool operator()(const Item& a, const Item& b) const {
      if (a.expiry_ms != b.expiry_ms) return a.expiry_ms < b.expiry_ms;
      return a.entry != b.entry && a.entry->key() < b.entry->key();
    }
  };

  absl::btree_set<Item, Sooner> entries_;
  absl::int128 sum_ms_ = 0;
};

}  // namespace kvorum::storage
