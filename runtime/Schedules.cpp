//===- Schedules.cpp - The tuned schedules for a device -------------------===//

#include "runtime/Schedules.h"

#include "format/Environment.h"
#include "format/Hash.h"
#include "runtime/Compiler.h"
#include "runtime/Status.h"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <sstream>

namespace kvarn::runtime {

namespace fs = std::filesystem;
using nlohmann::json;

//===----------------------------------------------------------------------===//
// Of which device a table is
//===----------------------------------------------------------------------===//

namespace {
/// Reads until it knows: kernels, by far the most of a table, come last.
class HeadReader final : public nlohmann::json_sax<json> {
public:
  std::string chip;
  DeviceIdentity device;

  bool isComplete() const {
    return !chip.empty() && !device.name.empty() && device.processors > 0;
  }

  bool null() override { return true; }
  bool boolean(bool) override { return true; }
  bool number_integer(number_integer_t) override { return true; }
  bool number_unsigned(number_unsigned_t value) override {
    if (isAt("device", "sm_count"))
      device.processors = static_cast<int64_t>(value);
    return !isComplete();
  }
  bool number_float(number_float_t, const string_t &) override { return true; }
  bool string(string_t &value) override {
    if (isAt("chip", ""))
      chip = value;
    if (isAt("device", "gpu"))
      device.name = value;
    return !isComplete();
  }
  bool binary(binary_t &) override { return true; }
  bool start_object(size_t) override { return enter(); }
  bool end_object() override { return leave(); }
  bool start_array(size_t) override { return enter(); }
  bool end_array() override { return leave(); }
  bool key(string_t &name) override {
    if (depth <= 2)
      keys[depth - 1] = name;
    return true;
  }
  bool parse_error(size_t, const std::string &,
                   const nlohmann::detail::exception &) override {
    return false;
  }

private:
  bool enter() {
    if (++depth <= 2)
      keys[depth - 1].clear();
    return true;
  }
  bool leave() { return --depth >= 0; }
  bool isAt(std::string_view outer, std::string_view inner) const {
    return depth == (inner.empty() ? 1 : 2) && keys[0] == outer &&
           (inner.empty() || keys[1] == inner);
  }

  int depth = 0;
  std::string keys[2]; // of the outer object, and of one in it
};
} // namespace

static constexpr const char *kRemedy =
    "; KVARN_SCHEDULES=none does without tables";

static kvarn_status readFile(const std::string &path, std::string &text) {
  std::error_code ignored;
  std::ifstream stream;
  if (fs::is_regular_file(path, ignored))
    stream.open(path, std::ios::binary);
  std::ostringstream bytes;
  bytes << stream.rdbuf();
  if (!stream.is_open() || stream.bad())
    return fail(KVARN_STATUS_IO,
                path + ": cannot read the table of schedules" + kRemedy);
  text = bytes.str();
  return KVARN_STATUS_OK;
}

/// Takes the file at `path` if it is the table.
static kvarn_status look(const std::string &path, const DeviceIdentity &device,
                         const std::string &target, ScheduleTable &table) {
  std::string text;
  KVARN_TRY(readFile(path, text));
  HeadReader head;
  json::sax_parse(text, &head);
  if (!head.isComplete())
    return fail(KVARN_STATUS_CORRUPT,
                path +
                    ": is no table of schedules, or damaged: it does not "
                    "say its chip, device.gpu and device.sm_count" +
                    kRemedy);
  if (head.chip != target || head.device != device)
    return KVARN_STATUS_OK;
  if (!table.path.empty())
    return fail(KVARN_STATUS_INVALID_ARGUMENT,
                table.path + " and " + path +
                    ": are both tables of schedules for " + device.name +
                    "; KVARN_SCHEDULES=FILE chooses one");
  table = {path, sha256Hex(text)};
  return KVARN_STATUS_OK;
}

//===----------------------------------------------------------------------===//
// Where tables are
//===----------------------------------------------------------------------===//

/// That of an installation, found by the place of the library, which may be
/// LIB/ or LIB/ARCHITECTURE/; or "".
static fs::path installedTables() {
  fs::path folder = runtimeFolder();
  std::error_code ignored;
  for (int level = 0; level < 2 && folder.has_parent_path(); ++level) {
    folder = folder.parent_path();
    if (fs::is_directory(folder / KVARN_TUNED_FOLDER, ignored))
      return folder / KVARN_TUNED_FOLDER;
  }
  return {};
}

kvarn_status findSchedules(const DeviceIdentity &device,
                           const std::string &target, ScheduleTable &table) {
  const char *named = environment(Variable::Schedules);
  if (device.name.empty() || (named && std::string_view(named) == "none"))
    return KVARN_STATUS_OK;
  fs::path place = named ? fs::path(named) : installedTables();
  if (place.empty())
    return KVARN_STATUS_OK;
  std::error_code error;
  if (!fs::is_directory(place, error))
    return look(place, device, target, table);
  std::vector<std::string> paths;
  for (fs::directory_iterator entry(place, error), end; entry != end;
       entry.increment(error))
    if (entry->path().extension() == ".json")
      paths.push_back(entry->path());
  if (error)
    return fail(KVARN_STATUS_IO, place.string() + ": " + error.message());
  std::sort(paths.begin(), paths.end());
  for (const std::string &path : paths)
    KVARN_TRY(look(path, device, target, table));
  return KVARN_STATUS_OK;
}

kvarn_status ScheduleTable::checkUnchanged() const {
  std::string error;
  std::optional<FileHash> now = hashFile(path, error);
  if (now && now->sha256 == sha256)
    return KVARN_STATUS_OK;
  return fail(KVARN_STATUS_COMPILER,
              path + ": the table of schedules changed while a kernel was "
                     "compiled with it");
}

} // namespace kvarn::runtime
