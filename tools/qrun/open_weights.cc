#include "format/base/format_text.h"
#include "tools/qrun/fixed_source.h"
#include "tools/qrun/read_source.h"
#include "tools/qrun/weight_source.h"

namespace qload::qrun {

Result<std::unique_ptr<WeightSource>> open_weights(const ModelFile& model, const WeightPlan& plan,
                                                   const WeightOptions& options) {
  if (options.mode != WeightMode::kWhole && model.plain() == nullptr) {
    return Error(ErrorCode::kInvalidArgument,
                 text(quote(model.path().string()), " is packed; weights can be ",
                      options.mode == WeightMode::kMapped ? "mapped" : "read step by step",
                      " from plain files only"));
  }
  switch (options.mode) {
    case WeightMode::kWhole:
      return model.packed() != nullptr ? load_packed_weights(model, plan)
                                       : read_plain_weights(model, plan);
    case WeightMode::kMapped:
      return map_plain_weights(model, plan);
    case WeightMode::kRead:
      return open_read_source(model, plan, options);
  }
  return Error(ErrorCode::kInvalidArgument, "no such mode of weights");
}

}  // namespace qload::qrun
