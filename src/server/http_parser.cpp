#include "server/http_parser.h"

#include <fmt/format.h>

#include <algorithm>
#include <string_view>
#include <utility>

#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/string_body.hpp>

#include "server/request_id.h"

namespace quern::server {
namespace {

namespace http = boost::beast::http;
using boost::system::error_code;

std::string lower(std::string_view text) {
  std::string result(text);
  std::ranges::transform(result, result.begin(), [](char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c;
  });
  return result;
}

std::string_view view(boost::core::string_view text) {
  return {text.data(), text.size()};
}

std::string_view first_line(std::string_view text) {
  return text.substr(0, text.find("\r\n"));
}

// Whether a request line ends as one does, in a version of HTTP (RFC 9112, section 2.3).
bool names_version(std::string_view line) {
  constexpr std::string_view kName = " HTTP/";
  constexpr size_t kVersionChars = 3;  // digit, point, digit
  const auto is_digit = [](char c) { return c >= '0' && c <= '9'; };
  if (line.size() < kName.size() + kVersionChars) {
    return false;
  }
  const std::string_view version = line.substr(line.size() - kVersionChars);
  line.remove_suffix(kVersionChars);
  return line.ends_with(kName) && is_digit(version[0]) && version[1] == '.' && is_digit(version[2]);
}

}  // namespace

class HttpParser::Impl {
 public:
  explicit Impl(const Limits& limits) : limits_(limits) {
    parser_.header_limit(limits.header_bytes);
    // The length that a head claims is checked once the head is known, and answered in its terms.
    parser_.body_limit(boost::none);
  }

  State feed(std::string& unread) {
    if (state_ == State::head) {
      feed_head(unread);
    } else if (state_ == State::body) {
      feed_body(unread);
    }
    return state_;
  }

  State state() const { return state_; }
  const Fault& fault() const { return fault_; }
  bool has_head() const { return parser_.is_header_done(); }
  const http::request<http::string_body>& message() const { return parser_.get(); }
  bool keep_alive() const { return state_ != State::failed && parser_.keep_alive(); }
  bool expects_continue() const { return expects_continue_; }
  std::optional<uint64_t> content_length() const {
    const auto length = parser_.content_length();
    return length ? std::optional<uint64_t>(*length) : std::nullopt;
  }
  std::string take_body() { return std::move(parser_.get().body()); }

 private:
  void fail(Fault fault) {
    fault_ = std::move(fault);
    state_ = State::failed;
  }

  // False when it needs more bytes, or failed.
  bool put(std::string& unread) {
    error_code error;
    const size_t n_taken = parser_.put(boost::asio::buffer(unread), error);
    const bool is_other_version =
        error == http::error::bad_version && names_version(first_line(unread));
    unread.erase(0, n_taken);
    if (!error) {
      return true;
    }
    if (error == http::error::header_limit) {
      fail({431, "header_too_large",
            fmt::format("the header is longer than {} bytes; expected a shorter one",
                        limits_.header_bytes)});
    } else if (error == http::error::body_limit) {
      fail_too_large();
    } else if (is_other_version) {
      fail_version();
    } else if (error != http::error::need_more) {
      fail({400, "malformed_request",
            "the request is no valid HTTP/1.1: " + error.message() +
                "; expected a client that speaks it"});
    }
    return false;
  }

  void fail_too_large() {
    fail({413, "body_too_large",
          fmt::format("the body is longer than {} bytes; expected a shorter one, or a server with "
                      "a higher --max-body-bytes",
                      limits_.body_bytes)});
  }

  void fail_version() {
    fail({505, "http_version", "this HTTP version is not served; expected HTTP/1.1"});
  }

  void feed_head(std::string& unread) {
    // Some clients send a line end too many after a body (RFC 9112, section 2.2).
    if (!parser_.got_some()) {
      unread.erase(0, std::min(unread.find_first_not_of("\r\n"), unread.size()));
    }
    while (!unread.empty() && !parser_.is_header_done()) {
      if (!put(unread)) {
        return;
      }
    }
    if (parser_.is_header_done()) {
      finish_head();
    }
  }

  void finish_head() {
    check_head();
    if (state_ == State::failed) {
      return;
    }
    parser_.body_limit(limits_.body_bytes);
    parser_.eager(true);
    state_ = parser_.is_done() ? State::done : State::body;
  }

  void feed_body(std::string& unread) {
    while (!unread.empty() && !parser_.is_done()) {
      if (!put(unread)) {
        return;
      }
    }
    if (parser_.is_done()) {
      state_ = State::done;
    }
  }

  void check_head() {
    const auto& head = parser_.get();
    const std::string encoding = lower(view(head[http::field::content_encoding]));
    const std::string expect = lower(view(head[http::field::expect]));
    expects_continue_ = expect == "100-continue" && head.version() >= 11;
    if (head.version() != 10 && head.version() != 11) {
      fail_version();
    } else if (head.count(http::field::host) != 1 && head.version() == 11) {
      fail({400, "malformed_request", "there is no single Host header; expected one"});
    } else if (head.count(http::field::transfer_encoding) > 0 &&
               lower(view(head[http::field::transfer_encoding])) != "chunked") {
      fail({501, "transfer_encoding", "this transfer encoding is not served; expected chunked"});
    } else if (!encoding.empty() && encoding != "identity") {
      fail({415, "content_encoding", "a compressed body is not served; expected a plain one"});
    } else if (!expect.empty() && expect != "100-continue") {
      fail({417, "expectation", "this expectation is not met; expected 100-continue or none"});
    } else if (content_length().value_or(0) > limits_.body_bytes) {
      fail_too_large();
    }
  }

  Limits limits_;
  http::request_parser<http::string_body> parser_;
  State state_ = State::head;
  Fault fault_;
  bool expects_continue_ = false;
};

HttpParser::HttpParser(const Limits& limits) : impl_(std::make_unique<Impl>(limits)) {}
HttpParser::~HttpParser() = default;
HttpParser::HttpParser(HttpParser&&) noexcept = default;
HttpParser& HttpParser::operator=(HttpParser&&) noexcept = default;

HttpParser::State HttpParser::feed(std::string& unread) {
  return impl_->feed(unread);
}

HttpParser::State HttpParser::state() const {
  return impl_->state();
}

const HttpParser::Fault& HttpParser::fault() const {
  return impl_->fault();
}

bool HttpParser::has_head() const {
  return impl_->has_head();
}

HttpRequest HttpParser::head() const {
  HttpRequest request;
  request.method = view(impl_->message().method_string());
  for (const auto& field : impl_->message()) {
    request.headers.emplace_back(lower(view(field.name_string())), view(field.value()));
  }
  const std::string_view id = request.header("x-request-id");
  request.request_id = is_sane_request_id(id) ? std::string(id) : fresh_request_id();
  return request;
}

std::string HttpParser::target() const {
  return std::string(view(impl_->message().target()));
}

bool HttpParser::keep_alive() const {
  return impl_->keep_alive();
}

bool HttpParser::is_http_1_0() const {
  return impl_->message().version() == 10;
}

bool HttpParser::expects_continue() const {
  return impl_->expects_continue();
}

std::optional<uint64_t> HttpParser::content_length() const {
  return impl_->content_length();
}

std::string HttpParser::take_body() {
  return impl_->take_body();
}

}  // namespace quern::server
