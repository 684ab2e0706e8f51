//===- Library.cpp - Open kernel libraries --------------------------------===//

#include "runtime/Library.h"

#include "format/Hash.h"
#include "runtime/Status.h"

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

namespace kvarn::runtime {

VariantEntry::VariantEntry(const Variant &variant) : variant(variant), info() {
  for (const std::string &feature : variant.key.features)
    features += (features.empty() ? "" : ",") + feature;
  for (auto &[name, value] : variant.key.options)
    options += (options.empty() ? "" : ",") + name + "=" + value;
  info.struct_size = sizeof(info);
  info.id = variant.id.c_str();
  info.kernel = variant.key.kernel.c_str();
  info.format = variant.key.format.c_str();
  info.layout = variant.key.layout.c_str();
  info.head_dim = variant.key.headDim;
  info.ratio = variant.key.ratio;
  info.dtype = variant.key.dtype.c_str();
  info.query_rows = variant.key.queryRows;
  info.features = features.c_str();
  info.options = options.c_str();
  info.target = variant.key.target.c_str();
  info.schedule = variant.schedule.c_str();
  info.schedule_from = variant.scheduleFrom.c_str();
  info.binary_file = variant.binary.file.c_str();
  info.binary_kind = binaryKindName(variant.binary.kind).data();
  info.binary_sha256 = variant.binary.sha256.c_str();
  info.binary_bytes = variant.binary.bytes;
  info.parameter_count = static_cast<int64_t>(variant.parameters.size());
}

/// Larger manifests are refused by readManifest() anyway.
static constexpr int64_t kMaxManifest = int64_t(64) << 20;

static kvarn_status readFile(const std::string &path, std::string &text) {
  int descriptor = open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (descriptor < 0)
    return fail(errno == ENOENT || errno == ENOTDIR ? KVARN_STATUS_NOT_FOUND
                                                    : KVARN_STATUS_IO,
                path + ": " + std::strerror(errno));
  struct stat info;
  kvarn_status status = KVARN_STATUS_OK;
  if (fstat(descriptor, &info) != 0 || !S_ISREG(info.st_mode))
    status = fail(KVARN_STATUS_IO, path + ": not a regular file");
  else if (info.st_size > kMaxManifest)
    status = fail(KVARN_STATUS_CORRUPT, path + ": more than 64 MiB");
  else
    text.resize(static_cast<size_t>(info.st_size));
  size_t done = 0;
  while (status == KVARN_STATUS_OK && done < text.size()) {
    ssize_t size = read(descriptor, text.data() + done, text.size() - done);
    if (size < 0 && errno == EINTR)
      continue;
    if (size < 0)
      status = fail(KVARN_STATUS_IO, path + ": " + std::strerror(errno));
    if (size <= 0)
      break;
    done += static_cast<size_t>(size);
  }
  close(descriptor);
  text.resize(done);
  return status;
}

kvarn_status openLibrary(const char *path,
                         std::unique_ptr<kvarn_library> &library) {
  std::unique_ptr<char, decltype(&std::free)> absolute(realpath(path, nullptr),
                                                       std::free);
  if (!absolute)
    return fail(errno == ENOENT || errno == ENOTDIR ? KVARN_STATUS_NOT_FOUND
                                                    : KVARN_STATUS_IO,
                std::string(path) + ": " + std::strerror(errno));
  auto opened = std::make_unique<kvarn_library>();
  opened->folder = absolute.get();
  std::string text, error;
  KVARN_TRY(
      readFile(opened->folder + "/" + std::string(kManifestFileName), text));
  std::optional<Manifest> manifest = readManifest(text, error);
  if (!manifest)
    return fail(KVARN_STATUS_CORRUPT, opened->folder + ": " + error);
  opened->manifest = std::move(*manifest);
  for (const Variant &variant : opened->manifest.variants)
    opened->entries.emplace_back(variant);
  opened->kernels.resize(opened->entries.size());
  library = std::move(opened);
  return KVARN_STATUS_OK;
}

static kvarn_status checkBinary(const std::string &path, const Binary &binary) {
  std::string error;
  std::optional<FileHash> hash = hashFile(path, error);
  if (!hash)
    return fail(KVARN_STATUS_IO, path + ": " + error);
  if (hash->bytes != binary.bytes)
    return fail(KVARN_STATUS_CORRUPT, path + ": has " +
                                          std::to_string(hash->bytes) +
                                          " bytes, the manifest says " +
                                          std::to_string(binary.bytes));
  if (hash->sha256 != binary.sha256)
    return fail(KVARN_STATUS_CORRUPT, path + ": has sha256 " + hash->sha256 +
                                          ", the manifest says " +
                                          binary.sha256);
  return KVARN_STATUS_OK;
}

} // namespace kvarn::runtime

using namespace kvarn;
using namespace kvarn::runtime;

bool kvarn_kernel::hasFeature(std::string_view name) const {
  const std::vector<std::string> &features = variant().key.features;
  return std::find(features.begin(), features.end(), name) != features.end();
}

static kvarn_status loadKernel(const std::string &folder,
                               const VariantEntry &entry,
                               std::unique_ptr<kvarn_kernel> &kernel) {
  const Variant &variant = entry.variant;
  const Backend *backend = findBackend(variant.requirements.arch);
  std::string missing = backend ? backend->missing(variant)
                                : "is for " + variant.requirements.arch +
                                      ", which this runtime does not support";
  if (!missing.empty())
    return fail(KVARN_STATUS_UNSUPPORTED, variant.id + ": " + missing);
  std::string path = folder + "/" + variant.binary.file;
  KVARN_TRY(checkBinary(path, variant.binary));
  std::unique_ptr<kvarn_kernel> loading(
      new kvarn_kernel{entry, *backend, nullptr, std::nullopt});
  KVARN_TRY(backend->load(variant, path, loading->loaded));
  loading->format = parseFormatName(variant.key.format);
  if (loading->format) {
    loading->format->headDim = variant.key.headDim;
    loading->format->layout = *parseLayout(variant.key.layout);
  }
  kernel = std::move(loading);
  return KVARN_STATUS_OK;
}

kvarn_status kvarn_library::load(size_t index, kvarn_kernel *&kernel) {
  kvarn_kernel *found = nullptr;
  {
    std::lock_guard lock(mutex);
    std::unique_ptr<kvarn_kernel> &cached = kernels[index];
    if (!cached)
      KVARN_TRY(loadKernel(folder, entries[index], cached));
    found = cached.get();
  }
  // It may have been loaded while another device was the current one.
  KVARN_TRY(found->loaded->prepare());
  kernel = found;
  return KVARN_STATUS_OK;
}
