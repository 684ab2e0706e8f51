//===- HeaderTest.cpp - C headers of libraries ----------------------------===//

#include "tools/kvarn-compile/Inspect.h"

#include <gtest/gtest.h>

using namespace kvarn;

static Variant variant(const std::string &id, const std::string &kernel) {
  Variant result;
  result.id = id;
  result.key.kernel = kernel;
  result.key.target = "x86_64";
  return result;
}

static bool contains(const std::string &text, const std::string &part) {
  return text.find(part) != std::string::npos;
}

TEST(Header, LiesBesideTheLibrary) {
  EXPECT_EQ(headerPath("qwen.kvlib"), "qwen.h");
  EXPECT_EQ(headerPath("/a.b/qwen-3.kvlib"), "/a.b/qwen-3.h");
  EXPECT_EQ(headerPath("folder/plain"), "folder/plain.h");
}

// A manifest may have any bytes in its names.
TEST(Header, NamesCannotLeaveTheirStrings) {
  Manifest manifest;
  manifest.compiler = "*/ int evil; /*";
  manifest.variants = {variant("a\"; int evil;\n#\\", "x\"y")};
  std::string text = makeHeader("3*lib.kvlib", manifest);
  EXPECT_FALSE(contains(text, "evil;\n")) << text;
  EXPECT_FALSE(contains(text, "*/ int")) << text;
  EXPECT_TRUE(contains(text, "kvarn_request kvarn_3_lib_x_y(void) {")) << text;
  EXPECT_TRUE(contains(text, "request.kernel = \"x\\042y\";")) << text;
  EXPECT_TRUE(contains(text, "\"a\\042; int evil;\\012#\\134\"\n")) << text;
}

TEST(Header, EachProgramHasANameOfItsOwn) {
  Manifest manifest;
  manifest.variants = {variant("1", "scale"), variant("2", "scale"),
                       variant("3", "scale"), variant("4", "a-b"),
                       variant("5", "a.b")};
  manifest.variants[1].key.queryRows = 4; // no program of its own
  manifest.variants[2].key.target = "nvidia";
  manifest.variants[2].binary.kind = BinaryKind::Ptx;
  std::string text = makeHeader("m.kvlib", manifest);
  EXPECT_TRUE(contains(text, " m_scale_x86_64(void)")) << text;
  EXPECT_TRUE(contains(text, " m_scale_nvidia(void)")) << text;
  EXPECT_TRUE(contains(text, " m_a_b(void)")) << text;
  EXPECT_TRUE(contains(text, " m_a_b_(void)")) << text;
  size_t functions = 0;
  for (size_t at = 0; (at = text.find("(void) {", at + 1)) != text.npos;)
    ++functions;
  EXPECT_EQ(functions, 4u);
  EXPECT_TRUE(contains(text, "request.target = \"nvidia\";")) << text;
  EXPECT_FALSE(contains(text, "request.target = \"x86_64\";")) << text;
  EXPECT_TRUE(contains(text, "#define M_ID_5 \"5\"\n")) << text;
}
