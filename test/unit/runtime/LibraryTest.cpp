//===- LibraryTest.cpp - Opening libraries and loading binaries -----------===//

#include "format/Hash.h"
#include "test/unit/runtime/Fixture.h"

#include <thread>

using namespace kvarn;
using namespace kvarn::test;

extern "C" int kvarnTestFromC(void);

static std::string openError(const std::string &path, kvarn_status status) {
  return errorOf(status, [&] { Library library(path); });
}

TEST(Library, VersionsAndStatusNames) {
  EXPECT_EQ(kvarnTestFromC(), 0);
  EXPECT_EQ(kvarn_abi_version(), 1);
  EXPECT_STREQ(kvarn_status_name(KVARN_STATUS_CORRUPT), "corrupt");
  EXPECT_STREQ(kvarn_status_name(static_cast<kvarn_status>(15)),
               "unknown status");
  kvarn_library_close(nullptr);
  kvarn_string_free(nullptr);
}

TEST(Library, DescribesItsVariants) {
  Variant variant = scaleVariant();
  variant.key.features = {"causal", "lse"};
  variant.key.options = {{"split", "balanced"}, {"iterations", "8"}};
  variant.schedule = "#kvarn.schedule<warps = 4>";
  TempLibrary folder({variant, sumVariant()});
  Library library = folder.open();
  EXPECT_EQ(library.compiler(), "test");
  EXPECT_EQ(library.variantCount(), 2u);
  kvarn_variant_info info = library.variant(0);
  EXPECT_STREQ(info.id, "scale.1");
  EXPECT_STREQ(info.kernel, "scale");
  EXPECT_STREQ(info.features, "causal,lse");
  EXPECT_STREQ(info.options, "iterations=8,split=balanced");
  EXPECT_STREQ(info.schedule, "#kvarn.schedule<warps = 4>");
  EXPECT_STREQ(info.binary_kind, "shared-object");
  EXPECT_EQ(sha256Hex(folder.readFile("kernels.so")), info.binary_sha256);
  EXPECT_EQ(info.parameter_count, 3);
  EXPECT_EQ(errorOf(KVARN_STATUS_NOT_FOUND, [&] { library.variant(2); }),
            "no variant 2, the library has 2");
}

// An older program's struct is filled as far as it goes.
TEST(Library, StructsAreVersionedBySize) {
  TempLibrary folder({scaleVariant()});
  Library library = folder.open();
  kvarn_variant_info info = {};
  info.struct_size = offsetof(kvarn_variant_info, format);
  ASSERT_EQ(kvarn_library_variant(library.get(), 0, &info), KVARN_STATUS_OK);
  EXPECT_STREQ(info.kernel, "scale");
  EXPECT_EQ(info.format, nullptr);
  EXPECT_EQ(info.struct_size, offsetof(kvarn_variant_info, format));
  info.struct_size = 0;
  EXPECT_KVARN_ERROR(kvarn_library_variant(library.get(), 0, &info),
                     KVARN_STATUS_INVALID_ARGUMENT,
                     "info.struct_size is not set");
  struct {
    kvarn_request request;
    int64_t later;
  } newer = {make<kvarn_request>(), 0};
  newer.request.struct_size = sizeof(newer);
  newer.request.kernel = "scale";
  kvarn_kernel *kernel = nullptr;
  EXPECT_EQ(kvarn_select(library.get(), &newer.request, &kernel),
            KVARN_STATUS_OK);
  newer.later = 1;
  EXPECT_KVARN_ERROR(kvarn_select(library.get(), &newer.request, &kernel),
                     KVARN_STATUS_UNSUPPORTED,
                     "request has members that this version of the library "
                     "does not know");
}

TEST(Library, OpenErrors) {
  TempLibrary folder({scaleVariant()});
  EXPECT_EQ(openError("/nowhere.kvlib", KVARN_STATUS_NOT_FOUND),
            "/nowhere.kvlib: No such file or directory");
  EXPECT_EQ(openError(folder.path("kernels.so"), KVARN_STATUS_NOT_FOUND),
            folder.path("kernels.so/manifest.json") + ": Not a directory");
  std::string manifest = folder.readFile("manifest.json");
  folder.writeFile("manifest.json", manifest.substr(0, 100));
  EXPECT_EQ(openError(folder.path(), KVARN_STATUS_CORRUPT),
            folder.path() + ": manifest.json: not valid JSON; the file is "
                            "damaged or truncated");
  std::string edited = manifest;
  edited.replace(edited.find("scale.1"), 7, "scale.2");
  folder.writeFile("manifest.json", edited);
  EXPECT_EQ(openError(folder.path(), KVARN_STATUS_CORRUPT),
            folder.path() + ": manifest.json: checksum: does not match the "
                            "contents: the file is damaged or was edited");
  edited = manifest;
  edited.replace(edited.find("\"schema\": 1"), 11, "\"schema\": 7");
  folder.writeFile("manifest.json", edited);
  EXPECT_EQ(openError(folder.path(), KVARN_STATUS_CORRUPT),
            folder.path() + ": manifest.json: schema: found 7, expected 1");
  std::filesystem::remove(folder.path("manifest.json"));
  EXPECT_EQ(openError(folder.path(), KVARN_STATUS_NOT_FOUND),
            folder.path("manifest.json") + ": No such file or directory");
  std::filesystem::create_directory(folder.path("manifest.json"));
  EXPECT_EQ(openError(folder.path(), KVARN_STATUS_IO),
            folder.path("manifest.json") + ": not a regular file");
}

TEST(Library, BinaryErrors) {
  TempLibrary folder({scaleVariant()});
  Library library = folder.open();
  std::string path = folder.path("kernels.so");
  std::string good = folder.readFile("kernels.so");
  auto select = [&] { library.select("scale.1"); };

  folder.writeFile("kernels.so", good.substr(1));
  EXPECT_EQ(errorOf(KVARN_STATUS_CORRUPT, select),
            path + ": has " + std::to_string(good.size() - 1) +
                " bytes, the manifest says " + std::to_string(good.size()));
  std::string edited = good;
  edited[good.size() / 2] ^= 1;
  folder.writeFile("kernels.so", edited);
  EXPECT_EQ(errorOf(KVARN_STATUS_CORRUPT, select),
            path + ": has sha256 " + sha256Hex(edited) +
                ", the manifest says " + sha256Hex(good));
  std::filesystem::remove(path);
  EXPECT_EQ(errorOf(KVARN_STATUS_IO, select),
            path + ": No such file or directory");
  EXPECT_EQ(errorOf(KVARN_STATUS_NOT_FOUND, [&] { library.select("scale.2"); }),
            folder.path() + ": no variant 'scale.2'");
  // A failure is not remembered.
  folder.writeFile("kernels.so", good);
  EXPECT_EQ(errorOf(KVARN_STATUS_OK, select), "no error");
}

TEST(Library, MissingSymbol) {
  Variant variant = scaleVariant();
  variant.launches[0].entry = "nowhere";
  TempLibrary folder({variant});
  Library library = folder.open();
  EXPECT_EQ(errorOf(KVARN_STATUS_CORRUPT, [&] { library.select("scale.1"); }),
            folder.path("kernels.so") + ": has no symbol 'nowhere'");
}

TEST(Library, WhatIsNoSharedObjectIsNotLoaded) {
  TempLibrary folder({scaleVariant()});
  std::string error;
  Manifest manifest = *readManifest(folder.readFile("manifest.json"), error);
  Binary &binary = manifest.variants[0].binary;
  binary = {"junk.so", BinaryKind::SharedObject, sha256Hex("junk"), 4};
  folder.writeFile("junk.so", "junk");
  folder.writeFile("manifest.json", writeManifest(manifest));
  Library library = folder.open();
  EXPECT_EQ(errorOf(KVARN_STATUS_CORRUPT, [&] { library.select("scale.1"); })
                .substr(0, 13),
            "cannot load: ");
  binary.kind = BinaryKind::Object;
  folder.writeFile("manifest.json", writeManifest(manifest));
  Library objects = folder.open();
  EXPECT_EQ(
      errorOf(KVARN_STATUS_UNSUPPORTED, [&] { objects.select("scale.1"); }),
      "scale.1: is of kind object, which must be linked first");
}

TEST(Library, KernelsAreLoadedOnce) {
  TempLibrary folder({scaleVariant(), sumVariant()});
  Library library = folder.open();
  std::vector<const kvarn_kernel *> found(8);
  std::vector<std::thread> threads;
  for (size_t i = 0; i < found.size(); ++i)
    threads.emplace_back([&, i] {
      found[i] = library.select(i % 2 ? "scale.1" : "sum.1").get();
    });
  for (std::thread &thread : threads)
    thread.join();
  for (size_t i = 2; i < found.size(); ++i)
    EXPECT_EQ(found[i], found[i % 2]);
  EXPECT_NE(found[0], found[1]);
}

// The loader would silently return the old code.
TEST(Library, ABinaryReplacedWhileInUseIsAnError) {
  TempLibrary folder({scaleVariant()});
  auto first = std::make_unique<Library>(folder.path());
  auto kernel = std::make_unique<Kernel>(first->select("scale.1"));
  std::string error, binary = folder.readFile("kernels.so") + " ";
  Manifest manifest = *readManifest(folder.readFile("manifest.json"), error);
  manifest.variants[0].binary.bytes += 1;
  manifest.variants[0].binary.sha256 = sha256Hex(binary);
  folder.writeFile("kernels.so", binary);
  folder.writeFile("manifest.json", writeManifest(manifest));
  Library second = folder.open();
  auto select = [&] { second.select("scale.1"); };
  EXPECT_EQ(errorOf(KVARN_STATUS_CORRUPT, select),
            folder.path("kernels.so") +
                ": replaced while it is in use; close the libraries that use "
                "it first");
  first.reset();
  kernel.reset();
  EXPECT_EQ(errorOf(KVARN_STATUS_OK, select), "no error");
}

TEST(Library, DescribesParameters) {
  Variant variant = scaleVariant();
  variant.parameters[0].alignment = 32;
  TempLibrary folder({variant});
  Kernel kernel = folder.open().select("scale.1");
  kvarn_parameter_info x = kernel.parameter(0), factor = kernel.parameter(1),
                       y = kernel.parameter(2);
  EXPECT_STREQ(x.name, "x");
  EXPECT_EQ(x.is_tensor, 1);
  EXPECT_EQ(x.is_output, 0);
  EXPECT_EQ(x.ndim, 2);
  EXPECT_EQ(x.shape[1], -1);
  EXPECT_EQ(x.alignment, 32);
  EXPECT_STREQ(factor.dtype, "f32");
  EXPECT_EQ(factor.is_tensor, 0);
  EXPECT_EQ(y.is_output, 1);
  EXPECT_EQ(y.alignment, 4);
  EXPECT_EQ(errorOf(KVARN_STATUS_NOT_FOUND, [&] { kernel.parameter(3); }),
            "no parameter 3, the kernel has 3");
}
