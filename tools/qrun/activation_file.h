// The file of activations: what an ActivationRecorder saw, as safetensors.
#pragma once

#include "format/base/file.h"
#include "qload/result.h"
#include "tools/qrun/activation_recorder.h"

namespace qload::qrun {

/// Writes, for each linear, its largest magnitudes as a tensor of F32, [columns], under the name of
/// the module, and its samples, if there are any, as module + "_sample", [samples, columns].
/// `file` is fresh; committing it is the caller's. Errors as of AtomicFile, and kUnsupported when
/// an input was not finite.
Status write_activations(const ActivationRecorder& recorder, AtomicFile& file);

}  // namespace qload::qrun
