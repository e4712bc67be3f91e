#include "base/check.h"

#include <cstdio>
#include <cstdlib>

namespace kvorum::base {

CheckFailure::CheckFailure(const char* file, int line, const std::string& what) {
  message_ << file << ':' << line << ": CHECK failed: " << what << ' ';
}

CheckFailure::~CheckFailure() {
  const std::string message = message_.str() + '\n';
  std::fwrite(message.data(), 1, message.size(), stderr);
  std::fflush(stderr);
  std::abort();
}

}  // namespace kvorum::base
