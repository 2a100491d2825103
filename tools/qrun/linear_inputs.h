// LinearInputs: what the products of linears multiply, made of what the layer before gives.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "tools/qrun/matrix_product.h"
#include "tools/qrun/weight_plan.h"

namespace qload::qrun {

/// In which numbers the inputs of linears with weights of I8 are multiplied.
enum class ActivationType : uint8_t {
  kFloat,
  /// Each vector (token) quantized when it is there, with a scale of its own: W8A8 as SmoothQuant's
  /// O1. Outlier columns stay floats. Results do not depend on which tokens share a pass.
  kInt8,
};

/// Multiplies inputs by a matrix's factors, takes outlier columns out, and quantizes. Its memory is
/// there from the start. One thread.
class LinearInputs {
 public:
  /// `vector_count_max`: of the largest batch.
  LinearInputs(const WeightPlan& plan, ActivationType type, size_t vector_count_max);
  /// The memory that one takes.
  static uint64_t memory_bytes(const WeightPlan& plan, ActivationType type,
                               size_t vector_count_max);

  /// The products that come go into a new round: those before are done with.
  void begin_round() { product_count_ = 0; }
  /// The product of `matrix` with `in`, valid until the next round. Products of a round that want
  /// the same of the same input share it. REQUIRES: the linears of a round are those that the plan
  /// lists together: query, key and value; attention output; gate and up; down; output.
  Product prepare(const Matrix& matrix, Batch<const float> in, Batch<float> out);

 private:
  static constexpr size_t kRoundProductsMax = 3;
  /// What the product at one place of a round needs room for.
  struct Place {
    std::vector<float> floats;
    std::vector<float> outliers;
    std::vector<int8_t> codes;
    std::vector<float> scales;
  };
  struct Room {
    uint64_t floats = 0;
    uint64_t outliers = 0;
    uint64_t codes = 0;
    uint64_t scales = 0;
  };
  using Rooms = std::array<Room, kRoundProductsMax>;
  static Rooms measure(const WeightPlan& plan, ActivationType type);
  static void apply_factors(Product& product, Place& place);
  static void split_outliers(Product& product, Place& place);
  void quantize(Product& product, Place& place, Batch<const float> in);

  const ActivationType type_;
  std::array<Place, kRoundProductsMax> places_;
  size_t product_count_ = 0;  // Of this round.
  // The last input that was quantized as it came, in this round, and what came of it.
  const float* shared_input_ = nullptr;
  QuantizedBatch shared_;
};

}  // namespace qload::qrun
