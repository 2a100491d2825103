#include "format/input/safetensors_visitor.h"

#include <utility>

#include "format/base/format_text.h"
#include "format/base/limits.h"

namespace qload {

namespace {

constexpr std::string_view kMetadataKey = "__metadata__";
constexpr std::string_view kDtype = "dtype";
constexpr std::string_view kShape = "shape";
constexpr std::string_view kDataOffsets = "data_offsets";

}  // namespace

std::optional<DType> safetensors_dtype(std::string_view name) {
  for (const DTypeInfo& info : all_dtypes()) {
    // Types of ggml blocks stand from 256 on and have no name in safetensors.
    if (static_cast<uint16_t>(info.dtype) < 256 && info.name == name) return info.dtype;
  }
  return std::nullopt;
}

std::string SafetensorsVisitor::place_name() const {
  switch (place_) {
    case Place::kStart:
    case Place::kEnd:
      return "header";
    case Place::kRoot:
      return key_ == kMetadataKey ? std::string(kMetadataKey) : text("tensor ", quote(key_));
    case Place::kMetadata:
      return text(kMetadataKey, " key ", quote(key_));
    case Place::kTensor:
    case Place::kShape:
    case Place::kDataOffsets:
      return text("tensor ", quote(entries_.back().name), ": ", key_);
  }
  return "header";
}

Status SafetensorsVisitor::expected(std::string_view what, std::string_view found) const {
  return Error(ErrorCode::kCorrupt, text(place_name(), " is ", found, ", expected ", what));
}

Status SafetensorsVisitor::wrong_value(std::string_view found) const {
  switch (place_) {
    case Place::kStart:
    case Place::kEnd:
    case Place::kRoot:
      return expected("an object", found);
    case Place::kMetadata:
      return expected("a string", found);
    case Place::kShape:
      return expected("an array of whole numbers", text("an array with ", found, " in it"));
    case Place::kDataOffsets:
      return expected("an array of two whole numbers", text("an array with ", found, " in it"));
    case Place::kTensor:
      break;
  }
  if (key_ == kDtype) return expected("a string", found);
  return expected("an array", found);
}

Status SafetensorsVisitor::begin_object() {
  if (skip_depth_ > 0) {
    ++skip_depth_;
    return Ok{};
  }
  if (place_ == Place::kStart) {
    place_ = Place::kRoot;
  } else if (place_ == Place::kRoot && key_ == kMetadataKey) {
    place_ = Place::kMetadata;
  } else if (place_ == Place::kRoot) {
    entries_.emplace_back();
    entry().name = std::move(key_);
    seen_dtype_ = seen_shape_ = seen_offsets_ = false;
    offset_count_ = 0;
    place_ = Place::kTensor;
  } else if (place_ == Place::kTensor && key_ != kDtype && key_ != kShape && key_ != kDataOffsets) {
    skip_depth_ = 1;
  } else {
    return wrong_value("an object");
  }
  return Ok{};
}

Status SafetensorsVisitor::end_object() {
  if (skip_depth_ > 0) {
    --skip_depth_;
    return Ok{};
  }
  if (place_ == Place::kRoot) {
    place_ = Place::kEnd;
    return Ok{};
  }
  if (place_ == Place::kTensor) {
    std::string_view missing;
    if (!seen_offsets_) missing = kDataOffsets;
    if (!seen_shape_) missing = kShape;
    if (!seen_dtype_) missing = kDtype;
    if (!missing.empty()) {
      return Error(ErrorCode::kCorrupt, text("tensor ", quote(entry().name), ": field ", missing,
                                             " is missing, expected dtype, shape, data_offsets"));
    }
  }
  place_ = Place::kRoot;
  return Ok{};
}

Status SafetensorsVisitor::begin_array() {
  if (skip_depth_ > 0) {
    ++skip_depth_;
    return Ok{};
  }
  if (place_ != Place::kTensor || key_ == kDtype) return wrong_value("an array");
  if (key_ == kShape) {
    seen_shape_ = true;
    place_ = Place::kShape;
  } else if (key_ == kDataOffsets) {
    seen_offsets_ = true;
    place_ = Place::kDataOffsets;
  } else {
    skip_depth_ = 1;
  }
  return Ok{};
}

Status SafetensorsVisitor::end_array() {
  if (skip_depth_ > 0) {
    --skip_depth_;
    return Ok{};
  }
  if (place_ == Place::kDataOffsets && offset_count_ != 2) {
    return expected("an array of two whole numbers", text("an array of ", offset_count_));
  }
  place_ = Place::kTensor;
  return Ok{};
}

Status SafetensorsVisitor::key(std::string_view name) {
  if (skip_depth_ > 0) return Ok{};
  if (name.size() > kNameBytesMax) {
    return Error(ErrorCode::kUnsupported, text("key ", quote(name), " has ", name.size(),
                                               " bytes, expected at most ", kNameBytesMax));
  }
  if (place_ == Place::kTensor) return field_key(name);
  key_ = name;
  if (place_ == Place::kMetadata) {
    metadata_keys_.push_back(key_);
  } else if (name == kMetadataKey) {
    if (std::exchange(seen_metadata_, true)) {
      return Error(ErrorCode::kCorrupt, "duplicate key \"__metadata__\"");
    }
  } else if (entries_.size() == kTensorCountMax) {
    return Error(ErrorCode::kUnsupported, text("more than ", kTensorCountMax, " tensors"));
  }
  return Ok{};
}

Status SafetensorsVisitor::field_key(std::string_view name) {
  key_ = name;
  bool repeated = (name == kDtype && seen_dtype_) || (name == kShape && seen_shape_) ||
                  (name == kDataOffsets && seen_offsets_);
  if (!repeated) return Ok{};
  return Error(ErrorCode::kCorrupt,
               text("tensor ", quote(entry().name), ": duplicate field ", name));
}

Status SafetensorsVisitor::string_value(std::string_view value) {
  if (place_ == Place::kMetadata) return Ok{};
  if (place_ != Place::kTensor || key_ != kDtype) return wrong_value("a string");
  auto dtype = safetensors_dtype(value);
  if (!dtype) {
    return Error(ErrorCode::kUnsupported, text("tensor ", quote(entry().name), ": dtype ",
                                               quote(value), " is not one of safetensors"));
  }
  entry().dtype = *dtype;
  seen_dtype_ = true;
  return Ok{};
}

Status SafetensorsVisitor::number_value(uint64_t number) {
  if (place_ == Place::kDataOffsets) {
    if (offset_count_ == 0) entry().begin = number;
    if (offset_count_ == 1) entry().end = number;
    ++offset_count_;
    return Ok{};
  }
  if (entry().shape.size() == kRankMax) {
    return Error(ErrorCode::kUnsupported,
                 text(place_name(), " has more than ", kRankMax, " numbers"));
  }
  entry().shape.push_back(number);
  return Ok{};
}

Status SafetensorsVisitor::scalar(const JsonScalar& value) {
  if (skip_depth_ > 0) return Ok{};
  bool known_field = key_ == kDtype || key_ == kShape || key_ == kDataOffsets;
  if (place_ == Place::kTensor && !known_field) return Ok{};
  if (value.kind == JsonScalar::Kind::kString) return string_value(value.text);
  // The safetensors library reads a null as no metadata.
  if (place_ == Place::kRoot && key_ == kMetadataKey && value.kind == JsonScalar::Kind::kNull) {
    return Ok{};
  }
  bool is_array = place_ == Place::kShape || place_ == Place::kDataOffsets;
  if (!is_array || value.kind != JsonScalar::Kind::kUnsigned) {
    return wrong_value(json_kind_name(value.kind));
  }
  return number_value(value.number);
}

}  // namespace qload
