#include "unit/server/http_harness.h"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/time.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <stdexcept>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/write.hpp>

#include "base/system_info.h"
#include "server/inbox.h"

namespace quern::server::test {
namespace {

using boost::asio::ip::tcp;
using boost::system::error_code;

constexpr int kReadTimeoutS = 60;

Task echo(Exchange& exchange, ServerContext& /*context*/) {
  const HttpRequest& request = exchange.request();
  HttpResponse response;
  response.content_type = "text/plain";
  response.body = request.method + " " + request.path + " ?" + request.query + " " + request.body;
  co_await exchange.send(std::move(response));
}

Task params(Exchange& exchange, ServerContext& /*context*/) {
  HttpResponse response;
  for (const auto& [name, value] : exchange.request().path_params) {
    response.body += name + "=" + value;
  }
  co_await exchange.send(std::move(response));
}

Task salt(Exchange& exchange, ServerContext& /*context*/) {
  HttpResponse response;
  response.body = exchange.request().key_salt;
  co_await exchange.send(std::move(response));
}

Task stream(Exchange& exchange, ServerContext& /*context*/) {
  StreamHead head;
  head.content_type = "text/plain";
  co_await exchange.begin_stream(std::move(head));
  for (int i = 0; i < 3; ++i) {
    std::string piece = "piece " + std::to_string(i) + "\n";
    co_await exchange.write(std::move(piece));
  }
  co_await exchange.end_stream();
}

// NOLINTNEXTLINE(readability-named-parameter)
Task throw_early(Exchange& /*exchange*/, ServerContext& /*context*/) {
  throw std::runtime_error("a handler's own failure");
  co_return;
}

Task throw_late(Exchange& exchange, ServerContext& /*context*/) {
  StreamHead head;
  co_await exchange.begin_stream(std::move(head));
  std::string piece = "half";
  co_await exchange.write(std::move(piece));
  throw std::runtime_error("a handler's own failure");
}

Task silent(Exchange& /*exchange*/, ServerContext& /*context*/) {
  co_return;
}

using Words = Inbox<std::string>;

// Where tell() puts its words.
struct Listeners {
  std::mutex mutex;
  std::vector<std::shared_ptr<Words>> all;
};

Listeners& listeners() {
  static Listeners instance;
  return instance;
}

std::shared_ptr<Words> listen_for_words(Exchange& exchange) {
  const auto words = std::make_shared<Words>(exchange.executor());
  exchange.on_client_gone([words] {
    notes().add("gone");
    words->interrupt();
  });
  {
    const std::lock_guard lock(listeners().mutex);
    listeners().all.push_back(words);
  }
  notes().add("held");
  return words;
}

Task hold(Exchange& exchange, ServerContext& /*context*/) {
  const std::shared_ptr<Words> words = listen_for_words(exchange);
  const Words::Guard guard(words);
  co_await words->next();
  HttpResponse response;
  co_await exchange.send(std::move(response));
}

Task drip(Exchange& exchange, ServerContext& /*context*/) {
  StreamHead head;
  co_await exchange.begin_stream(std::move(head));
  const std::shared_ptr<Words> words = listen_for_words(exchange);
  const Words::Guard guard(words);
  std::optional<std::string> word;
  do {
    word = co_await words->next();
    if (word) {
      std::string piece = *word;
      co_await exchange.write(std::move(piece));
    }
  } while (word && *word != "end");
}

Task flood(Exchange& exchange, ServerContext& /*context*/) {
  exchange.on_client_gone([] { notes().add("gone"); });
  StreamHead head;
  co_await exchange.begin_stream(std::move(head));
  bool is_open = true;
  while (is_open) {
    std::string piece(1 << 20, 'x');
    is_open = co_await exchange.write(std::move(piece));
  }
  notes().add("flood ended");
}

constexpr std::array<Route, 15> kRoutes = {{
    {.method = "GET", .pattern = "/echo", .handler = echo},
    {.method = "POST", .pattern = "/echo", .handler = echo},
    {.method = "GET", .pattern = "/open", .handler = echo, .is_open = true, .while_draining = true},
    {.method = "GET", .pattern = "/salt", .handler = salt},
    {.method = "GET", .pattern = "/items/{id}", .handler = params},
    {.method = "GET", .pattern = "/names/{name+}", .handler = params},
    {.method = "GET", .pattern = "/stream", .handler = stream},
    {.method = "GET", .pattern = "/throw", .handler = throw_early},
    {.method = "GET", .pattern = "/v1/throw", .handler = throw_early, .dialect = Dialect::openai},
    {.method = "GET", .pattern = "/api/throw", .handler = throw_early, .dialect = Dialect::ollama},
    {.method = "GET", .pattern = "/throw_late", .handler = throw_late},
    {.method = "GET", .pattern = "/silent", .handler = silent},
    {.method = "GET", .pattern = "/hold", .handler = hold},
    {.method = "GET", .pattern = "/drip", .handler = drip},
    {.method = "GET", .pattern = "/flood", .handler = flood},
}};

std::string lower(std::string text) {
  std::ranges::transform(text, text.begin(), [](char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
  });
  return text;
}

size_t number(const std::string& text, int base) {
  size_t value = 0;
  std::from_chars(text.data(), text.data() + text.size(), value, base);
  return value;
}

}  // namespace

void Notes::add(const std::string& note) {
  const std::lock_guard lock(mutex_);
  notes_.push_back(note);
  changed_.notify_all();
}

void Notes::wait_for(const std::string& note, size_t n) {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [&] { return std::ranges::count(notes_, note) >= static_cast<long>(n); });
}

size_t Notes::count(const std::string& note) {
  const std::lock_guard lock(mutex_);
  return static_cast<size_t>(std::ranges::count(notes_, note));
}

namespace {
std::unique_ptr<Notes> g_notes;
}

Notes& notes() {
  return *g_notes;
}

void tell(const std::string& word) {
  const std::lock_guard lock(listeners().mutex);
  for (const auto& words : listeners().all) {
    words->push(word);
  }
}

std::vector<std::span<const Route>> test_routes() {
  return {kRoutes,         admin_routes(),    openai_routes(), responses_routes(),
          ollama_routes(), anthropic_routes()};
}

HeldWorkers::HeldWorkers(Offload& offload) {
  for (size_t i = 0; i < Offload::kBulkWorkers; ++i) {
    boost::asio::co_spawn(io_, hold(offload), boost::asio::detached);
  }
  thread_ = std::thread([this] { io_.run(); });
  began_.wait();
}

void HeldWorkers::release() {
  if (thread_.joinable()) {
    released_.count_down();
    thread_.join();
  }
}

boost::asio::awaitable<void> HeldWorkers::hold(Offload& offload) {
  auto work = [this] {
    began_.count_down();
    released_.wait();
    return true;
  };
  co_await offload.run(Offload::kBulkBytes + 1, std::move(work));
}

TestServer::TestServer(ServerConfig config, ModelManagerConfig models)
    : config_(std::move(config)) {
  g_notes = std::make_unique<Notes>();
  config_.port = 0;
  models_ = *ModelManager::create(std::move(models), metrics_, log_);
  context_ = std::make_unique<ServerContext>(ServerContext{.config = config_,
                                                           .models = *models_,
                                                           .metrics = metrics_,
                                                           .log = log_,
                                                           .live = live_,
                                                           .responses = responses_,
                                                           .offload = offload_,
                                                           .draining = draining_,
                                                           .started_us = monotonic_us()});
  ServerParts parts;
  parts.tables = test_routes();
  parts.on_request = [this](const AccessRecord& record) {
    const std::lock_guard lock(mutex_);
    records_.push_back(record);
    changed_.notify_all();
  };
  auto listening = Server::listen(*context_, std::move(parts));
  EXPECT_TRUE(listening.has_value());
  server_ = std::move(*listening);
  thread_ = std::thread([this] { server_->run(); });
}

TestServer::~TestServer() {
  server_->stop();
  join();
  const std::lock_guard lock(listeners().mutex);
  listeners().all.clear();
}

void TestServer::join() {
  if (thread_.joinable()) {
    thread_.join();
  }
}

std::vector<AccessRecord> TestServer::records() {
  const std::lock_guard lock(mutex_);
  return records_;
}

void TestServer::wait_for_records(size_t n) {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [&] { return records_.size() >= n; });
}

std::string filler(size_t n_bytes) {
  return std::string(n_bytes, 'x');
}

std::string Answer::header(std::string_view name) const {
  const auto found = std::ranges::find(headers, name, &Headers::value_type::first);
  return found == headers.end() ? std::string() : found->second;
}

Client::Client(uint16_t port) : socket_(io_) {
  socket_.connect({boost::asio::ip::address_v4::loopback(), port});
  const timeval limit{.tv_sec = kReadTimeoutS, .tv_usec = 0};
  setsockopt(socket_.native_handle(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
}

void Client::send(std::string_view bytes) {
  error_code ignored;  // the server may have hung up, which is then seen in what it sent
  boost::asio::write(socket_, boost::asio::buffer(bytes), ignored);
}

void Client::request(const std::string& line, const std::string& headers, const std::string& body) {
  std::string bytes = line + " HTTP/1.1\r\nHost: localhost\r\n" + headers;
  if (!body.empty()) {
    bytes += "Content-Length: " + std::to_string(body.size()) + "\r\n";
  }
  send(bytes + "\r\n" + body);
}

bool Client::fill() {
  std::array<char, 65536> chunk{};
  // recv() itself: Asio would wait for ever where the time-out should end the wait.
  const ssize_t n = ::recv(socket_.native_handle(), chunk.data(), chunk.size(), 0);
  if (n > 0) {
    unread_.append(chunk.data(), static_cast<size_t>(n));
  }
  EXPECT_FALSE(n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) << "the server said nothing";
  return n > 0;
}

bool Client::read_until(const std::string& mark) {
  while (unread_.find(mark) == std::string::npos) {
    if (!fill()) {
      return false;
    }
  }
  return true;
}

std::string Client::take(size_t n_bytes) {
  while (unread_.size() < n_bytes && fill()) {
  }
  std::string taken = unread_.substr(0, n_bytes);
  unread_.erase(0, n_bytes);
  return taken;
}

bool Client::read_chunks(std::string& body) {
  while (read_until("\r\n")) {
    const size_t n_bytes = number(take(unread_.find("\r\n")), 16);
    take(2);
    body += take(n_bytes);
    if (take(2) != "\r\n") {
      return false;
    }
    if (n_bytes == 0) {
      return true;
    }
  }
  return false;
}

Answer Client::read(bool to_head) {
  Answer answer;
  if (!read_until("\r\n\r\n")) {
    return answer;
  }
  const std::string head = take(unread_.find("\r\n\r\n") + 2);
  take(2);
  answer.status = static_cast<unsigned>(number(head.substr(9, 3), 10));
  for (size_t at = head.find("\r\n") + 2; at < head.size();) {
    const size_t end = head.find("\r\n", at);
    const size_t colon = head.find(": ", at);
    answer.headers.emplace_back(lower(head.substr(at, colon - at)),
                                head.substr(colon + 2, end - colon - 2));
    at = end + 2;
  }
  answer.is_whole = true;
  if (to_head || answer.status == 204 || answer.status == 100) {
    return answer;
  }
  if (answer.header("transfer-encoding") == "chunked") {
    answer.is_whole = read_chunks(answer.body);
  } else {
    const size_t n_bytes = number(answer.header("content-length"), 10);
    answer.body = take(n_bytes);
    answer.is_whole = answer.body.size() == n_bytes;
  }
  return answer;
}

Answer Client::get(const std::string& path, const std::string& headers) {
  request("GET " + path, headers);
  return read();
}

bool Client::is_closed() {
  return unread_.empty() && !fill();
}

std::string Client::read_all() {
  while (fill()) {
  }
  return std::exchange(unread_, {});
}

void Client::close() {
  socket_.close();
}

void Client::reset() {
  socket_.set_option(boost::asio::socket_base::linger(true, 0));
  socket_.close();
}

void Client::half_close() {
  socket_.shutdown(tcp::socket::shutdown_send);
}

}  // namespace quern::server::test
