#include "tools/kvarn-tune/Commands.h"
namespace kvarn::tune {
void addReportCommand(CLI::App &, Action &) {}
} // namespace kvarn::tune
