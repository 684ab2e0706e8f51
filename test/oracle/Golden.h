//===- Golden.h - The golden cases ----------------------------------------===//
//
// golden.json describes golden.bin beside it: dtype, shape and byte offset of
// each tensor, C order. Made by the reference's own kernels.
//
//===----------------------------------------------------------------------===//

#ifndef KVARN_TEST_ORACLE_GOLDEN_H
#define KVARN_TEST_ORACLE_GOLDEN_H

#include "test/oracle/Attention.h"

#include <nlohmann/json.hpp>

#include <fstream>
#include <iterator>
#include <string>
#include <vector>

namespace kvarn::oracle {

/// One case; `bytes` is the whole of golden.bin.
struct GoldenCase {
  nlohmann::json json;
  const std::vector<uint8_t> *bytes = nullptr;

  bool isStore() const { return json.at("case") == "store"; }
  std::string preset() const { return json.at("preset"); }

  Format format() const {
    // The decode cases do not repeat the bits; they are in the name.
    std::string name = preset(); // kvarn_k4v2_g128
    size_t k = name.find("_k") + 2, v = name.find('v', k) + 1;
    return {name[k] - '0', name[v] - '0', json.at("group"),
            json.at("head_dim")};
  }

  const nlohmann::json &tensor(const std::string &name) const {
    for (const nlohmann::json &tensor : json.at("tensors"))
      if (tensor.at("name") == name)
        return tensor;
    require(false, ("no golden tensor " + name).c_str());
    return json;
  }
  std::vector<int64_t> shape(const std::string &name) const {
    return tensor(name).at("shape").get<std::vector<int64_t>>();
  }
  /// The elements; golden.bin aligns every tensor to its element.
  template <typename T> std::span<const T> span(const std::string &name) const {
    const nlohmann::json &json = tensor(name);
    size_t offset = json.at("offset"), size = json.at("bytes");
    require(offset + size <= bytes->size() && offset % sizeof(T) == 0,
            "golden.bin does not fit golden.json");
    return {reinterpret_cast<const T *>(bytes->data() + offset),
            size / sizeof(T)};
  }
  /// Tile `index` of a float16 tensor [tiles, G, D], as [token][channel].
  Matrix tile(const std::string &name, int index) const {
    std::vector<int64_t> dims = shape(name);
    Matrix result(static_cast<int>(dims[1]), static_cast<int>(dims[2]));
    auto halves = span<uint16_t>(name).subspan(index * result.data.size());
    for (size_t i = 0; i < result.data.size(); ++i)
      result.data[i] = halfToDouble(halves[i]);
    return result;
  }
};

class Golden {
public:
  /// `stem` is the path without .json and .bin.
  explicit Golden(const std::string &stem) {
    std::ifstream text(stem + ".json"), binary(stem + ".bin", std::ios::binary);
    require(text.good() && binary.good(), "cannot open the golden files");
    bytes.assign(std::istreambuf_iterator<char>(binary), {});
    const nlohmann::json file = nlohmann::json::parse(text);
    for (const nlohmann::json &json : file.at("cases"))
      cases.push_back({json, &bytes});
  }
  Golden(const Golden &) = delete;

  std::vector<GoldenCase> cases;

private:
  std::vector<uint8_t> bytes;
};

/// The attention input of a decode case: one query token per request.
/// `queryStart` is filled and must outlive the result.
inline AttentionInput goldenAttention(const GoldenCase &golden,
                                      std::vector<int32_t> &queryStart) {
  std::vector<int64_t> q = golden.shape("q"), cache = golden.shape("cache");
  std::vector<int64_t> pool = golden.shape("pool_k_rotated");
  AttentionInput input;
  input.cache.format = golden.format();
  input.cache.kvHeads = golden.json.at("kv_heads");
  input.cache.records = golden.span<uint8_t>("cache").data();
  input.cache.blockStride = cache[1] * cache[2];
  input.cache.headStride = cache[2];
  input.cache.poolK = {golden.span<uint16_t>("pool_k_rotated").data(),
                       DType::F16,
                       {pool[0], pool[1], pool[2], pool[3]}};
  input.cache.poolV = {golden.span<uint16_t>("pool_v_rotated").data(),
                       DType::F16,
                       {pool[0], pool[1], pool[2], pool[3]}};
  input.cache.blockTable = golden.span<int32_t>("block_table").data();
  input.cache.blockTableStride = golden.shape("block_table")[1];
  input.cache.blockToSlot = golden.span<int32_t>("block_to_slot");
  input.cache.seqLens = golden.span<int32_t>("seq_lens");
  input.q = {golden.span<uint16_t>("q").data(), DType::F16, {q[0], q[1], q[2]}};
  for (int32_t i = 0; i <= q[0]; ++i)
    queryStart.push_back(i);
  input.queryStart = queryStart;
  input.scale = golden.json.at("scale");
  return input;
}

} // namespace kvarn::oracle

#endif // KVARN_TEST_ORACLE_GOLDEN_H
