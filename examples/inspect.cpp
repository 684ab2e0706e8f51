// Lists the variants of a kernel library, and says which one a program that
// wants causal attention over kvarn_k4v2_g128 would get here.
#include <kvarn/kvarn.hpp>

#include <cstdio>

int main(int argc, char **argv) {
  std::printf("KVarN runtime %s\n", kvarn_version());
  if (argc != 2) {
    std::printf("usage: inspect LIBRARY.kvlib\n");
    return 0;
  }
  try {
    kvarn::Library library(argv[1]);
    std::printf("made by %s\n", library.compiler().c_str());
    for (size_t i = 0; i < library.variantCount(); ++i) {
      kvarn_variant_info variant = library.variant(i);
      std::printf("%-12s %-16s %-10s %s\n", variant.kernel, variant.format,
                  variant.target, variant.id);
    }
    kvarn::Request request("attend");
    request.format("kvarn_k4v2_g128")
        .headDim(128)
        .dtype("f16")
        .features("causal");
    std::printf("%s", library.explain(request).c_str());
  } catch (const kvarn::Error &error) {
    std::fprintf(stderr, "error: %s\n", error.what());
    return 1;
  }
  return 0;
}
