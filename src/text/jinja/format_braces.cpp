// str.format. Source: Python's library reference, "Format String Syntax".
#include <algorithm>

#include "text/jinja/format.h"
#include "text/jinja/operators.h"
#include "text/jinja/print.h"
#include "text/jinja/unicode.h"

namespace quern::jinja {

namespace {

constexpr int64_t kMaxWidth = INT32_MAX;

bool is_align(char c) {
  return c == '<' || c == '>' || c == '=' || c == '^';
}

class SpecParser {
 public:
  explicit SpecParser(std::string_view text) : text_(text) {}

  Result<FormatSpec> run() {
    alignment();
    if (one_of("+- ")) {
      spec_.sign = text_[at_++];
    }
    spec_.alternate = skip('#');
    if (skip('0')) {
      spec_.fill = filled_ ? spec_.fill : "0";
      spec_.zero_padded = spec_.align == 0;
    }
    spec_.width = number();
    if (one_of(",_")) {
      spec_.grouping = text_[at_++];
    }
    if (skip('.')) {
      if (!one_of("0123456789")) {
        return raise("Format specifier missing precision");
      }
      spec_.precision = number();
    }
    if (at_ < text_.size()) {
      spec_.type = text_[at_++];
    }
    if (at_ < text_.size()) {
      return raise("Invalid format specifier");
    }
    return spec_;
  }

 private:
  bool one_of(std::string_view chars) const {
    return at_ < text_.size() && chars.find(text_[at_]) != std::string_view::npos;
  }
  bool skip(char c) {
    const bool found = at_ < text_.size() && text_[at_] == c;
    at_ += found ? 1 : 0;
    return found;
  }
  int64_t number() {
    int64_t value = 0;
    while (one_of("0123456789")) {
      value = std::min(value * 10 + (text_[at_++] - '0'), kMaxWidth);
    }
    return value;
  }
  void alignment() {
    const size_t first = text_.empty() ? 0 : char_bytes(text_, 0);
    if (first < text_.size() && is_align(text_[first])) {
      spec_.fill = std::string(text_.substr(0, first));
      spec_.align = text_[first];
      filled_ = true;
      at_ = first + 1;
    } else if (!text_.empty() && is_align(text_[0])) {
      spec_.align = text_[0];
      at_ = 1;
    }
  }

  std::string_view text_;
  size_t at_ = 0;
  FormatSpec spec_;
  bool filled_ = false;
};

Status format_value(TextBuilder& out, const Value& value, std::string_view text) {
  if (text.empty()) {
    return append_text(out, value);
  }
  QUERN_ASSIGN(const FormatSpec spec, SpecParser(text).run());
  const bool as_text = value.is(Kind::string);
  const std::string_view known = as_text                ? "s"
                                 : value.is(Kind::real) ? "eEfFgGn%"
                                                        : "bcdeEfFgGnoxX%";
  if (spec.type != 0 && known.find(spec.type) == std::string_view::npos) {
    return raise("Unknown format code '" + std::string(1, spec.type) + "' for object of type '" +
                 std::string(type_name(value)) + "'");
  }
  if (as_text) {
    if (spec.align == '=' || spec.sign != '-' || spec.grouping != 0 || spec.alternate) {
      return raise("sign, grouping, '=' and '#' are not allowed in string format specifier");
    }
    return format_text(out, value.text(), spec);
  }
  if (!value.is_number()) {
    return raise("unsupported format string passed to " + std::string(type_name(value)) +
                 ".__format__");
  }
  FormatSpec number = spec;
  number.align = spec.zero_padded ? '=' : spec.align;
  number.type = spec.type == 'n' ? (value.is(Kind::real) ? 'g' : 'd') : spec.type;
  return format_number(out, value, number);
}

class BraceFormatter {
 public:
  BraceFormatter(Runtime& runtime, const Args& args, bool markup)
      : runtime_(runtime), args_(args), markup_(markup) {}

  Status run(TextBuilder& out, std::string_view format, int depth = 0) {
    if (depth > 2) {
      return raise("Max string recursion exceeded");
    }
    QUERN_TRY(runtime_.spend(cost::kItem * format.size()));
    for (size_t at = 0; at < format.size();) {
      const char c = format[at];
      const bool doubled = at + 1 < format.size() && format[at + 1] == c;
      if ((c == '{' || c == '}') && doubled) {
        QUERN_TRY(out.append({&format[at], 1}));
        at += 2;
      } else if (c == '}') {
        return raise("Single '}' encountered in format string");
      } else if (c == '{') {
        QUERN_ASSIGN(const std::string_view field, field_at(format, at));
        QUERN_TRY(replace(out, field, depth));
        at += field.size() + 2;
      } else {
        const size_t end = std::min(format.find_first_of("{}", at), format.size());
        QUERN_TRY(out.append(format.substr(at, end - at)));
        at = end;
      }
    }
    return {};
  }

 private:
  // The text between the braces that open at `at`.
  static Result<std::string_view> field_at(std::string_view format, size_t at) {
    int level = 0;
    for (size_t i = at; i < format.size(); ++i) {
      level += format[i] == '{' ? 1 : format[i] == '}' ? -1 : 0;
      if (level == 0) {
        return format.substr(at + 1, i - at - 1);
      }
    }
    return raise(at + 1 == format.size() ? "Single '{' encountered in format string"
                                         : "expected '}' before end of string");
  }

  Status replace(TextBuilder& out, std::string_view field, int depth) {
    QUERN_TRY(runtime_.step());
    const size_t name_end = std::min(field.find_first_of("!:"), field.size());
    QUERN_ASSIGN(Value value, field_value(field.substr(0, name_end)));
    field.remove_prefix(name_end);
    if (field.starts_with('!')) {
      QUERN_TRY(convert(value, field));
    }
    TextBuilder spec(runtime_);
    if (field.starts_with(':')) {
      QUERN_TRY(run(spec, field.substr(1), depth + 1));
    }
    const bool escapes = markup_ && !value.is_markup();
    if (!escapes) {
      return format_value(out, value, spec.view());
    }
    TextBuilder plain(runtime_);
    QUERN_TRY(format_value(plain, value, spec.view()));
    return append_html(out, plain.view());
  }

  Status convert(Value& value, std::string_view& field) {
    const char how = field.size() > 1 ? field[1] : '\0';
    if (field.size() > 2 && field[2] != ':') {
      return raise("expected ':' after conversion specifier");
    }
    if (how == 's') {
      QUERN_ASSIGN(value, to_text(runtime_, value));
      if (value.is_markup()) {
        QUERN_ASSIGN(value, runtime_.text(value.text()));
      }
    } else if (how == 'r' || how == 'a') {
      QUERN_ASSIGN(value, to_repr(runtime_, value));
    } else {
      return raise("Unknown conversion specifier '" + std::string(1, how) + "'");
    }
    field.remove_prefix(2);
    return {};
  }

  Result<Value> positional(size_t index) {
    if (index >= args_.positional.size()) {
      return raise("Replacement index " + std::to_string(index) +
                   " out of range for positional args tuple");
    }
    return args_.positional[index];
  }

  Result<Value> first_value(std::string_view name) {
    if (name.empty()) {
      return positional(next_++);
    }
    if (name.find_first_not_of("0123456789") == std::string_view::npos) {
      return positional(static_cast<size_t>(std::stoull(std::string(name.substr(0, 18)))));
    }
    QUERN_TRY(runtime_.spend(args_.named.size() * cost::kItem));
    for (const auto& [key, value] : args_.named) {
      if (key == name) {
        return value;
      }
    }
    return raise(short_repr(name));
  }

  Result<Value> subscript(std::string_view key) {
    const bool index = !key.empty() && key.size() < 18 &&
                       key.find_first_not_of("0123456789") == std::string_view::npos;
    return index ? Value::integer(std::stoll(std::string(key))) : runtime_.text(key);
  }

  // name.attribute[key]...
  Result<Value> field_value(std::string_view name) {
    const size_t first = std::min(name.find_first_of(".["), name.size());
    QUERN_ASSIGN(Value value, first_value(name.substr(0, first)));
    name.remove_prefix(first);
    while (!name.empty()) {
      if (name[0] == '.') {
        const size_t end = std::min(name.find_first_of(".[", 1), name.size());
        QUERN_ASSIGN(const Value key, runtime_.text(name.substr(1, end - 1)));
        QUERN_ASSIGN(value, get_attribute(runtime_, value, key));
        name.remove_prefix(end);
        continue;
      }
      const size_t end = name.find(']');
      if (name[0] != '[' || end == std::string_view::npos) {
        return raise("Missing ']' in format string");
      }
      QUERN_ASSIGN(const Value key, subscript(name.substr(1, end - 1)));
      QUERN_ASSIGN(value, get_item(runtime_, value, key));
      name.remove_prefix(end + 1);
    }
    return value;
  }

  Runtime& runtime_;
  const Args& args_;
  bool markup_;
  size_t next_ = 0;
};

}  // namespace

Result<Value> format_braces(Runtime& runtime, const Value& text, const Args& args) {
  TextBuilder out(runtime);
  QUERN_TRY(BraceFormatter(runtime, args, text.is_markup()).run(out, text.text()));
  return out.value(text.is_markup());
}

}  // namespace quern::jinja
