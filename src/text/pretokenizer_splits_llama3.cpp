// Pre-tokenizers around the expression that Llama 3 made common:
// (?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|
// \s*[\r\n]+|\s+(?!\S)|\s+
#include "text/pretokenizer_splits.h"
#include "text/pretokenizer_stages.h"

namespace quern::pre {
namespace {

constexpr WordRules kLlama3 = {.contraction = Contraction::any_case, .number = Number::up_to_three};
constexpr WordRules kJais2 = {
    .contraction = Contraction::any_case, .number = Number::up_to_three, .spaces = Spaces::cascade};
constexpr WordRules kQwen2 = {.contraction = Contraction::any_case};
constexpr WordRules kQwen35 = {.contraction = Contraction::any_case,
                               .word = Word::prefixed_marks,
                               .not_punct = kSpace | kLetter | kMark | kNumber};
constexpr WordRules kSeedCoder = {.contraction = Contraction::any_case, .tail = Tail::none};
constexpr WordRules kUfakzeka = {};
constexpr WordRules kMinicpm5 = {.contraction = Contraction::any_case, .number = Number::run};
constexpr WordRules kExaoneMoe = {.contraction = Contraction::any_case,
                                  .word = Word::chained,
                                  .tail = Tail::one_newline_or_slash};

}  // namespace

void split_llama3(std::string_view text, PieceSink& sink) {
  split<Words<kLlama3>>(text, sink);
}

void split_jais2(std::string_view text, PieceSink& sink) {
  split<Words<kJais2>>(text, sink);
}

void split_qwen2(std::string_view text, PieceSink& sink) {
  split<Words<kQwen2>>(text, sink);
}

void split_qwen35(std::string_view text, PieceSink& sink) {
  split<Words<kQwen35>>(text, sink);
}

void split_seed_coder(std::string_view text, PieceSink& sink) {
  split<Words<kSeedCoder>>(text, sink);
}

void split_ufakzeka(std::string_view text, PieceSink& sink) {
  split<Words<kUfakzeka>>(text, sink);
}

void split_laguna(std::string_view text, PieceSink& sink) {
  split<Isolate<LineMatcher>, Words<kQwen2>>(text, sink);
}

void split_minicpm5(std::string_view text, PieceSink& sink) {
  split<NumberTriples, Words<kMinicpm5>>(text, sink);
}

void split_exaone_moe(std::string_view text, PieceSink& sink) {
  split<Words<kExaoneMoe>>(text, sink);
}

}  // namespace quern::pre
