#include "tools/kvarn-run/Commands.h"
namespace kvarn::run {
void addRandomCommand(CLI::App &, Action &) {}
} // namespace kvarn::run
