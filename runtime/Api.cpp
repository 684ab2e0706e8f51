//===- Api.cpp - The C API of libraries and kernels -----------------------===//

#include "runtime/Launch.h"
#include "runtime/Library.h"
#include "runtime/Select.h"
#include "runtime/Status.h"

using namespace kvarn;
using namespace kvarn::runtime;

static kvarn_status isNull(const char *what) {
  return fail(KVARN_STATUS_INVALID_ARGUMENT, std::string(what) + " is NULL");
}

//===----------------------------------------------------------------------===//
// Libraries
//===----------------------------------------------------------------------===//

kvarn_status kvarn_library_open(const char *path, kvarn_library **library) {
  return guarded([&] {
    if (!path || !library)
      return isNull(path ? "library" : "path");
    std::unique_ptr<kvarn_library> opened;
    KVARN_TRY(openLibrary(path, opened));
    *library = opened.release();
    return KVARN_STATUS_OK;
  });
}

void kvarn_library_close(kvarn_library *library) { delete library; }

size_t kvarn_library_variant_count(const kvarn_library *library) {
  return library ? library->entries.size() : 0;
}

const char *kvarn_library_compiler(const kvarn_library *library) {
  return library ? library->manifest.compiler.c_str() : "";
}

kvarn_status kvarn_library_variant(const kvarn_library *library, size_t index,
                                   kvarn_variant_info *info) {
  return guarded([&] {
    if (!library)
      return isNull("library");
    if (index >= library->entries.size())
      return fail(KVARN_STATUS_NOT_FOUND,
                  "no variant " + std::to_string(index) + ", the library has " +
                      std::to_string(library->entries.size()));
    return copyOut(library->entries[index].info, info, "info");
  });
}

kvarn_status kvarn_select(kvarn_library *library, const kvarn_request *request,
                          kvarn_kernel **kernel) {
  return guarded([&] {
    if (!library || !kernel)
      return isNull(library ? "kernel" : "library");
    kvarn_request copy;
    KVARN_TRY(readRequest(request, copy));
    thread_local std::string key; // memory to keep
    makeRequestKey(copy, key);
    return selectKernel(*library, copy, key, *kernel);
  });
}

kvarn_status kvarn_select_id(kvarn_library *library, const char *id,
                             kvarn_kernel **kernel) {
  return guarded([&] {
    if (!library || !id || !kernel)
      return isNull(!library ? "library" : !id ? "id" : "kernel");
    const std::vector<Variant> &variants = library->manifest.variants;
    for (size_t i = 0; i < variants.size(); ++i)
      if (variants[i].id == id)
        return library->load(i, *kernel);
    return fail(KVARN_STATUS_NOT_FOUND,
                library->folder + ": no variant '" + id + "'");
  });
}

kvarn_status kvarn_library_explain(const kvarn_library *library,
                                   const kvarn_request *request, char **text) {
  return guarded([&] {
    if (!library || !text)
      return isNull(library ? "text" : "library");
    kvarn_request copy;
    KVARN_TRY(readRequest(request, copy));
    Selection selection;
    KVARN_TRY(selectVariant(*library, copy, selection));
    char *result = strdup(explainSelection(*library, selection).c_str());
    if (!result)
      return fail(KVARN_STATUS_OUT_OF_MEMORY, "out of memory");
    *text = result;
    return KVARN_STATUS_OK;
  });
}

//===----------------------------------------------------------------------===//
// Kernels
//===----------------------------------------------------------------------===//

kvarn_status kvarn_kernel_variant(const kvarn_kernel *kernel,
                                  kvarn_variant_info *info) {
  return guarded([&] {
    return kernel ? copyOut(kernel->entry.info, info, "info")
                  : isNull("kernel");
  });
}

kvarn_status kvarn_kernel_parameter(const kvarn_kernel *kernel, size_t index,
                                    kvarn_parameter_info *info) {
  return guarded([&] {
    if (!kernel)
      return isNull("kernel");
    const std::vector<Parameter> &parameters = kernel->variant().parameters;
    if (index >= parameters.size())
      return fail(KVARN_STATUS_NOT_FOUND,
                  "no parameter " + std::to_string(index) +
                      ", the kernel has " + std::to_string(parameters.size()));
    const Parameter &parameter = parameters[index];
    kvarn_parameter_info result = {};
    result.name = parameter.name.c_str();
    result.is_tensor = parameter.kind == Parameter::Kind::Tensor;
    result.is_output = parameter.output;
    result.dtype = dtypeName(parameter.dtype).data();
    result.ndim = static_cast<int64_t>(parameter.shape.size());
    result.shape = parameter.shape.data();
    result.alignment =
        parameter.alignment ? parameter.alignment : dtypeBytes(parameter.dtype);
    return copyOut(result, info, "info");
  });
}

kvarn_status kvarn_launch(const kvarn_kernel *kernel,
                          const kvarn_argument *arguments, size_t count,
                          const kvarn_launch_options *options) {
  return guarded([&] {
    if (!kernel || (!arguments && count))
      return isNull(kernel ? "arguments" : "kernel");
    kvarn_launch_options copy = {};
    if (options)
      KVARN_TRY(copyIn(options, copy, "options"));
    return launch(*kernel, {arguments, count}, copy);
  });
}

kvarn_status kvarn_workspace_bytes(const kvarn_kernel *kernel,
                                   const kvarn_argument *arguments,
                                   size_t count, size_t *bytes) {
  return guarded([&] {
    if (!kernel || !bytes || (!arguments && count))
      return isNull(!kernel ? "kernel" : !bytes ? "bytes" : "arguments");
    size_t result = 0;
    KVARN_TRY(workspaceBytes(*kernel, {arguments, count}, result));
    *bytes = result;
    return KVARN_STATUS_OK;
  });
}
