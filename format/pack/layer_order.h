// The order in which tensors load: what comes before the layers, each layer, what comes after.
// Pure: it knows names only.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "qload/tensor.h"

namespace qload {

/// The layer a name speaks of: "model.layers.7.mlp.weight" is layer 7 of stack "model.layers".
struct LayerName {
  std::string_view stack;  ///< A part of the name.
  uint32_t layer;
};

/// Finds the first "<word>.<number>" or "<word>_<number>" component whose word is one that models
/// use for a stack of layers (layers, layer, blocks, block, blk, h, or a compound of the first
/// four such as "resblocks"). The number is decimal, without leading zeros, below 2^31.
std::optional<LayerName> find_layer(std::string_view tensor_name);

/// Tensors that load together.
struct TensorGroup {
  uint32_t stack = kNoLayer;
  uint32_t layer = kNoLayer;
  std::vector<uint32_t> tensors;  ///< Numbers into the names, increasing.
};

/// Groups in load order; every tensor is in exactly one. Those of no layer come first, except
/// the ones known to follow the layers (output head, final norm), which come last. Stacks are
/// numbered in load order: vision and audio, then encoders, then the others by first appearance,
/// then decoders. Time and memory are proportional to n log n.
std::vector<TensorGroup> order_layers(std::span<const std::string_view> tensor_names);

}  // namespace qload
