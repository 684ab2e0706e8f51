//===- NpyFuzzer.cpp - The .npy reader on arbitrary bytes -----------------===//

#include "tools/npy/Npy.h"

#include <cstdlib>

using namespace kvarn::npy;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  std::string_view bytes(reinterpret_cast<const char *>(data), size);
  std::string error;
  std::optional<Array> array = parseNpy(bytes, error);
  if (array.has_value() == !error.empty())
    std::abort(); // an error without a message, or the reverse
  if (!array)
    return 0;
  std::optional<int64_t> expected = tensorBytes(array->dtype, array->shape);
  if (!expected || *expected != int64_t(array->data.size()))
    std::abort();
  // What was read can be written and read again.
  std::string file = npyHeader(array->dtype, array->shape);
  file.append(array->data.begin(), array->data.end());
  std::optional<Array> again = parseNpy(file, error);
  if (!again || again->dtype != array->dtype || again->shape != array->shape ||
      again->data != array->data)
    std::abort();
  return 0;
}
