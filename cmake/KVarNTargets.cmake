# Flags of our own code: warnings are errors.
function(kvarn_warnings target)
  target_compile_options(${target} PRIVATE -Wall -Wextra -Werror
                                           -Wno-unused-parameter)
endfunction()
