//===- Progress.cpp - How far the work is ---------------------------------===//

#include "tools/kvarn-tune/Progress.h"

#include "tools/kvarn-run/Text.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <sys/ioctl.h>
#include <unistd.h>

namespace kvarn::tune {

using Clock = std::chrono::steady_clock;
static constexpr int kBarWidth = 24;
static constexpr auto kRefresh = std::chrono::milliseconds(100);

Progress::Progress(std::string what, int64_t total)
    : what(std::move(what)), total(total), terminal(isatty(STDERR_FILENO)),
      begin(Clock::now()), last(begin - kRefresh) {}

void Progress::step(bool isWork) {
  ++done;
  worked += isWork;
  if (terminal && (Clock::now() - last >= kRefresh || done == total))
    draw();
}

void Progress::note(const std::string &line) {
  clear();
  std::printf("%s\n", line.c_str());
  std::fflush(stdout);
}

static int terminalWidth() {
  winsize size = {};
  return ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0
             ? size.ws_col
             : 80;
}

void Progress::draw() {
  last = Clock::now();
  drawn = true;
  double share = total > 0 ? std::min(1.0, double(done) / double(total)) : 1;
  std::string bar(static_cast<size_t>(share * kBarWidth), '#');
  bar.resize(kBarWidth, '.');
  std::string text = run::formatText("%s [%s] %lld/%lld", what.c_str(),
                                     bar.c_str(), static_cast<long long>(done),
                                     static_cast<long long>(total));
  if (worked > 0 && done < total) {
    double seconds = std::chrono::duration<double>(last - begin).count() /
                     double(worked) * double(total - done);
    text +=
        run::formatText(" ETA %d:%02d", int(seconds) / 60, int(seconds) % 60);
  }
  if (!bestSoFar.empty())
    text += " best " + bestSoFar;
  text.resize(std::min(text.size(), static_cast<size_t>(terminalWidth() - 1)));
  std::fprintf(stderr, "\r\033[K%s", text.c_str());
  std::fflush(stderr);
}

void Progress::clear() {
  if (drawn)
    std::fprintf(stderr, "\r\033[K");
  drawn = false;
}

} // namespace kvarn::tune
