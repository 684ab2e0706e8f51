#!/usr/bin/env bash
# Installs a build, moves the tree, and builds and runs examples/ against it with
# CMake and with pkg-config.
#   install-tree.sh SOURCE BUILD SCRATCH
set -euo pipefail
source=$1 build=$2 scratch=$3
rm -rf "$scratch"
mkdir -p "$scratch"

cmake --install "$build" --prefix "$scratch/first" >"$scratch/install.log"
mv "$scratch/first" "$scratch/prefix" # a package can be put anywhere
prefix=$scratch/prefix
config=$(find "$prefix" -name KVarNConfig.cmake)
[ -n "$config" ] || { echo "no KVarNConfig.cmake in the install tree"; exit 1; }

cmake -S "$source/examples" -B "$scratch/cmake" -DCMAKE_PREFIX_PATH="$prefix"
cmake --build "$scratch/cmake"
"$scratch/cmake/inspect"
"$scratch/cmake/decode"

# An unknown component is an error that names the known ones.
if cmake -S "$source/test/install/unknown-component" -B "$scratch/unknown" \
  -DCMAKE_PREFIX_PATH="$prefix" >"$scratch/unknown.log" 2>&1; then
  echo "an unknown component was found"
  exit 1
fi
grep -q 'no component Nonsense, only' "$scratch/unknown.log"

cp -r "$source/examples" "$scratch/make"
PKG_CONFIG_PATH=$(dirname "$(find "$prefix" -name kvarn.pc)")
export PKG_CONFIG_PATH
make -C "$scratch/make"
"$scratch/make/inspect"
[ "$(pkg-config --modversion kvarn)" = \
  "$("$scratch/make/inspect" | sed -n 's/^KVarN runtime //p')" ]

# The tuner runs from its new place, and tables of schedules are where the
# package says.
if [ -e "$build/bin/kvarn-tune" ]; then
  "$prefix/bin/kvarn-tune" --version >/dev/null
fi
[ "$(realpath -m "$(pkg-config --variable=tuned kvarn)")" = \
  "$(realpath "$prefix")/share/kvarn/tuned" ]
for table in "$source"/autotune/tuned/*.json; do
  [ ! -e "$table" ] || [ -e "$prefix/share/kvarn/tuned/${table##*/}" ]
done

# The runtime reads them there: it names one that is damaged.
if [ -e "$prefix/bin/kvarn-run" ]; then
  damaged=$prefix/share/kvarn/tuned/damaged.json
  echo "{" >"$damaged"
  "$prefix/bin/kvarn-run" jit --command --kernel=append --target=x86_64 \
    --format=kvarn_k4v2_g64 --head-dim=64 >"$scratch/damaged.log" 2>&1 && exit 1
  grep -q "share/kvarn/tuned/damaged.json: is no table" "$scratch/damaged.log"
  rm "$damaged"
fi

# With the compiler: use it from CMake, then run what it made.
if [ -x "$prefix/bin/kvarn-compile" ]; then
  cmake -S "$source/test/install/compiler" -B "$scratch/compiler" \
    -DCMAKE_PREFIX_PATH="$prefix"
  cmake --build "$scratch/compiler"
  for program in "$scratch/cmake" "$scratch/make"; do
    "$program/inspect" "$scratch/compiler/example.kvlib"
    "$program/decode" "$scratch/compiler/example.kvlib"
  done
fi
rm -rf "$scratch"
