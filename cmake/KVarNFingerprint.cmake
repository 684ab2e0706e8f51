# kvarn_fingerprint: format/Fingerprint.h for all sources of the compiler.
file(GLOB_RECURSE KVARN_COMPILER_SOURCES RELATIVE ${PROJECT_SOURCE_DIR}
     CONFIGURE_DEPENDS
     format/*.cpp format/*.h dialect/*.cpp dialect/*.h dialect/*.td
     passes/*.cpp passes/*.h passes/*.td codegen/*.cpp codegen/*.h
     tools/Registration.* tools/kvarn-compile/*.cpp tools/kvarn-compile/*.h)
list(SORT KVARN_COMPILER_SOURCES)
list(JOIN KVARN_COMPILER_SOURCES "\n" text)
set(fingerprint_list ${PROJECT_BINARY_DIR}/compiler-sources.txt)
file(CONFIGURE OUTPUT ${fingerprint_list} CONTENT "${text}\n" @ONLY)
set(fingerprint_file ${PROJECT_BINARY_DIR}/Fingerprint.cpp)
set(paths ${KVARN_COMPILER_SOURCES})
list(TRANSFORM paths PREPEND ${PROJECT_SOURCE_DIR}/)
add_custom_command(
  OUTPUT ${fingerprint_file}
  COMMAND ${CMAKE_COMMAND} -DSOURCE=${PROJECT_SOURCE_DIR}
          -DLIST=${fingerprint_list} -DOUTPUT=${fingerprint_file}
          -P ${CMAKE_CURRENT_LIST_DIR}/Fingerprint.cmake
  DEPENDS ${paths} ${fingerprint_list}
          ${CMAKE_CURRENT_LIST_DIR}/Fingerprint.cmake
  COMMENT "Hashing the sources of the compiler" VERBATIM)
add_library(kvarn_fingerprint STATIC ${fingerprint_file})
