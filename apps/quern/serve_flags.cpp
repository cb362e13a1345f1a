#include "serve_flags.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <limits>
#include <optional>
#include <string_view>
#include <system_error>

#include "base/checked.h"
#include "host.h"
#include "input_file.h"
#include "model_name.h"
#include "server/cors.h"
#include "server/loopback.h"
#include "session.h"
#include "text/printable.h"

namespace quern::app {
namespace {

constexpr uint64_t kMaxKeyFileBytes = 1 << 20;
constexpr int64_t kMillisPerSecond = 1000;
constexpr uint32_t kMaxSeconds = 7 * 24 * 3600;
constexpr uint32_t kMaxCount = 1'000'000;

const CLI::Range kSeconds(uint32_t{1}, kMaxSeconds);

constexpr uint64_t kLeastBodyBytes = 1024;       // less refuses what ordinary clients send
constexpr uint64_t kLeastMemoryBytes = 1 << 20;  // no model with its activations takes less
constexpr uint64_t kMostBytes = std::numeric_limits<int64_t>::max();

// "500000000", "96MiB", "2 GB": MB counts in thousands, MiB in 1024. CLI11's own reader would take
// -1 for 2^64 - 1, and a unit without a number.
std::optional<uint64_t> read_bytes(const std::string& text) {
  uint64_t n_bytes = 0;
  const char* const end = text.data() + text.size();
  const auto [rest, error] = std::from_chars(text.data(), end, n_bytes);
  if (error != std::errc()) {
    return std::nullopt;
  }
  const std::string unit = CLI::detail::to_lower(CLI::detail::trim_copy(std::string(rest, end)));
  if (unit.empty() || unit == "b") {
    return n_bytes;
  }
  const size_t power = std::string_view("kmgtpe").find(unit.front());
  const std::string_view kind = std::string_view(unit).substr(1);
  const bool is_binary = kind == "i" || kind == "ib";
  if (power == std::string_view::npos || (!is_binary && !kind.empty() && kind != "b")) {
    return std::nullopt;
  }
  std::optional<uint64_t> product = n_bytes;
  for (size_t i = 0; product && i <= power; ++i) {
    product = checked_mul(*product, is_binary ? 1024 : 1000);
  }
  return product;
}

CLI::Validator bytes_of_at_least(uint64_t least) {
  const auto read = [least](std::string& text) {
    const std::optional<uint64_t> n_bytes = read_bytes(text);
    if (!n_bytes || *n_bytes < least || *n_bytes > kMostBytes) {
      return fmt::format(
          "got '{}'; expected a size of at least {} bytes, such as 500000000 or 96MiB",
          printable(text), least);
    }
    text = std::to_string(*n_bytes);
    return std::string();
  };
  return CLI::Validator(read, "");
}

void add_http_flags(CLI::App& command, ServeFlags& flags) {
  server::ServerConfig& http = flags.http;
  command.add_option("--host", http.host, "Address to listen on (default: 127.0.0.1)")
      ->type_name("ADDRESS");
  command.add_option("--port", http.port, "Port; 0 takes any free one (default: 11434)")
      ->type_name("PORT")
      ->check(CLI::Range(0, 65535));
  command.add_option("--api-key", http.api_keys, "A key that requests must carry (repeatable)")
      ->type_name("KEY")
      ->allow_extra_args(false);
  command.add_option("--api-key-file", flags.api_key_file, "A file with a key on each line")
      ->type_name("FILE");
  command.add_flag("--insecure", flags.insecure, "Serve other machines though there is no API key");
  command
      .add_option("--cors-origin", http.cors_origins,
                  "A web origin that may use this server, or '*' (repeatable)")
      ->type_name("ORIGIN")
      ->allow_extra_args(false);
  command
      .add_option("--max-connections", http.max_connections,
                  "Connections at a time (default: 1024)")
      ->type_name("N")
      ->check(CLI::Range(uint32_t{1}, kMaxCount));
  command
      .add_option("--max-body-bytes", http.max_body_bytes, "Longest request body (default: 32MiB)")
      ->type_name("BYTES")
      ->transform(bytes_of_at_least(kLeastBodyBytes));
}

void add_timeout_flags(CLI::App& command, ServeFlags& flags) {
  struct Timeout {
    const char* name;
    uint32_t& value;
    const char* help;
  };
  server::ServerConfig& http = flags.http;
  for (const Timeout& timeout : {
           Timeout{"--header-timeout", http.header_timeout_s,
                   "Seconds for a request's header (default: 15)"},
           Timeout{"--body-timeout", http.body_timeout_s,
                   "Seconds for a request's body (default: 60)"},
           Timeout{"--idle-timeout", http.idle_timeout_s,
                   "Seconds between requests of a connection (default: 75)"},
           Timeout{"--write-timeout", http.write_timeout_s,
                   "Seconds until a client that reads nothing is dropped (default: 30)"},
           Timeout{"--load-timeout", http.load_timeout_s,
                   "Seconds that a request waits for its model (default: 300)"},
           Timeout{"--drain-timeout", http.drain_timeout_s,
                   "Seconds that running requests have at the end (default: 30)"},
       }) {
    command.add_option(timeout.name, timeout.value, timeout.help)->type_name("S")->check(kSeconds);
  }
}

void add_engine_flags(CLI::App& command, ServeFlags& flags) {
  command
      .add_option("--ctx", flags.n_ctx,
                  "Longest single request in tokens (default: the model's, as memory allows)")
      ->type_name("N")
      ->check(CLI::Range(int64_t{2}, int64_t{std::numeric_limits<int32_t>::max()}));
  command.add_option("--max-seqs", flags.max_seqs, "Requests computed at once (default: 32)")
      ->type_name("N")
      ->check(CLI::Range(1, 4096));
  command
      .add_option("--kv-bytes", flags.kv_bytes,
                  "Memory for keys and values (default: max-seqs contexts, at most half of the "
                  "memory available)")
      ->type_name("BYTES")
      ->transform(bytes_of_at_least(1));  // how much one request needs, the model's file tells
  add_kv_type_flag(command, flags.kv_type);
  command.add_option("--max-queue", flags.max_queue, "Waiting requests (default: 1024)")
      ->type_name("N")
      ->check(CLI::Range(uint32_t{1}, kMaxCount));
  command
      .add_option("--max-queue-tokens", flags.max_queue_tokens,
                  "Tokens of waiting requests (default: 1000000)")
      ->type_name("N")
      ->check(CLI::Range(int64_t{1}, int64_t{1} << 40));
  command
      .add_option("--step-target-ms", flags.step_target_ms,
                  "How long a step may take while answers stream (default: 50)")
      ->type_name("MS")
      ->check(CLI::Range(1, 60'000));
  command.add_flag("--no-prefix-cache", flags.no_prefix_cache,
                   "Compute every prompt from its first token");
}

void add_model_memory_flags(CLI::App& command, ServeFlags& flags) {
  command
      .add_option("--memory-bytes", flags.memory_bytes,
                  "Memory for all loaded models (default: what the machine has)")
      ->type_name("BYTES")
      ->transform(bytes_of_at_least(kLeastMemoryBytes));
  command
      .add_option("--threads", flags.n_threads,
                  "Threads (default: the cores that this process may use)")
      ->type_name("N")
      ->check(CLI::Range(1, 1024));
  command
      .add_option("--keep-alive", flags.keep_alive_s,
                  "Seconds until an unused model is unloaded; -1: never (default: 300)")
      ->type_name("S")
      ->check(CLI::Range(int64_t{-1}, int64_t{kMaxSeconds}));
}

std::string trimmed(const std::string& line) {
  const size_t begin = line.find_first_not_of(" \t\r");
  return begin == std::string::npos
             ? std::string()
             : line.substr(begin, line.find_last_not_of(" \t\r") - begin + 1);
}

void warn_when_readable(const std::string& path, const Log& log) {
  std::error_code error;
  const auto permissions = std::filesystem::status(path, error).permissions();
  if (!error &&
      (permissions & std::filesystem::perms::others_read) != std::filesystem::perms::none) {
    log.warn("[serve] every user of this machine can read the API keys in " + printable(path) +
             "; expected chmod 600");
  }
}

Status read_keys(const std::string& path, std::vector<std::string>& keys) {
  QUERN_ASSIGN(InputFile file, InputFile::open(path, {.where = "serve",
                                                      .expected = "a file with a key on each line",
                                                      .max_bytes = kMaxKeyFileBytes}));
  const size_t n_before = keys.size();
  std::string line;
  while (true) {
    QUERN_ASSIGN(const bool more, file.read_line(line));
    if (!more) {
      break;
    }
    std::string key = trimmed(line);
    if (!key.empty() && !key.starts_with('#')) {
      keys.push_back(std::move(key));
    }
  }
  if (keys.size() == n_before) {
    return fail({.kind = ErrorKind::invalid_input,
                 .where = "serve",
                 .what = "there is no key in " + printable(path),
                 .expected = "one on each line that is no # comment"});
  }
  return {};
}

Status check_keys(const std::vector<std::string>& keys) {
  const auto is_fit = [](const std::string& key) {
    return !key.empty() && std::ranges::all_of(key, [](char c) { return c > ' ' && c < '\x7F'; });
  };
  if (!std::ranges::all_of(keys, is_fit)) {
    return fail({.kind = ErrorKind::usage,
                 .where = "serve",
                 .what = "an API key is empty or has characters that no header can carry",
                 .expected = "visible ASCII characters without spaces"});
  }
  return {};
}

// An origin that no browser sends would allow nothing, without a word.
Status check_origins(const std::vector<std::string>& origins) {
  for (const std::string& origin : origins) {
    if (origin != "*" && !server::is_origin(origin)) {
      return fail(
          {.kind = ErrorKind::usage,
           .where = "serve",
           .what = fmt::format("--cors-origin '{}' is no web origin", printable(origin)),
           .expected = "a scheme and a host in lower case as in https://chat.example.org, or '*'"});
    }
  }
  return {};
}

// Without a key only this machine may reach the server.
Status check_reach(const server::ServerConfig& config) {
  if (!config.api_keys.empty() || config.insecure || server::is_loopback(config.host)) {
    return {};
  }
  const std::string host = printable(config.host);
  const bool is_known = server::is_ip_address(config.host);
  return fail(
      {.kind = ErrorKind::usage,
       .where = "serve",
       .what = is_known ? "other machines can reach " + host + ", and there is no API key"
                        : "there is no API key, and '" + host +
                              "' may be an address that other machines can reach",
       .expected = std::string(is_known ? "" : "an IP address such as 127.0.0.1 or localhost, ") +
                   "--api-key KEY, --api-key-file FILE, or --insecure to do without"});
}

}  // namespace

void add_serve_flags(CLI::App& command, ServeFlags& flags) {
  command.add_option("MODEL", flags.models, "Models to load at the start: names or paths");
  add_folders_flag(command, flags.folders);
  add_http_flags(command, flags);
  add_timeout_flags(command, flags);
  add_engine_flags(command, flags);
  add_model_memory_flags(command, flags);
  add_unknown_pre_flag(command, flags.allow_unknown_pre);
  command.add_option("--log-format", flags.log_format, "text or json (default: text)")
      ->type_name("FORMAT")
      ->check(CLI::IsMember({"text", "json"}));
}

Result<server::ServerConfig> server_config(const ServeFlags& flags, const Log& log) {
  server::ServerConfig config = flags.http;
  config.log_json = flags.log_format == "json";
  if (!flags.api_key_file.empty()) {
    QUERN_TRY(read_keys(flags.api_key_file, config.api_keys));
    warn_when_readable(flags.api_key_file, log);
  }
  QUERN_TRY(check_keys(config.api_keys));
  QUERN_TRY(check_origins(config.cors_origins));
  config.host = server::without_brackets(flags.http.host);
  config.insecure = flags.insecure;
  QUERN_TRY(check_reach(config));
  return config;
}

ModelManagerConfig manager_config(const ServeFlags& flags) {
  ModelManagerConfig config;
  config.host = host_paths(flags.folders);
  config.engine.engine = {.max_context = flags.n_ctx,
                          .kv_bytes = flags.kv_bytes,
                          .kv_dtype = kv_dtype(flags.kv_type),
                          .max_seqs = flags.max_seqs,
                          .prefix_cache = !flags.no_prefix_cache,
                          .max_queue = flags.max_queue,
                          .max_queue_tokens = flags.max_queue_tokens};
  config.engine.step_target_ms = flags.step_target_ms;
  config.n_threads = flags.n_threads;
  config.isa = forced_isa();
  config.allow_unknown_pre = flags.allow_unknown_pre;
  config.memory_bytes = flags.memory_bytes;
  config.keep_alive_ms =
      flags.keep_alive_s < 0 ? kKeepForever : flags.keep_alive_s * kMillisPerSecond;
  return config;
}

}  // namespace quern::app
