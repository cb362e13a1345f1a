// The last stage of most pre-tokenizers: one expression of ordered alternatives
// (contraction | word | number | punctuation | newlines | spaces), of which each model publishes a
// variant. WordRules names the variant; match_word<rules>() is the expression as a linear matcher.
// Internal to the pre-tokenizers.
#pragma once

#include <algorithm>

#include "text/unicode.h"

namespace quern::pre {

// (?:'s|'t|'re|'ve|'m|'ll|'d) and its variants.
enum class Contraction {
  none,
  lower,     // as written
  any_case,  // (?i:...); case folding makes U+017F an s
};

// U is [\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}], L is [\p{Ll}\p{Lm}\p{Lo}\p{M}].
enum class Word {
  spaced,          // ` ?\p{L}+`
  prefixed,        // [^\r\n\p{L}\p{N}]?\p{L}+
  prefixed_marks,  // [^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+
  cased,           // [^\r\n\p{L}\p{N}]?U*L+|[^\r\n\p{L}\p{N}]?U+L*
  cased_not_han,   // \p{Han}+, then the same with U and L less Han
  symbol_led,      // [!-/:-@\[-`{-~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+
  chained,         // [^\r\n\p{L}\p{N}]?(?:\p{L}\p{M}*(?: \p{L}\p{M}*)*)+
};

enum class Number {
  single,       // \p{N}
  up_to_three,  // \p{N}{1,3}
  run,          // \p{N}+
  spaced_run,   // ` ?\p{N}+`
  none,         // an earlier stage took them
};

// What may follow a run of punctuation: nothing, [\r\n]*, [\r\n/]*, [\r\n/]?.
enum class Tail { none, newlines, newlines_slashes, one_newline_or_slash };

enum class Spaces {
  plain,           // \s+(?!\S)|\s+
  newlines,        // \s*[\r\n]+ before them (\s*[\r\n] ends at the same place)
  single_newline,  // [\r\n] before them
  cascade,         // \s*[\r\n]+, then \s{512}(?!\S)|\s{256}(?!\S)|...|\s{1,2}(?!\S)|\s{1}
};

struct WordRules {
  Contraction contraction = Contraction::none;  // the first alternative
  Contraction suffix = Contraction::none;       // optional end of a cased word
  Word word = Word::prefixed;
  Number number = Number::single;
  CharClass not_punct = kSpace | kLetter | kNumber;  // ` ?[^...]+`
  bool punct_by_category = false;                    // ` ?[\p{P}\p{S}]+` instead
  Tail tail = Tail::newlines;
  Spaces spaces = Spaces::newlines;
};

// A character, its classes and where the next one starts.
struct Classified {
  uint32_t code_point = 0;
  CharClass classes = 0;
  const char* next = nullptr;
};

inline Classified classify(const char* at, const char* end) {
  const Char c = decode_char(at, end);
  return {c.code_point, char_class(c.code_point), at + c.n_bytes};
}

// The end of the longest run from `at` of characters for which `in` holds.
template <typename Predicate>
const char* run_end(const char* at, const char* end, Predicate in) {
  while (at < end) {
    const Classified c = classify(at, end);
    if (!in(c)) {
      break;
    }
    at = c.next;
  }
  return at;
}

inline const char* class_run_end(const char* at, const char* end, CharClass classes) {
  return run_end(at, end, [classes](const Classified& c) { return (c.classes & classes) != 0; });
}

// The end of the contraction at `at` (an apostrophe), or null.
template <Contraction kind>
const char* match_contraction(const char* at, const char* end) {
  const auto fold = [](char c) {
    return kind == Contraction::any_case && c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
  };
  if (kind == Contraction::none || end - at < 2) {
    return nullptr;
  }
  const char first = fold(at[1]);
  if (first == 's' || first == 't' || first == 'm' || first == 'd') {
    return at + 2;
  }
  if (end - at < 3) {
    return nullptr;
  }
  if (kind == Contraction::any_case && at[1] == '\xC5' && at[2] == '\xBF') {
    return at + 3;  // U+017F, the long s
  }
  const char second = fold(at[2]);
  const bool two = (first == 'r' && second == 'e') || (first == 'v' && second == 'e') ||
                   (first == 'l' && second == 'l');
  return two ? at + 3 : nullptr;
}

// The class that a cased word sees: with `not_han`, letters and marks of Han count for nothing.
template <bool not_han>
CharClass cased_class(const Classified& c) {
  const CharClass letters = c.classes & (kLetter | kMark);
  return not_han && letters != 0 && c.code_point >= 0x2E80 && is_han(c.code_point) ? 0 : letters;
}

// U*L+ from `at`, or null. U* is greedy: where no L follows it, it gives back to the last
// character that is in both.
template <bool not_han>
const char* match_upper_lower(const char* at, const char* end) {
  const char* after_shared = nullptr;
  while (at < end) {
    const Classified c = classify(at, end);
    const CharClass classes = cased_class<not_han>(c);
    if ((classes & kLower) != 0) {
      return run_end(at, end, [](const Classified& d) {
        return (cased_class<not_han>(d) & (kLower | kOtherLetter | kMark)) != 0;
      });
    }
    if (classes == 0) {
      break;
    }
    at = c.next;
    if ((classes & (kOtherLetter | kMark)) != 0) {
      after_shared = at;
    }
  }
  return after_shared;
}

// U+L* from `at` where match_upper_lower found nothing, so that L* is empty; or null.
template <bool not_han>
const char* match_upper(const char* at, const char* end) {
  const char* const upper_end =
      run_end(at, end, [](const Classified& c) { return cased_class<not_han>(c) != 0; });
  return upper_end == at ? nullptr : upper_end;
}

template <WordRules rules, bool not_han>
const char* match_cased(const char* at, const char* end, const Classified& c) {
  const bool prefix = (c.classes & (kNewline | kLetter | kNumber)) == 0 && c.next < end;
  const char* word = prefix ? match_upper_lower<not_han>(c.next, end) : nullptr;
  if (word == nullptr) {
    word = match_upper_lower<not_han>(at, end);
  }
  if (word == nullptr && prefix) {
    word = match_upper<not_han>(c.next, end);
  }
  if (word == nullptr) {
    word = match_upper<not_han>(at, end);
  }
  if (word != nullptr && rules.suffix != Contraction::none && word < end && *word == '\'') {
    const char* const longer = match_contraction<rules.suffix>(word, end);
    return longer != nullptr ? longer : word;
  }
  return word;
}

// prefix? run+ where a prefix is one character outside `no_prefix`.
template <CharClass run, CharClass no_prefix>
const char* match_prefixed(const char* end, const Classified& c) {
  if ((c.classes & run) != 0) {
    return class_run_end(c.next, end, run);
  }
  if ((c.classes & no_prefix) != 0 || c.next == end) {
    return nullptr;
  }
  const char* const word = class_run_end(c.next, end, run);
  return word == c.next ? nullptr : word;
}

inline bool is_ascii_letter(char c) {
  return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
}

inline const char* match_symbol_led(const char* end, const Classified& c) {
  if (c.code_point < 128 && (c.classes & (kPunct | kSymbol)) != 0 && c.next < end &&
      is_ascii_letter(*c.next)) {
    return std::find_if_not(c.next, end, is_ascii_letter);
  }
  return match_prefixed < kLetter | kMark, kNewline | kLetter | kPunct | kSymbol > (end, c);
}

// One letter and all that a chain adds: letters, marks, and single spaces before letters.
inline const char* match_chained(const char* at, const char* end, const Classified& c) {
  if ((c.classes & kLetter) == 0) {
    if ((c.classes & (kNewline | kNumber)) != 0 || c.next == end ||
        (classify(c.next, end).classes & kLetter) == 0) {
      return nullptr;
    }
    at = c.next;
  }
  while (at < end) {
    const char* const letter = *at == ' ' ? at + 1 : at;
    if (letter == end || (classify(letter, end).classes & kLetter) == 0) {
      break;
    }
    at = class_run_end(classify(letter, end).next, end, kMark);
  }
  return at;
}

// ` ?\p{L}+`
inline const char* match_spaced(const char* at, const char* end, const Classified& c) {
  if ((c.classes & kLetter) != 0) {
    return class_run_end(c.next, end, kLetter);
  }
  const char* const word = *at == ' ' ? class_run_end(c.next, end, kLetter) : c.next;
  return word == c.next ? nullptr : word;
}

template <WordRules rules>
const char* match_letters(const char* at, const char* end, const Classified& c) {
  if constexpr (rules.word == Word::prefixed) {
    return match_prefixed < kLetter, kNewline | kLetter | kNumber > (end, c);
  } else if constexpr (rules.word == Word::prefixed_marks) {
    return match_prefixed < kLetter | kMark, kNewline | kLetter | kNumber > (end, c);
  } else if constexpr (rules.word == Word::cased) {
    return match_cased<rules, false>(at, end, c);
  } else if constexpr (rules.word == Word::cased_not_han) {
    if (c.code_point >= 0x2E80 && is_han(c.code_point)) {
      return run_end(at, end, [](const Classified& d) { return is_han(d.code_point); });
    }
    return match_cased<rules, true>(at, end, c);
  } else if constexpr (rules.word == Word::symbol_led) {
    return match_symbol_led(end, c);
  } else if constexpr (rules.word == Word::chained) {
    return match_chained(at, end, c);
  } else {
    return match_spaced(at, end, c);
  }
}

template <WordRules rules>
const char* match_number(const char* at, const char* end, const Classified& c) {
  if constexpr (rules.number == Number::spaced_run) {
    const char* const digits = *at == ' ' ? c.next : at;
    const char* const after = class_run_end(digits, end, kNumber);
    return after == digits ? nullptr : after;
  }
  if (rules.number == Number::none || (c.classes & kNumber) == 0) {
    return nullptr;
  }
  if constexpr (rules.number == Number::run) {
    return class_run_end(c.next, end, kNumber);
  }
  const char* after = c.next;
  if constexpr (rules.number == Number::up_to_three) {
    for (int more = 0; more < 2 && after < end; ++more) {
      const Classified d = classify(after, end);
      if ((d.classes & kNumber) == 0) {
        break;
      }
      after = d.next;
    }
  }
  return after;
}

template <WordRules rules>
const char* match_punct(const char* at, const char* end) {
  const auto is_punct = [](const Classified& c) {
    return rules.punct_by_category ? (c.classes & (kPunct | kSymbol)) != 0
                                   : (c.classes & rules.not_punct) == 0;
  };
  const char* const start = *at == ' ' ? at + 1 : at;
  const char* after = run_end(start, end, is_punct);
  if (after == start) {
    return nullptr;
  }
  const auto is_tail = [](char c) {
    return c == '\r' || c == '\n' || (c == '/' && rules.tail != Tail::newlines);
  };
  if constexpr (rules.tail == Tail::one_newline_or_slash) {
    return after < end && is_tail(*after) ? after + 1 : after;
  }
  if constexpr (rules.tail != Tail::none) {
    after = std::find_if_not(after, end, is_tail);
  }
  return after;
}

// \s{512}(?!\S)|...|\s{4}(?!\S)|\s{1,2}(?!\S)|\s{1} at a run of spaces that starts at `at`. Only
// 513 spaces are looked at, so a long run costs as much as its pieces.
inline const char* match_cascade(const char* at, const char* end) {
  const char* after[514] = {at};
  size_t n_spaces = 0;
  while (n_spaces < 513 && after[n_spaces] < end) {
    const Classified c = classify(after[n_spaces], end);
    if ((c.classes & kSpace) == 0) {
      break;
    }
    after[++n_spaces] = c.next;
  }
  const bool to_the_end = after[n_spaces] == end;
  for (size_t width = 512; width >= 1; width /= 2) {
    if (width < n_spaces || (width == n_spaces && to_the_end)) {
      return after[width];
    }
  }
  return after[1];
}

// What is known of the text ahead, so that a cascade looks through a run of spaces only once.
struct Lookahead {
  const char* no_newline_before = nullptr;  // the run of spaces here goes on to this place at least
};

// A run of spaces from a place that is one.
struct SpaceRun {
  const char* last = nullptr;           // its last character
  const char* end = nullptr;            // where it ends
  const char* after_newline = nullptr;  // after its last newline, or null
};

inline SpaceRun space_run(const char* at, const char* end) {
  SpaceRun run{.last = at, .end = at};
  while (run.end < end) {
    const Classified c = classify(run.end, end);
    if ((c.classes & kSpace) == 0) {
      break;
    }
    run.last = run.end;
    run.end = c.next;
    if ((c.classes & kNewline) != 0) {
      run.after_newline = run.end;
    }
  }
  return run;
}

template <WordRules rules>
const char* match_spaces(const char* at, const char* end, Lookahead& ahead) {
  if (rules.spaces == Spaces::single_newline && (*at == '\n' || *at == '\r')) {
    return at + 1;
  }
  if (rules.spaces == Spaces::cascade && at < ahead.no_newline_before) {
    return match_cascade(at, end);
  }
  const SpaceRun run = space_run(at, end);
  if constexpr (rules.spaces == Spaces::newlines || rules.spaces == Spaces::cascade) {
    if (run.after_newline != nullptr) {
      return run.after_newline;
    }
  }
  if constexpr (rules.spaces == Spaces::cascade) {
    ahead.no_newline_before = run.end;
    return match_cascade(at, end);
  }
  return run.end < end && run.last > at ? run.last : run.end;
}

// The end of the match that starts at `at` < `end`, or null where no alternative matches.
template <WordRules rules>
const char* match_word(const char* at, const char* end, Lookahead& ahead) {
  if constexpr (rules.contraction != Contraction::none) {
    if (*at == '\'') {
      const char* const after = match_contraction<rules.contraction>(at, end);
      if (after != nullptr) {
        return after;
      }
    }
  }
  const Classified c = classify(at, end);
  if (const char* const after = match_letters<rules>(at, end, c); after != nullptr) {
    return after;
  }
  if (const char* const after = match_number<rules>(at, end, c); after != nullptr) {
    return after;
  }
  if (const char* const after = match_punct<rules>(at, end); after != nullptr) {
    return after;
  }
  return (c.classes & kSpace) != 0 ? match_spaces<rules>(at, end, ahead) : nullptr;
}

}  // namespace quern::pre
