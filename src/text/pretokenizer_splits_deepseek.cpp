// Pre-tokenizers of the DeepSeek line: sequences of simple cuts, then words led by a symbol.
#include "text/pretokenizer_sets.h"
#include "text/pretokenizer_splits.h"
#include "text/pretokenizer_stages.h"

namespace quern::pre {
namespace {

constexpr WordRules kDeepseek3 = {
    .word = Word::symbol_led, .number = Number::none, .punct_by_category = true};
constexpr WordRules kSpark = {.word = Word::symbol_led,
                              .number = Number::none,
                              .punct_by_category = true,
                              .tail = Tail::none,
                              .spaces = Spaces::single_newline};

using CjkRuns = SetRuns<is_cjk>;

}  // namespace

void split_deepseek_llm(std::string_view text, PieceSink& sink) {
  split<SingleNewlines, Isolate<AfterSpaceMatcher<SetMatcher<is_cased_letter>>>,
        Isolate<AfterSpaceMatcher<SetMatcher<is_half_or_full_punct>>>, TrailingSpaces,
        SetRuns<is_east_asian>, NumberRuns>(text, sink);
}

void split_deepseek_coder(std::string_view text, PieceSink& sink) {
  split<SingleNewlines, Isolate<AfterSpaceMatcher<ClassMatcher<kLetter, 0>>>,
        Isolate<AfterSpaceMatcher<ClassMatcher<kPunct, 0>>>, SetRuns<is_east_asian>, SingleNumbers>(
      text, sink);
}

void split_deepseek3(std::string_view text, PieceSink& sink) {
  split<NumberTriples, CjkRuns, Words<kDeepseek3>>(text, sink);
}

void split_spark(std::string_view text, PieceSink& sink) {
  split<NumberTriples, CjkRuns, Words<kSpark>, SingleNumbers>(text, sink);
}

void split_afmoe(std::string_view text, PieceSink& sink) {
  split<RightGroups<Grouping::every_number>, SetRuns<is_asian_script>, Words<kDeepseek3>>(text,
                                                                                          sink);
}

}  // namespace quern::pre
