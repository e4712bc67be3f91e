# kvorum_library(<target> [<library to link>...])
#
# One static library from the *.cc files of the folder and those below, main.cc excepted. It links,
# publicly, exactly what is named here: that is how an arrow of docs/architecture.md is drawn. A
# folder that has only headers becomes an INTERFACE library.
function(kvorum_library target)
  file(GLOB_RECURSE sources CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/*.cc)
  list(FILTER sources EXCLUDE REGEX "/main\\.cc$")
  if(sources)
    add_library(${target} STATIC ${sources})
    set(visibility PUBLIC)
  else()
    add_library(${target} INTERFACE)
    set(visibility INTERFACE)
  endif()
  target_include_directories(${target} ${visibility} ${CMAKE_SOURCE_DIR})
  target_link_libraries(${target} ${visibility} ${ARGN})
endfunction()

# kvorum_program(<target> <source> [<library to link>...])
#
# An executable for users, directly in the build directory, with jemalloc unless a sanitizer brings
# its own allocator. Nothing when the source does not exist or only fuzz targets are wanted.
function(kvorum_program target source)
  file(GLOB found CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/${source})
  if(KVORUM_FUZZ OR NOT found)
    return()
  endif()
  add_executable(${target} ${source})
  target_link_libraries(${target} PRIVATE ${ARGN})
  if(NOT KVORUM_SANITIZE)
    target_link_libraries(${target} PRIVATE PkgConfig::jemalloc)
  endif()
  set_target_properties(${target} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR})
endfunction()

# kvorum_precompile(<target> <header>...)
#
# Parses these headers once for the whole target: half of the time of a first build goes into them.
# With ccache every file is its own entry, and a precompiled header would only get in its way.
function(kvorum_precompile target)
  if(NOT KVORUM_CCACHE)
    target_precompile_headers(${target} PRIVATE ${ARGN})
  endif()
endfunction()

# kvorum_test(<target> <label> [<library to link>...])
#
# One GoogleTest executable from the folder's *_test.cc files; ctest knows each test by
# `<target>.<suite>.<test>` and by its label. Nothing when the folder has no tests.
# KVORUM_SOURCE_DIR is the repository (golden files).
function(kvorum_test target label)
  file(GLOB sources CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/*.cc)
  set(tests ${sources})
  list(FILTER tests INCLUDE REGEX "_test\\.cc$")
  if(NOT tests)
    return()
  endif()
  add_executable(${target} ${sources})
  target_include_directories(${target} PRIVATE ${CMAKE_SOURCE_DIR})
  target_compile_definitions(${target} PRIVATE KVORUM_SOURCE_DIR="${CMAKE_SOURCE_DIR}")
  target_link_libraries(${target} PRIVATE ${ARGN} GTest::gmock GTest::gtest_main)
  kvorum_precompile(${target} <gmock/gmock.h> <gtest/gtest.h>)
  gtest_discover_tests(
    ${target}
    TEST_PREFIX "${target}."
    DISCOVERY_MODE PRE_TEST
    DISCOVERY_TIMEOUT 60
    PROPERTIES LABELS ${label} TIMEOUT 300)
endfunction()
