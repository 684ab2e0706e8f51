# Flags of our own code: warnings are errors.
function(kvarn_warnings target)
  target_compile_options(${target} PRIVATE -Wall -Wextra -Werror
                                           -Wno-unused-parameter)
endfunction()

# A folder that may be left out of a checkout.
macro(kvarn_add_folder folder)
  if(EXISTS ${CMAKE_CURRENT_SOURCE_DIR}/${folder}/CMakeLists.txt)
    add_subdirectory(${folder})
  endif()
endmacro()
