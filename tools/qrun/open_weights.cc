#include "format/base/format_text.h"
#include "tools/qrun/fixed_source.h"
#include "tools/qrun/packed_source.h"
#include "tools/qrun/read_source.h"
#include "tools/qrun/stream_source.h"
#include "tools/qrun/weight_source.h"

namespace qload::qrun {

Result<std::unique_ptr<WeightSource>> open_weights(const ModelFile& model, const WeightPlan& plan,
                                                   const WeightOptions& options) {
  const std::string path = quote(model.path().string());
  switch (options.mode) {
    case WeightMode::kWhole:
      return model.packed() != nullptr ? load_packed_weights(model, plan)
                                       : read_plain_weights(model, plan);
    case WeightMode::kMapped:
    case WeightMode::kRead:
      if (model.plain() == nullptr) {
        return Error(ErrorCode::kInvalidArgument,
                     text(path, " is packed; weights can be ",
                          options.mode == WeightMode::kMapped ? "mapped" : "read step by step",
                          " from plain files only"));
      }
      return options.mode == WeightMode::kMapped ? map_plain_weights(model, plan)
                                                 : open_read_source(model, plan, options);
    case WeightMode::kStreamed:
    case WeightMode::kPacked:
      if (model.packed() == nullptr) {
        return Error(ErrorCode::kInvalidArgument,
                     text(path, " is not packed; weights can be ",
                          options.mode == WeightMode::kStreamed ? "streamed" : "kept packed",
                          " from containers (.qpk) only"));
      }
      return options.mode == WeightMode::kStreamed ? open_stream_source(model, plan, options)
                                                   : open_packed_source(model, plan, options);
  }
  return Error(ErrorCode::kInvalidArgument, "no such mode of weights");
}

}  // namespace qload::qrun
