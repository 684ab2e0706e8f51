//===- Jit.cpp - Kernels on demand ----------------------------------------===//

#include "runtime/Jit.h"

#include "runtime/Process.h"
#include "runtime/Select.h"
#include "runtime/Status.h"

#include <filesystem>

using namespace kvarn;
using namespace kvarn::runtime;

/// More than any program asks for; then it starts anew.
static constexpr size_t kMaxKnown = 4096;
static constexpr const char *kStagedName = "/kernel.kvlib";

kvarn_status kvarn_jit::create(const kvarn_jit_options &options,
                               std::unique_ptr<kvarn_jit> &jit) {
  auto created = std::make_unique<kvarn_jit>();
  if (options.library_count > 0 && !options.libraries)
    return fail(KVARN_STATUS_INVALID_ARGUMENT, "options.libraries is NULL");
  for (size_t i = 0; i < options.library_count; ++i) {
    if (!options.libraries[i])
      return fail(KVARN_STATUS_INVALID_ARGUMENT,
                  "options.libraries[" + std::to_string(i) + "] is NULL");
    created->libraries.push_back(options.libraries[i]);
  }
  if (options.cache_bytes < 0)
    return fail(KVARN_STATUS_INVALID_ARGUMENT,
                "options.cache_bytes: expected at least 0, got " +
                    std::to_string(options.cache_bytes));
  created->cacheBytes = options.cache_bytes;
  created->cacheFolder = options.cache_folder ? options.cache_folder : "";
  KVARN_TRY(Compiler::create(options.compiler, options.compiler_program,
                             created->compiler));
  jit = std::move(created);
  return KVARN_STATUS_OK;
}

void kvarn_jit::count(int64_t kvarn_jit_stats::*member, int64_t by) {
  std::lock_guard lock(mutex);
  counts.*member += by;
}

kvarn_jit_stats kvarn_jit::stats() const {
  std::lock_guard lock(mutex);
  return counts;
}

//===----------------------------------------------------------------------===//
// Looking
//===----------------------------------------------------------------------===//

/// Whether an entry that fails so is to be made again.
static bool isDamage(kvarn_status status) {
  return status == KVARN_STATUS_NOT_FOUND || status == KVARN_STATUS_IO ||
         status == KVARN_STATUS_CORRUPT ||
         status == KVARN_STATUS_INVALID_ARGUMENT;
}

kvarn_status kvarn_jit::get(kvarn_request request, kvarn_kernel *&kernel) {
  // A program without a format has no layout either.
  if (!request.layout && request.format)
    request.layout = kDefaultLayout;
  thread_local std::string key, knownKey; // memory to keep
  makeRequestKey(request, key);
  knownKey = key;
  knownKey += static_cast<char>(compiledQueryTokens(request));
  kvarn_library *library = nullptr;
  {
    std::shared_lock lock(knownMutex);
    auto found = known.find(knownKey);
    if (found != known.end())
      library = found->second;
  }
  if (library) {
    kvarn_status status = selectKernel(*library, request, key, kernel);
    if (!isDamage(status))
      return status;
    // Other hints may want a variant that was not loaded yet, of an entry that
    // was deleted since.
    library = nullptr;
  }
  KVARN_TRY(find(request, library, kernel));
  std::lock_guard lock(knownMutex);
  if (known.size() >= kMaxKnown)
    known.clear();
  known.insert_or_assign(knownKey, library);
  return KVARN_STATUS_OK;
}

static kvarn_status selectFrom(kvarn_library &library,
                               const kvarn_request &request,
                               kvarn_kernel *&kernel) {
  std::string key;
  makeRequestKey(request, key);
  return selectKernel(library, request, key, kernel);
}

kvarn_status kvarn_jit::find(const kvarn_request &request,
                             kvarn_library *&library, kvarn_kernel *&kernel) {
  KVARN_TRY(findInLibraries(request, library, kernel));
  if (library)
    return KVARN_STATUS_OK;
  Recipe recipe;
  KVARN_TRY(makeRecipe(request, recipe));
  KVARN_TRY(openCache());
  return findInCache(recipe, request, library, kernel);
}

kvarn_status kvarn_jit::openCache() {
  std::lock_guard lock(mutex);
  if (cache)
    return KVARN_STATUS_OK;
  return Cache::open(cacheFolder.empty() ? nullptr : cacheFolder.c_str(),
                     cacheBytes, cache);
}

/// The first library that has a variant which runs here, if one has. Damage is
/// an error: what was given is to be used.
kvarn_status kvarn_jit::findInLibraries(const kvarn_request &request,
                                        kvarn_library *&library,
                                        kvarn_kernel *&kernel) {
  for (kvarn_library *candidate : libraries) {
    kvarn_status status = selectFrom(*candidate, request, kernel);
    if (status == KVARN_STATUS_NOT_FOUND || status == KVARN_STATUS_UNSUPPORTED)
      continue;
    if (status == KVARN_STATUS_OK) {
      library = candidate;
      count(&kvarn_jit_stats::from_libraries);
    }
    return status;
  }
  return KVARN_STATUS_OK;
}

kvarn_status kvarn_jit::findInCache(const Recipe &recipe,
                                    const kvarn_request &request,
                                    kvarn_library *&library,
                                    kvarn_kernel *&kernel) {
  std::string key = recipe.key();
  kvarn_status status = openEntry(key, request, library, kernel);
  if (isDamage(status))
    return make(recipe, request, library, kernel);
  if (status == KVARN_STATUS_OK)
    count(&kvarn_jit_stats::from_cache);
  return status;
}

kvarn_jit::Entry &kvarn_jit::entryOf(const std::string &key) {
  std::lock_guard lock(mutex);
  return entries[key];
}

/// Opens the entry, if it is not open, and loads the kernel, which checks its
/// hash: what is wrong with it must come out while it can still be made again.
/// What was open and turns out to be damaged is opened anew: others may have
/// made it again.
kvarn_status kvarn_jit::openEntry(const std::string &key,
                                  const kvarn_request &request,
                                  kvarn_library *&library,
                                  kvarn_kernel *&kernel) {
  Entry &entry = entryOf(key);
  std::lock_guard lock(entry.mutex);
  if (!entry.opened.empty()) {
    library = entry.opened.back().get();
    kvarn_status status = selectFrom(*library, request, kernel);
    if (!isDamage(status))
      return status;
  }
  std::unique_ptr<kvarn_library> opened;
  KVARN_TRY(openLibrary(cache->entry(key).c_str(), opened));
  if (!opened->manifest.compiler.starts_with(compilerOfThisBuild()))
    return fail(KVARN_STATUS_CORRUPT,
                opened->folder + ": was made by " + opened->manifest.compiler +
                    ", expected " + compilerOfThisBuild());
  KVARN_TRY(selectFrom(*opened, request, kernel));
  cache->touch(key);
  library = entry.opened.emplace_back(std::move(opened)).get();
  return KVARN_STATUS_OK;
}

//===----------------------------------------------------------------------===//
// Making
//===----------------------------------------------------------------------===//

/// One thread of one process compiles; the others wait for it, and find the
/// entry.
kvarn_status kvarn_jit::make(const Recipe &recipe, const kvarn_request &request,
                             kvarn_library *&library, kvarn_kernel *&kernel) {
  std::string key = recipe.key();
  FileLock lock;
  KVARN_TRY(lock.take(cache->lockFile(key)));
  kvarn_status status = openEntry(key, request, library, kernel);
  if (status == KVARN_STATUS_OK)
    count(&kvarn_jit_stats::from_cache);
  if (!isDamage(status))
    return status;
  std::string damage =
      status == KVARN_STATUS_NOT_FOUND ? "" : kvarn_last_error();
  status = compile(recipe, request, damage);
  if (status != KVARN_STATUS_OK) {
    lock.discard(); // else it stays forever: there is no entry to evict
    return status;
  }
  count(&kvarn_jit_stats::compiled);
  count(&kvarn_jit_stats::evicted, static_cast<int64_t>(cache->evict(key)));
  return openEntry(key, request, library, kernel);
}

namespace {
/// A folder that goes away.
struct Staged {
  ~Staged() {
    std::error_code ignored;
    if (!path.empty())
      std::filesystem::remove_all(path, ignored);
  }
  std::string path;
};
} // namespace

/// `damage` is what is wrong with the entry that is there, if there is one.
kvarn_status kvarn_jit::compile(const Recipe &recipe,
                                const kvarn_request &request,
                                const std::string &damage) {
  Staged staged;
  KVARN_TRY(cache->stage(staged.path));
  std::string made = staged.path + kStagedName;
  Compilation compilation = compiler.run(recipe.command(made));
  if (!compilation.missing.empty() || !compilation.failure.empty())
    return explainFailure(recipe, compilation, damage);
  std::unique_ptr<kvarn_library> opened;
  kvarn_status status = openLibrary(made.c_str(), opened);
  if (status == KVARN_STATUS_NOT_FOUND) {
    // So fails a child whose exit code is lost, as SIGCHLD is ignored.
    compilation.failure = "the compiler made nothing\n" + compilation.output;
    return explainFailure(recipe, compilation, damage);
  }
  KVARN_TRY(status);
  if (!opened->manifest.compiler.starts_with(compilerOfThisBuild()))
    return fail(KVARN_STATUS_COMPILER,
                compiler.programName() + " is " + opened->manifest.compiler +
                    ", but this runtime needs " + compilerOfThisBuild());
  Selection selection;
  KVARN_TRY(selectVariant(*opened, request, selection));
  if (selection.status == KVARN_STATUS_NOT_FOUND)
    return fail(KVARN_STATUS_INVALID_ARGUMENT,
                recipe.kernel + ": the compiler makes none as requested: " +
                    selection.reasons[0]);
  if (!recipe.schedules.path.empty())
    KVARN_TRY(recipe.schedules.checkUnchanged());
  return cache->publish(made, recipe.key());
}

std::string kvarn_jit::commandText(const Recipe &recipe) const {
  std::vector<std::string> words = recipe.command("NAME.kvlib");
  words.insert(words.begin(), compiler.programName());
  return kvarn::commandText(words);
}

/// Exit code 2 is a mistake in the request.
kvarn_status kvarn_jit::explainFailure(const Recipe &recipe,
                                       const Compilation &compilation,
                                       const std::string &damage) {
  count(&kvarn_jit_stats::failed);
  bool missing = !compilation.missing.empty();
  std::string where = " is in none of the " + std::to_string(libraries.size()) +
                      " libraries and " + (damage.empty() ? "not" : "damaged") +
                      " in the cache " + cache->folder();
  if (!damage.empty())
    where += " (" + damage + ")";
  return fail(compilation.exitCode == 2 ? KVARN_STATUS_INVALID_ARGUMENT
                                        : KVARN_STATUS_COMPILER,
              recipe.kernel + (missing ? where : " cannot be compiled") +
                  "; to build it: " + commandText(recipe) + "\n" +
                  (missing ? "no compiler: " + compilation.missing
                           : compilation.failure));
}

kvarn_status kvarn_jit::command(kvarn_request request,
                                std::string &text) const {
  Recipe recipe;
  KVARN_TRY(makeRecipe(request, recipe));
  text = commandText(recipe);
  return KVARN_STATUS_OK;
}

//===----------------------------------------------------------------------===//
// The C API
//===----------------------------------------------------------------------===//

static kvarn_status isNull(const char *what) {
  return fail(KVARN_STATUS_INVALID_ARGUMENT, std::string(what) + " is NULL");
}

kvarn_status kvarn_jit_create(const kvarn_jit_options *options,
                              kvarn_jit **jit) {
  return guarded([&] {
    if (!jit)
      return isNull("jit");
    kvarn_jit_options copy = {};
    if (options)
      KVARN_TRY(copyIn(options, copy, "options"));
    std::unique_ptr<kvarn_jit> created;
    KVARN_TRY(kvarn_jit::create(copy, created));
    *jit = created.release();
    return KVARN_STATUS_OK;
  });
}

void kvarn_jit_destroy(kvarn_jit *jit) { delete jit; }

kvarn_status kvarn_jit_get(kvarn_jit *jit, const kvarn_request *request,
                           kvarn_kernel **kernel) {
  return guarded([&] {
    if (!jit || !kernel)
      return isNull(jit ? "kernel" : "jit");
    kvarn_request copy;
    KVARN_TRY(readRequest(request, copy));
    kvarn_kernel *found = nullptr;
    KVARN_TRY(jit->get(copy, found));
    *kernel = found;
    return KVARN_STATUS_OK;
  });
}

kvarn_status kvarn_jit_command(const kvarn_jit *jit,
                               const kvarn_request *request, char **command) {
  return guarded([&] {
    if (!jit || !command)
      return isNull(jit ? "command" : "jit");
    kvarn_request copy;
    KVARN_TRY(readRequest(request, copy));
    std::string text;
    KVARN_TRY(jit->command(copy, text));
    char *result = strdup(text.c_str());
    if (!result)
      return fail(KVARN_STATUS_OUT_OF_MEMORY, "out of memory");
    *command = result;
    return KVARN_STATUS_OK;
  });
}

kvarn_status kvarn_jit_get_stats(const kvarn_jit *jit, kvarn_jit_stats *stats) {
  return guarded([&] {
    return jit ? copyOut(jit->stats(), stats, "stats") : isNull("jit");
  });
}
