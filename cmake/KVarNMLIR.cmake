# LLVM and MLIR 19 as Debian packages them: shared libraries only, because a
# second, static copy would register everything twice.
find_program(KVARN_LLVM_CONFIG NAMES llvm-config-19 REQUIRED)
execute_process(COMMAND ${KVARN_LLVM_CONFIG} --cmakedir
                OUTPUT_VARIABLE KVARN_LLVM_CMAKE_DIR
                OUTPUT_STRIP_TRAILING_WHITESPACE COMMAND_ERROR_IS_FATAL ANY)
set(LLVM_DIR ${KVARN_LLVM_CMAKE_DIR})
set(MLIR_DIR ${KVARN_LLVM_CMAKE_DIR}/../mlir)
find_package(LLVM 19.1 REQUIRED CONFIG)
find_package(MLIR 19.1 REQUIRED CONFIG)
# The documentation target writes below this folder.
set(MLIR_BINARY_DIR ${PROJECT_BINARY_DIR})
list(APPEND CMAKE_MODULE_PATH ${MLIR_CMAKE_DIR} ${LLVM_CMAKE_DIR})
include(TableGen)
include(AddLLVM)
include(AddMLIR)
# System headers: their warnings are not ours. TableGen looks here too.
include_directories(SYSTEM ${LLVM_INCLUDE_DIRS} ${MLIR_INCLUDE_DIRS})

# A library of compiler code: RTTI on and exceptions off as in LLVM itself. All
# of them together are libkvarn-compiler.so, see KVarNCompiler.cmake.
function(kvarn_compiler_library name)
  cmake_parse_arguments(ARG "" "" "DEPENDS;LINK" ${ARGN})
  add_library(${name} OBJECT ${ARG_UNPARSED_ARGUMENTS})
  kvarn_compiler_options(${name})
  if(ARG_DEPENDS)
    add_dependencies(${name} ${ARG_DEPENDS})
  endif()
  target_link_libraries(${name} PUBLIC ${ARG_LINK})
  set_property(GLOBAL APPEND PROPERTY KVARN_COMPILER_LIBRARIES ${name})
endfunction()

function(kvarn_compiler_options name)
  kvarn_warnings(${name})
  target_compile_definitions(${name} PRIVATE ${LLVM_DEFINITIONS})
  target_compile_options(${name} PRIVATE -fno-exceptions)
endfunction()
