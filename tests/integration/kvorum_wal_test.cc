// The program kvorum-wal on real directories: what it prints, and its exit status.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/wait.h>

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <string>

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
    WalOptions options;
    options.directory = data_;
    LogDriver log(*files_, options);
    ASSERT_TRUE(log.start().ok());
    for (const char* value : {"plain", "line\nbreak\x1b[31m", "third"}) {
      std::string payload;
      encode_effect({.kind = EffectKind::kSet, .database = 2, .key = "key", .value = value},
                    payload);
      log.append(payload);
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
