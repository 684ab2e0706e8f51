//===- Indices.cpp - Whether index tensors name what is there -------------===//

#include "tools/kvarn-run/Indices.h"

#include "tools/kvarn-run/Error.h"

namespace kvarn::run {

namespace {

/// What an index may be.
struct Range {
  int64_t least, most;
  const char *what;
  const char *orElse = "";

  std::string text() const;
};

/// The numbers of a tensor.
class Indices {
public:
  explicit Indices(const IndexInputs::Tensor &given)
      : label(given.label), tensor(*given.tensor) {}

  int64_t size() const {
    return static_cast<int64_t>(tensor.bytes().size()) /
           npy::dtypeBytes(tensor.dtype());
  }
  int64_t operator[](int64_t at) const {
    size_t i = static_cast<size_t>(at);
    return tensor.dtype() == DType::I64 ? tensor.as<int64_t>()[i]
                                        : tensor.as<int32_t>()[i];
  }
  /// The number, which must be in `range`.
  int64_t in(const Range &range, int64_t at) const;

private:
  std::string place(int64_t at) const;

  const std::string &label;
  const HostTensor &tensor;
};

/// The checks of one launch.
class Checker {
public:
  explicit Checker(const IndexInputs &inputs) : inputs(inputs) {}

  void run() const;

private:
  void checkStarts() const;
  void checkTable() const;
  void checkMapping() const;
  void checkPairs() const;
  bool has(const char *name) const { return inputs.tensors.count(name) > 0; }
  Indices get(const char *name) const {
    return Indices(inputs.tensors.at(name));
  }
  int64_t extent(const char *name) const { return inputs.extents.at(name); }
  /// The number of one of the things that `name` counts.
  Range oneOf(const char *name) const { return {0, extent(name) - 1, name}; }
  void checkSlot(const Indices &slots, int64_t block) const;
  int64_t newTokens(int64_t request) const;
  Range pairRange(const char *extentName) const;

  const IndexInputs &inputs;
};

} // namespace

//===----------------------------------------------------------------------===//
// Numbers
//===----------------------------------------------------------------------===//

std::string Range::text() const {
  std::string numbers = std::to_string(least);
  if (most < least)
    return std::string("nothing (there are no ") + what + ")" + orElse;
  if (most > least)
    numbers += " to " + std::to_string(most);
  return numbers + " (" + what + ")" + orElse;
}

std::string Indices::place(int64_t at) const {
  if (tensor.shape().size() < 2)
    return "[" + std::to_string(at) + "]";
  int64_t columns = tensor.extent(1);
  return "[" + std::to_string(at / columns) + ", " +
         std::to_string(at % columns) + "]";
}

int64_t Indices::in(const Range &range, int64_t at) const {
  int64_t value = (*this)[at];
  if (value < range.least || value > range.most)
    throw Error(kInput, label + ": " + place(at) + " is " +
                            std::to_string(value) + ", expected " +
                            range.text());
  return value;
}

//===----------------------------------------------------------------------===//
// Requests
//===----------------------------------------------------------------------===//

void Checker::checkStarts() const {
  Indices starts = get("query_start");
  int64_t last = starts.size() - 1, rows = extent("T");
  int64_t before = starts.in({0, 0, "the first row"}, 0);
  for (int64_t i = 1; i <= last; ++i)
    before = starts.in({before, rows, "rows of q, never falling"}, i);
  starts.in({rows, rows, "all rows of q"}, last);
}

/// Those that count as tokens of the request, but are not in the cache.
int64_t Checker::newTokens(int64_t request) const {
  if (!has("new_k"))
    return 0;
  Indices starts = get("query_start");
  return starts[request + 1] - starts[request];
}

/// Entries behind the last token may be anything, here and in block_to_slot.
void Checker::checkTable() const {
  Indices lengths = get("seq_lens"), table = get("block_table"),
          slots = get("block_to_slot");
  int64_t columns = extent("max_blocks");
  Range blocks = oneOf("blocks");
  for (int64_t request = 0; request < lengths.size(); ++request) {
    int64_t extra = newTokens(request);
    Range fitting = {0, columns * inputs.group + extra,
                     "tokens that block_table has room for"};
    int64_t cached = lengths.in(fitting, request) - extra;
    for (int64_t i = 0; i * inputs.group < cached; ++i)
      checkSlot(slots, table.in(blocks, request * columns + i));
  }
}

//===----------------------------------------------------------------------===//
// Blocks and slots
//===----------------------------------------------------------------------===//

void Checker::checkSlot(const Indices &slots, int64_t block) const {
  if (slots[block] < 0)
    return;
  Range range = oneOf("slots");
  range.orElse = ", or a negative number (packed)";
  slots.in(range, block);
}

void Checker::checkMapping() const {
  Indices mapping = get("slot_mapping"), slots = get("block_to_slot");
  Range places = {0, extent("blocks") * inputs.group - 1,
                  "places of tokens in blocks",
                  ", or a negative number (skip)"};
  for (int64_t t = 0; t < mapping.size(); ++t)
    if (mapping[t] >= 0)
      checkSlot(slots, mapping.in(places, t) / inputs.group);
}

/// What the two numbers of a pair are one of.
static constexpr struct {
  const char *kernel, *extents[2];
} kPairs[] = {{"flush", {"blocks", "slots"}},
              {"unflush", {"blocks", "slots"}},
              {"pack", {"blocks", "T"}},
              {"relayout", {"source_blocks", "blocks"}}};

Range Checker::pairRange(const char *extentName) const {
  if (extentName == std::string("T"))
    return {0, extent("T") - inputs.group, "first tokens of whole blocks"};
  return oneOf(extentName);
}

void Checker::checkPairs() const {
  Indices pairs = get("pairs"), counts = get("count");
  int64_t count = counts.in({0, extent("capacity"), "pairs"}, 0);
  for (const auto &each : kPairs) {
    if (inputs.kernel != each.kernel)
      continue;
    for (int column : {0, 1}) {
      Range range = pairRange(each.extents[column]);
      for (int64_t i = 0; i < count; ++i)
        pairs.in(range, 2 * i + column);
    }
  }
}

void Checker::run() const {
  if (has("query_start"))
    checkStarts();
  if (has("block_table"))
    checkTable();
  if (has("slot_mapping"))
    checkMapping();
  if (has("pairs"))
    checkPairs();
}

void checkIndices(const IndexInputs &inputs) { Checker(inputs).run(); }

} // namespace kvarn::run
