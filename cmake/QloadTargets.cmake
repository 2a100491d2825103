# The one place that sets compiler flags. Every target of the project is made by a function here.

if(NOT CMAKE_BUILD_TYPE AND PROJECT_IS_TOP_LEVEL)
  set(CMAKE_BUILD_TYPE Release CACHE STRING "" FORCE)
endif()
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)

# Flags of every target: C++20 without extensions, hidden symbols, warnings.
add_library(qload_flags INTERFACE)
target_compile_features(qload_flags INTERFACE cxx_std_20)
target_include_directories(qload_flags INTERFACE
  ${PROJECT_SOURCE_DIR} ${PROJECT_SOURCE_DIR}/format/include ${PROJECT_SOURCE_DIR}/runtime/include)
target_compile_options(qload_flags INTERFACE
  -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wno-sign-conversion -Wno-missing-field-initializers
  -fvisibility=hidden -fno-omit-frame-pointer
  $<$<COMPILE_LANGUAGE:CXX>:-Woverloaded-virtual -Wnon-virtual-dtor -fvisibility-inlines-hidden>
  $<$<BOOL:${QLOAD_WERROR}>:-Werror>)
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  # GCC 12 warns of impossible sizes in its own inlined std::string and std::vector (GCC bugs
  # 105329, 105651); Clang and the sanitizers watch the same code.
  target_compile_options(qload_flags INTERFACE
    $<$<COMPILE_LANGUAGE:CXX>:-Wno-restrict -Wno-stringop-overflow -Wno-array-bounds>)
endif()
if(QLOAD_SANITIZE)
  target_compile_options(qload_flags INTERFACE -fsanitize=${QLOAD_SANITIZE} -fno-sanitize-recover=all)
  target_link_options(qload_flags INTERFACE -fsanitize=${QLOAD_SANITIZE})
endif()
if(QLOAD_FUZZ)
  target_compile_options(qload_flags INTERFACE -fsanitize=fuzzer-no-link)
endif()

# qload_module(NAME SOURCES a.cc ... [LINKS target ...])
# One folder of the data flow as an object library, `qload_NAME`.
function(qload_module name)
  cmake_parse_arguments(ARG "" "" "SOURCES;LINKS" ${ARGN})
  add_library(qload_${name} OBJECT ${ARG_SOURCES})
  set_target_properties(qload_${name} PROPERTIES POSITION_INDEPENDENT_CODE ON CXX_EXTENSIONS OFF)
  target_link_libraries(qload_${name} PRIVATE $<BUILD_INTERFACE:qload_flags> PUBLIC ${ARG_LINKS})
endfunction()

# qload_executable(NAME SOURCES a.cc ... [LINKS target ...])
function(qload_executable name)
  cmake_parse_arguments(ARG "" "" "SOURCES;LINKS" ${ARGN})
  add_executable(${name} ${ARG_SOURCES})
  set_target_properties(${name} PROPERTIES CXX_EXTENSIONS OFF)
  target_link_libraries(${name} PRIVATE qload_flags ${ARG_LINKS})
endfunction()

# qload_test(NAME SOURCES a.cc ... [LINKS target ...] [LABELS label ...])
# A GoogleTest executable, registered whole: one ctest test per executable keeps start-up cheap
# under qemu.
function(qload_test name)
  cmake_parse_arguments(ARG "" "" "SOURCES;LINKS;LABELS" ${ARGN})
  qload_executable(${name} SOURCES ${ARG_SOURCES}
                   LINKS ${ARG_LINKS} qload_test_support GTest::gmock GTest::gtest_main)
  add_test(NAME ${name} COMMAND ${name})
  # An emulated processor takes ten times as long.
  set(timeout 900)
  if(CMAKE_CROSSCOMPILING)
    set(timeout 2700)
  endif()
  set_tests_properties(${name} PROPERTIES LABELS "${ARG_LABELS}" TIMEOUT ${timeout})
  if(QLOAD_SANITIZE MATCHES "thread")
    set_tests_properties(${name} PROPERTIES ENVIRONMENT
      "TSAN_OPTIONS=suppressions=${PROJECT_SOURCE_DIR}/tests/support/thread_sanitizer.supp")
  endif()
endfunction()
