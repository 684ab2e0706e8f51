//===- Error.h - What ends a step of the tuner ------------------*- C++ -*-===//

#ifndef KVARN_AUTOTUNE_MEASURE_ERROR_H
#define KVARN_AUTOTUNE_MEASURE_ERROR_H

#include <stdexcept>

namespace kvarn::tune {

/// A file or request that cannot be used; the message names it and says what
/// was expected.
class InputError : public std::runtime_error {
public:
  using std::runtime_error::runtime_error;
};

} // namespace kvarn::tune

#endif // KVARN_AUTOTUNE_MEASURE_ERROR_H
