#include "storage/fail_point.h"

#include <gtest/gtest.h>
#include <signal.h>

#include <array>
#include <string>

#include "tests/support/simulated_disk.h"

namespace kvorum::storage {
namespace {

class FailPointTest : public ::testing::Test {
 protected:
  std::unique_ptr<FileSystem> make(std::string_view specification) {
    auto files = make_fail_point_file_system(disk_, specification);
    EXPECT_TRUE(files.ok()) << files.status();
    return *std::move(files);
  }

  void SetUp() override { disk_.set_contents("data/segment-0000000001.wal", "before"); }

  static absl::Status write(FileSystem& files, const std::string& path, std::string_view bytes) {
    auto file = files.open(path, OpenMode::kReadWrite);
    if (!file.ok()) return file.status();
    const std::array<std::string_view, 1> pieces = {bytes};
    return (*file)->write_at(0, pieces);
  }

  SimulatedDisk disk_;
  const std::string wal_ = "data/segment-0000000001.wal";
};

TEST_F(FailPointTest, AnEmptySpecificationPassesEverythingOn) {
  const auto files = make("");
  EXPECT_TRUE(write(*files, wal_, "after!").ok());
  EXPECT_EQ(disk_.contents(wal_), "after!");
}

TEST_F(FailPointTest, TheChosenCallFailsAndNoOther) {
  const auto files = make("wal.write:after:1:times:2=eio");
  EXPECT_TRUE(write(*files, wal_, "1").ok());
  EXPECT_TRUE(absl::IsDataLoss(write(*files, wal_, "2")));
  EXPECT_TRUE(absl::IsDataLoss(write(*files, wal_, "3")));
  EXPECT_TRUE(write(*files, wal_, "4").ok());
}

TEST_F(FailPointTest, AFullDiskStaysFullWhenToldTo) {
  const auto files = make("any.write:times:always=enospc");
  for (int i = 0; i < 5; ++i) {
    EXPECT_TRUE(absl::IsResourceExhausted(write(*files, wal_, "xxxx")));
  }
  EXPECT_EQ(disk_.contents(wal_), "xxfore") << "half is written";
}

TEST_F(FailPointTest, FileKindsAreToldApart) {
  disk_.set_contents("data/snapshot-0000000001", "");
  disk_.set_contents("data/identity.tmp", "");
  disk_.set_contents("data/notes", "");
  const auto files = make("snapshot.open=eio;identity.open=enospc;directory.sync_directory=eio");
  EXPECT_TRUE(files->open(wal_, OpenMode::kRead).ok());
  EXPECT_TRUE(files->open("data/notes", OpenMode::kRead).ok());
  EXPECT_TRUE(absl::IsDataLoss(files->open("data/snapshot-0000000001", OpenMode::kRead).status()));
  EXPECT_TRUE(
      absl::IsResourceExhausted(files->open("data/identity.tmp", OpenMode::kRead).status()));
  EXPECT_TRUE(absl::IsDataLoss(files->sync_directory("data")));
}

TEST_F(FailPointTest, ARenameCountsAsOfItsTarget) {
  const auto files = make("wal.rename=eio");
  EXPECT_TRUE(files->rename(wal_, "data/other").ok());
  EXPECT_TRUE(absl::IsDataLoss(files->rename("data/other", wal_)));
}

using FailPointDeathTest = FailPointTest;

TEST_F(FailPointDeathTest, KillIsSigkill) {
  for (const char* specification : {"wal.write=kill", "wal.write=kill-after", "wal.write=kill-half",
                                    "wal.open=kill", "any.any=kill-after"}) {
    EXPECT_EXIT(
        {
          const auto files = make(specification);
          write(*files, wal_, "x").IgnoreError();
        },
        ::testing::KilledBySignal(SIGKILL), "")
        << specification;
  }
}

TEST_F(FailPointTest, MistakesAreNamed) {
  for (const char* bad :
       {"wal.write", "wal=kill", "disk.write=kill", "wal.wrote=kill", "wal.write=explode",
        "wal.write:after=kill", "wal.write:after:x=kill", "wal.write:before:1=kill", "=", "."}) {
    const auto files = make_fail_point_file_system(disk_, bad);
    EXPECT_TRUE(absl::IsInvalidArgument(files.status())) << bad;
  }
}

}  // namespace
}  // namespace kvorum::storage
