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

void append_utf16_escape(std::string& out, char32_t c) {
  const auto code = static_cast<uint32_t>(c);
  if (code < 0x10000) {
    out += fmt::format("\\u{:04x}", code);
    return;
  }
  const uint32_t rest = code - 0x10000;
  out += fmt::format("\\u{:04x}\\u{:04x}", 0xD800 + (rest >> 10), 0xDC00 + (rest & 0x3FF));
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

void append_json_string(std::string& out, std::string_view text, bool ascii_only) {
  out += '"';
  for (size_t at = 0; at < text.size();) {
    const size_t length = char_bytes(text, at);
    if (const char letter = json_escape(text[at]); letter != 0) {
      out += '\\';
      out += letter;
    } else if (static_cast<unsigned char>(text[at]) < 0x20 || (ascii_only && length > 1)) {
      append_utf16_escape(out, char_at(text, at));
    } else {
      out += text.substr(at, length);
    }
    at += length;
  }
  out += '"';
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
  JsonWriter(Runtime& runtime, const JsonOptions& options) : runtime_(runtime), options_(options) {}

  Status write(const Value& value) {
    QUERN_TRY(runtime_.step());
    QUERN_TRY(runtime_.reserve(out_.size()));
    switch (value.kind()) {
      case Kind::none:
        out_ += "null";
        return {};
      case Kind::boolean:
        out_ += value.as_bool() ? "true" : "false";
        return {};
      case Kind::integer:
        out_ += std::to_string(value.as_integer());
        return {};
      case Kind::real:
        out_ += json_real(value.as_real());
        return {};
      case Kind::string:
        QUERN_TRY(runtime_.step(value.weight()));
        append_json_string(out_, value.text(), options_.ensure_ascii);
        return {};
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

  std::string take() { return std::move(out_); }

 private:
  void break_line() {
    if (options_.indent) {
      out_ += '\n';
      for (int i = 0; i < level_; ++i) {
        out_ += *options_.indent;
      }
    }
  }

  // Between two items.
  void separate() {
    out_ += options_.item_separator;
    break_line();
  }

  Status open(char bracket) {
    out_ += bracket;
    ++level_;
    if (options_.indent) {
      QUERN_TRY(runtime_.reserve(options_.indent->size() * static_cast<size_t>(level_)));
    }
    break_line();
    return {};
  }

  void close(char bracket) {
    --level_;
    break_line();
    out_ += bracket;
  }

  Status write_list(const std::vector<Value>& items) {
    if (items.empty()) {
      out_ += "[]";
      return {};
    }
    QUERN_TRY(open('['));
    for (size_t i = 0; i < items.size(); ++i) {
      if (i > 0) {
        separate();
      }
      QUERN_TRY(write(items[i]));
    }
    close(']');
    return {};
  }

  Status write_key(const Value& key) {
    switch (key.kind()) {
      case Kind::string:
        append_json_string(out_, key.text(), options_.ensure_ascii);
        return {};
      case Kind::none:
        out_ += "\"null\"";
        return {};
      case Kind::boolean:
        out_ += key.as_bool() ? "\"true\"" : "\"false\"";
        return {};
      case Kind::integer:
        out_ += '"' + std::to_string(key.as_integer()) + '"';
        return {};
      case Kind::real:
        out_ += '"' + json_real(key.as_real()) + '"';
        return {};
      default:
        return raise("keys must be str, int, float, bool or None, not " +
                     std::string(type_name(key)));
    }
  }

  Result<std::vector<const Dict::Entry*>> ordered(const Dict& dict) {
    std::vector<const Dict::Entry*> entries;
    for (const Dict::Entry& entry : dict) {
      entries.push_back(&entry);
    }
    if (options_.sort_keys) {
      Status status;
      merge_sort(entries, [&](const Dict::Entry* a, const Dict::Entry* b) {
        return ordered_before(runtime_, {a->key, b->key}, status);
      });
      QUERN_TRY(std::move(status));
    }
    return entries;
  }

  Status write_dict(const Dict& dict) {
    if (dict.size() == 0) {
      out_ += "{}";
      return {};
    }
    QUERN_ASSIGN(const auto entries, ordered(dict));
    QUERN_TRY(open('{'));
    for (size_t i = 0; i < entries.size(); ++i) {
      if (i > 0) {
        separate();
      }
      QUERN_TRY(write_key(entries[i]->key));
      out_ += options_.key_separator;
      QUERN_TRY(write(entries[i]->value));
    }
    close('}');
    return {};
  }

  Runtime& runtime_;
  const JsonOptions& options_;
  std::string out_;
  int level_ = 0;
};

}  // namespace

Result<std::string> to_json(Runtime& runtime, const Value& value, const JsonOptions& options) {
  JsonWriter writer(runtime, options);
  QUERN_TRY(writer.write(value));
  return writer.take();
}

}  // namespace quern::jinja
