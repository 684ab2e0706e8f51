//===- NpyTest.cpp - Reading and writing of .npy files --------------------===//

#include "tools/npy/Npy.h"
#include "tools/npy/Files.h"

#include <gtest/gtest.h>

#include <cstring>
#include <random>

using namespace kvarn;
using namespace kvarn::npy;

/// A file of the given version with this header text and data.
static std::string file(const std::string &header, const std::string &data,
                        char version = 1) {
  std::string bytes = "\x93NUMPY";
  bytes += {version, 0, static_cast<char>(header.size() & 0xff),
            static_cast<char>(header.size() >> 8)};
  if (version > 1)
    bytes += {0, 0};
  return bytes + header + data;
}

static std::string header(const std::string &descr, const std::string &shape,
                          const std::string &order = "False") {
  return "{'descr': '" + descr + "', 'fortran_order': " + order +
         ", 'shape': " + shape + ", }\n";
}

/// The error that `bytes` give.
static std::string errorOf(const std::string &bytes) {
  std::string error;
  EXPECT_FALSE(parseNpy(bytes, error)) << "was accepted";
  return error;
}

TEST(Npy, ReadsEveryType) {
  const std::pair<const char *, DType> types[] = {
      {"<f2", DType::F16},  {"<f4", DType::F32},  {"|i1", DType::I8},
      {"|u1", DType::U8},   {"<i4", DType::I32},  {"<i8", DType::I64},
      {"<V2", DType::BF16}, {"|V2", DType::BF16}, {"bfloat16", DType::BF16}};
  for (auto [descr, dtype] : types) {
    SCOPED_TRACE(descr);
    std::string data(6 * dtypeBytes(dtype), '\0');
    for (size_t i = 0; i < data.size(); ++i)
      data[i] = static_cast<char>(i);
    std::string error;
    auto array = parseNpy(file(header(descr, "(2, 3)"), data), error);
    ASSERT_TRUE(array) << error;
    EXPECT_EQ(array->dtype, dtype);
    EXPECT_EQ(array->shape, (std::vector<int64_t>{2, 3}));
    EXPECT_EQ(std::string(array->data.begin(), array->data.end()), data);
  }
}

TEST(Npy, ReadsEveryVersion) {
  for (char version : {1, 2, 3}) {
    std::string error;
    auto array = parseNpy(file(header("|u1", "(2,)"), "ab", version), error);
    ASSERT_TRUE(array) << error;
    EXPECT_EQ(array->shape, std::vector<int64_t>{2});
  }
}

TEST(Npy, ReadsEntriesInAnyOrder) {
  std::string error;
  EXPECT_TRUE(parseNpy(file("{\"shape\":(1,1),\"fortran_order\":False,"
                            "\"descr\":\"|u1\"}",
                            "a"),
                       error))
      << error;
}

TEST(Npy, ReadsScalarsAndEmptyArrays) {
  std::string error;
  auto scalar = parseNpy(file(header("<i4", "()"), "abcd"), error);
  ASSERT_TRUE(scalar) << error;
  EXPECT_TRUE(scalar->shape.empty());
  auto empty = parseNpy(file(header("<i4", "(0, 7)"), ""), error);
  ASSERT_TRUE(empty) << error;
  EXPECT_EQ(empty->shape, (std::vector<int64_t>{0, 7}));
}

TEST(Npy, WritesWhatItReads) {
  for (size_t i = 0; i < kDTypeNames.size(); ++i)
    for (const std::vector<int64_t> &shape :
         {std::vector<int64_t>{}, {3}, {0, 2}, {2, 1, 3}}) {
      auto dtype = static_cast<DType>(i);
      std::string data(*tensorBytes(dtype, shape), 'x');
      std::string bytes = npyHeader(dtype, shape);
      EXPECT_EQ(bytes.size() % 64, 0u);
      EXPECT_EQ(bytes.back(), '\n');
      std::string error;
      auto array = parseNpy(bytes + data, error);
      ASSERT_TRUE(array) << error;
      EXPECT_EQ(array->dtype, dtype);
      EXPECT_EQ(array->shape, shape);
    }
}

TEST(Npy, RefusesOtherFiles) {
  const char *magic = "not a .npy file: expected it to start with \\x93NUMPY "
                      "and a version";
  EXPECT_EQ(errorOf(""), magic);
  EXPECT_EQ(errorOf("\x93NUMPY\1"), magic);
  EXPECT_EQ(errorOf("PK\3\4 an .npz is a zip file"), magic);
  EXPECT_EQ(errorOf(file(header("<f2", "(1,)"), "ab", 4)),
            "found .npy version 4.0, expected 1.0, 2.0 or 3.0");
}

TEST(Npy, RefusesTruncation) {
  std::string bytes = file(header("<f2", "(2,)"), "abcd");
  EXPECT_EQ(errorOf(bytes.substr(0, 20)),
            "truncated: the header should have 58 bytes, found 10");
  EXPECT_EQ(errorOf(bytes.substr(0, bytes.size() - 1)),
            "shape [2] of f16 needs 4 bytes of data, found 3");
  EXPECT_EQ(errorOf(bytes + "e"),
            "shape [2] of f16 needs 4 bytes of data, found 5");
  for (size_t size = 0; size < bytes.size(); ++size)
    errorOf(bytes.substr(0, size));
}

TEST(Npy, RefusesWhatItCannotRepresent) {
  EXPECT_EQ(errorOf(file(header("<f8", "(1,)"), "abcdefgh")),
            "found element type '<f8', expected one of <f2, <f4, |i1, |u1, "
            "<i4, <i8, <V2 (bfloat16)");
  EXPECT_EQ(errorOf(file(header(">f2", "(1,)"), "ab")).substr(0, 24),
            "found element type '>f2'");
  EXPECT_EQ(errorOf(file(header("<f2", "(1, 1)", "True"), "ab")),
            "found Fortran order, expected C order");
  EXPECT_EQ(
      errorOf(file(header("<f2", "(4294967296, 4294967296)"), "")),
      "shape [4294967296, 4294967296] of f16 needs more than 2^63 bytes of "
      "data, found 0");
  // The product of the other extents must be representable all the same.
  EXPECT_NE(errorOf(file(header("<f2", "(0, 4294967296, 4294967296)"), "")),
            "");
}

TEST(Npy, RefusesBadHeaders) {
  EXPECT_EQ(errorOf(file("", "")), "bad header: expected '{', found its end");
  EXPECT_EQ(errorOf(file("{}", "")),
            "bad header: expected descr, fortran_order and shape");
  EXPECT_EQ(errorOf(file("{'descr': [('a', '<f2')]", "")),
            "bad header: expected a string, found \"[('a', '<f2')]\"");
  EXPECT_EQ(errorOf(file("{'descr': '<f2', 'descr': '<f2'}", "")),
            "bad header: second entry 'descr', expected descr, fortran_order "
            "and shape");
  EXPECT_EQ(errorOf(file("{'align': True}", "")),
            "bad header: unknown entry 'align', expected descr, fortran_order "
            "and shape");
  EXPECT_EQ(errorOf(file(header("<f2", "(2)"), "abcd")),
            "bad header: expected ',', found \"), }\"");
  EXPECT_EQ(errorOf(file(header("<f2", "(-1,)"), "")),
            "bad header: expected an extent from 0 to 2^63 - 1, found "
            "\"-1,), }\"");
  EXPECT_EQ(errorOf(file(header("<f2", "(9223372036854775808,)"), "")),
            "bad header: expected an extent from 0 to 2^63 - 1, found "
            "\"9223372036854775\"");
  EXPECT_EQ(errorOf(file(header("<f2", "(1,1,1,1,1,1,1,1,1)"), "ab")),
            "bad header: expected at most 8 dimensions, found \"), }\"");
  EXPECT_EQ(errorOf(file(header("<f2", "(1,)", "0"), "ab")),
            "bad header: expected True or False, found \"0, 'shape': (1,)\"");
  EXPECT_EQ(errorOf(file(header("<f2", "(1,)") + "x", "ab")),
            "bad header: expected its end, found \"x\"");
}

TEST(Npy, SurvivesNoise) {
  std::mt19937 random(1);
  std::string good = file(header("<f2", "(2, 2)"), "abcdefgh");
  for (int i = 0; i < 20000; ++i) {
    std::string bytes = good;
    for (int changes = 1 + static_cast<int>(random() % 3); changes; --changes)
      bytes[random() % bytes.size()] = static_cast<char>(random());
    std::string error;
    if (auto array = parseNpy(bytes, error))
      EXPECT_EQ(tensorBytes(array->dtype, array->shape),
                static_cast<int64_t>(array->data.size()));
    else
      EXPECT_NE(error, "");
  }
}

TEST(Npy, NamesTheFile) {
  std::string error;
  EXPECT_FALSE(readNpy("/nonexistent/q.npy", error));
  EXPECT_EQ(error,
            "/nonexistent/q.npy: cannot open: No such file or directory");
  EXPECT_FALSE(readNpy("/dev/zero", error));
  EXPECT_EQ(error, "/dev/zero: not a regular file");
}
