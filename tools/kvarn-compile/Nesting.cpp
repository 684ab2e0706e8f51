//===- Nesting.cpp - How deep a text is nested ----------------------------===//

#include "tools/kvarn-compile/Nesting.h"

#include "llvm/ADT/StringExtras.h"

using namespace mlir;
using namespace mlir::kvarn;

/// Programs have about ten, a thread's stack has room for a thousand.
static constexpr size_t kMostLevels = 256;

std::string mlir::kvarn::describeTooDeep() {
  return "nested deeper than " + std::to_string(kMostLevels) + " levels";
}

namespace {

/// A bracket that is open, and the operators since its last comma.
struct Frame {
  char closing;
  size_t operators = 0;
};

class Scanner {
public:
  explicit Scanner(StringRef text) : text(text) {}

  std::optional<size_t> find();

private:
  size_t skipString(size_t begin) const;
  size_t takeToken(size_t begin);
  void takeWord(StringRef word);
  void takeMark(char mark);
  void open(char closing);
  void close(char closing);
  void pop();
  void addOperator();
  void clearOperators();

  StringRef text;
  SmallVector<Frame> frames;
  size_t levels = 0; // the frames and their operators
};

} // namespace

void Scanner::open(char closing) {
  frames.push_back({closing});
  ++levels;
}

void Scanner::pop() {
  clearOperators();
  frames.pop_back();
  --levels;
}

void Scanner::close(char closing) {
  // A '<' that is still open was a comparison.
  while (closing != '>' && !frames.empty() && frames.back().closing == '>')
    pop();
  if (!frames.empty() && frames.back().closing == closing)
    pop();
}

/// Operators are of expressions: not at the top or between the ops of a region.
void Scanner::addOperator() {
  if (frames.empty() || frames.back().closing == '}')
    return;
  ++frames.back().operators;
  ++levels;
}

void Scanner::clearOperators() {
  if (frames.empty())
    return;
  levels -= frames.back().operators;
  frames.back().operators = 0;
}

void Scanner::takeMark(char mark) {
  switch (mark) {
  case '(':
    return open(')');
  case '[':
    return open(']');
  case '{':
    return open('}');
  case '<':
    return open('>');
  case ')':
  case ']':
  case '}':
  case '>':
    return close(mark);
  case ',':
    return clearOperators();
  case '+':
  case '-':
  case '*':
    return addOperator();
  default:
    return;
  }
}

void Scanner::takeWord(StringRef word) {
  if (word == "mod" || word == "floordiv" || word == "ceildiv")
    addOperator();
}

/// The end of the string at `begin`, which is on the same line.
size_t Scanner::skipString(size_t begin) const {
  size_t end = begin + 1;
  while (end < text.size() && text[end] != '"' && text[end] != '\n')
    end += text[end] == '\\' ? 2 : 1;
  return std::min(end + 1, text.size());
}

/// Returns the token's end.
size_t Scanner::takeToken(size_t begin) {
  StringRef rest = text.substr(begin);
  if (rest.front() == '"')
    return skipString(begin);
  if (rest.starts_with("//"))
    return std::min(text.find('\n', begin), text.size());
  for (StringRef noBracket : {"->", "<=", ">="})
    if (rest.starts_with(noBracket))
      return begin + noBracket.size();
  StringRef word = rest.take_while([](char c) {
    return llvm::isAlnum(c) || c == '_' || c == '$' || c == '.';
  });
  if (word.empty()) {
    takeMark(rest.front());
    return begin + 1;
  }
  takeWord(word);
  return begin + word.size();
}

std::optional<size_t> Scanner::find() {
  for (size_t at = 0; at < text.size();) {
    size_t end = takeToken(at);
    if (levels > kMostLevels)
      return at;
    at = end;
  }
  return std::nullopt;
}

std::optional<size_t> mlir::kvarn::findTooDeep(StringRef text) {
  return Scanner(text).find();
}
