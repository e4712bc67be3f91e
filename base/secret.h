// Comparing what somebody gives with what only its owner should know. Pure, any thread.
#pragma once

#include <cstddef>
#include <string_view>

namespace kvorum::base {

// Takes as long whatever the difference: every byte given is compared.
[[nodiscard]] inline bool same_secret(std::string_view given, std::string_view secret) {
  volatile unsigned char difference = given.size() != secret.size();
  for (size_t i = 0; i < given.size(); ++i) {
    const char expected = secret.empty() ? '\0' : secret[i % secret.size()];
    difference = static_cast<unsigned char>(difference | (given[i] ^ expected));
  }
  return difference == 0;
}

}  // namespace kvorum::base
