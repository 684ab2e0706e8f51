//===- Fixture.cpp - Small kernel libraries for tests ---------------------===//

#include "test/unit/runtime/Fixture.h"

#include "format/Hash.h"

#include <fstream>
#include <sstream>

namespace kvarn::test {

TempLibrary::TempLibrary(std::vector<Variant> variants,
                         const std::string &binary) {
  std::string pattern = testing::TempDir() + "kvarn-XXXXXX";
  folder = mkdtemp(pattern.data());
  Manifest manifest;
  manifest.compiler = "test";
  manifest.variants = std::move(variants);
  for (Variant &variant : manifest.variants) {
    BinaryKind kind = variant.binary.kind;
    std::string name = kind == BinaryKind::Cubin ? "kernels.cubin"
                       : kind == BinaryKind::Ptx ? "kernels.ptx"
                                                 : "kernels.so";
    if (!binary.empty())
      writeFile(name, binary);
    else if (!std::filesystem::exists(path(name)))
      std::filesystem::copy_file(KVARN_FIXTURE, path(name));
    std::string error;
    std::optional<FileHash> hash = hashFile(path(name), error);
    variant.binary = {name, kind, hash->sha256, hash->bytes};
  }
  EXPECT_EQ(describeManifestError(manifest), "");
  writeFile("manifest.json", writeManifest(manifest));
}

TempLibrary::~TempLibrary() { std::filesystem::remove_all(folder); }

std::string TempLibrary::path(const std::string &file) const {
  return file.empty() ? folder.string() : (folder / file).string();
}

void TempLibrary::writeFile(const std::string &name,
                            const std::string &text) const {
  // A new file: the old one may be mapped.
  std::filesystem::remove(path(name));
  std::ofstream(path(name), std::ios::binary) << text;
}

std::string TempLibrary::readFile(const std::string &name) const {
  std::ifstream stream(path(name), std::ios::binary);
  std::ostringstream text;
  text << stream.rdbuf();
  return text.str();
}

Parameter tensor(const std::string &name, DType dtype,
                 std::vector<int64_t> shape, bool output) {
  return {name, Parameter::Kind::Tensor, dtype, std::move(shape), output, 0};
}

Parameter scalar(const std::string &name, DType dtype) {
  return {name, Parameter::Kind::Scalar, dtype, {}, false, 0};
}

Variant makeVariant(const std::string &id, const std::string &kernel,
                    std::vector<Parameter> parameters,
                    const std::string &entry) {
  Variant variant;
  variant.id = id;
  variant.key.kernel = kernel;
#if defined(__aarch64__)
  variant.requirements.arch = "aarch64";
#else
  variant.requirements.arch = "x86_64";
#endif
  variant.key.target = variant.requirements.arch;
  Launch &launch = variant.launches.emplace_back();
  launch.entry = entry;
  for (const Parameter &parameter : parameters)
    launch.arguments.push_back(parameter.name);
  variant.parameters = std::move(parameters);
  return variant;
}

Variant scaleVariant() {
  Variant variant = makeVariant("scale.1", "scale",
                                {tensor("x", DType::F32, {-1, -1}),
                                 scalar("factor", DType::F32),
                                 tensor("y", DType::F32, {-1, -1}, true)},
                                "scale_row");
  variant.launches[0].grid[0] = Rule::dim("x", 0);
  variant.launches[0].sharedBytes = 4096;
  return variant;
}

Variant sumVariant() {
  Variant variant = makeVariant("sum.1", "sum",
                                {tensor("x", DType::F32, {-1, -1}),
                                 tensor("sums", DType::F32, {-1}, true)},
                                "square_row");
  variant.buffers = {
      {"first", DType::I8, {Rule(3)}},
      {"squares", DType::F32, {Rule::dim("x", 0), Rule::dim("x", 1)}}};
  variant.launches = {
      {"square_row", {Rule::dim("x", 0), 1, 1}, 1, 0, 1, {"x", "squares"}},
      {"sum_row", {Rule::dim("x", 0), 1, 1}, 1, 0, 1, {"squares", "sums"}}};
  return variant;
}

} // namespace kvarn::test
