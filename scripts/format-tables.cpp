// Prints the tables of docs/format.md; see scripts/generate-docs.
#include "format/Format.h"

#include <cstdio>

using namespace kvarn;

static void offsets() {
  std::printf("offsets\n"
              "| format | head_dim | Kscale | Kzero | Ktok | Vcodes | Vch | "
              "Vscale | Vzero | record | bytes per token |\n"
              "|---|---|---|---|---|---|---|---|---|---|---|\n");
  for (int64_t headDim : kHeadDims)
    for (int64_t group : kGroups)
      for (int64_t keyBits : kBits)
        for (int64_t valueBits : kBits) {
          Format f{keyBits, valueBits, group, headDim, Layout::Reference};
          std::printf("| k%dv%d_g%d | %d |", int(keyBits), int(valueBits),
                      int(group), int(headDim));
          for (Vector v : {Vector::KeyScale, Vector::KeyZero, Vector::KeyToken})
            std::printf(" %d |", int(f.vectorOffset(v)));
          std::printf(" %d |", int(f.codeOffset(Part::Value)));
          for (Vector v :
               {Vector::ValueChannel, Vector::ValueScale, Vector::ValueZero})
            std::printf(" %d |", int(f.vectorOffset(v)));
          std::printf(" %d | %g |\n", int(f.recordBytes()), f.bytesPerToken());
        }
}

/// Places of some codes, in the record: byte and lowest bit.
static void places(Part part, const char *name) {
  std::printf("\f%s\n| token | channel |", name);
  for (int64_t bits : kBits)
    for (Layout layout : {Layout::Reference, Layout::Mma16816})
      std::printf(" %s, %d bits |", layoutName(layout).data(), int(bits));
  std::printf("\n|---|---|---|---|---|---|---|---|\n");
  struct {
    int64_t token, channel;
  } samples[] = {{0, 0}, {1, 0},  {0, 1},  {2, 0},   {0, 2},    {8, 0},
                 {0, 8}, {0, 64}, {32, 0}, {77, 41}, {127, 127}};
  for (auto [token, channel] : samples) {
    std::printf("| %d | %d |", int(token), int(channel));
    for (int64_t bits : kBits)
      for (Layout layout : {Layout::Reference, Layout::Mma16816}) {
        Format f{bits, bits, 128, 128, layout};
        CodePosition place = f.position(part, token, channel);
        std::printf(" %d.%d |", int(place.word * 4 + place.bit / 8),
                    int(place.bit % 8));
      }
    std::printf("\n");
  }
}

/// Which codes share the first word of layout mma16816.
static void words(Part part, const char *name) {
  std::printf("\f%s\n```\n", name);
  for (int64_t bits : kBits) {
    Format f{bits, bits, 128, 128, Layout::Mma16816};
    std::printf("%d bits:", int(bits));
    for (int64_t bit = 0; bit < 32; bit += bits)
      for (int64_t token = 0; token < 128; ++token)
        for (int64_t channel = 0; channel < 128; ++channel) {
          CodePosition place = f.position(part, token, channel);
          if (place.word == 0 && place.bit == bit)
            std::printf(" (%d,%d)", int(token), int(channel));
        }
    std::printf("\n");
  }
  std::printf("```\n");
}

int main() {
  offsets();
  places(Part::Key, "key-places");
  places(Part::Value, "value-places");
  words(Part::Key, "key-word");
  words(Part::Value, "value-word");
}
