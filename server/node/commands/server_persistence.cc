// Snapshots and backups on request, and SHUTDOWN.
#include <memory>
#include <optional>
#include <string>

#include "base/text.h"
#include "server/node/commands/arguments.h"
#include "server/node/commands/server_handlers.h"
#include "server/node/node.h"
#include "server/node/persistence.h"

namespace kvorum::server {
namespace {

// Begins a snapshot; false with the error answered.
bool start_snapshot(CommandContext& context) {
  Persistence& persistence = context.node.persistence();
  if (persistence.snapshot_in_progress()) {
    context.reply.error("ERR Background save already in progress");
    return false;
  }
  const absl::Status status = persistence.start_snapshot();
  if (status.ok()) return true;
  context.reply.error(base::concat("ERR ", status.message()));
  return false;
}

}  // namespace

// SAVE
void save_command(CommandContext& context) {
  if (!start_snapshot(context)) return;
  auto blocked = std::make_unique<Blocked>();
  blocked->unblockable = false;
  blocked->try_finish = [&node = context.node](Session& session) {
    if (node.persistence().snapshot_in_progress()) return false;
    if (node.persistence().figures().snapshot_last_ok) {
      session.writer().ok();
    } else {
      session.writer().error("ERR the snapshot could not be written, the log says why");
    }
    return true;
  };
  blocked->on_timeout = [](Session&) {};
  context.node.block(context.session, std::move(blocked));
}

// BGSAVE [SCHEDULE]
void bgsave_command(CommandContext& context) {
  if (context.arguments.size() > 2 ||
      (context.arguments.size() == 2 && !is_word(context.arguments[1], "schedule"))) {
    context.reply.error(kSyntaxError);
    return;
  }
  if (start_snapshot(context)) context.reply.simple_string("Background saving started");
}

// BGREWRITEAOF
void bgrewriteaof_command(CommandContext& context) {
  if (context.node.persistence().snapshot_in_progress()) {
    context.reply.error("ERR Background append only file rewriting already in progress");
    return;
  }
  if (start_snapshot(context)) {
    context.reply.simple_string("Background append only file rewriting started");
  }
}

// BACKUP path
void backup_command(CommandContext& context) {
  const std::string_view path = context.arguments[1];
  if (!path.starts_with('/') || path.find('\0') != std::string_view::npos) {
    context.reply.error("ERR BACKUP needs an absolute path, of a directory on this node's machine");
    return;
  }
  // The client may leave before its backup is done.
  auto outcome = std::make_shared<std::optional<absl::Status>>();
  const absl::Status begun = context.node.persistence().start_backup(
      std::string(path), [outcome](const absl::Status& status) { *outcome = status; });
  if (!begun.ok()) {
    context.reply.error(base::concat("ERR ", begun.message()));
    return;
  }
  auto blocked = std::make_unique<Blocked>();
  blocked->unblockable = false;
  blocked->try_finish = [outcome](Session& session) {
    if (!outcome->has_value()) return false;
    if ((*outcome)->ok()) {
      session.writer().ok();
    } else {
      session.writer().error(base::concat("ERR ", (*outcome)->message()));
    }
    return true;
  };
  blocked->on_timeout = [](Session&) {};
  context.node.block(context.session, std::move(blocked));
}

// LASTSAVE
void lastsave_command(CommandContext& context) {
  context.reply.integer(context.node.persistence().figures().snapshot_last_save_s);
}

// SHUTDOWN [NOSAVE|SAVE] [NOW] [FORCE] [ABORT]
void shutdown_command(CommandContext& context) {
  bool save = false, no_save = false, now = false, force = false, abort = false;
  for (const std::string_view word : context.arguments.subspan(1)) {
    if (is_word(word, "save")) {
      save = true;
    } else if (is_word(word, "nosave")) {
      no_save = true;
    } else if (is_word(word, "now")) {
      now = true;
    } else if (is_word(word, "force")) {
      force = true;
    } else if (is_word(word, "abort")) {
      abort = true;
    } else {
      context.reply.error(kSyntaxError);
      return;
    }
  }
  if ((save && no_save) || (abort && (save || no_save || now || force))) {
    context.reply.error(kSyntaxError);
    return;
  }
  if (abort) {
    if (context.node.abort_shut_down()) {
      context.reply.ok();
    } else {
      context.reply.error("ERR No shutdown in progress.");
    }
    return;
  }
  // The client hears something only if the node stays after all.
  auto blocked = std::make_unique<Blocked>();
  blocked->unblockable = false;
  blocked->try_finish = [&node = context.node](Session& session) {
    if (node.shutting_down()) return false;
    session.writer().error("ERR Errors trying to SHUTDOWN. Check logs.");
    return true;
  };
  blocked->on_timeout = [](Session&) {};
  context.node.block(context.session, std::move(blocked));
  context.node.shut_down(save, force);
}

}  // namespace kvorum::server
