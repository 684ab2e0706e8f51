/*===- kvarn.h - The KVarN runtime ------------------------------------------===
 *
 * Opens a kernel library (a folder NAME.kvlib/ made by the KVarN compiler),
 * chooses a kernel and launches it. Usable from C99, C++ (see kvarn.hpp) and,
 * through ctypes, Python. Links neither LLVM nor a GPU driver.
 *
 * Manners of this header:
 *  - A function that can fail returns kvarn_status. The message of the last
 *    failure in this thread is kvarn_last_error(). After a failure, outputs
 *    are unchanged.
 *  - Structs that may grow start with `size_t struct_size`; set it to the
 *    sizeof the struct. A member left 0 or NULL has the default stated at it.
 *  - Strings are UTF-8, ended by a zero byte.
 *  - Sizes are in bytes, extents and strides in elements, lengths in tokens.
 *  - Libraries and kernels may be used from several threads at once; a page
 *    manager may not.
 *
 *===------------------------------------------------------------------------===*/

#ifndef KVARN_H
#define KVARN_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define KVARN_API __attribute__((visibility("default")))
#else
#define KVARN_API
#endif

/*===-- Version and errors ---===*/

/* Changes when a program must be recompiled against this header. */
#define KVARN_ABI_VERSION 1

typedef enum kvarn_status {
  KVARN_STATUS_OK = 0,
  KVARN_STATUS_INVALID_ARGUMENT = 1, /* the caller's mistake */
  KVARN_STATUS_NOT_FOUND = 2,        /* no such file, variant or request */
  KVARN_STATUS_IO = 3,               /* a file cannot be read */
  KVARN_STATUS_CORRUPT = 4,          /* manifest or binary is damaged */
  KVARN_STATUS_UNSUPPORTED = 5,      /* not on this CPU or device */
  KVARN_STATUS_OUT_OF_MEMORY = 6,
  KVARN_STATUS_CAPACITY = 7, /* no free block, slot or request; try later */
  KVARN_STATUS_INTERNAL = 8, /* a bug in this library */
  KVARN_STATUS_DEVICE = 9,   /* the GPU's driver failed; the message says how */
  KVARN_STATUS_COMPILER = 10 /* there is no compiler, or it failed */
} kvarn_status;

/* The ABI version of the loaded library: compare with KVARN_ABI_VERSION. */
KVARN_API int kvarn_abi_version(void);
/* "MAJOR.MINOR.PATCH". */
KVARN_API const char *kvarn_version(void);
/* "ok", "invalid argument", ... Never NULL. */
KVARN_API const char *kvarn_status_name(kvarn_status status);
/* The message of the last failed call of this thread, or "". Valid until the
 * next failure in this thread. */
KVARN_API const char *kvarn_last_error(void);
/* Frees a string that a function below handed out as `char **`. NULL is fine.
 */
KVARN_API void kvarn_string_free(char *text);

/*===-- Tensors ---===*/

/* The same memory layout as DLTensor, so that a DLTensor * can be cast. */

enum {
  KVARN_DEVICE_CPU = 1,
  KVARN_DEVICE_CUDA = 2,
  KVARN_DEVICE_CUDA_HOST = 3
};
typedef struct kvarn_device {
  int32_t type;
  int32_t id;
} kvarn_device;

enum {
  KVARN_CODE_INT = 0,
  KVARN_CODE_UINT = 1,
  KVARN_CODE_FLOAT = 2,
  KVARN_CODE_BFLOAT = 4
};
/* f16 = {FLOAT, 16, 1}, bf16 = {BFLOAT, 16, 1}, f32 = {FLOAT, 32, 1},
 * i8 = {INT or UINT, 8, 1}, i32 = {INT, 32, 1}, i64 = {INT, 64, 1}. */
typedef struct kvarn_dtype {
  uint8_t code;
  uint8_t bits;
  uint16_t lanes; /* always 1 */
} kvarn_dtype;

typedef struct kvarn_tensor {
  void *data; /* may be NULL if an extent is 0 */
  kvarn_device device;
  int32_t ndim;
  kvarn_dtype dtype;
  const int64_t *shape;
  const int64_t *strides; /* in elements; NULL = row-major, contiguous */
  uint64_t byte_offset;   /* added to data */
} kvarn_tensor;

/*===-- Kernel libraries ---===*/

typedef struct kvarn_library kvarn_library;
/* A loaded variant. Belongs to its library. */
typedef struct kvarn_kernel kvarn_kernel;

/* Opens the folder `path` and checks its manifest. Binaries are checked (size,
 * sha256) when they are first selected, before they are loaded. The hashes
 * detect damage, not attackers: a library is code, open only what you trust.
 *   NOT_FOUND  no such folder or no manifest.json in it
 *   CORRUPT    the manifest is damaged, or of an unknown schema or ABI */
KVARN_API kvarn_status kvarn_library_open(const char *path,
                                          kvarn_library **library);
/* Unloads everything; kernels of the library must not be used any more. NULL is
 * fine. */
KVARN_API void kvarn_library_close(kvarn_library *library);

/* One variant, as in the manifest. Strings live as long as the library. */
typedef struct kvarn_variant_info {
  size_t struct_size;
  const char *id; /* unique in the library */
  const char *kernel;
  const char *format; /* "" if it has none; so have layout and dtype */
  const char *layout;
  int64_t head_dim; /* 0 if it has none; so have ratio and query_rows */
  int64_t ratio;
  const char *dtype;
  int64_t query_rows;
  const char *features; /* "causal,lse", sorted */
  const char *options;  /* "iterations=8,prescale=off", sorted */
  const char *target;
  const char *schedule;
  const char *schedule_from;
  const char *binary_file; /* name inside the folder */
  const char *binary_kind;
  const char *binary_sha256;
  int64_t binary_bytes;
  int64_t parameter_count;
} kvarn_variant_info;

KVARN_API size_t kvarn_library_variant_count(const kvarn_library *library);
/* Variant number `index`; *info is filled up to the struct_size given in it. */
KVARN_API kvarn_status kvarn_library_variant(const kvarn_library *library,
                                             size_t index,
                                             kvarn_variant_info *info);
/* Version of the compiler that made the library. */
KVARN_API const char *kvarn_library_compiler(const kvarn_library *library);

/* What a program needs. What is stated must match; members that are NULL or 0
 * match anything. But if the variants that match differ in such a member
 * (format, layout, head_dim, ratio, dtype or an option), that is an error which
 * names it: nothing that changes results is chosen silently. */
typedef struct kvarn_request {
  size_t struct_size;
  const char *kernel; /* required: "attend", "append", "flush", ... */
  const char *format; /* "kvarn_k4v2_g128" */
  const char *layout; /* "reference", "mma16816" */
  int64_t head_dim;
  int64_t ratio;        /* query heads per KV head */
  const char *dtype;    /* "f16", "bf16" */
  const char *features; /* all of them, "causal,lse"; NULL = none of them */
  const char *options;  /* "iterations=8,range=mse" */
  /* "x86_64", "aarch64", "nvidia"; or one of those alone, "x86-64-v3",
   * "sm_90a". NULL = the CPU of this process; "auto" = "nvidia" if the driver
   * finds a GPU, else NULL */
  const char *target;
  /* Hints: they decide between variants that compute the same. */
  int64_t query_rows;       /* take this bucket only */
  int64_t max_batch;        /* requests of one launch */
  int64_t max_query_tokens; /* query tokens of one request */
  int64_t context;          /* tokens of the longest request */
  int64_t kv_heads;         /* of the model; beside max_batch */
} kvarn_request;

/* Chooses the best variant for the request, checks and loads it. The same
 * variant always gives the same handle. On x86 the variant for the highest
 * level that the CPU has is taken (x86-64-v4 before x86-64-v3), then the query
 * bucket, then the hints decide, then the order in the manifest.
 *
 * A variant for a GPU is chosen and loaded for the current device: that of the
 * CUDA context that is current in this thread, else CUDA device 0. Of those
 * that run there the one for the latest chip is taken (sm_90a before sm_90
 * before sm_80), and a cubin before PTX. A launch on another device loads the
 * variant there first.
 *
 * The driver is opened when it is first needed: libcuda.so.1, or the file that
 * the environment variable KVARN_CUDA_DRIVER names.
 *
 * It may be called at every launch: a request that came before costs a look-up
 * (less than 1 us), and only its hints are weighed again.
 *
 * The environment variable KVARN_CPU (x86-64, x86-64-v2, x86-64-v3, x86-64-v4)
 * makes the runtime treat the CPU as of that level; it cannot be above the
 * real one.
 *   NOT_FOUND        no variant matches
 *   UNSUPPORTED      variants match, but none runs here; names what is missing
 *   INVALID_ARGUMENT variants match that compute different things
 *   CORRUPT          the binary has another size or hash than in the manifest
 */
KVARN_API kvarn_status kvarn_select(kvarn_library *library,
                                    const kvarn_request *request,
                                    kvarn_kernel **kernel);
/* The variant called `id`. */
KVARN_API kvarn_status kvarn_select_id(kvarn_library *library, const char *id,
                                       kvarn_kernel **kernel);
/* For people: which variant kvarn_select would take, and why not each of the
 * others. Loads nothing. Succeeds also when no variant fits. Free *text with
 * kvarn_string_free(). */
KVARN_API kvarn_status kvarn_library_explain(const kvarn_library *library,
                                             const kvarn_request *request,
                                             char **text);

/*===-- Kernels on demand ---===*/

/* Finds a kernel in libraries, else in a cache on disk, else has it compiled:
 *
 *   kvarn_jit *jit;
 *   kvarn_request request = {sizeof request};
 *   request.kernel = "attend";
 *   request.format = "kvarn_k4v2_g128";
 *   request.head_dim = 128;
 *   request.ratio = 8;
 *   request.features = "causal";
 *   request.target = "auto";
 *   if (kvarn_jit_create(NULL, &jit) || kvarn_jit_get(jit, &request, &attend))
 *     return fprintf(stderr, "%s\n", kvarn_last_error());
 *
 * The cache is KVARN_CACHE_DIR, else XDG_CACHE_HOME/kvarn, else
 * HOME/.cache/kvarn. It must belong to the user and be closed to others (mode
 * 0700); it is made so. An entry is a kernel library. Its name is a hash of the
 * compiler's build and of all that the compiler is told: the request, the chip
 * and the table of schedules. Among all threads and processes that share a
 * cache each kernel is compiled once; the others wait. Entries appear whole. An
 * entry is checked when it is loaded; one that is damaged is made again. What
 * failed to compile is not remembered. When the folder outgrows its size, the
 * kernels that were not used for the longest time go; kernels that are loaded
 * stay usable.
 *
 * If there is a table of schedules that were tuned on this device, the compiler
 * takes those of the kernels that it has. Tables are those installed with the
 * library, or what the environment variable KVARN_SCHEDULES names: a folder, a
 * file, or "none".
 *
 * The compiler is libkvarn-compiler.so, which is opened when the first kernel
 * is missing; it lies beside libkvarn.so or where the loader looks. If it
 * crashes, so does the program. The environment variable KVARN_COMPILER=PATH
 * names a program kvarn-compile instead, whose crash is an error of the one
 * call; KVARN_COMPILER=none switches compiling off. Compiler and runtime must
 * be of one build. A program that ignores SIGCHLD must use the child: the
 * compiler waits for the linker. */
typedef struct kvarn_jit kvarn_jit;

typedef enum kvarn_compiler {
  KVARN_COMPILER_DEFAULT = 0,    /* what KVARN_COMPILER says, else in process */
  KVARN_COMPILER_IN_PROCESS = 1, /* libkvarn-compiler.so */
  KVARN_COMPILER_CHILD = 2,      /* the program kvarn-compile */
  KVARN_COMPILER_NONE = 3        /* libraries and cache only */
} kvarn_compiler;

typedef struct kvarn_jit_options {
  size_t struct_size;
  /* Searched first, in this order; they must outlive the kvarn_jit. One that
   * has the kernel, for whatever query tokens, is taken. */
  kvarn_library *const *libraries;
  size_t library_count;
  const char *cache_folder; /* NULL = see above */
  int64_t cache_bytes;      /* 0 = KVARN_CACHE_SIZE, else 1 GiB */
  int32_t compiler;         /* kvarn_compiler */
  /* CHILD: the program; NULL = KVARN_COMPILER, else kvarn-compile beside this
   * program or in PATH. */
  const char *compiler_program;
} kvarn_jit_options;

/* `options` may be NULL. The cache is opened when it is first needed. */
KVARN_API kvarn_status kvarn_jit_create(const kvarn_jit_options *options,
                                        kvarn_jit **jit);
/* Unloads the kernels that came from the cache; they must not be used any more.
 * NULL is fine. */
KVARN_API void kvarn_jit_destroy(kvarn_jit *jit);

/* The kernel for the request, which lives as long as the kvarn_jit and the
 * libraries. May be called from several threads, and at every launch: a request
 * that came before costs less than 1 us.
 *
 * What kvarn_request says holds, but
 *  - format, head_dim and (of attend) ratio must be set for a kernel that is in
 *    no library; layout NULL is "reference", also in the libraries. dtype NULL
 *    and options that are not stated are as kvarn-compile has them: "f16",
 *    "iterations=8,prescale=off,range=minmax", "frame=original".
 *  - max_query_tokens decides what is compiled: tiles of up to 16 query rows,
 *    in powers of two.
 *  - The chip that is compiled for is found out: "x86_64" stands for the level
 *    of this CPU, "nvidia" for the current device.
 *   INVALID_ARGUMENT  the request is not whole, or the compiler refuses it
 *   COMPILER          there is no compiler, or it failed; names the kernel and
 *                     the command that builds it
 *   IO                the cache or a table of schedules cannot be used; says
 *                     what is wrong with it
 *   UNSUPPORTED       nothing can be compiled for this CPU or device
 *   CORRUPT           the library that has the kernel, or a table of schedules,
 *                     is damaged
 * and whatever kvarn_select returns. */
KVARN_API kvarn_status kvarn_jit_get(kvarn_jit *jit,
                                     const kvarn_request *request,
                                     kvarn_kernel **kernel);
/* The command that builds the kernel of the request. Free *command with
 * kvarn_string_free(). */
KVARN_API kvarn_status kvarn_jit_command(const kvarn_jit *jit,
                                         const kvarn_request *request,
                                         char **command);

/* Where the kernels of different requests came from, since kvarn_jit_create. */
typedef struct kvarn_jit_stats {
  size_t struct_size;
  int64_t from_libraries;
  int64_t from_cache; /* others made them */
  int64_t compiled;
  int64_t failed;  /* compilations */
  int64_t evicted; /* entries of the cache */
} kvarn_jit_stats;
KVARN_API kvarn_status kvarn_jit_get_stats(const kvarn_jit *jit,
                                           kvarn_jit_stats *stats);

/*===-- Kernels ---===*/

KVARN_API kvarn_status kvarn_kernel_variant(const kvarn_kernel *kernel,
                                            kvarn_variant_info *info);

typedef struct kvarn_parameter_info {
  size_t struct_size;
  const char *name;
  int is_tensor; /* else a scalar */
  int is_output;
  const char *dtype; /* "f16", "bf16", "f32", "i8", "i32", "i64" */
  int64_t ndim;
  const int64_t *shape; /* -1 = any */
  int64_t alignment;    /* bytes */
} kvarn_parameter_info;

/* Parameter number `index`, below kvarn_variant_info.parameter_count. */
KVARN_API kvarn_status kvarn_kernel_parameter(const kvarn_kernel *kernel,
                                              size_t index,
                                              kvarn_parameter_info *info);

typedef enum kvarn_argument_kind {
  KVARN_ARGUMENT_TENSOR = 0,
  KVARN_ARGUMENT_INTEGER = 1, /* for i32, i64 and f32 parameters */
  KVARN_ARGUMENT_REAL = 2     /* for f32 parameters */
} kvarn_argument_kind;

typedef struct kvarn_argument {
  const char *name;
  int32_t kind; /* kvarn_argument_kind */
  union {
    const kvarn_tensor *tensor;
    int64_t integer;
    double real;
  } value;
} kvarn_argument;

/* A workspace must start at a multiple of this. */
#define KVARN_WORKSPACE_ALIGNMENT 256

typedef struct kvarn_launch_options {
  size_t struct_size;
  int32_t threads; /* CPU: worker threads, 0 = all. Never changes results. */
  /* At least kvarn_workspace_bytes(), in memory of the device of the tensors.
   * Zero it once, before its first use; a launch leaves it fit for the next
   * one, of whatever variant. One launch at a time may use it: on a GPU it
   * belongs to one stream. NULL = the runtime allocates one for this launch
   * (CPU only). */
  void *workspace;
  size_t workspace_bytes;
  void *stream; /* GPU: a CUstream (cudaStream_t), NULL = the default stream of
                   the device; must be NULL on a CPU */
} kvarn_launch_options;

/* Runs the kernel. All parameters must be given, by name, in any order. Every
 * tensor is checked against the manifest before anything runs: device, dtype,
 * rank, static extents, innermost stride 1, alignment, data. Tensors that are
 * written must not overlap others. On a CPU the call returns when the results
 * are there. `options` may be NULL.
 *
 * On a GPU all tensors must be in memory of one device, which runs the kernel
 * in its primary context; the call returns when the work is queued on the
 * stream. It neither allocates nor waits, so a stream that is being captured
 * into a graph is fine; only a variant that is not loaded on that device yet is
 * refused then. Edges of the graph between kernels of one call may be
 * programmatic. Grids follow from shapes alone: lengths may change between
 * launches of the graph.
 *   INVALID_ARGUMENT  names the parameter and says what was expected
 *   UNSUPPORTED       the device of the tensors cannot run the variant
 *   DEVICE            the driver refused; its error is named */
KVARN_API kvarn_status kvarn_launch(const kvarn_kernel *kernel,
                                    const kvarn_argument *arguments,
                                    size_t count,
                                    const kvarn_launch_options *options);
/* The workspace that such a launch needs; 0 = none. Only shapes, devices and
 * integers are looked at: `data` may be NULL. */
KVARN_API kvarn_status kvarn_workspace_bytes(const kvarn_kernel *kernel,
                                             const kvarn_argument *arguments,
                                             size_t count, size_t *bytes);

#ifdef __cplusplus
} /* extern "C" */
#endif

#include "kvarn_cache.h" /* typed calls of the kernels of a cache */
#include "kvarn_pages.h" /* the page manager */

#endif /* KVARN_H */
