#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "server/node/info_section.h"
#include "tests/unit/node/node_fixture.h"

namespace kvorum::server {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::MatchesRegex;
using testing::Not;
using testing::StartsWith;

class Info : public NodeFixture {};

TEST_F(Info, ShowsTheDefaultSectionsInRedisOrder) {
  const std::string text = run({"INFO"});
  size_t at = 0;
  for (const char* heading :
       {"# Server\r\n", "\r\n\r\n# Clients\r\n", "\r\n\r\n# Memory\r\n",
        "\r\n\r\n# Persistence\r\n", "\r\n\r\n# Stats\r\n", "\r\n\r\n# Replication\r\n",
        "\r\n\r\n# Quorum\r\n", "\r\n\r\n# CPU\r\n", "\r\n\r\n# Modules\r\n",
        "\r\n\r\n# Cluster\r\n"}) {
    const size_t found = text.find(heading, at);
    ASSERT_NE(found, std::string::npos) << heading;
    at = found + 1;
  }
  EXPECT_THAT(text, Not(HasSubstr("# Commandstats")));
  EXPECT_THAT(text, Not(HasSubstr("# Latencystats")));
}

TEST_F(Info, ShowsTheSectionsAskedFor) {
  EXPECT_THAT(run({"INFO", "CLIENTS", "cluster"}),
              AllOf(HasSubstr("# Clients\r\n"), HasSubstr("# Cluster\r\ncluster_enabled:0\r\n"),
                    Not(HasSubstr("# Server"))));
  EXPECT_THAT(run({"INFO", "everything"}),
              AllOf(HasSubstr("# Commandstats"), HasSubstr("# Latencystats")));
  EXPECT_THAT(run({"INFO", "default", "commandstats"}),
              AllOf(HasSubstr("# Server"), HasSubstr("# Commandstats")));
  EXPECT_EQ(run({"INFO", "nothing"}), "$0\r\n\r\n");
}

TEST_F(Info, ReplicationIsThatOfALoneMaster) {
  run({"SET", "key", "value"});
  EXPECT_EQ(run({"INFO", "replication"}).substr(6),
            "# Replication\r\nrole:master\r\nconnected_slaves:0\r\n"
            "master_failover_state:no-failover\r\nmaster_replid:" +
                node->replication_id() +
                "\r\nmaster_replid2:0000000000000000000000000000000000000000\r\n"
                "master_repl_offset:" +
                std::to_string(node->commit_position().lsn.value()) +
                "\r\nsecond_repl_offset:-1\r\nrepl_backlog_active:0\r\nrepl_backlog_size:0\r\n"
                "repl_backlog_first_byte_offset:0\r\nrepl_backlog_histlen:0\r\n\r\n");
}

TEST_F(Info, KeyspaceCountsKeysAndExpiries) {
  run({"SET", "a", "1"});
  run({"SET", "b", "1", "PX", "10000"});
  EXPECT_THAT(run({"INFO", "keyspace"}), HasSubstr("db0:keys=2,expires=1,avg_ttl=10000\r\n"));
}

TEST_F(Info, CommandsAndErrorsAreCounted) {
  run({"SET", "a", "1"});
  run({"SET", "a", "2"});
  run({"INCR", "nothing", "x"});
  run({"SETRANGE", "a", "-1", "x"});
  EXPECT_THAT(run({"INFO", "commandstats"}),
              AllOf(HasSubstr("cmdstat_set:calls=2,"), HasSubstr("cmdstat_setrange:calls=1,"),
                    HasSubstr(",failed_calls=1\r\n")));
  EXPECT_THAT(run({"INFO", "errorstats"}), HasSubstr("errorstat_ERR:count=2\r\n"));
  EXPECT_THAT(run({"INFO", "latencystats"}),
              HasSubstr("latency_percentiles_usec_set:p50=0.000,p99=0.000,p99.9=0.000\r\n"));
}

TEST_F(Info, FiguresOfTheProcessComeFromTheHost) {
  host.figures.process_id = 77;
  host.figures.allocated_bytes = 3 << 20;
  host.figures.resident_bytes = 6 << 20;
  host.figures.cpu_user_seconds = 1.5;
  host.figures.network_input_bytes = 12345;
  EXPECT_THAT(run({"INFO", "server"}), HasSubstr("\r\nprocess_id:77\r\n"));
  EXPECT_THAT(run({"INFO", "memory"}),
              AllOf(HasSubstr("used_memory:3145728\r\nused_memory_human:3.00M\r\n"),
                    HasSubstr("mem_fragmentation_ratio:2.00\r\n")));
  EXPECT_THAT(run({"INFO", "cpu"}), HasSubstr("used_cpu_user:1.500000\r\n"));
  EXPECT_THAT(run({"INFO", "stats"}), HasSubstr("total_net_input_bytes:12345\r\n"));
}

TEST_F(Info, ClientsCountsConnectionsAndWaiters) {
  connect();
  connect();
  EXPECT_THAT(run({"INFO", "clients"}),
              AllOf(HasSubstr("connected_clients:3\r\n"), HasSubstr("blocked_clients:0\r\n")));
}

TEST_F(Info, PersistenceSaysLoadingAndWhatWaits) {
  EXPECT_THAT(run({"INFO", "persistence"}),
              AllOf(HasSubstr("# Persistence\r\nloading:0\r\n"), HasSubstr("aof_enabled:1\r\n"),
                    HasSubstr("aof_last_write_status:ok\r\n"), HasSubstr("wal_fsync:always\r\n"),
                    Not(HasSubstr("loading_start_time"))));
}

TEST_F(Info, Resp3GetsAVerbatimString) {
  run({"HELLO", "3"});
  EXPECT_THAT(run({"INFO", "cluster"}), StartsWith("=34\r\ntxt:# Cluster\r\n"));
}

TEST(HumanBytes, RoundAsRedisDoes) {
  EXPECT_EQ(human_bytes(0), "0B");
  EXPECT_EQ(human_bytes(1023), "1023B");
  EXPECT_EQ(human_bytes(1536), "1.50K");
  EXPECT_EQ(human_bytes(uint64_t{25276502016}), "23.54G");
}

}  // namespace
}  // namespace kvorum::server
