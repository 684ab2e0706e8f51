# libkvarn-compiler.so: every object library that kvarn_compiler_library() made,
# the registration that all programs share, and what kvarn-compile does (see its
# folder). Programs link this one library;
# a second copy of a dialect in the same process would not be the same dialect.
get_property(libraries GLOBAL PROPERTY KVARN_COMPILER_LIBRARIES)
add_library(kvarn-compiler SHARED
            ${PROJECT_SOURCE_DIR}/tools/Registration.cpp)
kvarn_compiler_options(kvarn-compiler)
foreach(library IN LISTS libraries)
  target_sources(kvarn-compiler PRIVATE $<TARGET_OBJECTS:${library}>)
endforeach()
# Generated headers must exist before Registration.cpp is compiled.
add_dependencies(kvarn-compiler ${libraries})
# All of the format library, so that nobody needs a copy beside this one.
target_link_libraries(kvarn-compiler
  PRIVATE $<LINK_LIBRARY:WHOLE_ARCHIVE,kvarn_format> kvarn_fingerprint
  PUBLIC MLIR LLVM)
set_target_properties(kvarn-compiler PROPERTIES
  VERSION ${PROJECT_VERSION} SOVERSION ${PROJECT_VERSION_MAJOR})

# A program that links the compiler.
function(kvarn_compiler_program name)
  add_executable(${name} ${ARGN})
  kvarn_compiler_options(${name})
  target_link_libraries(${name} PRIVATE kvarn-compiler)
endfunction()
