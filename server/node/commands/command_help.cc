#include "server/node/commands/command_help.h"

#include <algorithm>

#include "base/text.h"
#include "server/node/command_docs.h"

namespace kvorum::server {
namespace {

struct Help {
  std::string_view container;
  std::string_view lines;  // '\n' between
};

// Redis' texts, without what is not there.
constexpr Help kHelp[] = {
    {"acl",
     "CAT [<category>]\n"
     "    List all commands that belong to <category>, or all command categories\n"
     "    when no category is specified.\n"
     "USERS\n"
     "    List all the registered usernames.\n"
     "WHOAMI\n"
     "    Return the current connection username.\n"
     "HELP\n"
     "    Prints this help."},
    {"client",
     "CACHING (YES|NO)\n"
     "    Enable/disable tracking of the keys for next command in OPTIN/OPTOUT modes.\n"
     "GETREDIR\n"
     "    Return the client ID we are redirecting to when tracking is enabled.\n"
     "GETNAME\n"
     "    Return the name of the current connection.\n"
     "ID\n"
     "    Return the ID of the current connection.\n"
     "INFO\n"
     "    Return information about the current client connection.\n"
     "KILL <ip:port>\n"
     "    Kill connection made from <ip:port>.\n"
     "KILL <option> <value> [<option> <value> [...]]\n"
     "    Kill connections. Options are:\n"
     "    * ADDR (<ip:port>|<unixsocket>:0)\n"
     "      Kill connections made from the specified address\n"
     "    * LADDR (<ip:port>|<unixsocket>:0)\n"
     "      Kill connections made to specified local address\n"
     "    * TYPE (NORMAL|MASTER|REPLICA|PUBSUB)\n"
     "      Kill connections by type.\n"
     "    * USER <username>\n"
     "      Kill connections authenticated by <username>.\n"
     "    * SKIPME (YES|NO)\n"
     "      Skip killing current connection (default: yes).\n"
     "LIST [options ...]\n"
     "    Return information about client connections. Options:\n"
     "    * TYPE (NORMAL|MASTER|REPLICA|PUBSUB)\n"
     "      Return clients of specified type.\n"
     "UNPAUSE\n"
     "    Stop the current client pause, resuming traffic.\n"
     "PAUSE <timeout> [WRITE|ALL]\n"
     "    Suspend all, or just write, clients for <timeout> milliseconds.\n"
     "QUORUM (<n>|MAJORITY|ALL)\n"
     "    Writes of this connection are answered when so many nodes have them on disk.\n"
     "CONSISTENCY (LINEARIZABLE|SESSION|PREFIX)\n"
     "    What reads of this connection promise.\n"
     "TOKEN [<token>]\n"
     "    What this connection has seen, as a token; or have its reads show no less than that.\n"
     "REPLY (ON|OFF|SKIP)\n"
     "    Control the replies sent to the current connection.\n"
     "SETNAME <name>\n"
     "    Assign the name <name> to the current connection.\n"
     "UNBLOCK <clientid> [TIMEOUT|ERROR]\n"
     "    Unblock the specified blocked client.\n"
     "TRACKING (ON|OFF) [REDIRECT <id>] [BCAST] [PREFIX <prefix> [...]]\n"
     "         [OPTIN] [OPTOUT] [NOLOOP]\n"
     "    Control server assisted client side caching.\n"
     "TRACKINGINFO\n"
     "    Report tracking status for the current connection.\n"
     "NO-EVICT (ON|OFF)\n"
     "    Protect current client connection from eviction.\n"
     "NO-TOUCH (ON|OFF)\n"
     "    Will not touch LRU/LFU stats when this mode is on.\n"
     "SETINFO <option> <value>\n"
     "    Set client meta attr. Options are:\n"
     "    * LIB-NAME: the client lib name.\n"
     "    * LIB-VER: the client lib version.\n"
     "CAPA <option> [options...]\n"
     "    The client claims its some capability options. Options are:\n"
     "    * REDIRECT: the client understands redirections.\n"
     "HELP\n"
     "    Prints this help."},
    {"command",
     "(no subcommand)\n"
     "    Return details about all Redis commands.\n"
     "COUNT\n"
     "    Return the total number of commands in this Redis server.\n"
     "LIST\n"
     "    Return a list of all commands in this Redis server.\n"
     "INFO [<command-name> ...]\n"
     "    Return details about multiple Redis commands.\n"
     "    If no command names are given, documentation details for all\n"
     "    commands are returned.\n"
     "DOCS [<command-name> ...]\n"
     "    Return documentation details about multiple Redis commands.\n"
     "    If no command names are given, documentation details for all\n"
     "    commands are returned.\n"
     "GETKEYS <full-command>\n"
     "    Return the keys from a full Redis command.\n"
     "GETKEYSANDFLAGS <full-command>\n"
     "    Return the keys and the access flags from a full Redis command.\n"
     "HELP\n"
     "    Prints this help."},
    {"config",
     "GET <pattern>\n"
     "    Return parameters matching the glob-like <pattern> and their values.\n"
     "SET <directive> <value>\n"
     "    Set the configuration <directive> to <value>.\n"
     "RESETSTAT\n"
     "    Reset statistics reported by the INFO command.\n"
     "REWRITE\n"
     "    Rewrite the configuration file.\n"
     "HELP\n"
     "    Prints this help."},
    {"debug",
     "DIGEST\n"
     "    Output a hex signature representing the current DB content.\n"
     "SLEEP <seconds>\n"
     "    Stop the server for <seconds>. Decimals allowed.\n"
     "HELP\n"
     "    Prints this help."},
    {"latency",
     "DOCTOR\n"
     "    Return a human readable latency analysis report.\n"
     "HISTORY <event>\n"
     "    Return time-latency samples for the <event> class.\n"
     "LATEST\n"
     "    Return the latest latency samples for all events.\n"
     "RESET [<event> ...]\n"
     "    Reset latency data of one or more <event> classes.\n"
     "    (default: reset all data for all event classes)\n"
     "HISTOGRAM [COMMAND ...]\n"
     "    Return a cumulative distribution of latencies in the format of a histogram for the "
     "specified command names.\n"
     "    If no commands are specified then all histograms are replied.\n"
     "HELP\n"
     "    Prints this help."},
    {"member",
     "ADD <id> <host:port> [LEARNER]\n"
     "    Let a node join. It is a voter when it has caught up; a LEARNER stays one.\n"
     "LIST\n"
     "    Show the members: role, state, records behind, whether a promotion is under way.\n"
     "PROMOTE <id>\n"
     "    Make a learner a voter as soon as it has caught up.\n"
     "REMOVE <id>\n"
     "    Take a node out of the cluster.\n"
     "HELP\n"
     "    Prints this help."},
    {"memory",
     "DOCTOR\n"
     "    Return memory problems reports.\n"
     "STATS\n"
     "    Return information about the memory usage of the server.\n"
     "USAGE <key> [SAMPLES <count>]\n"
     "    Return memory in bytes used by <key> and its value. Nested values are\n"
     "    sampled up to <count> times (default: 5, 0 means sample all).\n"
     "HELP\n"
     "    Prints this help."},
    {"pubsub",
     "CHANNELS [<pattern>]\n"
     "    Return the currently active channels matching a <pattern> (default: '*').\n"
     "NUMPAT\n"
     "    Return number of subscriptions to patterns.\n"
     "NUMSUB [<channel> ...]\n"
     "    Return the number of subscribers for the specified channels, excluding\n"
     "    pattern subscriptions(default: no channels).\n"
     "SHARDCHANNELS [<pattern>]\n"
     "    Return the currently active shard level channels matching a <pattern> (default: '*').\n"
     "SHARDNUMSUB [<shardchannel> ...]\n"
     "    Return the number of subscribers for the specified shard level channel(s)\n"
     "HELP\n"
     "    Prints this help."},
    {"script",
     "KILL\n"
     "    Kill the currently executing Lua script.\n"
     "HELP\n"
     "    Prints this help."},
    {"slowlog",
     "GET [<count>]\n"
     "    Return top <count> entries from the slowlog (default: 10, -1 mean all).\n"
     "    Entries are made of:\n"
     "    id, timestamp, time in microseconds, arguments array, client IP and port,\n"
     "    client name\n"
     "LEN\n"
     "    Return the length of the slowlog.\n"
     "RESET\n"
     "    Reset the slowlog.\n"
     "HELP\n"
     "    Prints this help."},
};

}  // namespace

void reply_help(CommandContext& context, std::string_view container) {
  const auto* help = std::find_if(std::begin(kHelp), std::end(kHelp),
                                  [&](const Help& each) { return each.container == container; });
  const auto lines = split(help->lines, '\n');
  context.reply.array(lines.size() + 1);
  context.reply.simple_string(base::concat(
      base::upper(container), " <subcommand> [<arg> [value] [opt] ...]. Subcommands are:"));
  for (const std::string_view line : lines) context.reply.simple_string(line);
}

void reply_subcommand_syntax(CommandContext& context) {
  constexpr size_t kShownBytes = 128;
  context.reply.error(base::concat("ERR unknown subcommand or wrong number of arguments for '",
                                   context.arguments[1].substr(0, kShownBytes), "'. Try ",
                                   base::upper(context.arguments[0].substr(0, kShownBytes)),
                                   " HELP."));
}

}  // namespace kvorum::server
