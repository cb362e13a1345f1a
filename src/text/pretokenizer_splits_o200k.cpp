// Pre-tokenizers around the expression of o200k (GPT-4o), which cuts words where case changes.
#include "text/pretokenizer_sets.h"
#include "text/pretokenizer_splits.h"
#include "text/pretokenizer_stages.h"

namespace quern::pre {
namespace {

constexpr WordRules kGpt4o = {.suffix = Contraction::any_case,
                              .word = Word::cased,
                              .number = Number::up_to_three,
                              .tail = Tail::newlines_slashes};
constexpr WordRules kTekken = {.word = Word::cased, .tail = Tail::newlines_slashes};
constexpr WordRules kKimiK2 = {
    .suffix = Contraction::any_case, .word = Word::cased_not_han, .number = Number::up_to_three};
constexpr WordRules kYoutu = {
    .suffix = Contraction::any_case, .word = Word::cased, .tail = Tail::newlines_slashes};

struct YoutuMatcher {
  static const char* match(const char* at, const char* end) {
    const int kind = youtu_class(classify(at, end).code_point);
    if (kind == 0) {
      return nullptr;
    }
    return run_end(at, end,
                   [kind](const Classified& c) { return youtu_class(c.code_point) == kind; });
  }
};

}  // namespace

void split_tekken(std::string_view text, PieceSink& sink) {
  split<Words<kTekken>>(text, sink);
}

void split_gpt4o(std::string_view text, PieceSink& sink) {
  split<Words<kGpt4o>>(text, sink);
}

void split_tiny_aya(std::string_view text, PieceSink& sink) {
  split<RightGroups<Grouping::whole_decimal>, Words<kGpt4o>>(text, sink);
}

void split_kimi_k2(std::string_view text, PieceSink& sink) {
  split<Words<kKimiK2>>(text, sink);
}

void split_youtu(std::string_view text, PieceSink& sink) {
  split<Isolate<YoutuMatcher>, Words<kYoutu>>(text, sink);
}

}  // namespace quern::pre
