#include "tools/kvarn-run/Commands.h"
namespace kvarn::run {
void addDemoCommand(CLI::App &, Action &) {}
} // namespace kvarn::run
