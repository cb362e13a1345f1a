// The stages that pre-tokenizers are made of, and how they chain: each stage cuts a stretch into
// isolated matches and what lies between them, and hands every part to the next stage at once, so
// that no list of parts is ever built. Internal to the pre-tokenizers.
#pragma once

#include <utility>

#include "text/pretokenizer.h"
#include "text/pretokenizer_words.h"

namespace quern::pre {

// A stretch of text, never empty.
struct Stretch {
  const char* begin;
  const char* end;
};

// The stage of an expression whose matches `Matcher` finds: match(at, end) gives the end of the
// match that starts at `at`, or null.
template <typename Matcher>
struct Isolate {
  template <typename Next>
  static void cut(Stretch text, Next&& next) {
    Matcher matcher;
    const char* rest = text.begin;  // start of what nothing has matched yet
    const char* at = text.begin;
    while (at < text.end) {
      const char* const after = matcher.match(at, text.end);
      if (after == nullptr) {
        at += decode_char(at, text.end).n_bytes;
        continue;
      }
      if (rest < at) {
        next(Stretch{rest, at});
      }
      next(Stretch{at, after});
      rest = at = after;
    }
    if (rest < text.end) {
      next(Stretch{rest, text.end});
    }
  }
};

template <WordRules rules>
struct WordMatcher {
  Lookahead ahead;
  const char* match(const char* at, const char* end) { return match_word<rules>(at, end, ahead); }
};

template <WordRules rules>
using Words = Isolate<WordMatcher<rules>>;

// [classes]{1,most}; most = 0 is no limit.
template <CharClass classes, int most>
struct ClassMatcher {
  static const char* match(const char* at, const char* end) {
    const char* after = at;
    for (int n = 0; (most == 0 || n < most) && after < end; ++n) {
      const Classified c = classify(after, end);
      if ((c.classes & classes) == 0) {
        break;
      }
      after = c.next;
    }
    return after == at ? nullptr : after;
  }
};

using SingleNumbers = Isolate<ClassMatcher<kNumber, 1>>;
using NumberTriples = Isolate<ClassMatcher<kNumber, 3>>;
using NumberRuns = Isolate<ClassMatcher<kNumber, 0>>;
using SingleNewlines = Isolate<ClassMatcher<kNewline, 1>>;

// [set]+ where `set` is a predicate on a code point.
template <bool (*set)(uint32_t)>
struct SetMatcher {
  static const char* match(const char* at, const char* end) {
    const char* const after =
        run_end(at, end, [](const Classified& c) { return set(c.code_point); });
    return after == at ? nullptr : after;
  }
};

template <bool (*set)(uint32_t)>
using SetRuns = Isolate<SetMatcher<set>>;

// The stage of \s?X+: one space of any kind sticks to a run.
template <typename RunMatcher>
struct AfterSpaceMatcher {
  static const char* match(const char* at, const char* end) {
    const Classified c = classify(at, end);
    if ((c.classes & kSpace) != 0) {
      const char* const after = c.next < end ? RunMatcher::match(c.next, end) : nullptr;
      if (after != nullptr) {
        return after;
      }
    }
    return RunMatcher::match(at, end);
  }
};

// \s+$ on a stretch: the spaces at its end.
struct TrailingSpaces {
  template <typename Next>
  static void cut(Stretch text, Next&& next) {
    const char* spaces = text.begin;  // start of the run of spaces that reaches `at`
    for (const char* at = text.begin; at < text.end;) {
      const Classified c = classify(at, text.end);
      at = c.next;
      if ((c.classes & kSpace) == 0) {
        spaces = at;
      }
    }
    if (text.begin < spaces) {
      next(Stretch{text.begin, spaces});
    }
    if (spaces < text.end) {
      next(Stretch{spaces, text.end});
    }
  }
};

// [0-9][0-9][0-9]
struct AsciiTripleMatcher {
  static bool is_digit(char c) { return c >= '0' && c <= '9'; }
  static const char* match(const char* at, const char* end) {
    const bool triple = end - at >= 3 && is_digit(at[0]) && is_digit(at[1]) && is_digit(at[2]);
    return triple ? at + 3 : nullptr;
  }
};

// Runs of newlines and runs of anything else: [^\n]+|[\n]+
struct LineMatcher {
  static const char* match(const char* at, const char* end) {
    const bool newline = *at == '\n';
    return std::find_if(at, end, [newline](char c) { return (c == '\n') != newline; });
  }
};

// Which numbers a run of digits is made of, and when it is grouped by threes from its right end.
enum class Grouping {
  every_number,   // \p{N}{1,3}(?=(?:\p{N}{3})*(?!\p{N}))
  whole_decimal,  // \d{1,3}(?=(?:\d{3})*\b): not where a letter, mark or underscore follows
  boundaries,     // (?=(\d{3})+(?!\d)): empty matches; what lies before the first group stays whole
};

template <Grouping grouping>
struct RightGroups {
  static constexpr CharClass kDigits = grouping == Grouping::every_number ? kNumber : kDecimal;

  // Where a run of digits ends, how many there are, and whether it is to be grouped.
  struct Run {
    const char* end;
    size_t n_digits = 0;
    bool grouped = true;
  };

  static Run run_at(const char* at, const char* end) {
    Run run{.end = at};
    while (run.end < end) {
      const Classified c = classify(run.end, end);
      if ((c.classes & kDigits) == 0) {
        run.grouped = grouping != Grouping::whole_decimal || (c.classes & kWordChar) == 0;
        break;
      }
      run.end = c.next;
      ++run.n_digits;
    }
    return run;
  }

  // Cuts before each group of a run, and after the last; returns the run's end.
  template <typename CutAt>
  static const char* cut_run(const char* at, const Run& run, CutAt&& cut_at) {
    constexpr bool first_may_be_short = grouping != Grouping::boundaries;
    for (size_t left = run.n_digits; at < run.end; --left) {
      if (left % 3 == 0 || (first_may_be_short && left == run.n_digits)) {
        cut_at(at);
      }
      at += decode_char(at, run.end).n_bytes;
    }
    if (first_may_be_short) {
      cut_at(at);
    }
    return at;
  }

  template <typename Next>
  static void cut(Stretch text, Next&& next) {
    const char* rest = text.begin;
    const auto cut_at = [&](const char* place) {
      if (rest < place) {
        next(Stretch{rest, place});
        rest = place;
      }
    };
    for (const char* at = text.begin; at < text.end;) {
      const Run run = run_at(at, text.end);
      if (run.n_digits == 0) {
        at += decode_char(at, text.end).n_bytes;
        continue;
      }
      at = run.grouped ? cut_run(at, run, cut_at) : run.end;
    }
    cut_at(text.end);
  }
};

template <typename... Stages>
struct Chain;

template <>
struct Chain<> {
  template <typename Last>
  static void cut(Stretch text, Last&& last) {
    last(text);
  }
};

template <typename First, typename... Rest>
struct Chain<First, Rest...> {
  template <typename Last>
  static void cut(Stretch text, Last&& last) {
    First::cut(text, [&](Stretch part) { Chain<Rest...>::cut(part, last); });
  }
};

// The SplitFunction of a chain.
template <typename... Stages>
void split(std::string_view text, PieceSink& sink) {
  if (text.empty() || text.data() == nullptr) {
    return;
  }
  Chain<Stages...>::cut(Stretch{text.data(), text.data() + text.size()}, [&](Stretch piece) {
    sink.push(static_cast<size_t>(piece.end - text.data()));
  });
}

}  // namespace quern::pre
