//===- LibraryFolder.cpp - Kernel libraries made of others ----------------===//

#include "autotune/measure/LibraryFolder.h"

#include "autotune/measure/Error.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <random>
#include <sstream>

namespace kvarn::tune {

namespace fs = std::filesystem;

Manifest readLibrary(const std::string &folder) {
  std::string path = folder + "/" + std::string(kManifestFileName);
  std::ifstream stream(path, std::ios::binary);
  if (!stream)
    throw InputError(folder + ": cannot read " +
                     std::string(kManifestFileName) +
                     ", expected a kernel library");
  std::ostringstream text;
  text << stream.rdbuf();
  std::string error;
  std::optional<Manifest> manifest = readManifest(text.str(), error);
  if (!manifest)
    throw InputError(folder + ": " + error);
  return *manifest;
}

/// So that a rename puts it in place. "" if it cannot be made. Unlike
/// mkdtemp's, it is open to whom the umask says.
static std::string makeFolderBeside(const std::string &path) {
  std::random_device random;
  for (int i = 0; i < 100; ++i) {
    std::string name = path + "." + std::to_string(random());
    std::error_code error;
    if (fs::create_directory(name, error))
      return name;
    if (error)
      break;
  }
  return {};
}

LibraryFolder::LibraryFolder(const std::string &target,
                             const std::string &compiler)
    : path(target) {
  while (path.size() > 1 && path.back() == '/')
    path.pop_back();
  manifest.compiler = compiler;
  std::error_code error;
  if (fs::exists(path, error) && !fs::exists(path + "/manifest.json", error))
    fail("it exists and is no kernel library");
  std::string name = makeFolderBeside(path);
  if (name.empty())
    fail("cannot create a folder beside it");
  temporary = name;
}

LibraryFolder::~LibraryFolder() {
  std::error_code ignored;
  if (!temporary.empty())
    fs::remove_all(temporary, ignored);
}

void LibraryFolder::fail(const std::string &what) const {
  throw InputError("cannot write library '" + path + "': " + what);
}

/// `name`, or else the first of NAME-2, NAME-3, ... that is not taken.
template <typename IsTaken>
static std::string unique(const std::string &name, const IsTaken &isTaken) {
  std::string each = name;
  for (int i = 2; isTaken(each); ++i)
    each = name + "-" + std::to_string(i);
  return each;
}

std::string LibraryFolder::add(Variant variant, const std::string &from,
                               const std::string &stem) {
  auto isAny = [&](auto condition) {
    return std::any_of(manifest.variants.begin(), manifest.variants.end(),
                       condition);
  };
  fs::path source = fs::path(from) / variant.binary.file;
  std::string extension = source.extension().string();
  Binary &binary = variant.binary;
  binary.file = unique(stem,
                       [&](const std::string &name) {
                         return isAny([&](const Variant &other) {
                           return other.binary.file == name + extension &&
                                  other.binary.sha256 != binary.sha256;
                         });
                       }) +
                extension;
  variant.id = unique(variant.id, [&](const std::string &name) {
    return isAny([&](const Variant &other) { return other.id == name; });
  });
  fs::path target = fs::path(temporary) / binary.file;
  std::error_code error;
  if (!fs::exists(target, error) && !fs::copy_file(source, target, error))
    fail(source.string() + ": " + error.message());
  manifest.variants.push_back(std::move(variant));
  return manifest.variants.back().id;
}

const Variant &LibraryFolder::variant(const std::string &id) const {
  for (const Variant &each : manifest.variants)
    if (each.id == id)
      return each;
  fail("no variant '" + id + "'");
}

void LibraryFolder::addFile(const std::string &name, const std::string &text) {
  std::ofstream stream(fs::path(temporary) / name, std::ios::binary);
  stream << text;
  if (!stream.flush())
    fail("cannot write " + name);
}

void LibraryFolder::commit() {
  std::string problem = describeManifestError(manifest);
  if (!problem.empty())
    fail(problem);
  addFile(std::string(kManifestFileName), writeManifest(manifest));
  std::error_code error;
  // rename() replaces no folder that has files: move an older one away.
  std::string old = temporary + ".old";
  bool replaced = fs::exists(path, error);
  if (replaced)
    fs::rename(path, old, error);
  if (!error)
    fs::rename(temporary, path, error);
  if (error) {
    std::error_code ignored;
    if (replaced)
      fs::rename(old, path, ignored);
    fail(error.message());
  }
  temporary.clear();
  if (replaced)
    fs::remove_all(old, error);
}

} // namespace kvarn::tune
