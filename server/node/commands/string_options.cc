#include "server/node/commands/string_options.h"

namespace kvorum::server {

namespace {

ExpiryForm expiry_form(std::string_view word) {
  if (is_word(word, "EX")) return ExpiryForm::kSeconds;
  if (is_word(word, "PX")) return ExpiryForm::kMilliseconds;
  if (is_word(word, "EXAT")) return ExpiryForm::kUnixSeconds;
  if (is_word(word, "PXAT")) return ExpiryForm::kUnixMilliseconds;
  return ExpiryForm::kNone;
}

// An option of one word; false if it is none or may not stand beside the others.
bool accept_word(std::string_view word, OptionsOf command, StringOptions& options) {
  const bool no_expiry = options.form == ExpiryForm::kNone;
  if (command == OptionsOf::kGetEx) {
    return is_word(word, "PERSIST") && no_expiry && (options.persist = true);
  }
  if (is_word(word, "NX")) return !options.only_if_present && (options.only_if_absent = true);
  if (is_word(word, "XX")) return !options.only_if_absent && (options.only_if_present = true);
  if (is_word(word, "GET")) return options.get = true;
  return is_word(word, "KEEPTTL") && no_expiry && (options.keep_expiry = true);
}

}  // namespace

bool read_string_options(CommandContext& context, size_t first, OptionsOf command,
                         StringOptions& options) {
  const resp::Arguments arguments = context.arguments;
  for (size_t i = first; i < arguments.size(); ++i) {
    const ExpiryForm form = expiry_form(arguments[i]);
    if (form == ExpiryForm::kNone) {
      if (accept_word(arguments[i], command, options)) continue;
    } else if ((options.form == ExpiryForm::kNone || options.form == form) &&
               !options.keep_expiry && !options.persist && i + 1 < arguments.size()) {
      options.form = form;
      options.expiry = arguments[++i];
      continue;
    }
    context.reply.error(kSyntaxError);
    return false;
  }
  return true;
}

}  // namespace kvorum::server
