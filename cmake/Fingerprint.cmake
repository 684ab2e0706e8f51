# Writes OUTPUT, a C++ file that holds a hash of the sources listed in LIST, one
# path per line, relative to SOURCE.
#   cmake -DSOURCE=... -DLIST=... -DOUTPUT=... -P Fingerprint.cmake
file(STRINGS ${LIST} paths)
set(text "")
foreach(path IN LISTS paths)
  file(SHA256 ${SOURCE}/${path} hash)
  string(APPEND text "${path} ${hash}\n")
endforeach()
string(SHA256 hash "${text}")
string(SUBSTRING ${hash} 0 12 hash)
file(WRITE ${OUTPUT} "#include \"format/Fingerprint.h\"

const char *const kvarn::kFingerprint = \"${hash}\";
")
