// The ways between the nodes, which the nemesis cuts. One thread.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "tests/integration/network.h"
#include "tests/integration/process.h"
#include "tests/integration/server_process.h"

namespace kvorum::chaos {

class Links {
 public:
  virtual ~Links() = default;

  // What one node sends to the other is lost from now on. Nodes are counted from 1.
  virtual void cut(int from, int to) = 0;
  virtual void heal() = 0;
  void cut_both(int a, int b) {
    cut(a, b);
    cut(b, a);
  }
};

// Ways through the harness's proxy, where nothing else is allowed.
class ProxyLinks : public Links {
 public:
  explicit ProxyLinks(integration::Network& network) : network_(network) {}

  void cut(int from, int to) override { network_.cut(from, to); }
  void heal() override { network_.heal(); }

 private:
  integration::Network& network_;
};

// Each node in a network namespace of its own, joined by a router whose routes are cut: packets
// vanish, as they do on a real network. All of it is gone when this process ends, however it ends.
class NamespaceLinks : public Links {
 public:
  // Null where namespaces are not allowed, or the program `ip` is missing. This process moves into
  // a namespace without any other network. REQUIRES: it has one thread.
  static std::unique_ptr<NamespaceLinks> make(int nodes);
  ~NamespaceLinks() override;

  // What starts a program in the node's namespace, and the address it has there.
  std::vector<std::string> launcher(int node) const;
  static std::string address(int node);

  void cut(int from, int to) override;
  void heal() override;

 private:
  NamespaceLinks() = default;
  bool add(int node);

  integration::TemporaryDirectory directory_;
  std::vector<std::unique_ptr<integration::Process>> holders_;  // each keeps a namespace alive
  std::vector<std::pair<int, int>> cuts_;
};

}  // namespace kvorum::chaos
