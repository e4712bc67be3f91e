// The TOML file of options: read at start, rewritten by CONFIG REWRITE. Any thread, not at once.
#pragma once

#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "server/node/options.h"

namespace kvorum::server {

// Sets every option of the file. On an error the message names file, line and what was meant:
// "node.toml:3: unknown key 'prot' in [node]; did you mean 'port'?"
[[nodiscard]] absl::Status read_config_file(const std::string& path, OptionTable& options);
// The same from a string, for tests; `name` stands for the file in messages.
[[nodiscard]] absl::Status read_config(std::string_view text, const std::string& name,
                                       OptionTable& options);

// The text of a file with the options in force: values that stand in `text` are replaced where they
// stand, others that are not the default are added to their section. Comments stay.
std::string rewrite_config(std::string_view text, const OptionTable& options);
// Rewrites the file through a synced temporary one and a rename.
[[nodiscard]] absl::Status rewrite_config_file(const std::string& path, const OptionTable& options);

}  // namespace kvorum::server
