// Pre-tokenizers around GPT-2's expression, and those without an expression of words.
#include "text/pretokenizer_sets.h"
#include "text/pretokenizer_splits.h"
#include "text/pretokenizer_stages.h"

namespace quern::pre {
namespace {

// 's|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+
constexpr WordRules kGpt2 = {.contraction = Contraction::lower,
                             .word = Word::spaced,
                             .number = Number::spaced_run,
                             .tail = Tail::none,
                             .spaces = Spaces::plain};

bool is_punct_or_ascii_symbol(uint32_t code_point) {
  return (char_class(code_point) & kPunct) != 0 ||
         (code_point < 128 && (char_class(code_point) & kSymbol) != 0);
}

// [\p{P}\$\+<=>\^~\|]+
bool is_default_punct(uint32_t code_point) {
  return code_point != '`' && is_punct_or_ascii_symbol(code_point);
}

// ` ?[^(\s|.,!?…。，、।۔،)]+`
struct PauseMatcher {
  static const char* match(const char* at, const char* end) {
    const char* const start = *at == ' ' ? at + 1 : at;
    const char* const after =
        run_end(start, end, [](const Classified& c) { return is_not_pause(c.code_point); });
    return after == start ? nullptr : after;
  }
};

struct NonSpaceMatcher {
  static const char* match(const char* at, const char* end) {
    const char* const after =
        run_end(at, end, [](const Classified& c) { return (c.classes & kSpace) == 0; });
    return after == at ? nullptr : after;
  }
};

// <sentinel:[0-9]+>
struct SentinelMatcher {
  static const char* match(const char* at, const char* end) {
    constexpr std::string_view open = "<sentinel:";
    if (!std::string_view(at, end).starts_with(open)) {
      return nullptr;
    }
    const char* const digits = at + open.size();
    const char* const after = std::find_if_not(digits, end, AsciiTripleMatcher::is_digit);
    return after > digits && after < end && *after == '>' ? after + 1 : nullptr;
  }
};

// (IMGIMG)((A|B|C|D|E|F|G|H|I){1,4})Z
struct ImageMatcher {
  static const char* match(const char* at, const char* end) {
    constexpr std::string_view open = "IMGIMG";
    if (!std::string_view(at, end).starts_with(open)) {
      return nullptr;
    }
    const char* const letters = at + open.size();
    const char* after = letters;
    while (after < end && after - letters < 4 && *after >= 'A' && *after <= 'I') {
      ++after;
    }
    return after > letters && after < end && *after == 'Z' ? after + 1 : nullptr;
  }
};

// ([\t\n]|    |  )
struct IndentMatcher {
  static const char* match(const char* at, const char* end) {
    if (*at == '\t' || *at == '\n') {
      return at + 1;
    }
    const std::string_view rest(at, end);
    if (rest.starts_with("    ")) {
      return at + 4;
    }
    return rest.starts_with("  ") ? at + 2 : nullptr;
  }
};

// [\p{P}!-/:-@\[-`{-~]
struct SinglePunctMatcher {
  static const char* match(const char* at, const char* end) {
    const Classified c = classify(at, end);
    return is_punct_or_ascii_symbol(c.code_point) ? c.next : nullptr;
  }
};

}  // namespace

void split_default(std::string_view text, PieceSink& sink) {
  split<SetRuns<is_default_punct>, Words<kGpt2>, NumberRuns, Isolate<AsciiTripleMatcher>>(text,
                                                                                          sink);
}

void split_gpt2(std::string_view text, PieceSink& sink) {
  split<Words<kGpt2>>(text, sink);
}

void split_digits_gpt2(std::string_view text, PieceSink& sink) {
  split<SingleNumbers, Words<kGpt2>>(text, sink);
}

void split_falcon(std::string_view text, PieceSink& sink) {
  split<SetRuns<is_punct_or_ascii_symbol>, Words<kGpt2>, Isolate<AsciiTripleMatcher>>(text, sink);
}

void split_chameleon(std::string_view text, PieceSink& sink) {
  split<Isolate<SentinelMatcher>, Isolate<ImageMatcher>, Isolate<IndentMatcher>, SingleNumbers,
        Isolate<SinglePunctMatcher>, Words<kGpt2>>(text, sink);
}

void split_bloom(std::string_view text, PieceSink& sink) {
  split<Isolate<PauseMatcher>>(text, sink);
}

void split_viking(std::string_view text, PieceSink& sink) {
  split<Isolate<PauseMatcher>, SingleNumbers>(text, sink);
}

void split_superbpe(std::string_view text, PieceSink& sink) {
  split<NumberRuns, RightGroups<Grouping::boundaries>>(text, sink);
}

void split_lines(std::string_view text, PieceSink& sink) {
  split<Isolate<LineMatcher>>(text, sink);
}

void split_whitespace(std::string_view text, PieceSink& sink) {
  split<Isolate<NonSpaceMatcher>>(text, sink);
}

}  // namespace quern::pre
