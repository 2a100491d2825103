// qpack analyze --report and --charts as a real browser shows them, on screens of two widths, light
// and dark. With QLOAD_SCREENSHOTS set to a directory the screenshots stay there.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>

#include "tests/cli/run_tool.h"
#include "tests/report/browser.h"
#include "tests/report/page_checks.h"
#include "tests/support/model_fixtures.h"

namespace qload::test {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

constexpr int kWide = 1280;
constexpr int kNarrow = 390;
constexpr int kShotHeightMax = 12000;  // Chromium's surfaces end at 16384.

const std::string kHostileName = "</script><img src=x onerror=\"window.broken=1\"><b id='b'>&amp;";

/// Layers of a small model, in floats or as codes, and what a stranger might name tensors.
std::vector<std::byte> strange_model(bool floats) {
  SafetensorsBuilder builder;
  uint64_t seed = 1;
  const auto add = [&](const std::string& name, uint64_t rows, uint64_t columns) {
    const size_t count = rows * columns;
    const double sigma = 10.0 + static_cast<double>(seed % 7) * 5;
    builder.add(
        name, floats ? "F32" : "I8", {rows, columns},
        floats ? gaussian_f32(count, sigma / 1000, seed) : gaussian_int8(count, sigma, seed));
    seed += 1;
  };
  add("model.embed_tokens.weight", 256, 64);
  for (int layer = 0; layer < 3; ++layer) {
    const std::string prefix = "model.layers." + std::to_string(layer) + ".";
    for (const char* part : {"self_attn.q_proj", "self_attn.o_proj", "mlp.up_proj", "mlp.gate_proj",
                             "mlp.down_proj"}) {
      add(prefix + part + ".weight", 80, 64);
    }
  }
  add(kHostileName, 64, 64);
  add("\"><svg onload=window.broken=2>.embed_tokens.weight", 320, 64);
  add("turned \u202E name\n\u2066 of two lines", 8, 8);
  add(std::string(2000, 'w') + ".up_proj.weight", 90, 64);
  builder.add("zeros.o_proj.weight", "F32", {64, 64}, std::vector<std::byte>(64 * 64 * 4));
  builder.add("empty", "F32", {0, 64}, {});
  return builder.build();
}

class ReportInBrowser : public testing::Test {
 protected:
  void SetUp() override {
    const std::string program = find_browser();
    if (program.empty()) GTEST_SKIP() << kNoBrowser;
    browser_ = Browser::start(program);
    ASSERT_NE(browser_, nullptr);
  }

  /// Analyzes a model and returns the page's path.
  std::string report(const std::string& model, const std::vector<std::string>& more = {}) {
    const std::string page = directory_ / (std::to_string(++count_) + ".html");
    std::vector<std::string> arguments = {"analyze", model, "--report", page, "--threads", "2"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    expect_success(arguments);
    return page;
  }

  std::string write_model(const std::string& name, const std::vector<std::byte>& bytes) {
    const std::filesystem::path path = directory_ / name;
    write_file(path, bytes);
    return path;
  }

  /// Loads a page at each width and in each theme; nothing may be wrong with any.
  void expect_sound(const std::string& page_path, const std::string& name);
  void expect_screenshot(BrowserPage& page, const Viewport& viewport, const std::string& name);

  TempDirectory directory_;
  std::unique_ptr<Browser> browser_;
  int count_ = 0;
};

void ReportInBrowser::expect_screenshot(BrowserPage& page, const Viewport& viewport,
                                        const std::string& name) {
  const std::vector<std::byte> png = page.screenshot(kShotHeightMax);
  if (const char* keep = std::getenv("QLOAD_SCREENSHOTS")) {
    write_file(std::filesystem::path(keep) / (name + ".png"), png);
  }
  BrowserPage viewer(*browser_, {.width = kWide});
  const ImageFacts facts = look_at(viewer, png);
  EXPECT_EQ(facts.width, viewport.width);
  EXPECT_GT(facts.height, 2000);
  EXPECT_GT(facts.color_count, 100u);
  EXPECT_LT(facts.common_share, 0.9);
  if (viewport.dark) {
    EXPECT_LT(facts.lightness, 0.2);
  } else {
    EXPECT_GT(facts.lightness, 0.9);
  }
}

void ReportInBrowser::expect_sound(const std::string& page_path, const std::string& name) {
  for (const int width : {kWide, kNarrow}) {
    for (const bool dark : {false, true}) {
      const Viewport viewport{.width = width, .dark = dark};
      const std::string shot = name + "_" + std::to_string(width) + (dark ? "_dark" : "_light");
      SCOPED_TRACE(shot);
      BrowserPage page(*browser_, viewport);
      page.open(page_path);
      EXPECT_THAT(page.take_problems(), IsEmpty());
      EXPECT_THAT(find_layout_problems(page), IsEmpty());
      // Also where all tables of numbers are open.
      page.evaluate("document.querySelectorAll('details').forEach((box) => { box.open = true; })");
      EXPECT_THAT(find_layout_problems(page), IsEmpty());
      page.evaluate("document.querySelectorAll('details').forEach((box) => { box.open = false; })");
      expect_screenshot(page, viewport, shot);
      EXPECT_THAT(page.take_problems(), IsEmpty());
    }
  }
}

TEST_F(ReportInBrowser, FloatsWithStrangeNames) {
  const std::string path = report(write_model("floats.safetensors", strange_model(true)));
  expect_sound(path, "floats");
  BrowserPage page(*browser_, {});
  page.open(path);
  const auto figures =
      page.evaluate("[...document.querySelectorAll('figure')].map((figure) => figure.id)");
  EXPECT_THAT(
      figures.get<std::vector<std::string>>(),
      ElementsAre("ratio_by_kind", "ratio_by_layer", "bits_by_spread", "weight_share",
                  "values_embedding", "values_attn_qkv", "values_attn_out", "values_up",
                  "values_gate", "values_down", "values_other", "codec_speed", "load_time"));
}

TEST_F(ReportInBrowser, CodesWithStrangeNames) {
  expect_sound(report(write_model("codes.safetensors", strange_model(false))), "codes");
}

TEST_F(ReportInBrowser, NamesStayText) {
  const std::string path = report(write_model("m.safetensors", strange_model(false)));
  BrowserPage page(*browser_, {});
  page.open(path);
  EXPECT_EQ(page.evaluate("window.broken === undefined"), true);
  EXPECT_EQ(page.evaluate("document.images.length"), 0);
  EXPECT_EQ(page.evaluate("document.scripts.length"), 1);
  EXPECT_EQ(page.evaluate("document.querySelectorAll('[onload],[onerror],#b').length"), 0);
  EXPECT_EQ(page.evaluate("[...document.querySelectorAll('td.name bdi')].filter((name) => "
                          "name.textContent === " +
                          nlohmann::json(kHostileName).dump() + ").length"),
            1);
  EXPECT_THAT(page.take_problems(), IsEmpty());
  // Were something not escaped, the page's policy would not let it run or load anything.
  page.evaluate(
      "(() => { const script = document.createElement('script');"
      "script.textContent = 'window.broken = 3'; document.body.append(script);"
      "document.body.insertAdjacentHTML('beforeend',"
      "'<img src=\"http://127.0.0.1:9/x.png\" onerror=\"window.broken=4\">'); })()");
  EXPECT_EQ(page.evaluate("new Promise((done) => setTimeout(() => "
                          "done(window.broken === undefined), 200))"),
            true);
  EXPECT_THAT(page.take_problems(), testing::Each(testing::HasSubstr("Content Security Policy")));
}

TEST_F(ReportInBrowser, TableIsSortedAndFiltered) {
  const std::string path = report(write_model("m.safetensors", strange_model(false)));
  BrowserPage page(*browser_, {});
  page.open(path);
  const std::string rows = "[...document.querySelector('#tensors-table').tBodies[0].rows]";
  const auto column = [&](int number) {
    return page.evaluate(rows + ".filter((row) => !row.hidden).map((row) => row.cells[" +
                         std::to_string(number) + "].textContent)");
  };
  const auto click = [&](const char* title) {
    page.evaluate(
        "[...document.querySelectorAll('#tensors-table th button')].find((button) => "
        "button.textContent === '" +
        std::string(title) + "').click()");
    return page.evaluate(
        "document.querySelector('th[aria-sort]').textContent + ' ' + "
        "document.querySelector('th[aria-sort]').getAttribute('aria-sort')");
  };
  const std::string values = rows + ".map((row) => Number(row.cells[5].dataset.v))";
  const std::string is_sorted = values + ".every((size, i, all) => i === 0 || ";
  EXPECT_EQ(page.evaluate(is_sorted + "all[i - 1] >= size)"), true);
  EXPECT_EQ(click("Tensor"), "Tensor ascending");
  EXPECT_EQ(page.evaluate(is_sorted + "all[i - 1] >= size)"), false);
  EXPECT_EQ(click("Size"), "Size descending");
  EXPECT_EQ(page.evaluate(is_sorted + "all[i - 1] >= size)"), true);
  EXPECT_EQ(click("Size"), "Size ascending");
  EXPECT_EQ(page.evaluate(is_sorted + "all[i - 1] <= size)"), true);
  // What has no number comes last either way.
  EXPECT_EQ(click("Kurtosis"), "Kurtosis descending");
  EXPECT_EQ(column(11).back(), "-");
  EXPECT_EQ(click("Kurtosis"), "Kurtosis ascending");
  EXPECT_EQ(column(11).back(), "-");

  const auto type = [&](const char* id, const char* value) {
    page.evaluate("(() => { const box = document.getElementById('" + std::string(id) +
                  "'); box.value = '" + value + "'; box.dispatchEvent(new Event('input')); })()");
  };
  type("tensors-words", "LAYERS.1.");
  EXPECT_EQ(column(0).size(), 5u);
  type("tensors-kind", "down");
  EXPECT_EQ(column(0), nlohmann::json::array({"model.layers.1.mlp.down_proj.weight"}));
  EXPECT_EQ(page.evaluate("document.getElementById('tensors-shown').textContent"), "1 of 22 rows");
  EXPECT_THAT(page.take_problems(), IsEmpty());
}

TEST_F(ReportInBrowser, NotesAndThemesFollowTheReader) {
  const std::string path = report(write_model("m.safetensors", strange_model(false)));
  BrowserPage page(*browser_, {});
  page.open(path);
  const auto bar = page.evaluate(
      "(() => { const bar = document.querySelector('#ratio_by_kind .wide rect[data-tip]');"
      "bar.scrollIntoView({block: 'center'}); const box = bar.getBoundingClientRect();"
      "return [box.x + box.width / 2, box.y + box.height / 2, bar.dataset.tip]; })()");
  page.evaluate("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))");
  page.point_at(bar[0], bar[1]);
  EXPECT_EQ(page.evaluate("document.getElementById('tip').hidden"), false);
  EXPECT_EQ(page.evaluate("document.getElementById('tip').textContent"), bar[2]);
  EXPECT_THAT(bar[2].get<std::string>(), testing::HasSubstr("embedding, packed by qpack: "));
  page.point_at(3, 3);
  EXPECT_EQ(page.evaluate("document.getElementById('tip').hidden"), true);

  const std::string ground = "getComputedStyle(document.body).backgroundColor";
  const auto light = page.evaluate(ground);
  page.evaluate("document.getElementById('theme').click()");
  const auto dark = page.evaluate(ground);
  EXPECT_NE(light, dark);
  EXPECT_EQ(page.evaluate("document.getElementById('theme').textContent"), "Light theme");
  EXPECT_THAT(find_layout_problems(page), IsEmpty());
  page.evaluate("document.getElementById('theme').click()");
  EXPECT_EQ(page.evaluate(ground), light);
  BrowserPage other(*browser_, {.dark = true});
  other.open(path);
  EXPECT_EQ(other.evaluate(ground), dark);
}

TEST_F(ReportInBrowser, WorksWithoutScripts) {
  const std::string path = report(write_model("m.safetensors", strange_model(true)));
  for (const int width : {kWide, kNarrow}) {
    BrowserPage page(*browser_, {.width = width, .scripts = false});
    page.open(path);
    EXPECT_THAT(find_layout_problems(page), IsEmpty());
    EXPECT_EQ(page.evaluate("document.getElementById('tensors-controls').checkVisibility()"),
              false);
    EXPECT_EQ(page.evaluate("document.getElementById('theme').checkVisibility()"), false);
    EXPECT_EQ(page.evaluate("document.querySelectorAll('th button').length"), 0);
    // Notes are there as titles.
    EXPECT_GT(page.evaluate("document.querySelectorAll('rect > title').length"), 10);
    EXPECT_THAT(page.take_problems(), IsEmpty());
  }
}

TEST_F(ReportInBrowser, ChartsStandAlone) {
  const std::string model = write_model("m.safetensors", strange_model(true));
  const std::string charts = directory_ / "charts";
  report(model, {"--charts", charts});
  const std::vector<std::string> files = list_directory(charts);
  EXPECT_GE(files.size(), 12u);
  for (const std::string& file : files) {
    SCOPED_TRACE(file);
    std::vector<double> lightness;
    for (const bool dark : {false, true}) {
      BrowserPage page(*browser_, {.width = 1000, .dark = dark});
      page.open(std::filesystem::path(charts) / file);
      EXPECT_EQ(page.evaluate("document.documentElement.tagName"), "svg");
      EXPECT_EQ(page.evaluate("document.documentElement.getBoundingClientRect().width"), 960);
      EXPECT_EQ(page.evaluate("[...document.querySelectorAll('text')].filter((text) => {"
                              "const at = text.getBBox(); const right = at.x + at.width;"
                              "return right > 960 || at.x < 0; })"
                              ".map((text) => text.textContent)"),
                nlohmann::json::array());
      EXPECT_THAT(page.take_problems(), IsEmpty());
      const auto ground = page.evaluate(
          "Number(getComputedStyle(document.querySelector('.paper')).fill.match(/\\d+/)[0])");
      lightness.push_back(ground.get<double>());
    }
    EXPECT_GT(lightness[0], 200);
    EXPECT_LT(lightness[1], 60);
  }
}

TEST_F(ReportInBrowser, RealModels) {
  const auto models = models_directory();
  if (!models) GTEST_SKIP() << kNoModels;
  for (const char* name : {"stories260K-f32", "real_lm_mix-int8_tensor"}) {
    const std::filesystem::path model = *models / (std::string(name) + ".safetensors");
    if (std::filesystem::exists(model)) expect_sound(report(model), name);
  }
}

}  // namespace
}  // namespace qload::test
