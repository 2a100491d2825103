// qpack inspect --why: lets the default recipe choose again, and tells what it compared.
#pragma once

#include <functional>
#include <optional>
#include <string_view>
#include <vector>

#include "tools/commands/session.h"
#include "tools/report/choice_facts.h"

namespace qload::tools {

/// For each tensor, by number, what choice_reason.h explains; nothing for those that were not
/// wanted or have the chunks of another.
using Choices = std::vector<std::optional<ChoiceTotals>>;

/// Decodes the chunks of every tensor whose name is `wanted`, one chunk at a time. Tensors that
/// have another's chunks are not decoded.
Result<Choices> explain_choices(const Container& container,
                                const std::function<bool(std::string_view)>& wanted,
                                const Session& session);

/// The report for people.
std::string render_choices(const Container& container, const Choices& choices,
                           const std::function<bool(std::string_view)>& wanted);

}  // namespace qload::tools
