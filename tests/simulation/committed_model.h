// What the committed log says, record by record: every value each key ever had. A read that may be
// old, at a follower, must show one state of it, and a connection's reads never an older one than
// before.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "storage/effect.h"
#include "storage/types.h"

namespace kvorum::simulation {

class CommittedModel {
 public:
  // The next record; `payload` of effects, or empty. An error's text if it is not what the
  // simulation's clients can have caused.
  std::string apply(storage::Hlc hlc, std::string_view payload);
  uint64_t last() const { return hlc_ms_.size(); }

  // The lowest lsn, not below `lowest`, at which the key reads so; nullopt: none. `clock_expires`:
  // a node may find a key expired before the log's clock says so.
  std::optional<uint64_t> find_read(std::string_view key, const std::optional<std::string>& read,
                                    uint64_t lowest, bool clock_expires) const;
  // The same for two keys read at once.
  std::optional<uint64_t> find_reads(std::string_view key, const std::optional<std::string>& read,
                                     std::string_view other_key,
                                     const std::optional<std::string>& other_read,
                                     uint64_t lowest) const;
  // The newest value.
  std::optional<std::string> value(std::string_view key) const;

 private:
  struct Version {
    uint64_t lsn = 0;
    std::optional<std::string> value;
    storage::ExpiryMs expiry_ms = 0;
  };
  // From which lsn on, before `end`, the version reads as `read`: [first, second); empty: never.
  std::pair<uint64_t, uint64_t> readable(const Version& version, uint64_t end,
                                         const std::optional<std::string>& read,
                                         bool clock_expires) const;
  bool apply(const storage::Effect& effect, uint64_t lsn);
  const Version* newest(std::string_view key) const;

  std::map<std::string, std::vector<Version>, std::less<>> keys_;
  std::vector<int64_t> hlc_ms_;  // [lsn - 1]
};

}  // namespace kvorum::simulation
