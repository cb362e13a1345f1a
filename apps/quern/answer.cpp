#include "answer.h"

#include <fmt/format.h>

#include <cerrno>
#include <cmath>
#include <cstdio>
#include <cstring>

#include <nlohmann/json.hpp>

#include "base/interrupt.h"
#include "base/system_info.h"
#include "base/terminal.h"

namespace quern::app {
namespace {

constexpr double kMicrosPerSecond = 1e6;

// What a terminal would take as a command rather than show.
bool is_control(char c) {
  const auto byte = static_cast<unsigned char>(c);
  return (byte < 0x20 && c != '\n' && c != '\t') || byte == 0x7F;
}

std::string without_controls(std::string_view text) {
  std::string shown;
  for (const char c : text) {
    if (is_control(c)) {
      shown += "\xEF\xBF\xBD";
    } else {
      shown += c;
    }
  }
  return shown;
}

// Tokens a second, where a time was measured.
std::optional<double> rate(uint32_t n_tokens, int64_t from_us, int64_t to_us) {
  if (from_us == kNever || to_us == kNever || to_us <= from_us) {
    return std::nullopt;
  }
  return n_tokens * kMicrosPerSecond / static_cast<double>(to_us - from_us);
}

std::optional<double> prefill_rate(const RequestUsage& usage) {
  return rate(usage.prompt_tokens - usage.cached_tokens, usage.arrival_us, usage.first_token_us);
}

// The first token belongs to the prompt's pass.
std::optional<double> decode_rate(const RequestUsage& usage) {
  return usage.completion_tokens < 2
             ? std::nullopt
             : rate(usage.completion_tokens - 1, usage.first_token_us, usage.finished_us);
}

std::optional<double> milliseconds(std::optional<int64_t> us) {
  return us ? std::optional(static_cast<double>(*us) / 1000) : std::nullopt;
}

nlohmann::ordered_json rounded(std::optional<double> number) {
  return number ? nlohmann::ordered_json(std::round(*number * 100) / 100)
                : nlohmann::ordered_json();
}

}  // namespace

AnswerOutput::AnswerOutput() : on_terminal_(is_terminal(StandardStream::out)) {}

bool AnswerOutput::write_bytes(std::string_view bytes) {
  if (error_code_ == 0 && (std::fwrite(bytes.data(), 1, bytes.size(), stdout) != bytes.size() ||
                           std::fflush(stdout) != 0)) {
    error_code_ = errno;
    if (error_code_ == EPIPE) {
      std::clearerr(stdout);  // the reader has seen enough: nothing is wrong with the output
    }
  }
  return error_code_ == 0;
}

bool AnswerOutput::write(std::string_view text) {
  if (text.empty()) {
    return error_code_ == 0;
  }
  in_line_ = text.back() != '\n';
  return on_terminal_ ? write_bytes(without_controls(text)) : write_bytes(text);
}

void AnswerOutput::end_line() {
  if (on_terminal_ && in_line_) {
    write_bytes("\n");
  }
  in_line_ = false;
}

Status AnswerOutput::status() const {
  if (error_code_ == 0 || error_code_ == EPIPE) {
    return {};
  }
  return fail({.kind = ErrorKind::io,
               .where = "output",
               .what = fmt::format("cannot write the answer: {}", std::strerror(error_code_)),
               .expected = "a standard output that can be written"});
}

Result<Answer> ask(Engine& engine, Question question, AnswerOutput& output) {
  Answer answer;
  answer.seed = question.sampling.seed;
  const int64_t asked_us = question.asked_us;
  bool is_over = false;
  const auto on_event = [&](const TokenEvent& event) {
    if (!event.text.empty() && !answer.first_text_us) {
      answer.first_text_us = monotonic_us() - asked_us;
    }
    output.write(event.text);
    answer.text += event.text;
    if (event.finish) {
      answer.finish = *event.finish;
      answer.error = event.error;
      answer.error_kind = event.error_kind;
      answer.usage = event.usage;
      is_over = true;
    }
  };
  QUERN_ASSIGN(const SeqId id, engine.submit({.prompt = std::move(question.prompt),
                                              .sampling = std::move(question.sampling),
                                              .max_tokens = question.max_tokens,
                                              .stop = std::move(question.stop),
                                              .on_event = on_event}));
  while (!is_over) {
    if (interrupt_pending() || !output.write({})) {
      answer.interrupted = interrupt_pending();
      engine.cancel(id);
    }
    engine.step();
  }
  return answer;
}

std::string stats_json(const Answer& answer, int64_t load_us) {
  const nlohmann::ordered_json stats = {
      {"prompt_tokens", answer.usage.prompt_tokens},
      {"cached_tokens", answer.usage.cached_tokens},
      {"completion_tokens", answer.usage.completion_tokens},
      {"load_ms", rounded(milliseconds(load_us))},
      {"ttft_ms", rounded(milliseconds(answer.first_text_us))},
      {"prefill_tokens_per_s", rounded(prefill_rate(answer.usage))},
      {"decode_tokens_per_s", rounded(decode_rate(answer.usage))},
      {"peak_rss_bytes", peak_rss_bytes()},
      {"finish_reason", to_string(answer.finish)},
      {"seed", answer.seed}};
  return stats.dump();
}

std::string stats_text(const Answer& answer) {
  const auto number = [](std::optional<double> n) { return n ? fmt::format("{:.0f}", *n) : "-"; };
  const RequestUsage& usage = answer.usage;
  return fmt::format(
      "{} tokens in ({} from the cache), {} out; first text after {} ms; {} tokens/s in, {} out; "
      "ended by {}; seed {}",
      usage.prompt_tokens, usage.cached_tokens, usage.completion_tokens,
      number(milliseconds(answer.first_text_us)), number(prefill_rate(usage)),
      number(decode_rate(usage)), to_string(answer.finish), answer.seed);
}

}  // namespace quern::app
