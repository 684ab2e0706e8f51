//===- Npy.cpp - Arrays in .npy files -------------------------------------===//

#include "tools/npy/Npy.h"

#include "tools/npy/Files.h"

#include <algorithm>
#include <cctype>
#include <charconv>

namespace kvarn::npy {

// What a sane file stays below. They bound the work on a hostile one.
static constexpr size_t kMaxHeader = 1 << 16;
static constexpr size_t kMaxRank = 8;

static constexpr std::string_view kMagic = "\x93NUMPY";

std::string_view dtypeName(DType dtype) {
  return kDTypeNames[static_cast<size_t>(dtype)];
}

std::optional<DType> parseDType(std::string_view name) {
  const auto *found = std::find(kDTypeNames.begin(), kDTypeNames.end(), name);
  if (found == kDTypeNames.end())
    return std::nullopt;
  return static_cast<DType>(found - kDTypeNames.begin());
}

int64_t dtypeBytes(DType dtype) {
  switch (dtype) {
  case DType::I8:
  case DType::U8:
    return 1;
  case DType::F16:
  case DType::BF16:
    return 2;
  case DType::F32:
  case DType::I32:
    return 4;
  case DType::I64:
    return 8;
  }
  return 0;
}

std::string shapeText(const std::vector<int64_t> &shape) {
  std::string text = "[";
  for (size_t i = 0; i < shape.size(); ++i)
    text += (i ? ", " : "") + std::to_string(shape[i]);
  return text + "]";
}

std::optional<int64_t> tensorBytes(DType dtype,
                                   const std::vector<int64_t> &shape) {
  int64_t bytes = dtypeBytes(dtype);
  bool empty = false;
  // An extent of 0 does not excuse the others: products of them are formed too.
  for (int64_t extent : shape) {
    if (extent < 0 ||
        (extent > 0 && __builtin_mul_overflow(bytes, extent, &bytes)))
      return std::nullopt;
    empty |= extent == 0;
  }
  return empty ? 0 : bytes;
}

//===----------------------------------------------------------------------===//
// The header: a literal of a Python dictionary
//===----------------------------------------------------------------------===//

namespace {

struct Header {
  std::string descr;
  bool fortranOrder = false;
  std::vector<int64_t> shape;
};

/// Reads the dictionary {'descr': '<f2', 'fortran_order': False,
/// 'shape': (3, 4), }. Every function returns false after setting the error.
class HeaderParser {
public:
  HeaderParser(std::string_view text, std::string &error)
      : text(text), error(error) {}

  bool parse(Header &header);

private:
  void skipSpace() {
    while (!text.empty() && (text.front() == ' ' || text.front() == '\n' ||
                             text.front() == '\t' || text.front() == '\r'))
      text.remove_prefix(1);
  }
  bool accept(std::string_view token) {
    skipSpace();
    if (!text.starts_with(token))
      return false;
    text.remove_prefix(token.size());
    return true;
  }
  bool fail(const std::string &expected) {
    skipSpace();
    error = "bad header: expected " + expected + ", found " +
            (text.empty() ? "its end"
                          : printable(text.substr(
                                0, std::min<size_t>(16, text.find('\n')))));
    return false;
  }
  bool expect(char token) {
    return accept({&token, 1}) || fail(std::string("'") + token + "'");
  }
  static std::string printable(std::string_view bytes) {
    std::string result = "\"";
    for (char c : bytes)
      result += c >= ' ' && c <= '~' ? c : '?';
    return result + "\"";
  }

  bool string(std::string &value);
  bool boolean(bool &value);
  bool tuple(std::vector<int64_t> &values);
  bool member(const std::string &key, Header &header);

  std::string_view text;
  std::string &error;
  bool seen[3] = {};
};

} // namespace

bool HeaderParser::string(std::string &value) {
  skipSpace();
  if (text.empty() || (text.front() != '\'' && text.front() != '"'))
    return fail("a string");
  size_t end = text.find(text.front(), 1);
  if (end == std::string_view::npos || end > 64)
    return fail("a string of at most 64 characters");
  value = text.substr(1, end - 1);
  for (char &c : value) // it may end up in a message
    c = c >= ' ' && c <= '~' ? c : '?';
  text.remove_prefix(end + 1);
  return true;
}

bool HeaderParser::boolean(bool &value) {
  value = accept("True");
  return value || accept("False") || fail("True or False");
}

bool HeaderParser::tuple(std::vector<int64_t> &values) {
  if (!expect('('))
    return false;
  while (!accept(")")) {
    skipSpace();
    int64_t value = 0;
    auto [end, status] =
        std::from_chars(text.data(), text.data() + text.size(), value);
    if (status != std::errc() || value < 0)
      return fail("an extent from 0 to 2^63 - 1");
    text.remove_prefix(end - text.data());
    values.push_back(value);
    if (values.size() > kMaxRank)
      return fail("at most " + std::to_string(kMaxRank) + " dimensions");
    if (accept(","))
      continue;
    if (values.size() == 1)
      return fail("','"); // (3) is no tuple
    if (!accept(")"))
      return fail("',' or ')'");
    return true;
  }
  return true;
}

bool HeaderParser::member(const std::string &key, Header &header) {
  static constexpr std::string_view keys[] = {"descr", "fortran_order",
                                              "shape"};
  const auto *found = std::find(std::begin(keys), std::end(keys), key);
  if (found == std::end(keys) || seen[found - keys]) {
    error = "bad header: " +
            std::string(found == std::end(keys) ? "unknown" : "second") +
            " entry '" + key + "', expected descr, fortran_order and shape";
    return false;
  }
  seen[found - keys] = true;
  if (key == "descr")
    return string(header.descr);
  return key == "shape" ? tuple(header.shape) : boolean(header.fortranOrder);
}

bool HeaderParser::parse(Header &header) {
  if (!expect('{'))
    return false;
  while (!accept("}")) {
    std::string key;
    if (!string(key) || !expect(':') || !member(key, header))
      return false;
    if (accept(","))
      continue;
    if (!accept("}"))
      return fail("',' or '}'");
    break;
  }
  skipSpace();
  if (!text.empty())
    return fail("its end");
  if (!seen[0] || !seen[1] || !seen[2]) {
    error = "bad header: expected descr, fortran_order and shape";
    return false;
  }
  return true;
}

static std::optional<DType> parseDescr(std::string_view descr) {
  struct Name {
    std::string_view descr;
    DType dtype;
  };
  static constexpr Name names[] = {
      {"<f2", DType::F16},       {"<f4", DType::F32}, {"|i1", DType::I8},
      {"<i1", DType::I8},        {"|u1", DType::U8},  {"<u1", DType::U8},
      {"<i4", DType::I32},       {"<i8", DType::I64}, {"<V2", DType::BF16},
      {"bfloat16", DType::BF16}, {"|V2", DType::BF16}};
  for (const Name &name : names)
    if (name.descr == descr)
      return name.dtype;
  return std::nullopt;
}

//===----------------------------------------------------------------------===//
// Whole files
//===----------------------------------------------------------------------===//

/// Splits `bytes` into the text of the header and the data.
static bool splitFile(std::string_view bytes, std::string_view &header,
                      std::string_view &data, std::string &error) {
  if (!bytes.starts_with(kMagic) || bytes.size() < 10) {
    error = "not a .npy file: expected it to start with \\x93NUMPY and a "
            "version";
    return false;
  }
  auto byte = [&](size_t i) { return static_cast<uint8_t>(bytes[i]); };
  unsigned major = byte(6), minor = byte(7);
  if (major < 1 || major > 3 || minor != 0) {
    error = "found .npy version " + std::to_string(major) + "." +
            std::to_string(minor) + ", expected 1.0, 2.0 or 3.0";
    return false;
  }
  size_t start = major == 1 ? 10 : 12;
  size_t size = byte(8) | byte(9) << 8;
  if (major > 1 && bytes.size() >= start)
    size |= static_cast<size_t>(byte(10)) << 16 | static_cast<size_t>(byte(11))
                                                      << 24;
  if (bytes.size() < start || size > bytes.size() - start) {
    error = "truncated: the header should have " + std::to_string(size) +
            " bytes, found " +
            std::to_string(bytes.size() - std::min(bytes.size(), start));
    return false;
  }
  if (size > kMaxHeader) {
    error = "found a header of " + std::to_string(size) +
            " bytes, expected at most " + std::to_string(kMaxHeader);
    return false;
  }
  header = bytes.substr(start, size);
  data = bytes.substr(start + size);
  return true;
}

std::optional<Array> parseNpy(std::string_view bytes, std::string &error) {
  std::string_view text, data;
  Header header;
  if (!splitFile(bytes, text, data, error) ||
      !HeaderParser(text, error).parse(header))
    return std::nullopt;
  std::optional<DType> dtype = parseDescr(header.descr);
  if (!dtype) {
    error = "found element type '" + header.descr +
            "', expected one of <f2, <f4, |i1, |u1, <i4, <i8, <V2 (bfloat16)";
    return std::nullopt;
  }
  if (header.fortranOrder) {
    error = "found Fortran order, expected C order";
    return std::nullopt;
  }
  std::optional<int64_t> size = tensorBytes(*dtype, header.shape);
  if (!size || static_cast<uint64_t>(*size) != data.size()) {
    error = "shape " + shapeText(header.shape) + " of " +
            std::string(dtypeName(*dtype)) + " needs " +
            (size ? std::to_string(*size) : "more than 2^63") +
            " bytes of data, found " + std::to_string(data.size());
    return std::nullopt;
  }
  return Array{*dtype, std::move(header.shape), {data.begin(), data.end()}};
}

std::string npyHeader(DType dtype, const std::vector<int64_t> &shape) {
  static constexpr std::array<std::string_view, 7> descr = {
      "<f2", "<V2", "<f4", "|i1", "|u1", "<i4", "<i8"};
  std::string text = "{'descr': '" +
                     std::string(descr[static_cast<size_t>(dtype)]) +
                     "', 'fortran_order': False, 'shape': (";
  for (size_t i = 0; i < shape.size(); ++i)
    text += (i ? ", " : "") + std::to_string(shape[i]);
  text += shape.size() == 1 ? ",), }" : "), }";
  // The data starts at a multiple of 64; the header ends with a newline.
  text.append(63 - (10 + text.size()) % 64, ' ');
  text += '\n';
  std::string header(kMagic);
  header += {1, 0, static_cast<char>(text.size() & 0xff),
             static_cast<char>(text.size() >> 8)};
  return header + text;
}

std::optional<Array> readNpy(const std::string &path, std::string &error) {
  std::optional<std::string> bytes = readFile(path, error);
  if (!bytes)
    return std::nullopt;
  std::optional<Array> array = parseNpy(*bytes, error);
  if (!array)
    error = path + ": " + error;
  return array;
}

} // namespace kvarn::npy
