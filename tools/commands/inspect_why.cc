#include "tools/commands/inspect_why.h"

#include "format/base/try.h"
#include "tools/report/choice_report.h"
#include "tools/report/container_facts.h"

namespace qload::tools {

Result<Choices> explain_choices(const Container& container,
                                const std::function<bool(std::string_view)>& wanted,
                                const Session& session) {
  const Index& index = container.index;
  const auto owners = find_chunk_owners(index);
  const auto is_explained = [&](uint32_t i) {
    return owners[i] == i && wanted(index.name(index.tensors()[i]));
  };
  uint64_t bytes_total = 0;
  for (uint32_t i = 0; i < owners.size(); ++i) {
    if (is_explained(i)) bytes_total += index.tensors()[i].bytes;
  }
  ProgressBar bar(session.progress, "inspect");
  uint64_t bytes_done = 0;
  const auto on_chunk = [&](uint64_t bytes) { bar.update(bytes_done += bytes, bytes_total); };
  ChoiceExplainer explainer(container);
  Choices choices(owners.size());
  for (uint32_t i = 0; i < owners.size(); ++i) {
    if (!is_explained(i)) continue;
    QLOAD_TRY(choices[i],
              explainer.explain(index.tensors()[i], on_chunk, session.interrupt.token()));
  }
  return choices;
}

std::string render_choices(const Container& container, const Choices& choices,
                           const std::function<bool(std::string_view)>& wanted) {
  const Index& index = container.index;
  const auto owners = find_chunk_owners(index);
  ChoiceReport report(ChoiceTerms{});
  for (uint32_t i = 0; i < owners.size(); ++i) {
    const TensorRecord& tensor = index.tensors()[i];
    const std::string_view name = index.name(tensor);
    if (!wanted(name)) continue;
    if (choices[i]) {
      report.add(name, dtype_name(tensor), *choices[i]);
    } else {
      report.add_shared(name, dtype_name(tensor), tensor.bytes,
                        index.name(index.tensors()[owners[i]]));
    }
  }
  return report.render();
}

}  // namespace qload::tools
