#include "server/node/client_pause.h"

#include <algorithm>

namespace kvorum::server {

void ClientPause::pause(Mode mode, int64_t now_us, int64_t until_us) {
  if (this->mode(now_us) == Mode::kNone) {
    mode_ = mode;
    until_us_ = until_us;
    return;
  }
  mode_ = std::max(mode_, mode);
  until_us_ = std::max(until_us_, until_us);
}

}  // namespace kvorum::server
