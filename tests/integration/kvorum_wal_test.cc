// The program kvorum-wal on real directories: what it prints, and its exit status.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/wait.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "storage/effect.h"
#include "storage/orphan_file.h"
#include "storage/posix_file_system.h"
#include "tests/support/log_driver.h"

namespace kvorum::storage {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

struct Output {
  int status = -1;
  std::string text;  // standard output and error
};

Output run(const std::string& arguments) {
  Output output;
  FILE* pipe = ::popen((std::string(KVORUM_WAL) + " " + arguments + " 2>&1").c_str(), "r");
  if (pipe == nullptr) return output;
  char buffer[4096];
  while (const size_t got = std::fread(buffer, 1, sizeof(buffer), pipe)) {
    output.text.append(buffer, got);
  }
  const int result = ::pclose(pipe);
  output.status = WIFEXITED(result) ? WEXITSTATUS(result) : -1;
  return output;
}

class KvorumWalTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = (std::filesystem::temp_directory_path() / "kvorum-XXXXXX").string();
    ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
    root_ = pattern;
    data_ = root_ + "/data";
    segment_ = data_ + "/segment-0000000001.wal";
    write_data();
  }
  void write_data() {
    std::filesystem::remove_all(data_);
    WalOptions options;
    options.directory = data_;
    LogDriver log(*files_, options);
    ASSERT_TRUE(log.start().ok());
    for (const std::string& value : values_) {
      std::string payload;
      encode_effect({.kind = EffectKind::kSet, .database = 2, .key = "key", .value = value},
                    payload);
      log.append(payload);
      log.wal().set_commit(std::min(commit_, log.wal().last().lsn));
      ASSERT_TRUE(log.flush().ok());
    }
    ASSERT_TRUE(log.clean_stop().ok());
  }
  void TearDown() override { std::filesystem::remove_all(root_); }

  void damage(const std::string& path, std::streamoff offset) const {
    std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(offset);
    file.put('\x7f');
  }

  std::unique_ptr<FileSystem> files_ = make_posix_file_system();
  std::string root_;
  std::string data_;
  std::string segment_;
  std::vector<std::string> values_ = {"plain", "line\nbreak\x1b[31m", "third"};
  Lsn commit_{0};
};

TEST_F(KvorumWalTest, DumpShowsFramesRecordsAndEffectsEscaped) {
  for (const std::string& path : {data_, segment_}) {
    const Output output = run("dump " + path);
    EXPECT_EQ(output.status, 0);
    EXPECT_THAT(output.text, HasSubstr("frame segment-start segment 1 offset 0 boot 1"));
    EXPECT_THAT(output.text, HasSubstr("record 1 term 1"));
    EXPECT_THAT(output.text, HasSubstr("set db 2 \"key\" = \"plain\" expiry none"));
    EXPECT_THAT(output.text, HasSubstr("\"line\\nbreak\\x1b[31m\""));
    EXPECT_THAT(output.text, Not(HasSubstr("\x1b")));
    EXPECT_THAT(output.text, HasSubstr("frame clean-stop"));
  }
}

TEST_F(KvorumWalTest, VerifySaysThatASoundDirectoryIsSound) {
  const Output output = run("verify " + data_);
  EXPECT_EQ(output.status, 0);
  EXPECT_THAT(output.text, HasSubstr("identity: ok, node 1, boot 1"));
  EXPECT_THAT(output.text, HasSubstr("log ok, 1 segments, 3 records up to lsn 3"));
  EXPECT_THAT(output.text, HasSubstr("cleanly stopped"));
}

TEST_F(KvorumWalTest, VerifyNamesFileOffsetAndReasonOfDamage) {
  damage(segment_, 1024 + 300);
  for (const std::string& path : {data_, segment_}) {
    const Output output = run("verify " + path);
    EXPECT_EQ(output.status, 1);
    EXPECT_THAT(output.text, HasSubstr(segment_ + ": corrupt at offset 1024: damaged below what a "
                                                  "later frame says was synced"));
  }
}

TEST_F(KvorumWalTest, VerifyNoticesADamagedIdentity) {
  damage(data_ + "/identity", 40);
  const Output output = run("verify " + data_);
  EXPECT_EQ(output.status, 1);
  EXPECT_THAT(output.text, HasSubstr(data_ + "/identity: damaged"));
}

TEST_F(KvorumWalTest, VerifyNoticesADamagedSnapshot) {
  std::ofstream(data_ + "/snapshot-0000000001.kvs") << "not a snapshot at all";
  const Output output = run("verify " + data_ + "/snapshot-0000000001.kvs");
  EXPECT_NE(output.status, 0);
  EXPECT_THAT(output.text, HasSubstr("snapshot-0000000001.kvs"));
}

TEST_F(KvorumWalTest, OrphanedRecordsAreShownAndVerified) {
  std::string records;
  for (const uint64_t lsn : {7, 8}) {
    std::string payload;
    encode_effect({.kind = EffectKind::kSet, .key = "lost", .value = std::to_string(lsn)}, payload);
    RecordHeader header;
    header.lsn = Lsn{lsn};
    header.term = Term{3};
    header.kind = RecordKind::kEffects;
    encode_record(test_identity().incarnation, header, payload, records);
  }
  const std::string path =
      write_orphan_file(*files_, data_, test_identity(), {Term{3}, Lsn{7}}, records).value();
  EXPECT_EQ(path, data_ + "/orphaned-0000000003-0000000007.wal");
  for (const std::string& shown : {data_, path}) {
    const Output dump = run("dump " + shown);
    EXPECT_EQ(dump.status, 0);
    EXPECT_THAT(dump.text, HasSubstr("file " + path));
    EXPECT_THAT(dump.text, HasSubstr("record 8 term 3"));
    EXPECT_THAT(dump.text, HasSubstr("set db 0 \"lost\" = \"8\" expiry none"));
  }
  EXPECT_THAT(run("verify " + data_).text, HasSubstr(path + ": ok, 2 orphaned records"));
  EXPECT_EQ(run("verify " + data_ + " " + path).status, 0);

  // Cut off at a frame's end, where a segment could well end.
  std::filesystem::resize_file(path, std::filesystem::file_size(path) - 512);
  for (const std::string& checked : {data_, path}) {
    const Output verify = run("verify " + checked);
    EXPECT_EQ(verify.status, 1);
    EXPECT_THAT(verify.text, HasSubstr(path + ": corrupt at offset 1024: orphaned records are "
                                              "missing from here on"));
  }
}

TEST_F(KvorumWalTest, JsonHasOneObjectInEachLine) {
  const Output output = run("dump --json " + segment_);
  EXPECT_EQ(output.status, 0);
  EXPECT_THAT(output.text, HasSubstr("\n{\"frame\":\"segment-start\",\"segment\":1,\"offset\":0,"));
  EXPECT_THAT(output.text, HasSubstr("\n{\"record\":2,\"term\":1,\"unix_ms\":"));
  EXPECT_THAT(output.text,
              HasSubstr("\n{\"effect\":\"set\",\"lsn\":2,\"db\":2,\"key\":\"key\",\"value\":"
                        "\"line\\u000abreak\\u001b[31m\"}\n"));
  EXPECT_THAT(output.text, HasSubstr("\"tail\":\"end of file\"}\n"));

  const Output verify = run("--json verify " + data_);
  EXPECT_THAT(verify.text, HasSubstr("{\"path\":\"" + data_ + "\",\"sound\":true,\"found\":["));
  damage(segment_, 1024 + 300);
  const Output damaged = run("--json verify " + data_ + " 2>/dev/null");
  EXPECT_EQ(damaged.status, 1);
  EXPECT_THAT(damaged.text, HasSubstr("\"sound\":false"));
  EXPECT_THAT(damaged.text, HasSubstr("\"error\":\"" + segment_ + ": corrupt at offset 1024"));
}

TEST_F(KvorumWalTest, StatsCountFilesFramesRecordsAndEffects) {
  std::ofstream(data_ + "/spare-0000000009.wal") << std::string(77, 'x');
  const Output output = run("stats " + data_);
  EXPECT_EQ(output.status, 0);
  EXPECT_THAT(output.text, HasSubstr("segments:  1, "));
  EXPECT_THAT(output.text, HasSubstr("spares:    1, 77 bytes\n"));
  EXPECT_THAT(output.text, HasSubstr("records 3, segment-start 1\n"));
  EXPECT_THAT(output.text, HasSubstr("effects:   set 3\n"));
  EXPECT_THAT(output.text,
              HasSubstr("span:      lsn 1 to 3, term 1 to 1, 1970-01-01T00:16:40.000Z"));
  const Output json = run("stats --json " + segment_);
  EXPECT_THAT(json.text, HasSubstr("\"effects\":{\"set\":3}"));
  EXPECT_THAT(json.text, HasSubstr("\"first_lsn\":1,\"last_lsn\":3,"));
  damage(segment_, 1024 + 300);
  EXPECT_EQ(run("stats " + data_).status, 1);
  EXPECT_EQ(run("stats " + root_).status, 2) << "nothing to read";
}

TEST_F(KvorumWalTest, DiffFindsWhereLogsPart) {
  // The other node's log: the first record is the same, then another leader's; nothing of that is
  // committed.
  const std::string other = root_ + "/other";
  const auto write_other = [&](Lsn commit) {
    std::filesystem::remove_all(other);
    WalOptions options;
    options.directory = other;
    LogDriver log(*files_, options);
    ASSERT_TRUE(log.start().ok());
    for (const char* value : {"plain", "another", "and another", "longer"}) {
      std::string payload;
      encode_effect({.kind = EffectKind::kSet, .database = 2, .key = "key", .value = value},
                    payload);
      log.append(payload);
      log.set_term(Term{2});
    }
    log.wal().set_commit(commit);
    ASSERT_TRUE(log.flush().ok());
  };
  write_other(Lsn{1});
  const Output output = run("diff " + data_ + " " + other);
  EXPECT_EQ(output.status, 0) << output.text;
  EXPECT_THAT(output.text, HasSubstr(other + ": node 1, lsn 1 to 4 of term 2, committed as far as "
                                             "it knows up to 1\n"));
  EXPECT_THAT(output.text, HasSubstr("equal: 1 records, lsn 1 to 1 of term 1\n"));
  EXPECT_THAT(output.text, HasSubstr("different: lsn 2 to 3\n"));
  EXPECT_THAT(output.text, HasSubstr(other + ": record 2 term 2"));
  EXPECT_THAT(output.text, HasSubstr("set db 2 \"key\" = \"another\" expiry none"));
  EXPECT_THAT(output.text, HasSubstr("committed records: no difference"));

  // Now both call the second one committed.
  commit_ = Lsn{2};
  write_data();
  write_other(Lsn{4});
  const Output committed = run("diff " + data_ + " " + other);
  EXPECT_EQ(committed.status, 1);
  EXPECT_THAT(committed.text, HasSubstr("COMMITTED RECORDS DIFFER: 1"));
  const Output json = run("--json diff " + data_ + " " + other);
  EXPECT_EQ(json.status, 1);
  EXPECT_THAT(json.text, HasSubstr("\"equal_last_lsn\":1,"));
  EXPECT_THAT(json.text, HasSubstr("\"differing_lsns\":[[2,3]]"));
  EXPECT_THAT(json.text, HasSubstr("\"committed_differences\":1,"));
}

TEST_F(KvorumWalTest, OneTermAndLsnIsOneRecord) {
  const std::string copy = root_ + "/copy";
  std::filesystem::copy(data_, copy);
  EXPECT_EQ(run("diff " + data_ + " " + copy).status, 0);
  values_ = {"plain", "not the same", "third"};
  write_data();
  const Output output = run("diff " + data_ + " " + copy);
  EXPECT_EQ(output.status, 1);
  EXPECT_THAT(output.text, HasSubstr("DIFFERENT RECORDS OF ONE TERM AND LSN: 1"));
  EXPECT_EQ(run("diff " + data_ + " " + root_).status, 2) << "not a data directory";
}

TEST_F(KvorumWalTest, RestoreTakesTheRecordsUpToThePoint) {
  const std::string to = root_ + "/new/data";
  const auto before = std::filesystem::last_write_time(segment_);
  const Output output = run("restore --from " + data_ + " --to " + to + " --until 2");
  EXPECT_EQ(output.status, 0) << output.text;
  EXPECT_THAT(output.text, HasSubstr(to + ": restored up to lsn 2 of term 1, of "
                                          "1970-01-01T00:16:40.000Z: 1 keys, from the log's "
                                          "beginning and 2 records"));
  EXPECT_EQ(std::filesystem::last_write_time(segment_), before);
  EXPECT_EQ(run("verify " + to).status, 0);
  const Identity identity = *read_identity(*files_, to);
  EXPECT_TRUE(identity.restored);
  EXPECT_EQ(identity.instance, InstanceId{});
  EXPECT_EQ(identity.hash_seed, test_identity().hash_seed);
  EXPECT_NE(identity.incarnation, test_identity().incarnation) << "another cluster";

  // From what was restored, with everything in it.
  const std::string again = root_ + "/again";
  EXPECT_EQ(run("restore --from " + to + " --to " + again).status, 0);
  EXPECT_THAT(run("restore --from " + to + " --to " + root_ + "/x --until 1").text,
              HasSubstr("a backup that was taken after lsn 1"));
}

TEST_F(KvorumWalTest, RestoreRefusesWhatItCannotDo) {
  const auto refused = [&](const std::string& arguments, int status, const std::string& words) {
    const Output output = run("restore " + arguments);
    EXPECT_EQ(output.status, status) << output.text;
    EXPECT_THAT(output.text, HasSubstr(words));
  };
  const std::string from = "--from " + data_ + " --to ";
  refused(from + data_, 2, data_ + ": exists and is not empty");
  refused(from + root_ + "/new --until 4", 2, "the log ends with lsn 3, before 4");
  refused(from + root_ + "/new --until 1970-01-01T00:00:00Z", 2, "nothing happened until");
  refused(from + root_ + "/new --rejoin", 2, "of a node alone");
  refused("--from " + root_ + "/nothing --to " + root_ + "/new", 2, "not a kvorum data directory");
  EXPECT_TRUE(std::filesystem::is_empty(root_ + "/new")) << "and left nothing behind";
  damage(segment_, 1024 + 300);  // in the second record of three
  refused(from + root_ + "/new", 1, "what is before it can be restored: --until 1");
  EXPECT_EQ(run("restore " + from + root_ + "/new --until 1").status, 0);
}

TEST_F(KvorumWalTest, NothingIsChanged) {
  const auto before = std::filesystem::last_write_time(segment_);
  run("dump " + data_);
  run("verify " + data_);
  EXPECT_EQ(std::filesystem::last_write_time(segment_), before);
  EXPECT_EQ(read_identity(*files_, data_)->boot, 1u);
}

TEST_F(KvorumWalTest, WrongUsageExitsWithTwo) {
  EXPECT_EQ(run("").status, 2);
  EXPECT_EQ(run("frobnicate " + data_).status, 2);
  EXPECT_EQ(run("dump").status, 2);
  EXPECT_EQ(run("verify " + root_ + "/nothing").status, 2);
  EXPECT_EQ(run("verify " + root_).status, 2) << "not a data directory";
  const Output help = run("--help");
  EXPECT_EQ(help.status, 0);
  EXPECT_THAT(help.text, HasSubstr("usage: kvorum-wal"));
}

}  // namespace
}  // namespace kvorum::storage
