// Elements of an SVG document, appended one by one. Knows nothing of charts.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace qload::chart {

struct Spot {
  double x = 0;
  double y = 0;
};

struct Rectangle {
  double x = 0;
  double y = 0;
  double width = 0;
  double height = 0;
};

struct TextStyle {
  double size = 12;
  std::string_view anchor = "start";  ///< "start", "middle" or "end".
  std::string_view classes = {};
  bool bold = false;
};

/// Text is laid out by the widths of letters in a wide sans-serif font, as a document without
/// scripts cannot measure it. An estimate: most fonts take less.
double text_width(std::string_view text, double size);
/// By which bold text is wider.
inline constexpr double kBoldWidth = 1.12;

/// At most `width` wide, but three characters at least: a longer text loses its middle to an
/// ellipsis, as the ends of tensor names tell the most.
std::string shorten_middle(std::string_view text, double width, double size);

/// Lines of at most `width`, broken at spaces; a word that is longer loses its middle.
std::vector<std::string> wrap_text(std::string_view text, double width, double size);

/// Text is escaped; classes and paths are the caller's own and are not. Coordinates in pixels.
class SvgCanvas {
 public:
  void add_text(Spot at, std::string_view words, const TextStyle& style);
  /// Shortened in the middle to fit `width`.
  void add_fitted_text(Spot at, std::string_view words, double width, const TextStyle& style);
  void add_line(Spot from, Spot to, std::string_view classes);
  /// `note` is shown when it is pointed at; empty: nothing is.
  void add_rectangle(const Rectangle& area, std::string_view classes, std::string_view note);
  /// REQUIRES: width is that of the line, in pixels.
  void add_path(std::span<const Spot> spots, std::string_view classes, double width);
  void add_area(std::span<const Spot> outline, std::string_view classes, std::string_view note);
  void add_circle(Spot centre, double radius, std::string_view classes, std::string_view note);

  std::string take() { return std::move(svg_); }

 private:
  void close_with_note(std::string_view element, std::string_view note);
  std::string svg_;
};

/// "12.5", "12": tenths are as fine as screens show.
std::string coordinate(double value);

}  // namespace qload::chart
