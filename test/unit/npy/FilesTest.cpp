//===- FilesTest.cpp - Files appear whole or not at all -------------------===//

#include "tools/npy/Files.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>

using namespace kvarn;

namespace {

class Files : public testing::Test {
protected:
  void SetUp() override {
    std::string name = testing::TempDir() + "kvarn-files-XXXXXX";
    ASSERT_NE(mkdtemp(name.data()), nullptr);
    folder = name;
  }
  void TearDown() override { std::filesystem::remove_all(folder); }
  size_t count() const {
    return std::distance(std::filesystem::directory_iterator(folder), {});
  }

  std::filesystem::path folder;
  std::string error;
};

} // namespace

TEST_F(Files, AppearOnCommit) {
  {
    OutputFiles files;
    ASSERT_TRUE(files.add(folder / "a", {"x", "yz"}, error)) << error;
    ASSERT_TRUE(files.add(folder / "b", {}, error)) << error;
    EXPECT_FALSE(std::filesystem::exists(folder / "a"));
    ASSERT_TRUE(files.commit(error)) << error;
  }
  EXPECT_EQ(readFile(folder / "a", error), "xyz");
  EXPECT_EQ(readFile(folder / "b", error), "");
  EXPECT_EQ(count(), 2u);
}

TEST_F(Files, LeaveNothingBehind) {
  {
    OutputFiles files;
    ASSERT_TRUE(files.add(folder / "a", {"x"}, error)) << error;
    std::string missing = folder / "missing" / "b";
    EXPECT_FALSE(files.add(missing, {"x"}, error));
    EXPECT_EQ(error, missing + ": cannot write: No such file or directory");
  }
  EXPECT_EQ(count(), 0u);
}

TEST_F(Files, DoNotReplaceDevices) {
  OutputFiles files;
  EXPECT_FALSE(files.add("/dev/null", {"x"}, error));
  EXPECT_EQ(error, "/dev/null: cannot write: not a regular file");
}
