// A small file system below a node's data directory, which the nemesis fills up. One thread.
#pragma once

#include <memory>
#include <string>

namespace kvorum::chaos {

class SmallDisk {
 public:
  // Null where this process may not mount. What it mounts, only it and its children see, and it is
  // gone when they are. REQUIRES: one thread; `directory` is empty or missing.
  static std::unique_ptr<SmallDisk> make(const std::string& directory);
  ~SmallDisk();
  SmallDisk(const SmallDisk&) = delete;
  SmallDisk& operator=(const SmallDisk&) = delete;

  void fill();
  void make_room();
  // Copies all to a directory that outlives the process.
  void rescue(const std::string& directory) const;

 private:
  explicit SmallDisk(std::string directory) : directory_(std::move(directory)) {}
  std::string ballast() const { return directory_ + "/ballast"; }

  const std::string directory_;
};

}  // namespace kvorum::chaos
