//===- Layout.cpp - Arithmetic on #tile.layout ----------------------------===//

#include "dialect/Layout.h"

using namespace mlir;
using namespace mlir::kvarn::tile;

static Bases unflatten(ArrayRef<int64_t> flat, int64_t rank) {
  Bases bases;
  for (size_t i = 0; i < flat.size(); i += rank)
    bases.emplace_back(flat.slice(i, rank));
  return bases;
}

Layout::Layout(LayoutAttr attribute)
    : rank(attribute.getRank()),
      registers(unflatten(attribute.getRegisters(), rank)),
      lanes(unflatten(attribute.getLanes(), rank)),
      warps(unflatten(attribute.getWarps(), rank)) {}

LayoutAttr Layout::get(MLIRContext *context) const {
  auto flatten = [](const Bases &bases) {
    SmallVector<int64_t> flat;
    for (const SmallVector<int64_t> &basis : bases)
      llvm::append_range(flat, basis);
    return flat;
  };
  return LayoutAttr::get(context, rank, flatten(registers), flatten(lanes),
                         flatten(warps));
}

SmallVector<int64_t> Layout::placeIn(const Bases &bases, int64_t index) const {
  SmallVector<int64_t> place(rank);
  for (auto [bit, basis] : llvm::enumerate(bases))
    if (index >> bit & 1)
      for (int64_t dim = 0; dim < rank; ++dim)
        place[dim] += basis[dim];
  return place;
}

int64_t Layout::registerAt(ArrayRef<int64_t> place) const {
  int64_t index = 0;
  SmallVector<int64_t> rest(place);
  for (auto [bit, basis] : llvm::enumerate(registers))
    for (int64_t dim = 0; dim < rank; ++dim)
      if (basis[dim] && (rest[dim] & basis[dim])) {
        rest[dim] -= basis[dim];
        index |= int64_t(1) << bit;
      }
  return llvm::all_of(rest, [](int64_t r) { return r == 0; }) ? index : -1;
}

Layout Layout::keeping(ArrayRef<int64_t> kept) const {
  Layout result;
  result.rank = kept.size();
  auto project = [&](const Bases &bases, Bases &to, bool copies) {
    for (const SmallVector<int64_t> &basis : bases) {
      SmallVector<int64_t> part;
      for (int64_t dim : kept)
        part.push_back(basis[dim]);
      if (copies || llvm::any_of(part, [](int64_t c) { return c != 0; }))
        to.push_back(part);
    }
  };
  project(registers, result.registers, false);
  project(lanes, result.lanes, true);
  project(warps, result.warps, true);
  // Warps beyond the last one that matters hold copies anyway.
  while (!result.warps.empty() &&
         llvm::all_of(result.warps.back(), [](int64_t c) { return c == 0; }))
    result.warps.pop_back();
  return result;
}

Layout Layout::without(int64_t dim) const {
  SmallVector<int64_t> kept;
  for (int64_t i = 0; i < rank; ++i)
    if (i != dim)
      kept.push_back(i);
  return keeping(kept);
}

Layout Layout::transposed() const {
  Layout result = *this;
  for (Bases *bases : {&result.registers, &result.lanes, &result.warps})
    for (SmallVector<int64_t> &basis : *bases)
      std::swap(basis[0], basis[1]);
  return result;
}

Layout Layout::stacked(int64_t count) const {
  Layout result = *this;
  result.rank = rank + 1;
  for (Bases *bases : {&result.registers, &result.lanes})
    for (SmallVector<int64_t> &basis : *bases)
      basis.insert(basis.begin(), 0);
  result.warps.clear();
  for (int64_t warp = 1; warp < count; warp *= 2)
    result.warps.push_back(unit(result.rank, 0, warp));
  return result;
}

SmallVector<int64_t> Layout::unit(int64_t rank, int64_t dim, int64_t value) {
  SmallVector<int64_t> basis(rank);
  basis[dim] = value;
  return basis;
}
