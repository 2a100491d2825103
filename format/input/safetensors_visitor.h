// The JSON of a safetensors header, event by event, into a list of tensors.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "format/input/json_events.h"
#include "qload/result.h"
#include "qload/tensor.h"

namespace qload {

/// One tensor as the header describes it; offsets count from the start of the data section.
struct SafetensorsEntry {
  std::string name;
  DType dtype = DType::kU8;
  std::vector<uint64_t> shape;
  uint64_t begin = 0;  ///< The two numbers of data_offsets.
  uint64_t end = 0;
};

/// Collects the entries. Types of fields are checked here, their values by the reader.
/// Unknown fields of a tensor are skipped, as the safetensors library does.
class SafetensorsVisitor : public JsonVisitor {
 public:
  Status begin_object() override;
  Status end_object() override;
  Status begin_array() override;
  Status end_array() override;
  Status key(std::string_view name) override;
  Status scalar(const JsonScalar& value) override;

  std::vector<SafetensorsEntry>& entries() { return entries_; }
  const std::vector<std::string>& metadata_keys() const { return metadata_keys_; }

 private:
  enum class Place { kStart, kRoot, kMetadata, kTensor, kShape, kDataOffsets, kEnd };

  Status expected(std::string_view what, std::string_view found) const;
  Status wrong_value(std::string_view found) const;
  Status field_key(std::string_view name);
  Status string_value(std::string_view value);
  Status number_value(uint64_t number);
  std::string place_name() const;
  SafetensorsEntry& entry() { return entries_.back(); }

  Place place_ = Place::kStart;
  std::string key_;          // The last key at the current level.
  uint32_t skip_depth_ = 0;  // Levels below an unknown field of a tensor.
  bool seen_metadata_ = false;
  // Fields of the last entry.
  bool seen_dtype_ = false;
  bool seen_shape_ = false;
  bool seen_offsets_ = false;
  uint32_t offset_count_ = 0;  // Numbers of its data_offsets.
  std::vector<SafetensorsEntry> entries_;
  std::vector<std::string> metadata_keys_;
};

/// The type that a safetensors header calls `name`.
std::optional<DType> safetensors_dtype(std::string_view name);

}  // namespace qload
