#!/usr/bin/env bash
# libkvarn.so must need neither LLVM nor MLIR, directly or through others, and
# export nothing but its C functions.
#   runtime-dependencies.sh LIBKVARN.SO
set -euo pipefail
library=$1
readelf -d "$library" | grep NEEDED
if readelf -d "$library" | grep -iE 'NEEDED.*(LLVM|MLIR|cuda)'; then
  echo "$library needs a library that it must not need"
  exit 1
fi
if ldd "$library" | grep -iE 'LLVM|MLIR|not found'; then
  echo "$library depends on a library that it must not depend on"
  exit 1
fi
if nm -D --defined-only "$library" | awk '{ print $NF }' | sed 's/@.*//' |
  grep -vE '^(kvarn_[a-z_]+|KVARN_[0-9]+)$'; then
  echo "$library exports more than its API"
  exit 1
fi
