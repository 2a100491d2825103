#include "bench/load/command_output.h"

#include <cstdlib>
#include <fstream>
#include <iostream>

#include "tools/report/exit_code.h"

namespace qload::bench {

int report_failure(const Error& error) {
  std::cerr << "qload_bench: " << error_code_name(error.code()) << ": " << error.message() << '\n';
  return tools::exit_code(error.code());
}

bool write_text(const std::string& path, const std::string& content) {
  std::ofstream file(path, std::ios::binary);
  file << content << std::flush;
  if (file.good()) return true;
  std::cerr << "qload_bench: cannot write " << path << '\n';
  return false;
}

std::filesystem::path default_models() {
  if (const char* named = std::getenv("QLOAD_MODELS")) return named;
  const auto beside =
      std::filesystem::path(QLOAD_SOURCE_DIRECTORY).parent_path() / "shared" / "models";
  std::error_code ignored;
  return std::filesystem::is_directory(beside, ignored) ? beside : std::filesystem::path();
}

}  // namespace qload::bench
