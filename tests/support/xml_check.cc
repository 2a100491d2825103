#include "tests/support/xml_check.h"

#include <cctype>
#include <vector>

namespace qload::test {
namespace {

class XmlReader {
 public:
  explicit XmlReader(std::string_view document) : rest_(document), bytes_(document.size()) {}

  std::string find_error() {
    while (!rest_.empty() && error_.empty()) {
      if (rest_.front() == '<') {
        read_tag();
      } else {
        read_character();
      }
    }
    if (error_.empty() && (!open_.empty() || roots_ != 1)) fail("not one closed root element");
    return error_;
  }

 private:
  void fail(const std::string& what) {
    if (error_.empty()) error_ = what + " at byte " + std::to_string(bytes_ - rest_.size());
  }

  bool take(std::string_view token) {
    if (!rest_.starts_with(token)) return false;
    rest_.remove_prefix(token.size());
    return true;
  }

  void skip_spaces() {
    while (!rest_.empty() && std::isspace(static_cast<unsigned char>(rest_.front()))) {
      rest_.remove_prefix(1);
    }
  }

  std::string take_name() {
    size_t length = 0;
    while (length < rest_.size() && (std::isalnum(static_cast<unsigned char>(rest_[length])) ||
                                     rest_[length] == '-' || rest_[length] == ':')) {
      ++length;
    }
    if (length == 0) fail("no name");
    const std::string name(rest_.substr(0, length));
    rest_.remove_prefix(length);
    return name;
  }

  // A character of text or of an attribute's value.
  void read_character() {
    if (rest_.front() == '&') return read_entity();
    if (static_cast<unsigned char>(rest_.front()) < 0x20 &&
        !std::isspace(static_cast<unsigned char>(rest_.front()))) {
      return fail("a control character");
    }
    if (open_.empty() && !std::isspace(static_cast<unsigned char>(rest_.front()))) {
      return fail("text outside of the root");
    }
    rest_.remove_prefix(1);
  }

  void read_entity() {
    for (const char* entity : {"&amp;", "&lt;", "&gt;", "&quot;", "&apos;"}) {
      if (take(entity)) return;
    }
    if (!take("&#")) return fail("an unknown entity");
    while (!rest_.empty() && std::isdigit(static_cast<unsigned char>(rest_.front()))) {
      rest_.remove_prefix(1);
    }
    if (!take(";")) fail("an open character number");
  }

  void read_attribute() {
    take_name();
    if (!take("=\"")) return fail("an attribute without a quoted value");
    while (error_.empty() && !take("\"")) {
      if (rest_.empty() || rest_.front() == '<') return fail("an open attribute");
      read_character();
    }
  }

  void read_tag() {
    if (take("</")) {
      const std::string name = take_name();
      if (!take(">") || open_.empty() || open_.back() != name) return fail("a wrong end </" + name);
      open_.pop_back();
      return;
    }
    take("<");
    if (open_.empty()) ++roots_;
    open_.push_back(take_name());
    for (skip_spaces(); error_.empty() && !take(">"); skip_spaces()) {
      if (take("/>")) {
        open_.pop_back();
        return;
      }
      if (rest_.empty()) return fail("an open tag");
      read_attribute();
    }
  }

  std::string_view rest_;
  const size_t bytes_;
  std::vector<std::string> open_;
  int roots_ = 0;
  std::string error_;
};

}  // namespace

std::string find_xml_error(std::string_view document) { return XmlReader(document).find_error(); }

}  // namespace qload::test
