//===- Jit.h - Kernels on demand --------------------------------*- C++ -*-===//

#ifndef KVARN_RUNTIME_JIT_H
#define KVARN_RUNTIME_JIT_H

#include "runtime/Cache.h"
#include "runtime/Compiler.h"
#include "runtime/Library.h"
#include "runtime/Recipe.h"

#include <map>
#include <memory>
#include <mutex>
#include <shared_mutex>
#include <string>
#include <unordered_map>
#include <vector>

/// Looks for kernels in libraries, then in the cache, then compiles them.
struct kvarn_jit {
public:
  static kvarn_status create(const kvarn_jit_options &options,
                             std::unique_ptr<kvarn_jit> &jit);

  kvarn_status get(kvarn_request request, kvarn_kernel *&kernel);
  /// The command that compiles the kernel of `request`.
  kvarn_status command(kvarn_request request, std::string &text) const;
  kvarn_jit_stats stats() const;

private:
  using Recipe = kvarn::runtime::Recipe;

  /// What was opened of an entry of the cache.
  struct Entry {
    std::mutex mutex; // held while it is opened, and a kernel of it loaded
    // The last one is used. Those before it turned out to be damaged or deleted
    // when one more variant was wanted; kernels of them were handed out.
    std::vector<std::unique_ptr<kvarn_library>> opened;
  };

  kvarn_status find(const kvarn_request &request, kvarn_library *&library,
                    kvarn_kernel *&kernel);
  kvarn_status openCache();
  kvarn_status findInLibraries(const kvarn_request &request,
                               kvarn_library *&library, kvarn_kernel *&kernel);
  kvarn_status findInCache(const Recipe &recipe, const kvarn_request &request,
                           kvarn_library *&library, kvarn_kernel *&kernel);
  Entry &entryOf(const std::string &key);
  kvarn_status openEntry(const std::string &key, const kvarn_request &request,
                         kvarn_library *&library, kvarn_kernel *&kernel);
  kvarn_status make(const Recipe &recipe, const kvarn_request &request,
                    kvarn_library *&library, kvarn_kernel *&kernel);
  kvarn_status compile(const Recipe &recipe, const kvarn_request &request,
                       const std::string &damage);
  kvarn_status explainFailure(const Recipe &recipe,
                              const kvarn::runtime::Compilation &compilation,
                              const std::string &damage);
  std::string commandText(const Recipe &recipe) const;
  void count(int64_t kvarn_jit_stats::*member, int64_t by = 1);

  std::vector<kvarn_library *> libraries;
  kvarn::runtime::Compiler compiler;
  std::string cacheFolder; // "" = what the environment says
  int64_t cacheBytes = 0;

  mutable std::mutex mutex;                     // for what follows
  std::unique_ptr<kvarn::runtime::Cache> cache; // opened when first needed
  std::map<std::string, Entry> entries;         // by key
  kvarn_jit_stats counts = {};

  std::shared_mutex knownMutex;
  std::unordered_map<std::string, kvarn_library *> known; // by request
};

#endif // KVARN_RUNTIME_JIT_H
