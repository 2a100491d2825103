// Nothing throws across the API.
#pragma once

#include <new>
#include <stdexcept>
#include <system_error>

#include "qload/result.h"

namespace qload::internal {

/// What `call` returns, a Result. Memory or threads that run out are an error like any other.
template <class Call>
auto without_throwing(Call&& call) -> decltype(call()) {
  try {
    return call();
  } catch (const std::bad_alloc&) {
    return Error(ErrorCode::kOutOfMemory, "out of memory");
  } catch (const std::length_error&) {
    return Error(ErrorCode::kOutOfMemory, "out of memory");
  } catch (const std::system_error&) {
    return Error(ErrorCode::kOutOfMemory, "cannot start a thread");
  }
}

}  // namespace qload::internal
