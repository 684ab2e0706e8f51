//===- Hash.cpp - SHA-256 of bytes and files ------------------------------===//

#include "format/Hash.h"

#include <array>
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <memory>
#include <openssl/evp.h>
#include <sys/stat.h>
#include <unistd.h>
#include <vector>

namespace kvarn {

namespace {
/// One running SHA-256.
class Sha256 {
public:
  Sha256() : context(EVP_MD_CTX_new(), EVP_MD_CTX_free) {
    ok = context && EVP_DigestInit_ex(context.get(), EVP_sha256(), nullptr);
  }

  void update(const void *data, size_t size) {
    ok = ok && EVP_DigestUpdate(context.get(), data, size);
  }

  /// Empty if libcrypto failed: equal to no hash.
  std::string finish() {
    std::array<unsigned char, EVP_MAX_MD_SIZE> digest;
    unsigned size = 0;
    if (!ok || !EVP_DigestFinal_ex(context.get(), digest.data(), &size))
      return {};
    std::string text;
    for (unsigned i = 0; i < size; ++i) {
      text += "0123456789abcdef"[digest[i] >> 4];
      text += "0123456789abcdef"[digest[i] & 15];
    }
    return text;
  }

private:
  std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> context;
  bool ok;
};
} // namespace

std::string sha256Hex(std::string_view bytes) {
  Sha256 hash;
  hash.update(bytes.data(), bytes.size());
  return hash.finish();
}

static std::optional<FileHash> hashDescriptor(int descriptor,
                                              std::string &error) {
  struct stat info;
  if (fstat(descriptor, &info) != 0 || !S_ISREG(info.st_mode)) {
    error = "not a regular file";
    return std::nullopt;
  }
  Sha256 hash;
  FileHash result;
  std::vector<char> chunk(1 << 16);
  while (true) {
    ssize_t size = read(descriptor, chunk.data(), chunk.size());
    if (size < 0 && errno == EINTR)
      continue;
    if (size < 0) {
      error = std::strerror(errno);
      return std::nullopt;
    }
    if (size == 0)
      break;
    hash.update(chunk.data(), static_cast<size_t>(size));
    result.bytes += size;
  }
  result.sha256 = hash.finish();
  return result;
}

std::optional<FileHash> hashFile(const std::string &path, std::string &error) {
  // O_NONBLOCK: opening a FIFO must not wait for a writer.
  int descriptor = open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (descriptor < 0) {
    error = std::strerror(errno);
    return std::nullopt;
  }
  std::optional<FileHash> result = hashDescriptor(descriptor, error);
  close(descriptor);
  return result;
}

} // namespace kvarn
