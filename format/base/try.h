// QLOAD_TRY: propagate an error at once.
#pragma once

#include <utility>

#include "qload/result.h"

#define QLOAD_CONCAT_INNER(a, b) a##b
#define QLOAD_CONCAT(a, b) QLOAD_CONCAT_INNER(a, b)

/// `QLOAD_TRY(auto x, f());` returns f()'s error from this function, or binds its value to x.
#define QLOAD_TRY(declaration, expression) \
  QLOAD_TRY_INNER(QLOAD_CONCAT(qload_try_, __LINE__), declaration, expression)
#define QLOAD_TRY_INNER(result, declaration, expression) \
  auto result = (expression);                            \
  if (!result.ok()) return std::move(result).error();    \
  declaration = std::move(result).value()

/// `QLOAD_CHECK(f());` returns f()'s error from this function. For a Status.
#define QLOAD_CHECK(expression)                                     \
  do {                                                              \
    auto qload_status = (expression);                               \
    if (!qload_status.ok()) return std::move(qload_status).error(); \
  } while (false)
