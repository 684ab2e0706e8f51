//===- Judge.h - What the engine did, against the shadow ------------------===//

#ifndef KVARN_TOOLS_RUN_ROUNDTRIP_JUDGE_H
#define KVARN_TOOLS_RUN_ROUNDTRIP_JUDGE_H

#include "tools/kvarn-run/Roundtrip/Engine.h"
#include "tools/kvarn-run/Roundtrip/Shadow.h"

#include <string>

namespace kvarn::run {

/// A check failed; the rest of the run would only repeat it.
class Difference : public Error {
public:
  explicit Difference(const std::string &message)
      : Error(kCheckFailed, message) {}
};

/// The worst that was found, over all steps.
struct Findings {
  int64_t tiles = 0, decodes = 0;
  size_t elements = 0, rounded = 0; // of slots; those 1 ulp off
  int worstCodes = 0;               // of a record
  double worstVector = 0;
  double worstAttend = 0, attendLimit = 0; // with the least room
};

/// Compares memory of the engine with blocks of the shadow. What passes is
/// taken over by the shadow: rounding may be either way. Throws Difference.
class Judge {
public:
  Judge(Engine &engine, const Shadow &shadow,
        const oracle::StoreOptions &options, bool exactRange)
      : engine(engine), shadow(shadow), options(options),
        exactRange(exactRange) {}

  /// The first `tokens` of the block are in `slot`.
  void checkSlot(ShadowBlock &block, int32_t slot, int64_t tokens);
  /// Its record was made of its tokens.
  void checkRecord(ShadowBlock &block, int32_t number);
  /// `slot` holds what its record stands for.
  void checkUnflushed(ShadowBlock &block, int32_t slot);
  /// Attention of `q` over the cache of the shadow.
  void checkAttend(std::span<const ShadowRequest *const> requests,
                   const HostTensor &q, const HostTensor &queryStart,
                   double scale, const HostTensor &out);

  Findings found;

private:
  const uint16_t *slotRow(oracle::Side side, int32_t slot);

  Engine &engine;
  const Shadow &shadow;
  oracle::StoreOptions options;
  bool exactRange; // range = minmax: there is one right record
};

} // namespace kvarn::run

#endif // KVARN_TOOLS_RUN_ROUNDTRIP_JUDGE_H
