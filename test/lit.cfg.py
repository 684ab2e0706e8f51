# -*- Python -*-
import ctypes
import os
import shutil

import lit.formats

config.name = "kvarn"
# False: an internal shell, so that a `RUN: a | b` fails when `a` fails.
config.test_format = lit.formats.ShTest(execute_external=False)
config.suffixes = [".mlir", ".test"]
config.excludes = ["Inputs", "CMakeLists.txt", "conformance", "oracle", "unit", "fuzz", "install"]
config.test_source_root = os.path.dirname(__file__)
config.test_exec_root = os.path.join(config.kvarn_build, "test")

# Our programs first: `kvarn-opt`, not one that happens to be installed.
config.environment["PATH"] = os.pathsep.join(
    [config.kvarn_bin, config.llvm_bin, os.environ["PATH"]]
)
# A failed FileCheck shows the input around the place.
config.environment["FILECHECK_OPTS"] = "--dump-input=fail"
for name in ["ASAN_OPTIONS", "UBSAN_OPTIONS", "LSAN_OPTIONS"]:
    if name in os.environ:
        config.environment[name] = os.environ[name]

config.substitutions.append(("%golden", os.path.join(config.test_source_root, "conformance", "golden")))
config.substitutions.append(("%bin", config.kvarn_bin))
config.substitutions.append(("%lib", config.kvarn_lib))
config.substitutions.append(("%source", config.kvarn_source))
fake_nvjitlink = os.path.join(config.kvarn_build, "test", "codegen", "fake-nvjitlink")
config.substitutions.append(("%fake-nvjitlink", fake_nvjitlink))

# The CUDA driver of the tests (unit/runtime/FakeCuda.h), for programs.
fake_cuda = os.path.join(config.kvarn_lib, "fake-cuda", "libcuda.so.1")
config.substitutions.append(("%fake_cuda", fake_cuda))
if os.path.exists(fake_cuda):
    config.available_features.add("fake-cuda")

if os.path.exists(os.path.join(config.kvarn_bin, "kvarn-compile")):
    config.available_features.add("kvarn-compile")
if os.path.exists(os.path.join(config.kvarn_bin, "kvarn-run")):
    config.available_features.add("kvarn-run")
if shutil.which("chromium"):
    config.available_features.add("chromium")


# The tools of a CUDA toolkit, as the compiler finds them; all are optional.
cuda_home = os.environ.get("CUDA_HOME") or "/usr/local/cuda"
if "CUDA_HOME" in os.environ:
    config.environment["CUDA_HOME"] = cuda_home
for tool in ["ptxas", "fatbinary"]:
    if shutil.which(tool) or shutil.which(tool, path=os.path.join(cuda_home, "bin")):
        config.available_features.add(tool)
for folder in ["", os.path.join(cuda_home, "lib64") + "/"]:
    for name in ["libnvJitLink.so.13", "libnvJitLink.so.12", "libnvJitLink.so"]:
        try:
            ctypes.CDLL(folder + name)
            config.available_features.add("nvjitlink")
        except OSError:
            pass
if os.path.exists(fake_nvjitlink):
    config.available_features.add("fake-nvjitlink")
if {"nvjitlink", "ptxas"} & config.available_features:
    config.available_features.add("ptx-assembler")
