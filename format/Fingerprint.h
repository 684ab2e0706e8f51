//===- Fingerprint.h - Which compiler belongs to this build -----*- C++ -*-===//

#ifndef KVARN_FORMAT_FINGERPRINT_H
#define KVARN_FORMAT_FINGERPRINT_H

namespace kvarn {

/// Hex digits that change with any source of the compiler. The runtime has
/// them too, so that it knows which kernels in its cache that compiler made
/// without opening it. Made by cmake/Fingerprint.cmake.
extern const char *const kFingerprint;

} // namespace kvarn

#endif // KVARN_FORMAT_FINGERPRINT_H
