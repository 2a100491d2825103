#include "tools/chart/svg_canvas.h"

#include <algorithm>
#include <cmath>
#include <cstdio>

#include "format/base/format_text.h"
#include "tools/chart/markup.h"

namespace qload::chart {
namespace {

constexpr std::string_view kEllipsis = "\xE2\x80\xA6";  // U+2026

/// In ems: rounded up from DejaVu Sans, which is wider than the fonts that charts ask for.
double letter_width(std::string_view character) {
  // Scripts of Asia and pictures are as wide as high; other letters are not far from Latin ones.
  if (character.size() > 1) return character.size() == 2 ? 0.75 : 1;
  const char letter = character[0];
  if (std::string_view("ijlI.,:;'|!()[] /\\\"`-").find(letter) != std::string_view::npos)
    return 0.4;
  if (std::string_view("mwMW%@").find(letter) != std::string_view::npos) return 1;
  return letter >= 'A' && letter <= 'Z' ? 0.75 : 0.64;
}

std::string path_of(std::span<const Spot> spots) {
  std::string path;
  for (const Spot& spot : spots) {
    path += path.empty() ? 'M' : 'L';
    path += text(coordinate(spot.x), " ", coordinate(spot.y));
  }
  return path;
}

}  // namespace

double text_width(std::string_view text, double size) {
  double width = 0;
  for (const std::string_view character : split_characters(text)) width += letter_width(character);
  return width * size;
}

std::string shorten_middle(std::string_view text, double width, double size) {
  const std::vector<std::string_view> characters = split_characters(text);
  if (characters.size() <= 3 || text_width(text, size) <= width) return std::string(text);
  // From both ends by turns, as far as there is room beside the ellipsis.
  double room = width / size - letter_width(kEllipsis);
  size_t head = 1;
  size_t tail = 1;
  room -= letter_width(characters.front()) + letter_width(characters.back());
  while (head + tail < characters.size()) {
    const bool from_tail = tail <= head;
    const std::string_view next =
        from_tail ? characters[characters.size() - 1 - tail] : characters[head];
    room -= letter_width(next);
    if (room < 0) break;
    (from_tail ? tail : head) += 1;
  }
  std::string out;
  for (size_t i = 0; i < head; ++i) out += characters[i];
  out += kEllipsis;
  for (size_t i = characters.size() - tail; i < characters.size(); ++i) out += characters[i];
  return out;
}

std::vector<std::string> wrap_text(std::string_view text, double width, double size) {
  std::vector<std::string> lines;
  std::string line;
  while (!text.empty()) {
    const size_t end = std::min(text.find(' '), text.size());
    const std::string word = shorten_middle(text.substr(0, end), width, size);
    text.remove_prefix(std::min(end + 1, text.size()));
    if (!line.empty() && text_width(line, size) + text_width(" " + word, size) > width) {
      lines.push_back(std::move(line));
      line.clear();
    }
    if (!line.empty()) line += ' ';
    line += word;
  }
  if (!line.empty()) lines.push_back(std::move(line));
  return lines;
}

std::string coordinate(double value) {
  char buffer[32];
  const int length = std::snprintf(buffer, sizeof buffer, "%.1f", value);
  std::string out(buffer, static_cast<size_t>(length));
  if (out.ends_with(".0")) out.resize(out.size() - 2);
  return out == "-0" ? "0" : out;
}

void SvgCanvas::add_text(Spot at, std::string_view words, const TextStyle& style) {
  svg_ += text("<text x=\"", coordinate(at.x), "\" y=\"", coordinate(at.y), "\" font-size=\"",
               coordinate(style.size), "\"");
  if (style.anchor != "start") svg_ += text(" text-anchor=\"", style.anchor, "\"");
  if (!style.classes.empty()) svg_ += text(" class=\"", style.classes, "\"");
  if (style.bold) svg_ += " font-weight=\"600\"";
  svg_ += text(">", escape_markup(words), "</text>\n");
}

void SvgCanvas::add_fitted_text(Spot at, std::string_view words, double width,
                                const TextStyle& style) {
  add_text(at, shorten_middle(words, width, style.size), style);
}

void SvgCanvas::add_line(Spot from, Spot to, std::string_view classes) {
  svg_ += text("<line x1=\"", coordinate(from.x), "\" y1=\"", coordinate(from.y), "\" x2=\"",
               coordinate(to.x), "\" y2=\"", coordinate(to.y), "\" class=\"", classes, "\"/>\n");
}

void SvgCanvas::close_with_note(std::string_view element, std::string_view note) {
  if (note.empty()) {
    svg_ += "/>\n";
  } else {
    svg_ += text("><title>", escape_markup(note), "</title></", element, ">\n");
  }
}

void SvgCanvas::add_rectangle(const Rectangle& area, std::string_view classes,
                              std::string_view note) {
  svg_ += text("<rect x=\"", coordinate(area.x), "\" y=\"", coordinate(area.y), "\" width=\"",
               coordinate(std::max(area.width, 0.0)), "\" height=\"",
               coordinate(std::max(area.height, 0.0)), "\" class=\"", classes, "\"");
  close_with_note("rect", note);
}

void SvgCanvas::add_path(std::span<const Spot> spots, std::string_view classes, double width) {
  svg_ += text("<path d=\"", path_of(spots), "\" class=\"", classes, "\" stroke-width=\"",
               coordinate(width), "\" stroke-linejoin=\"round\"/>\n");
}

void SvgCanvas::add_area(std::span<const Spot> outline, std::string_view classes,
                         std::string_view note) {
  svg_ += text("<path d=\"", path_of(outline), "Z\" class=\"", classes, "\"");
  close_with_note("path", note);
}

void SvgCanvas::add_circle(Spot centre, double radius, std::string_view classes,
                           std::string_view note) {
  svg_ += text("<circle cx=\"", coordinate(centre.x), "\" cy=\"", coordinate(centre.y), "\" r=\"",
               coordinate(radius), "\" class=\"", classes, "\"");
  close_with_note("circle", note);
}

}  // namespace qload::chart
