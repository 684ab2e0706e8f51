# What `cmake --install` puts where, and the package that others find:
#   find_package(KVarN REQUIRED COMPONENTS Runtime)    KVarN::Runtime
#   find_package(KVarN REQUIRED COMPONENTS Compiler)   KVarN::Compiler, and the
#                                                      programs: KVarN::kvarn-compile
# plus kvarn.pc for the runtime. An install tree can be moved.
include(CMakePackageConfigHelpers)
set(package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/KVarN)

# The runtime. Its header and library are installed by runtime/ itself.
set_target_properties(kvarn_runtime PROPERTIES
  EXPORT_NAME Runtime INSTALL_RPATH $ORIGIN)
target_include_directories(kvarn_runtime INTERFACE
  $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>)
install(TARGETS kvarn_runtime EXPORT KVarNRuntime
        LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR})
install(EXPORT KVarNRuntime NAMESPACE KVarN:: FILE KVarNRuntimeTargets.cmake
        DESTINATION ${package_dir})
foreach(program kvarn-run kvarn-bench kvarn-tune)
  if(TARGET ${program})
    set_target_properties(${program} PROPERTIES
      INSTALL_RPATH $ORIGIN/../${CMAKE_INSTALL_LIBDIR})
    install(TARGETS ${program} RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
  endif()
endforeach()

# The compiler. Its C++ headers are installed too, for programs that compile in
# their own process.
if(TARGET kvarn-compiler)
  set_target_properties(kvarn-compiler PROPERTIES
    EXPORT_NAME Compiler INSTALL_RPATH $ORIGIN
    INSTALL_RPATH_USE_LINK_PATH ON)
  target_include_directories(kvarn-compiler INTERFACE
    $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}/kvarn-compiler>)
  install(TARGETS kvarn-compiler EXPORT KVarNCompiler
          LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR})
  foreach(program kvarn-opt kvarn-lsp-server kvarn-compile)
    if(TARGET ${program})
      set_target_properties(${program} PROPERTIES
        INSTALL_RPATH $ORIGIN/../${CMAKE_INSTALL_LIBDIR}
        INSTALL_RPATH_USE_LINK_PATH ON)
      install(TARGETS ${program} EXPORT KVarNCompiler
              RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
    endif()
  endforeach()
  install(EXPORT KVarNCompiler NAMESPACE KVarN:: FILE KVarNCompilerTargets.cmake
          DESTINATION ${package_dir})
  foreach(folder format dialect passes codegen)
    foreach(tree ${PROJECT_SOURCE_DIR} ${PROJECT_BINARY_DIR})
      install(DIRECTORY ${tree}/${folder}
              DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/kvarn-compiler
              FILES_MATCHING PATTERN "*.h" PATTERN "*.h.inc" PATTERN "*.td"
              PATTERN CMakeFiles EXCLUDE)
    endforeach()
  endforeach()
endif()

configure_package_config_file(
  ${CMAKE_CURRENT_LIST_DIR}/KVarNConfig.cmake.in
  ${PROJECT_BINARY_DIR}/KVarNConfig.cmake INSTALL_DESTINATION ${package_dir})
write_basic_package_version_file(${PROJECT_BINARY_DIR}/KVarNConfigVersion.cmake
  COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/KVarNConfig.cmake
              ${PROJECT_BINARY_DIR}/KVarNConfigVersion.cmake
        DESTINATION ${package_dir})

# The .pc file finds its tree by its own place, so that the tree can be moved.
file(RELATIVE_PATH KVARN_PC_PREFIX
     /prefix/${CMAKE_INSTALL_LIBDIR}/pkgconfig /prefix)
configure_file(${CMAKE_CURRENT_LIST_DIR}/kvarn.pc.in
               ${PROJECT_BINARY_DIR}/kvarn.pc @ONLY)
install(FILES ${PROJECT_BINARY_DIR}/kvarn.pc
        DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)

# Tables of schedules, for kvarn-compile --schedules and for kernels on demand.
# The runtime finds them in the same place in a build tree.
file(MAKE_DIRECTORY ${PROJECT_BINARY_DIR}/${CMAKE_INSTALL_DATADIR}/kvarn)
file(CREATE_LINK ${PROJECT_SOURCE_DIR}/autotune/tuned
     ${PROJECT_BINARY_DIR}/${CMAKE_INSTALL_DATADIR}/kvarn/tuned SYMBOLIC)
install(DIRECTORY ${PROJECT_SOURCE_DIR}/autotune/tuned
        DESTINATION ${CMAKE_INSTALL_DATADIR}/kvarn
        FILES_MATCHING PATTERN "*.json")

install(FILES ${PROJECT_SOURCE_DIR}/LICENSE ${PROJECT_SOURCE_DIR}/README.md
        DESTINATION ${CMAKE_INSTALL_DOCDIR})
