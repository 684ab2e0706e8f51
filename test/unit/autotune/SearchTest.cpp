//===- SearchTest.cpp - Successive halving --------------------------------===//

#include "autotune/measure/Search.h"

#include "test/unit/autotune/Fixture.h"

#include <cmath>
#include <random>

using namespace kvarn::tune;
using namespace kvarn::tune::test;

namespace {

/// Candidates whose times are known; what was measured is kept in order.
struct World {
  explicit World(size_t count) {
    for (size_t i = 0; i < count; ++i) {
      entries.push_back({i, double(count - i), i == 0, false, {}});
      truth.push_back(1e-5 * (1 + double((i * 7) % count)));
    }
  }

  bool run(const SearchOptions &options) {
    SearchCalls calls;
    calls.measure = [this](const Entry &entry, int64_t launches) {
      log.emplace_back(entry.candidate, launches);
      if (entry.candidate == broken)
        return Outcome{Status::Hang, "hangs", {}};
      Outcome outcome;
      outcome.seconds.assign(size_t(launches), truth[entry.candidate]);
      return outcome;
    };
    calls.stop = [this] { return log.size() >= limit; };
    calls.done = [this](const Entry &, const Outcome &) { ++steps; };
    return search(entries, options, calls);
  }

  std::vector<Entry> entries;
  std::vector<double> truth;
  std::vector<std::pair<size_t, int64_t>> log;
  size_t broken = size_t(-1), limit = size_t(-1);
  int64_t steps = 0;
};

} // namespace

TEST(Search, FindsTheBest) {
  World world(27);
  EXPECT_TRUE(world.run({}));
  const Entry *best = bestOf(world.entries);
  ASSERT_TRUE(best);
  double least = *std::min_element(world.truth.begin(), world.truth.end());
  EXPECT_EQ(world.truth[best->candidate], least);
  EXPECT_EQ(best->seconds.size(), 27u);
  // All of them 3 times, 9 to 9 launches, 3 to 27.
  EXPECT_EQ(world.log.size(), 27u + 9 + 3);
  EXPECT_EQ(world.steps, countMeasurements(27, {}));
}

TEST(Search, DefaultFirstThenByTheModel) {
  World world(5);
  world.run({});
  EXPECT_EQ(world.log[0].first, 0u);
  // The model expects most of the last one.
  EXPECT_EQ(world.log[1].first, 4u);
  EXPECT_EQ(world.log[2].first, 3u);
}

TEST(Search, DefaultIsMeasuredToTheEnd) {
  World world(27);
  world.truth[0] = 1;
  world.run({});
  EXPECT_EQ(world.entries[0].seconds.size(), 27u);
}

TEST(Search, TheSameSeedTheSameOrder) {
  auto logOf = [](uint64_t seed) {
    World world(40);
    SearchOptions options;
    options.seed = seed;
    world.run(options);
    return world.log;
  };
  EXPECT_EQ(logOf(1), logOf(1));
  EXPECT_NE(logOf(1), logOf(2));
}

TEST(Search, FailuresAreTriedOnce) {
  World world(9);
  world.broken = 8;
  world.run({});
  size_t tries = 0;
  for (auto &[candidate, launches] : world.log)
    tries += candidate == 8;
  EXPECT_EQ(tries, 1u);
  EXPECT_TRUE(world.entries[8].ruledOut);
  EXPECT_NE(bestOf(world.entries)->candidate, 8u);
  // And not at all when that is known.
  World again(9);
  again.broken = 8;
  again.entries[8].ruledOut = true;
  again.run({});
  for (auto &[candidate, launches] : again.log)
    EXPECT_NE(candidate, 8u);
}

/// Stopped at every place and taken up: nothing is measured twice, and the
/// result is that of a search that was not stopped.
TEST(Search, GoesOnWhereItStopped) {
  World whole(20);
  whole.run({});
  for (size_t limit = 1; limit < whole.log.size(); ++limit) {
    World part(20);
    part.limit = limit;
    EXPECT_FALSE(part.run({}));
    EXPECT_EQ(part.log.size(), limit);
    part.limit = size_t(-1);
    EXPECT_TRUE(part.run({}));
    EXPECT_EQ(part.log, whole.log);
    EXPECT_EQ(bestOf(part.entries)->candidate,
              bestOf(whole.entries)->candidate);
  }
}

/// The same with times that vary: later times must not change which candidates
/// reach a rung.
TEST(Search, TakenUpAfterTheEndMeasuresNothing) {
  World world(30);
  std::mt19937 random(1);
  SearchCalls calls;
  int64_t measured = 0;
  calls.measure = [&](const Entry &, int64_t launches) {
    ++measured;
    Outcome outcome;
    for (int64_t i = 0; i < launches; ++i)
      outcome.seconds.push_back(1e-5 * double(1 + random() % 100));
    return outcome;
  };
  calls.stop = [] { return false; };
  calls.done = [](const Entry &, const Outcome &) {};
  search(world.entries, {}, calls);
  EXPECT_EQ(measured, countMeasurements(30, {}));
  search(world.entries, {}, calls);
  EXPECT_EQ(measured, countMeasurements(30, {}));
}

TEST(Search, NothingMeasured) {
  World world(3);
  world.limit = 0;
  EXPECT_FALSE(world.run({}));
  EXPECT_EQ(bestOf(world.entries), nullptr);
}
