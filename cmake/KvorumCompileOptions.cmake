# Flags of every target of ours, the tests included.
add_compile_options(-Wall -Wextra -Wpedantic -Werror)
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 13)
  # GCC 12 sees overlapping copies in std::string concatenation that are not there (GCC bug 105651).
  add_compile_options(-Wno-restrict)
endif()
if(CMAKE_CXX_COMPILER_ID STREQUAL "Clang" AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 19)
  add_compile_options(-fsized-deallocation)  # part of C++14; clang has it on since 19
endif()

# __FILE__ (CHECK messages) is relative to the repository, wherever that lies.
add_compile_options(-fmacro-prefix-map=${CMAKE_SOURCE_DIR}/=)

if(KVORUM_SANITIZE)
  add_compile_options(
    -fsanitize=${KVORUM_SANITIZE} -fno-sanitize-recover=all -fno-omit-frame-pointer)
  add_link_options(-fsanitize=${KVORUM_SANITIZE})
endif()
if(KVORUM_FUZZ)
  if(NOT CMAKE_CXX_COMPILER_ID STREQUAL "Clang")
    message(FATAL_ERROR "KVORUM_FUZZ needs clang: use the preset `fuzz`")
  endif()
  add_compile_options(-fsanitize=fuzzer-no-link)
endif()
