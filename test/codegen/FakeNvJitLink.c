/* Stands in for libnvJitLink where there is no CUDA toolkit. It has only the
   names behind the inline functions of the header, as of version 12.4, and
   counts the zero at the end of logs. FAKE_NVJITLINK: create, complete, cubin
   fail. */

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NAME(name) __nvJitLink##name##_12_4

struct nvJitLink {
  char arch[32];
  int added;
};
typedef struct nvJitLink *Handle;

static int fails(const char *what) {
  const char *set = getenv("FAKE_NVJITLINK");
  return set && !strcmp(set, what);
}

int NAME(Create)(Handle *handle, uint32_t count, const char **options) {
  if (fails("create"))
    return 1;
  *handle = calloc(1, sizeof **handle);
  for (uint32_t i = 0; i < count; ++i)
    if (!strncmp(options[i], "-arch=", 6))
      snprintf((*handle)->arch, sizeof(*handle)->arch, "%s", options[i] + 6);
  return 0;
}

int NAME(Destroy)(Handle *handle) {
  free(*handle);
  *handle = NULL;
  return 0;
}

int NAME(AddData)(Handle handle, int type, const void *data, size_t size,
                  const char *name) {
  handle->added = type == 2 && size && data && name;
  return !handle->added;
}

int NAME(Complete)(Handle handle) { return fails("complete"); }

static const char *errorText(void) {
  return fails("complete") ? "ptxas fatal   : nothing is complete\n" : "";
}

static const char kInfo[] =
    "ptxas info    : Compiling entry function 'k' for 'it'\n"
    "ptxas         .     8 bytes stack frame, 4 bytes spill stores, 4 bytes "
    "spill loads\n"
    "ptxas info    : Used 40 registers, used 0 barriers\n";

int NAME(GetErrorLogSize)(Handle handle, size_t *size) {
  *size = strlen(errorText()) + 1;
  return 0;
}

int NAME(GetErrorLog)(Handle handle, char *text) {
  strcpy(text, errorText());
  return 0;
}

int NAME(GetInfoLogSize)(Handle handle, size_t *size) {
  *size = sizeof kInfo;
  return 0;
}

int NAME(GetInfoLog)(Handle handle, char *text) {
  strcpy(text, kInfo);
  return 0;
}

int NAME(GetLinkedCubinSize)(Handle handle, size_t *size) {
  *size = strlen(handle->arch);
  return 0;
}

int NAME(GetLinkedCubin)(Handle handle, void *cubin) {
  if (fails("cubin"))
    return 1;
  memcpy(cubin, handle->arch, strlen(handle->arch));
  return 0;
}
