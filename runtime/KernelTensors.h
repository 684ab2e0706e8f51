//===- KernelTensors.h - The tensors of the typed calls ---------*- C++ -*-===//
//
// One table per struct kvarn_KERNEL_args: what the typed functions check, and
// what programs need to offer the kernels to their users.
//
//===----------------------------------------------------------------------===//

#ifndef KVARN_RUNTIME_KERNELTENSORS_H
#define KVARN_RUNTIME_KERNELTENSORS_H

#include "runtime/kvarn.h"

namespace kvarn::runtime {

enum class Access { Read, Write, ReadWrite };

/// A member of the struct `Args`.
template <typename Args> struct KernelTensor {
  const char *name;
  const kvarn_tensor *Args::*member;
  /// Its dimensions: the same name stands for the same extent, "B+1" for one
  /// more, "2" for 2, "record" for at least the bytes of a record.
  const char *dims;
  const char *type; // as numpy writes it; "dtype" = that of the kernel's key
  const char *help; // what the elements mean, "" = the name says it
  Access access = Access::Read;
  const char *feature = ""; // given if and only if the kernel has it
};

/// The kernel that takes `Args`, and its tensors in the order of the struct.
template <typename Args> struct KernelOf;

template <> struct KernelOf<kvarn_attend_args> {
  using Args = kvarn_attend_args;
  static constexpr const char *name = "attend";
  static constexpr KernelTensor<Args> tensors[] = {
      {"q", &Args::q, "T Hq D", "dtype", ""},
      {"query_start", &Args::query_start, "B+1", "i4",
       "first row of each request, then T"},
      {"pages", &Args::pages, "blocks Hk record", "u1", ""},
      {"pool_k", &Args::pool_k, "slots G Hk D", "f2", ""},
      {"pool_v", &Args::pool_v, "slots G Hk D", "f2", ""},
      {"block_table", &Args::block_table, "B max_blocks", "i4", ""},
      {"block_to_slot", &Args::block_to_slot, "blocks", "i4", "-1 = packed"},
      {"seq_lens", &Args::seq_lens, "B", "i4", ""},
      {"sinks", &Args::sinks, "Hq", "f4", "a sink logit per head", Access::Read,
       "sinks"},
      {"out", &Args::out, "T Hq D", "dtype", "", Access::Write},
      {"lse", &Args::lse, "T Hq", "f4", "logarithm of the sum", Access::Write,
       "lse"},
      {"new_k", &Args::new_k, "T Hk D", "dtype",
       "of the query tokens, not rotated", Access::Read, "new"},
      {"new_v", &Args::new_v, "T Hk D", "dtype",
       "of the query tokens, not rotated", Access::Read, "new"},
  };
};

template <> struct KernelOf<kvarn_append_args> {
  using Args = kvarn_append_args;
  static constexpr const char *name = "append";
  static constexpr KernelTensor<Args> tensors[] = {
      {"k", &Args::k, "T Hk D", "dtype", ""},
      {"v", &Args::v, "T Hk D", "dtype", ""},
      {"slot_mapping", &Args::slot_mapping, "T", "i8",
       "block * G + offset, -1 = skip"},
      {"pool_k", &Args::pool_k, "slots G Hk D", "f2", "", Access::ReadWrite},
      {"pool_v", &Args::pool_v, "slots G Hk D", "f2", "", Access::ReadWrite},
      {"block_to_slot", &Args::block_to_slot, "blocks", "i4", "-1 = packed"},
  };
};

template <> struct KernelOf<kvarn_flush_args> {
  using Args = kvarn_flush_args;
  static constexpr const char *name = "flush";
  static constexpr KernelTensor<Args> tensors[] = {
      {"pairs", &Args::pairs, "capacity 2", "i4", "block, slot"},
      {"count", &Args::count, "1", "i4", "the pairs in use"},
      {"pages", &Args::pages, "blocks Hk record", "u1", "", Access::ReadWrite},
      {"pool_k", &Args::pool_k, "slots G Hk D", "f2", ""},
      {"pool_v", &Args::pool_v, "slots G Hk D", "f2", ""},
  };
};

template <> struct KernelOf<kvarn_pack_args> {
  using Args = kvarn_pack_args;
  static constexpr const char *name = "pack";
  static constexpr KernelTensor<Args> tensors[] = {
      {"k", &Args::k, "T Hk D", "dtype", ""},
      {"v", &Args::v, "T Hk D", "dtype", ""},
      {"pairs", &Args::pairs, "capacity 2", "i4", "block, first token"},
      {"count", &Args::count, "1", "i4", "the pairs in use"},
      {"pages", &Args::pages, "blocks Hk record", "u1", "", Access::ReadWrite},
  };
};

template <> struct KernelOf<kvarn_unflush_args> {
  using Args = kvarn_unflush_args;
  static constexpr const char *name = "unflush";
  static constexpr KernelTensor<Args> tensors[] = {
      {"pairs", &Args::pairs, "capacity 2", "i4", "block, slot"},
      {"count", &Args::count, "1", "i4", "the pairs in use"},
      {"pages", &Args::pages, "blocks Hk record", "u1", ""},
      {"pool_k", &Args::pool_k, "slots G Hk D", "f2", "", Access::ReadWrite},
      {"pool_v", &Args::pool_v, "slots G Hk D", "f2", "", Access::ReadWrite},
  };
};

template <> struct KernelOf<kvarn_materialize_args> {
  using Args = kvarn_materialize_args;
  static constexpr const char *name = "materialize";
  static constexpr KernelTensor<Args> tensors[] = {
      {"pages", &Args::pages, "blocks Hk record", "u1", ""},
      {"pool_k", &Args::pool_k, "slots G Hk D", "f2", ""},
      {"pool_v", &Args::pool_v, "slots G Hk D", "f2", ""},
      {"block_table", &Args::block_table, "B max_blocks", "i4", ""},
      {"block_to_slot", &Args::block_to_slot, "blocks", "i4", "-1 = packed"},
      {"seq_lens", &Args::seq_lens, "B", "i4", ""},
      {"k_out", &Args::k_out, "B L Hk D", "dtype", "", Access::Write},
      {"v_out", &Args::v_out, "B L Hk D", "dtype", "", Access::Write},
  };
};

template <> struct KernelOf<kvarn_relayout_args> {
  using Args = kvarn_relayout_args;
  static constexpr const char *name = "relayout";
  static constexpr KernelTensor<Args> tensors[] = {
      {"pairs", &Args::pairs, "capacity 2", "i4", "block read, block written"},
      {"count", &Args::count, "1", "i4", "the pairs in use"},
      {"source_pages", &Args::source_pages, "source_blocks Hk record", "u1",
       ""},
      {"pages", &Args::pages, "blocks Hk record", "u1", "--layout",
       Access::ReadWrite},
  };
};

} // namespace kvarn::runtime

#endif // KVARN_RUNTIME_KERNELTENSORS_H
