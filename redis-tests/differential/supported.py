"""The commands that the subject has to have (docs/commands.md)."""

STRINGS = (
    "append decr decrby get getdel getex getrange getset incr incrby incrbyfloat lcs mget mset"
    " msetnx psetex set setex setnx setrange strlen substr"
)
GENERIC = (
    "del unlink exists type keys scan randomkey rename renamenx copy touch expire pexpire expireat"
    " pexpireat ttl pttl expiretime pexpiretime persist dump restore wait move"
)
CONNECTION = "auth hello ping echo select quit reset"
TRANSACTIONS = "multi exec discard watch unwatch"
PUBLISH = "subscribe psubscribe unsubscribe punsubscribe publish"
SERVER = (
    "swapdb flushdb flushall dbsize info time lastsave save bgsave shutdown monitor role replicaof"
    " lolwut"
)
CONTAINERS = {
    "object": "encoding freq idletime refcount help",
    "client": "id info list kill setname getname reply no-evict pause unpause unblock",
    "pubsub": "channels numsub numpat",
    "command": "count info docs list getkeys",
    "config": "get set rewrite resetstat",
    "slowlog": "get len reset",
    "latency": "history latest reset doctor",
    "memory": "usage",
}

PLAIN_COMMANDS = " ".join(
    (STRINGS, GENERIC, CONNECTION, TRANSACTIONS, PUBLISH, SERVER)
).split()
SUBCOMMANDS = [
    (container, name) for container, names in CONTAINERS.items() for name in names.split()
]
ALL_COMMANDS = PLAIN_COMMANDS + list(CONTAINERS)
