# Flags that every target of the project shares.
find_program(CCACHE_PROGRAM ccache)
if(CCACHE_PROGRAM AND NOT CMAKE_CXX_COMPILER_LAUNCHER)
  set(CMAKE_CXX_COMPILER_LAUNCHER ${CCACHE_PROGRAM})
endif()

add_library(quern_options INTERFACE)
target_compile_options(quern_options INTERFACE
  -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Werror
  # Determinism: an FMA happens only where an intrinsic or std::fma asks for it.
  -ffp-contract=off)
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  # gcc 12 reports overlaps inside std::string that cannot happen.
  target_compile_options(quern_options INTERFACE -Wno-restrict)
else()
  # std::stable_sort of gcc 12's library calls a function that the same library marks as deprecated.
  target_compile_options(quern_options INTERFACE -Wno-deprecated-declarations)
endif()
if(QUERN_SANITIZE)
  target_compile_options(quern_options INTERFACE
    -fsanitize=${QUERN_SANITIZE} -fno-omit-frame-pointer -fno-sanitize-recover=all)
  target_link_options(quern_options INTERFACE -fsanitize=${QUERN_SANITIZE})
endif()
if(QUERN_FUZZ AND QUERN_SANITIZE)
  # The fuzzer finds its way by the branches of the code under test, not only of the target.
  target_compile_options(quern_options INTERFACE -fsanitize=fuzzer-no-link)
endif()
if(QUERN_COVERAGE)
  # clang's own instrumentation: exact for templates and lambdas, and cheap enough to run whole models.
  target_compile_options(quern_options INTERFACE -fprofile-instr-generate -fcoverage-mapping)
  target_link_options(quern_options INTERFACE -fprofile-instr-generate -fcoverage-mapping)
endif()
find_package(Threads REQUIRED)
find_package(fmt REQUIRED)
target_link_libraries(quern_options INTERFACE Threads::Threads fmt::fmt)
