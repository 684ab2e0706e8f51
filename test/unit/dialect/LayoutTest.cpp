//===- LayoutTest.cpp - Arithmetic on #tile.layout ------------------------===//

#include "dialect/Layout.h"

#include "mlir/IR/Diagnostics.h"
#include "mlir/IR/MLIRContext.h"

#include <gtest/gtest.h>

using namespace mlir::kvarn::tile;

namespace {

using Place = llvm::SmallVector<int64_t>;

Layout makeLayout(int64_t rank, Bases registers, Bases lanes,
                  Bases warps = {}) {
  Layout layout;
  layout.rank = rank;
  layout.registers = std::move(registers);
  layout.lanes = std::move(lanes);
  layout.warps = std::move(warps);
  return layout;
}

void expectSame(const Layout &got, const Layout &want) {
  EXPECT_EQ(got.rank, want.rank);
  EXPECT_EQ(got.registers, want.registers);
  EXPECT_EQ(got.lanes, want.lanes);
  EXPECT_EQ(got.warps, want.warps);
}

/// [16, 8]: the accumulator of m16n8k16.
Layout accumulator() {
  return makeLayout(2, {{0, 1}, {8, 0}},
                    {{0, 2}, {0, 4}, {1, 0}, {2, 0}, {4, 0}});
}

/// [2, 4, 8] over four warps, of which two hold the same.
Layout stack() {
  return makeLayout(3, {{0, 0, 1}, {0, 2, 0}},
                    {{0, 0, 2}, {0, 0, 0}, {0, 1, 0}}, {{1, 0, 0}, {0, 0, 4}});
}

class LayoutTest : public testing::Test {
protected:
  LayoutTest() { context.loadDialect<TileDialect>(); }

  mlir::MLIRContext context;
};

TEST_F(LayoutTest, AttributeAndBack) {
  for (const Layout &layout : {accumulator(), stack(), makeLayout(1, {}, {}),
                               makeLayout(1, {{1}}, {{0}}, {{0}, {2}})}) {
    LayoutAttr attribute = layout.get(&context);
    expectSame(Layout(attribute), layout);
    EXPECT_EQ(Layout(attribute).get(&context), attribute);
  }
}

TEST_F(LayoutTest, Places) {
  Layout layout = accumulator();
  EXPECT_EQ(layout.registerCount(), 4);
  EXPECT_EQ(layout.placeOf(0), (Place{0, 0}));
  EXPECT_EQ(layout.placeOf(1), (Place{0, 1}));
  EXPECT_EQ(layout.placeOf(2), (Place{8, 0}));
  EXPECT_EQ(layout.placeOf(3), (Place{8, 1}));
  EXPECT_EQ(layout.placeIn(layout.lanes, 31), (Place{7, 6}));
  EXPECT_EQ(makeLayout(1, {}, {{1}}).registerCount(), 1);
}

TEST_F(LayoutTest, RegisterAtIsTheInverseOfPlaceOf) {
  for (const Layout &layout :
       {accumulator(), stack(), makeLayout(1, {}, {{1}}),
        makeLayout(2, {{4, 0}, {0, 8}, {1, 0}, {0, 1}}, {{2, 0}})})
    for (int64_t i = 0; i < layout.registerCount(); ++i)
      EXPECT_EQ(layout.registerAt(layout.placeOf(i)), i);
}

TEST_F(LayoutTest, RegisterAtOfWhatOthersHold) {
  Layout layout = accumulator();
  EXPECT_EQ(layout.registerAt({0, 2}), -1);
  EXPECT_EQ(layout.registerAt({1, 0}), -1);
  EXPECT_EQ(layout.registerAt({9, 1}), -1);
  EXPECT_EQ(layout.registerAt({16, 0}), -1);
  EXPECT_EQ(makeLayout(1, {}, {{1}}).registerAt({1}), -1);
}

// Registers that remain are numbered anew, lanes keep their number.
TEST_F(LayoutTest, Without) {
  expectSame(accumulator().without(1),
             makeLayout(1, {{8}}, {{0}, {0}, {1}, {2}, {4}}));
  expectSame(accumulator().without(0),
             makeLayout(1, {{1}}, {{2}, {4}, {0}, {0}, {0}}));
  expectSame(
      stack().without(1),
      makeLayout(2, {{0, 1}}, {{0, 2}, {0, 0}, {0, 0}}, {{1, 0}, {0, 4}}));
}

// A warp that holds copies counts unless it is one of the last.
TEST_F(LayoutTest, WithoutWarps) {
  expectSame(stack().without(0),
             makeLayout(2, {{0, 1}, {2, 0}}, {{0, 2}, {0, 0}, {1, 0}},
                        {{0, 0}, {0, 4}}));
  expectSame(stack().without(2),
             makeLayout(2, {{0, 2}}, {{0, 0}, {0, 0}, {0, 1}}, {{1, 0}}));
  expectSame(makeLayout(2, {}, {}, {{1, 0}, {2, 0}}).without(0),
             makeLayout(1, {}, {}));
}

TEST_F(LayoutTest, Keeping) {
  expectSame(stack().keeping({0, 2}), stack().without(1));
  expectSame(stack().keeping({1}), stack().without(0).without(1));
  expectSame(stack().keeping({0, 1, 2}), stack());
  expectSame(accumulator().keeping({0}), accumulator().without(1));
}

TEST_F(LayoutTest, Transposed) {
  expectSame(accumulator().transposed(),
             makeLayout(2, {{1, 0}, {0, 8}},
                        {{2, 0}, {4, 0}, {0, 1}, {0, 2}, {0, 4}}));
  expectSame(makeLayout(2, {}, {{0, 1}}, {{2, 0}}).transposed(),
             makeLayout(2, {}, {{1, 0}}, {{0, 2}}));
  expectSame(accumulator().transposed().transposed(), accumulator());
}

TEST_F(LayoutTest, Stacked) {
  expectSame(accumulator().stacked(4),
             makeLayout(3, {{0, 0, 1}, {0, 8, 0}},
                        {{0, 0, 2}, {0, 0, 4}, {0, 1, 0}, {0, 2, 0}, {0, 4, 0}},
                        {{1, 0, 0}, {2, 0, 0}}));
  expectSame(accumulator().stacked(1).without(0), accumulator());
  expectSame(accumulator().stacked(8).without(0), accumulator());
}

TEST_F(LayoutTest, LayoutOf) {
  LayoutAttr attribute = makeLayout(1, {{1}}, {{2}}).get(&context);
  auto f32 = mlir::Float32Type::get(&context);
  mlir::Block block;
  auto loc = mlir::UnknownLoc::get(&context);
  EXPECT_EQ(layoutOf(block.addArgument(
                mlir::RankedTensorType::get({4}, f32, attribute), loc)),
            attribute);
  EXPECT_FALSE(
      layoutOf(block.addArgument(mlir::RankedTensorType::get({4}, f32), loc)));
  EXPECT_FALSE(layoutOf(block.addArgument(f32, loc)));
}

} // namespace
