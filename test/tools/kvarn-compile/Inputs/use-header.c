/* Selects the kernels of a library by the requests in its header. */
#include <stdio.h>

static int use(kvarn_library *library, kvarn_request request) {
  kvarn_kernel *kernel = NULL;
  kvarn_variant_info info;
  memset(&info, 0, sizeof info);
  info.struct_size = sizeof info;
  if (kvarn_select(library, &request, &kernel) ||
      kvarn_kernel_variant(kernel, &info)) {
    printf("%s\n", kvarn_last_error());
    return 1;
  }
  printf("%s %s\n", info.kernel, info.dtype);
  return 0;
}

int main(int argc, char **argv) {
  kvarn_library *library = NULL;
  if (argc != 2 || kvarn_library_open(argv[1], &library))
    return 1;
  return use(library, my_model_attend()) || use(library, my_model_append());
}
