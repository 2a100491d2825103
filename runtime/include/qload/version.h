// The library's version, for C and C++.
#pragma once

#define QLOAD_VERSION_MAJOR 0
#define QLOAD_VERSION_MINOR 1
#define QLOAD_VERSION_PATCH 0
#define QLOAD_VERSION_STRING "0.1.0"
