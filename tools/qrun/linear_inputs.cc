#include "tools/qrun/linear_inputs.h"

#include <algorithm>
#include <initializer_list>

#include "tools/qrun/quantize_row.h"

namespace qload::qrun {

/// Room for one vector at each place.
LinearInputs::Rooms LinearInputs::measure(const WeightPlan& plan, ActivationType type) {
  Rooms rooms;
  const auto add_round = [&](std::initializer_list<const MatrixRole*> round) {
    size_t place = 0;
    for (const MatrixRole* matrix : round) {
      Room& room = rooms[place++];
      if (matrix->has_input_factors() || matrix->outlier_count > 0) {
        room.floats = std::max(room.floats, matrix->columns);
      }
      room.outliers = std::max(room.outliers, matrix->outlier_count);
      if (type == ActivationType::kInt8 && matrix->dtype == DType::kI8) {
        room.codes = std::max(room.codes, matrix->columns);
        room.scales = 1;
      }
    }
  };
  for (const LayerRoles& layer : plan.layers) {
    add_round({&layer.query, &layer.key, &layer.value});
    add_round({&layer.attention_output});
    add_round({&layer.gate, &layer.up});
    add_round({&layer.down});
  }
  add_round({&plan.output});
  return rooms;
}

LinearInputs::LinearInputs(const WeightPlan& plan, ActivationType type, size_t vector_count_max)
    : type_(type) {
  const Rooms rooms = measure(plan, type);
  for (size_t i = 0; i < rooms.size(); ++i) {
    places_[i].floats.resize(vector_count_max * rooms[i].floats);
    places_[i].outliers.resize(vector_count_max * rooms[i].outliers);
    places_[i].codes.resize(vector_count_max * rooms[i].codes);
    places_[i].scales.resize(vector_count_max * rooms[i].scales);
  }
}

uint64_t LinearInputs::memory_bytes(const WeightPlan& plan, ActivationType type,
                                    size_t vector_count_max) {
  uint64_t bytes = 0;
  for (const Room& room : measure(plan, type)) {
    bytes += sizeof(float) * (room.floats + room.outliers + room.scales) + room.codes;
  }
  return vector_count_max * bytes;
}

Product LinearInputs::prepare(const Matrix& matrix, Batch<const float> in, Batch<float> out) {
  if (product_count_ == 0) shared_input_ = nullptr;
  Place& place = places_[product_count_++];
  Product product{.matrix = matrix, .in = in, .out = out};
  if (!matrix.input_factors.empty()) apply_factors(product, place);
  if (!matrix.outliers.columns.empty()) split_outliers(product, place);
  if (type_ == ActivationType::kInt8 && matrix.dtype == DType::kI8) quantize(product, place, in);
  return product;
}

void LinearInputs::apply_factors(Product& product, Place& place) {
  const std::span<const float> factors = product.matrix.input_factors;
  for (size_t i = 0; i < product.in.vector_count; ++i) {
    const float* from = product.in.vector(i);
    float* to = place.floats.data() + i * factors.size();
    for (size_t j = 0; j < factors.size(); ++j) to[j] = from[j] * factors[j];
  }
  product.in = {place.floats.data(), product.in.vector_count, factors.size()};
}

/// The outlier columns' elements are multiplied apart, and are 0 in what the codes multiply.
void LinearInputs::split_outliers(Product& product, Place& place) {
  const std::span<const uint32_t> columns = product.matrix.outliers.columns;
  const size_t size = product.matrix.columns;
  for (size_t i = 0; i < product.in.vector_count; ++i) {
    const float* from = product.in.vector(i);
    float* rest = place.floats.data() + i * size;
    std::copy_n(from, size, rest);
    for (size_t j = 0; j < columns.size(); ++j) {
      place.outliers[i * columns.size() + j] = from[columns[j]];
      rest[columns[j]] = 0;
    }
  }
  product.outlier_in = {place.outliers.data(), product.in.vector_count, columns.size()};
  product.in = {place.floats.data(), product.in.vector_count, size};
}

void LinearInputs::quantize(Product& product, Place& place, Batch<const float> in) {
  const bool as_it_came = product.in.values == in.values;
  if (as_it_came && shared_input_ == in.values) {
    product.quantized = shared_;
    return;
  }
  const size_t size = product.matrix.columns;
  for (size_t i = 0; i < product.in.vector_count; ++i) {
    place.scales[i] = quantize_row({product.in.vector(i), size}, place.codes.data() + i * size);
  }
  product.quantized = {{place.codes.data(), product.in.vector_count, size}, place.scales.data()};
  if (as_it_came) {
    shared_input_ = in.values;
    shared_ = product.quantized;
  }
}

}  // namespace qload::qrun
