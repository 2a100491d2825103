#include "tests/report/page_checks.h"

namespace qload::test {
namespace {

constexpr std::string_view kLayoutScript = R"js((() => {
  const problems = [];
  const say = (...words) => { if (problems.length < 20) problems.push(words.join(' ')); };
  const name = (element) => element.tagName + (element.id ? '#' + element.id : '') + ' "' +
      (element.textContent || '').trim().slice(0, 40) + '"';
  const isShown = (element) => element.checkVisibility();

  if (document.documentElement.scrollWidth > innerWidth) {
    say('the document is', document.documentElement.scrollWidth, 'wide, the screen', innerWidth);
  }
  for (const element of document.querySelectorAll('body *')) {
    if (element.closest('.scroll') && !element.matches('.scroll')) continue;
    if (!isShown(element) || element.closest('svg') !== null && !element.matches('svg')) continue;
    const box = element.getBoundingClientRect();
    if (box.left < -0.5 || box.right > innerWidth + 0.5) {
      say(name(element), 'reaches from', box.left, 'to', box.right);
    }
  }

  // Charts: of a size, with text that can be read, stays inside and apart.
  for (const figure of document.querySelectorAll('figure')) {
    const charts = [...figure.querySelectorAll('svg')].filter(isShown);
    if (charts.length !== 1) say(figure.id, 'shows', charts.length, 'charts');
    for (const chart of charts) {
      const box = chart.getBoundingClientRect();
      if (box.width < Math.min(innerWidth * 0.7, 700) || box.height < 80) {
        say(chart.textContent.slice(0, 40), 'is', box.width, 'by', box.height);
      }
      const texts = [...chart.querySelectorAll('text')].map((text) => {
        const at = text.getBoundingClientRect();
        return {text, at};
      });
      for (const {text, at} of texts) {
        const size = parseFloat(getComputedStyle(text).fontSize) * box.width /
            chart.viewBox.baseVal.width;
        if (size < 9) say(figure.id, name(text), 'is', size, 'pixels high');
        if (at.left < box.left - 1 || at.right > box.right + 1 || at.top < box.top - 1 ||
            at.bottom > box.bottom + 1) {
          say(figure.id, name(text), 'leaves its chart', at.left - box.left, at.right - box.right);
        }
      }
      texts.forEach((a, i) => texts.slice(i + 1).forEach((b) => {
        const across = Math.min(a.at.right, b.at.right) - Math.max(a.at.left, b.at.left);
        const down = Math.min(a.at.bottom, b.at.bottom) - Math.max(a.at.top, b.at.top);
        // Boxes of text have some empty height above and below the letters.
        if (across > 1 && down > 4) say(figure.id, name(a.text), 'lies on', name(b.text));
      }));
    }
  }

  // Contrast of text in the page, by WCAG 2.2.
  const parse = (color) => (color.match(/[\d.]+/g) || []).map(Number);
  const luminance = (color) => {
    const [r, g, b] = parse(color).slice(0, 3).map((value) => {
      const share = value / 255;
      return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const ground = (element) => {
    for (let at = element; at; at = at.parentElement) {
      const color = getComputedStyle(at).backgroundColor;
      if (parse(color)[3] !== 0) return color;
    }
    return 'rgb(255, 255, 255)';
  };
  const kinds = ['h1', 'h2', 'h3', 'p', 'a', 'li span', 'li strong', 'summary', 'th', 'td', 'button',
                 'input', 'select', 'dt', 'dd', 'footer', 'td span'];
  const few = kinds.flatMap((kind) => [...document.querySelectorAll(kind)].slice(0, 50));
  for (const element of few) {
    if (!isShown(element)) continue;
    const one = luminance(getComputedStyle(element).color) + 0.05;
    const other = luminance(ground(element)) + 0.05;
    const contrast = Math.max(one, other) / Math.min(one, other);
    if (contrast < 4.5) say(name(element), 'has a contrast of', contrast);
  }

  for (const scroll of document.querySelectorAll('.scroll')) {
    if (scroll.tabIndex !== 0 || !scroll.getAttribute('aria-label')) {
      say('a box that scrolls cannot be reached or has no name');
    }
  }
  for (const chart of document.querySelectorAll('svg')) {
    const ids = (chart.getAttribute('aria-labelledby') || '').split(' ');
    if (ids.length !== 2 || !ids.every((id) => (document.getElementById(id) || {}).textContent)) {
      say('a chart has no title and description');
    }
  }
  const ids = [...document.querySelectorAll('[id]')].map((element) => element.id);
  if (new Set(ids).size !== ids.length) say('an id stands twice');
  return problems;
})())js";

constexpr std::string_view kImageScript = R"js((async (data) => {
  const image = new Image();
  image.src = 'data:image/png;base64,' + data;
  await image.decode();
  const canvas = document.createElement('canvas');
  canvas.width = image.width;
  canvas.height = image.height;
  const context = canvas.getContext('2d');
  context.drawImage(image, 0, 0);
  const pixels = new Uint32Array(
      context.getImageData(0, 0, image.width, image.height).data.buffer);
  const counts = new Map();
  for (const pixel of pixels) counts.set(pixel, (counts.get(pixel) || 0) + 1);
  let common = 0;
  let count = 0;
  for (const [pixel, times] of counts) if (times > count) [common, count] = [pixel, times];
  const light = ((common & 255) + (common >> 8 & 255) + (common >> 16 & 255)) / 3 / 255;
  return [image.width, image.height, counts.size, count / pixels.length, light];
}))js";

std::string to_base64(const std::vector<std::byte>& bytes) {
  static constexpr char kDigits[] =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string text;
  for (size_t i = 0; i < bytes.size(); i += 3) {
    uint32_t bits = 0;
    const size_t count = std::min<size_t>(3, bytes.size() - i);
    for (size_t byte = 0; byte < 3; ++byte) {
      bits = bits << 8 | (byte < count ? static_cast<uint32_t>(bytes[i + byte]) : 0);
    }
    for (size_t digit = 0; digit < 4; ++digit) {
      text += digit <= count ? kDigits[bits >> (18 - 6 * digit) & 63] : '=';
    }
  }
  return text;
}

}  // namespace

std::vector<std::string> find_layout_problems(BrowserPage& page) {
  const nlohmann::json found = page.evaluate(std::string(kLayoutScript));
  if (!found.is_array()) return {"the layout cannot be measured"};
  return found.get<std::vector<std::string>>();
}

ImageFacts look_at(BrowserPage& page, const std::vector<std::byte>& png) {
  const nlohmann::json facts =
      page.evaluate(std::string(kImageScript) + "(\"" + to_base64(png) + "\")");
  if (!facts.is_array()) return {};
  return {facts[0], facts[1], facts[2], facts[3], facts[4]};
}

}  // namespace qload::test
