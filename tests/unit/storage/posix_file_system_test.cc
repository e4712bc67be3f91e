#include "storage/posix_file_system.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include <filesystem>
#include <string>
#include <vector>

#include "tests/support/log_driver.h"

namespace kvorum::storage {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

class PosixFileSystemTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = (std::filesystem::temp_directory_path() / "kvorum-XXXXXX").string();
    ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
    directory_ = pattern;
  }
  void TearDown() override { std::filesystem::remove_all(directory_); }

  std::string path(const std::string& name) const { return directory_ + "/" + name; }

  std::unique_ptr<File> create(const std::string& name) {
    auto file = files_->open(path(name), OpenMode::kCreate);
    EXPECT_TRUE(file.ok()) << file.status();
    return *std::move(file);
  }

  static std::string read(const File& file, uint64_t offset, size_t size) {
    std::string bytes(size, '\0');
    const auto got = file.read_at(offset, bytes.data(), size);
    EXPECT_TRUE(got.ok()) << got.status();
    bytes.resize(got.ok() ? *got : 0);
    return bytes;
  }

  std::unique_ptr<FileSystem> files_ = make_posix_file_system();
  std::string directory_;
};

TEST_F(PosixFileSystemTest, PiecesAreWrittenInOrder) {
  const auto file = create("f");
  const std::vector<std::string_view> pieces = {"ab", "", "cde", "f"};
  ASSERT_TRUE(file->write_at(3, pieces).ok());
  ASSERT_TRUE(file->sync().ok());
  EXPECT_EQ(read(*file, 0, 100), std::string("\0\0\0abcdef", 9));
  EXPECT_EQ(*file->size(), 9u);
}

TEST_F(PosixFileSystemTest, MorePiecesThanOneCallTakesAreAllWritten) {
  const auto file = create("f");
  std::string expected;
  std::vector<std::string> strings;
  for (int i = 0; i < 5000; ++i) strings.push_back(std::to_string(i) + ",");
  std::vector<std::string_view> pieces;
  for (const std::string& string : strings) {
    expected += string;
    pieces.emplace_back(string);
  }
  ASSERT_TRUE(file->write_at(0, pieces).ok());
  EXPECT_EQ(read(*file, 0, expected.size() + 1), expected);
}

using PosixFileSystemDeathTest = PosixFileSystemTest;

TEST_F(PosixFileSystemDeathTest, AWriteThatIsCutShortGoesOnUntilTheErrorShows) {
  // A limit on the file's size makes the kernel write a part, and fail the rest.
  const auto file = create("f");
  const std::string large(20'000, 'x');
  const std::vector<std::string_view> pieces = {large, large};
  const auto write_beyond_the_limit = [&] {
    ::signal(SIGXFSZ, SIG_IGN);
    const rlimit limit{.rlim_cur = 30'000, .rlim_max = 30'000};
    ::setrlimit(RLIMIT_FSIZE, &limit);
    const absl::Status status = file->write_at(0, pieces);
    ::_exit(!status.ok() && *file->size() == 30'000 ? 0 : 1);
  };
  EXPECT_EXIT(write_beyond_the_limit(), ::testing::ExitedWithCode(0), "");
}

TEST_F(PosixFileSystemTest, AFullDeviceIsResourceExhausted) {
  const auto file = files_->open("/dev/full", OpenMode::kReadWrite);
  ASSERT_TRUE(file.ok()) << file.status();
  const std::vector<std::string_view> pieces = {"x"};
  const absl::Status status = (*file)->write_at(0, pieces);
  EXPECT_TRUE(absl::IsResourceExhausted(status)) << status;
  EXPECT_THAT(std::string(status.message()), HasSubstr("/dev/full"));
}

TEST_F(PosixFileSystemTest, ErrorsHaveTheirCodesAndNameThePath) {
  const auto missing = files_->open(path("nothing"), OpenMode::kRead);
  EXPECT_TRUE(absl::IsNotFound(missing.status()));
  EXPECT_THAT(std::string(missing.status().message()), HasSubstr(path("nothing")));
  create("f");
  EXPECT_TRUE(absl::IsAlreadyExists(files_->open(path("f"), OpenMode::kCreate).status()));
  EXPECT_TRUE(absl::IsNotFound(files_->rename(path("nothing"), path("g"))));
  EXPECT_TRUE(absl::IsNotFound(files_->remove(path("nothing"))));
  EXPECT_TRUE(absl::IsNotFound(files_->list(path("nothing")).status()));
  EXPECT_TRUE(absl::IsNotFound(files_->sync_directory(path("nothing"))));
}

TEST_F(PosixFileSystemTest, DirectoriesAreMadeWithTheirParents) {
  ASSERT_TRUE(files_->create_directory(path("a/b/c")).ok());
  ASSERT_TRUE(files_->create_directory(path("a/b/c")).ok()) << "present is fine";
  EXPECT_TRUE(files_->sync_directory(path("a/b")).ok());
  create("f");
  EXPECT_FALSE(files_->create_directory(path("f")).ok());
}

TEST_F(PosixFileSystemTest, ListsNamesSorted) {
  create("b");
  create("a");
  ASSERT_TRUE(files_->rename(path("b"), path("c")).ok());
  EXPECT_THAT(*files_->list(directory_), ElementsAre("a", "c"));
  ASSERT_TRUE(files_->remove(path("a")).ok());
  EXPECT_THAT(*files_->list(directory_), ElementsAre("c"));
}

TEST_F(PosixFileSystemTest, ALockKeepsOutASecondHolderUntilItIsDropped) {
  auto first = files_->lock(path("lock"));
  ASSERT_TRUE(first.ok()) << first.status();
  EXPECT_TRUE(absl::IsUnavailable(files_->lock(path("lock")).status()));
  first->reset();
  EXPECT_TRUE(files_->lock(path("lock")).ok());
}

TEST_F(PosixFileSystemTest, TruncateShortensAndExtends) {
  const auto file = create("f");
  const std::vector<std::string_view> pieces = {"abcdef"};
  ASSERT_TRUE(file->write_at(0, pieces).ok());
  ASSERT_TRUE(file->truncate(2).ok());
  ASSERT_TRUE(file->truncate(4).ok());
  EXPECT_EQ(read(*file, 0, 10), std::string("ab\0\0", 4));
}

TEST_F(PosixFileSystemTest, ALogOnRealFilesComesBack) {
  WalOptions options;
  options.directory = path("data");
  options.segment_bytes = 64 << 10;
  LogDriver log(*files_, options);
  for (int start = 0; start < 3; ++start) {
    const absl::Status status = log.start();
    ASSERT_TRUE(status.ok()) << status;
    ASSERT_EQ(log.recovered().payloads.size(), static_cast<size_t>(start) * 500);
    for (int i = 0; i < 500; ++i) {
      log.append(std::string(static_cast<size_t>(i), 'x'));
      if (i % 10 == 0) {
        ASSERT_TRUE(log.flush().ok());
      }
    }
    ASSERT_TRUE(log.clean_stop().ok());
    log.drop();
  }
}

}  // namespace
}  // namespace kvorum::storage
