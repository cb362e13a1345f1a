// json.dumps, as Hugging Face's tojson filter calls it.
#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "text/jinja/merge_sort.h"
#include "text/jinja/operators.h"
#include "text/jinja/print.h"
#include "text/jinja/unicode.h"

namespace quern::jinja {

namespace {

std::string utf16_escape(char32_t c) {
  const auto code = static_cast<uint32_t>(c);
  if (code < 0x10000) {
    return fmt::format("\\u{:04x}", code);
  }
  const uint32_t rest = code - 0x10000;
  return fmt::format("\\u{:04x}\\u{:04x}", 0xD800 + (rest >> 10), 0xDC00 + (rest & 0x3FF));
}

// The letter of JSON's two-character escapes, or 0.
char json_escape(char c) {
  switch (c) {
    case '"':
    case '\\':
      return c;
    case '\n':
      return 'n';
    case '\r':
      return 'r';
    case '\t':
      return 't';
    case '\f':
      return 'f';
    case '\b':
      return 'b';
    default:
      return 0;
  }
}

// How JSON writes the character at `at`; empty when as it is.
std::string escape_at(std::string_view text, size_t at, bool ascii_only) {
  if (const char letter = json_escape(text[at]); letter != 0) {
    return {'\\', letter};
  }
  const auto byte = static_cast<unsigned char>(text[at]);
  const bool escapes = byte < 0x20 || (ascii_only && byte >= 0x80 && char_bytes(text, at) > 1);
  return escapes ? utf16_escape(char_at(text, at)) : std::string();
}

Status append_json_string(TextBuilder& out, std::string_view text, bool ascii_only) {
  QUERN_TRY(out.runtime().spend(cost::convert(text.size())));
  QUERN_TRY(out.append("\""));
  size_t written = 0;
  for (size_t at = 0; at < text.size();) {
    const size_t length = char_bytes(text, at);
    if (const std::string escape = escape_at(text, at, ascii_only); !escape.empty()) {
      QUERN_TRY(out.append(text.substr(written, at - written)));
      QUERN_TRY(out.append(escape));
      written = at + length;
    }
    at += length;
  }
  QUERN_TRY(out.append(text.substr(written)));
  return out.append("\"");
}

std::string json_real(double value) {
  if (std::isnan(value)) {
    return "NaN";
  }
  if (std::isinf(value)) {
    return value < 0 ? "-Infinity" : "Infinity";
  }
  return repr_real(value);
}

class JsonWriter {
 public:
  JsonWriter(Runtime& runtime, const JsonOptions& options) : out_(runtime), options_(options) {}

  Status write(const Value& value) {
    QUERN_TRY(runtime().step());
    switch (value.kind()) {
      case Kind::none:
        return out_.append("null");
      case Kind::boolean:
        return out_.append(value.as_bool() ? "true" : "false");
      case Kind::integer:
        return out_.append(std::to_string(value.as_integer()));
      case Kind::big_integer:
        return out_.append(value.text());
      case Kind::real:
        return out_.append(json_real(value.as_real()));
      case Kind::string:
        return append_json_string(out_, value.text(), options_.ensure_ascii);
      case Kind::list:
      case Kind::tuple:
        return write_list(value.items());
      case Kind::dict:
        return write_dict(value.entries());
      default:
        return raise("Object of type " + std::string(type_name(value)) +
                     " is not JSON serializable");
    }
  }

  Result<Value> take() { return out_.value(); }

 private:
  Runtime& runtime() const { return out_.runtime(); }

  Status break_line() {
    if (!options_.indent) {
      return {};
    }
    QUERN_TRY(out_.append("\n"));
    return out_.fill(*options_.indent, level_);
  }

  // Between two items.
  Status separate() {
    QUERN_TRY(out_.append(options_.item_separator));
    return break_line();
  }

  Status open(std::string_view bracket) {
    QUERN_TRY(out_.append(bracket));
    ++level_;
    return break_line();
  }

  Status close(std::string_view bracket) {
    --level_;
    QUERN_TRY(break_line());
    return out_.append(bracket);
  }

  Status write_list(const std::vector<Value>& items) {
    if (items.empty()) {
      return out_.append("[]");
    }
    QUERN_TRY(open("["));
    for (size_t i = 0; i < items.size(); ++i) {
      if (i > 0) {
        QUERN_TRY(separate());
      }
      QUERN_TRY(write(items[i]));
    }
    return close("]");
  }

  Status write_key(const Value& key) {
    switch (key.kind()) {
      case Kind::string:
        return append_json_string(out_, key.text(), options_.ensure_ascii);
      case Kind::none:
        return out_.append("\"null\"");
      case Kind::boolean:
        return out_.append(key.as_bool() ? "\"true\"" : "\"false\"");
      case Kind::integer:
        return out_.append('"' + std::to_string(key.as_integer()) + '"');
      case Kind::real:
        return out_.append('"' + json_real(key.as_real()) + '"');
      default:
        return raise("keys must be str, int, float, bool or None, not " +
                     std::string(type_name(key)));
    }
  }

  Result<std::vector<const Dict::Entry*>> ordered(const Dict& dict) {
    QUERN_TRY(runtime().reserve_items(dict.size()));
    QUERN_TRY(runtime().spend(dict.size() * cost::kItem));
    std::vector<const Dict::Entry*> entries;
    entries.reserve(dict.size());
    for (const Dict::Entry& entry : dict) {
      entries.push_back(&entry);
    }
    if (options_.sort_keys) {
      Status status;
      merge_sort(entries, [&](const Dict::Entry* a, const Dict::Entry* b) {
        return ordered_before(runtime(), {a->key, b->key}, status);
      });
      QUERN_TRY(std::move(status));
    }
    return entries;
  }

  Status write_dict(const Dict& dict) {
    if (dict.size() == 0) {
      return out_.append("{}");
    }
    MemoryHold hold(runtime());
    QUERN_TRY(hold.set(dict.size() * sizeof(const Dict::Entry*)));
    QUERN_ASSIGN(const auto entries, ordered(dict));
    QUERN_TRY(open("{"));
    for (size_t i = 0; i < entries.size(); ++i) {
      if (i > 0) {
        QUERN_TRY(separate());
      }
      QUERN_TRY(write_key(entries[i]->key));
      QUERN_TRY(out_.append(options_.key_separator));
      QUERN_TRY(write(entries[i]->value));
    }
    return close("}");
  }

  TextBuilder out_;
  const JsonOptions& options_;
  uint64_t level_ = 0;
};

}  // namespace

Result<Value> to_json(Runtime& runtime, const Value& value, const JsonOptions& options) {
  JsonWriter writer(runtime, options);
  QUERN_TRY(writer.write(value));
  return writer.take();
}

}  // namespace quern::jinja
