//===- Status.cpp - Errors at the C boundary ------------------------------===//

#include "runtime/Status.h"

#include <cstdlib>
#include <exception>
#include <new>

namespace kvarn::runtime {

static thread_local std::string lastError;

kvarn_status fail(kvarn_status status, const std::string &message) {
  lastError = message;
  return status;
}

kvarn_status failFromException() {
  try {
    throw;
  } catch (const std::bad_alloc &) {
    lastError.clear();           // its memory is what we have
    lastError = "out of memory"; // short: no allocation
    return KVARN_STATUS_OUT_OF_MEMORY;
  } catch (const std::exception &exception) {
    return fail(KVARN_STATUS_INTERNAL, exception.what());
  } catch (...) {
    return fail(KVARN_STATUS_INTERNAL, "unknown exception");
  }
}

} // namespace kvarn::runtime

using namespace kvarn::runtime;

int kvarn_abi_version(void) { return KVARN_ABI_VERSION; }

const char *kvarn_version(void) { return KVARN_VERSION; }

const char *kvarn_last_error(void) { return lastError.c_str(); }

void kvarn_string_free(char *text) { std::free(text); }

const char *kvarn_status_name(kvarn_status status) {
  switch (status) {
  case KVARN_STATUS_OK:
    return "ok";
  case KVARN_STATUS_INVALID_ARGUMENT:
    return "invalid argument";
  case KVARN_STATUS_NOT_FOUND:
    return "not found";
  case KVARN_STATUS_IO:
    return "input/output error";
  case KVARN_STATUS_CORRUPT:
    return "corrupt";
  case KVARN_STATUS_UNSUPPORTED:
    return "unsupported";
  case KVARN_STATUS_OUT_OF_MEMORY:
    return "out of memory";
  case KVARN_STATUS_CAPACITY:
    return "capacity exhausted";
  case KVARN_STATUS_INTERNAL:
    return "internal error";
  case KVARN_STATUS_DEVICE:
    return "device error";
  case KVARN_STATUS_COMPILER:
    return "compiler error";
  }
  return "unknown status";
}
