#include "tools/quantize/weight_maxima.h"

#include <algorithm>
#include <cmath>

#include "format/base/try.h"
#include "format/pack/ordered_pipeline.h"
#include "tools/encode/int8_rows.h"

namespace qload::quantize {
namespace {

struct Piece {
  size_t request;
  RowRange range;
};

std::vector<Piece> cut_pieces(std::span<const MaximaRequest> requests) {
  std::vector<Piece> pieces;
  for (size_t i = 0; i < requests.size(); ++i) {
    for (const RowRange& range : cut_rows(requests[i].matrix.rows, requests[i].matrix.columns)) {
      pieces.push_back({i, range});
    }
  }
  return pieces;
}

size_t maxima_count(const MaximaRequest& request) {
  if (request.of == MaximaOf::kMatrix) return 1;
  return request.of == MaximaOf::kRows ? request.matrix.rows : request.matrix.columns;
}

void raise_to(std::span<float> maxima, std::span<const float> values) {
  for (size_t i = 0; i < maxima.size(); ++i) maxima[i] = std::max(maxima[i], std::fabs(values[i]));
}

/// The maxima of the rows in `values`: one, one for each row of the range, or one for each column.
void measure(const MaximaRequest& request, RowRange range, std::span<const float> values,
             std::vector<float>& maxima) {
  const uint64_t columns = request.matrix.columns;
  maxima.assign(request.of == MaximaOf::kRows      ? range.count
                : request.of == MaximaOf::kColumns ? columns
                                                   : 1,
                0.0f);
  for (uint64_t i = 0; i < range.count; ++i) {
    const std::span<const float> row = values.subspan(i * columns, columns);
    if (std::ranges::binary_search(request.skipped_rows, range.first + i)) continue;
    if (request.of == MaximaOf::kColumns) {
      raise_to(maxima, row);
    } else {
      float& maximum = maxima[request.of == MaximaOf::kRows ? i : 0];
      maximum = std::max(maximum, encode::largest_magnitude(row));
    }
  }
}

}  // namespace

Result<std::vector<std::vector<float>>> find_maxima(const ModelSource& source,
                                                    std::span<const MaximaRequest> requests,
                                                    uint32_t threads,
                                                    const std::function<void(uint64_t)>& on_bytes,
                                                    const std::stop_token& stop) {
  std::vector<std::vector<float>> results;
  for (const MaximaRequest& request : requests) results.emplace_back(maxima_count(request), 0.0f);
  const std::vector<Piece> pieces = cut_pieces(requests);
  std::vector<RowBuffer> buffers(threads);
  std::vector<std::vector<float>> slots(pipeline_slot_count(threads));
  OrderedWork work;
  work.item_count = pieces.size();
  work.threads = threads;
  work.produce = [&](uint32_t thread, uint32_t slot, uint64_t item) -> Status {
    const Piece& piece = pieces[item];
    const MaximaRequest& request = requests[piece.request];
    QLOAD_CHECK(read_rows(source, request.matrix, piece.range, buffers[thread]));
    measure(request, piece.range, buffers[thread].values, slots[slot]);
    return Ok{};
  };
  work.consume = [&](uint32_t slot, uint64_t item) -> Status {
    const Piece& piece = pieces[item];
    const MaximaRequest& request = requests[piece.request];
    std::span<float> result = results[piece.request];
    if (request.of == MaximaOf::kRows)
      result = result.subspan(piece.range.first, piece.range.count);
    raise_to(result, slots[slot]);
    const WeightMatrix& matrix = request.matrix;
    on_bytes(piece.range.count * matrix.columns * find_dtype(matrix.tensor->dtype)->block_bytes);
    return Ok{};
  };
  QLOAD_CHECK(run_ordered(work, stop));
  return results;
}

}  // namespace qload::quantize
