/* kvarn.h is C99, and can be used from it. Called by LibraryTest.cpp. */
#include "runtime/kvarn.h"

int kvarnTestFromC(void);

int kvarnTestFromC(void) {
  kvarn_library *library = NULL;
  kvarn_launch_options options = {0};
  options.struct_size = sizeof(options);
  if (kvarn_abi_version() != KVARN_ABI_VERSION)
    return 1;
  if (kvarn_library_open("/nowhere.kvlib", &library) != KVARN_STATUS_NOT_FOUND)
    return 2;
  return library == NULL && kvarn_last_error()[0] == '/' ? 0 : 3;
}
