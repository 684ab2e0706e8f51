//===- Status.h - Errors at the C boundary ----------------------*- C++ -*-===//

#ifndef KVARN_RUNTIME_STATUS_H
#define KVARN_RUNTIME_STATUS_H

#include "runtime/kvarn.h"

#include <algorithm>
#include <cstring>
#include <string>

namespace kvarn::runtime {

/// Makes `message` this thread's last error and returns `status`, so that a
/// failure is one statement: `return fail(KVARN_STATUS_IO, "...")`.
kvarn_status fail(kvarn_status status, const std::string &message);

/// Turns the exception in flight into a status.
kvarn_status failFromException();

/// Runs the body of a C function: no exception leaves the library.
template <typename Body> kvarn_status guarded(Body body) {
  try {
    return body();
  } catch (...) {
    return failFromException();
  }
}

/// Copies a struct of the caller into `to`, the version that this library
/// knows. Members that the caller's version lacks are 0; members that this
/// library does not know must be 0.
template <typename Struct>
kvarn_status copyIn(const Struct *from, Struct &to, const char *what) {
  to = Struct();
  if (!from)
    return fail(KVARN_STATUS_INVALID_ARGUMENT, std::string(what) + " is NULL");
  size_t size = from->struct_size;
  if (size < sizeof(size_t))
    return fail(KVARN_STATUS_INVALID_ARGUMENT,
                std::string(what) + ".struct_size is not set");
  if (size % alignof(Struct) != 0) // no version ends within a member
    return fail(KVARN_STATUS_INVALID_ARGUMENT,
                std::string(what) + ".struct_size is " + std::to_string(size) +
                    ", expected a size of this struct");
  const auto *bytes = reinterpret_cast<const char *>(from);
  for (size_t i = sizeof(Struct); i < size; ++i)
    if (bytes[i] != 0)
      return fail(KVARN_STATUS_UNSUPPORTED,
                  std::string(what) + " has members that this version of the "
                                      "library does not know");
  std::memcpy(&to, from, std::min(size, sizeof(Struct)));
  to.struct_size = sizeof(Struct);
  return KVARN_STATUS_OK;
}

/// Copies `from` out to a struct of the caller, as far as the caller's version
/// goes; struct_size stays the caller's.
template <typename Struct>
kvarn_status copyOut(const Struct &from, Struct *to, const char *what) {
  if (!to || to->struct_size < sizeof(size_t))
    return fail(KVARN_STATUS_INVALID_ARGUMENT,
                std::string(what) +
                    (to ? ".struct_size is not set" : " is NULL"));
  size_t size = to->struct_size;
  std::memcpy(to, &from, std::min(size, sizeof(Struct)));
  to->struct_size = size;
  return KVARN_STATUS_OK;
}

} // namespace kvarn::runtime

/// Returns from the calling function if `expression` is no success.
#define KVARN_TRY(expression)                                                  \
  do {                                                                         \
    kvarn_status tryStatus = (expression);                                     \
    if (tryStatus != KVARN_STATUS_OK)                                          \
      return tryStatus;                                                        \
  } while (false)

#endif // KVARN_RUNTIME_STATUS_H
