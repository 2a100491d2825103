// What qpack quantize prints.
#pragma once

#include <string>

#include "tools/quantize/quantize.h"

namespace qload::tools {

/// What was quantized to what, by name.
struct QuantizeSubject {
  std::string input;
  std::string output;
  const quantize::QuantizeOptions& options;
};

/// For people: one line, notes, and with statistics a table of tensors.
std::string render_quantize_text(const QuantizeSubject& subject,
                                 const quantize::QuantizeReport& report);
/// For scripts; docs/cli.md lists the fields.
std::string render_quantize_json(const QuantizeSubject& subject,
                                 const quantize::QuantizeReport& report);

}  // namespace qload::tools
