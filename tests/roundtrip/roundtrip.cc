#include "tests/roundtrip/roundtrip.h"

#include <gtest/gtest.h>

#include <cstdlib>

#include "format/base/try.h"

namespace qload::test {

namespace fs = std::filesystem;

PackOptions test_options() {
  PackOptions options;
  options.threads = 2;
  return options;
}

Result<PackReport> pack_path(const fs::path& input, const fs::path& output,
                             const PackOptions& options, OpenAs as) {
  QLOAD_TRY(ModelSource source, open_model_source(input, as));
  return pack_model(source, output, options);
}

Container open_container(const fs::path& path) {
  auto file = File::open(path);
  EXPECT_TRUE(file.ok()) << file.error().message();
  auto container = read_container(std::move(file).value());
  if (!container.ok()) {
    ADD_FAILURE() << container.error().message();
    std::abort();  // There is no empty container to go on with.
  }
  return std::move(container).value();
}

namespace {

void expect_sound_numbers(const Container& container, const ModelSource& source,
                          const PackReport& report) {
  EXPECT_EQ(report.source_bytes, source.bytes());
  EXPECT_EQ(report.container_bytes, container.file.bytes());
  EXPECT_EQ(report.tensor_count, source.tensors().size());
  EXPECT_EQ(container.index.tensors().size(), source.tensors().size());
  EXPECT_EQ(container.index.files().size(), source.files().size());
  for (const TensorRecord& tensor : container.index.tensors()) {
    EXPECT_LE(tensor.stored_bytes, tensor.bytes) << container.index.name(tensor);
  }
}

void expect_same_files(const ModelSource& source, const fs::path& input, const fs::path& output) {
  bool one_file = source.files().size() == 1;
  EXPECT_EQ(list_directory(output).size(), source.files().size());
  for (const SourceFile& file : source.files()) {
    fs::path original = one_file && !fs::is_directory(input) ? input : input / file.path;
    EXPECT_TRUE(read_file(original) == read_file(output / file.path)) << file.path;
  }
}

}  // namespace

std::vector<std::byte> expect_roundtrip(const fs::path& input, const PackOptions& options,
                                        OpenAs as) {
  TempDirectory directory;
  auto source = open_model_source(input, as);
  if (!source.ok()) {
    ADD_FAILURE() << source.error().message();
    return {};
  }
  auto report = pack_model(*source, directory / "model.qpk", options);
  if (!report.ok()) {
    ADD_FAILURE() << report.error().message();
    return {};
  }
  EXPECT_EQ(list_directory(directory.path()).size(), 1u);
  Container container = open_container(directory / "model.qpk");
  expect_sound_numbers(container, *source, *report);

  RestoreOptions restore{.threads = 2};
  auto verified = verify_container(container, restore, {}, {});
  EXPECT_TRUE(verified.ok()) << verified.error().message();
  if (verified.ok()) {
    EXPECT_EQ(verified->decoded_bytes, source->bytes() - report->duplicate_bytes);
    EXPECT_EQ(verified->chunk_count, report->chunk_count);
  }
  fs::create_directory(directory / "out");
  auto unpacked = unpack_container(container, directory / "out", restore, {}, {});
  EXPECT_TRUE(unpacked.ok()) << unpacked.error().message();
  expect_same_files(*source, input, directory / "out");
  return read_file(directory / "model.qpk");
}

std::vector<std::byte> expect_roundtrip(std::string_view name, std::span<const std::byte> content,
                                        const PackOptions& options, OpenAs as) {
  TempDirectory directory;
  write_file(directory / name, content);
  return expect_roundtrip(directory / name, options, as);
}

}  // namespace qload::test
