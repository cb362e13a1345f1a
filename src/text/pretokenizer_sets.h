// Sets of code points that single models' expressions spell out as ranges. Internal to the
// pre-tokenizers.
#pragma once

#include <cstdint>

namespace quern::pre {

// [一-龥぀-ゟ゠-ヿ]: deepseek-v3 and those that follow it.
bool is_cjk(uint32_t code_point);
// [一-龥ࠀ-一가-퟿]: deepseek-llm and deepseek-coder.
bool is_east_asian(uint32_t code_point);
// afmoe: Han, kana, Thai, Lao, Khmer, Burmese, Hangul.
bool is_asian_script(uint32_t code_point);
// deepseek-llm's letters of scripts with case.
bool is_cased_letter(uint32_t code_point);
// deepseek-llm's punctuation: [!-/:-~！-／：-～‘-‟　-。].
bool is_half_or_full_punct(uint32_t code_point);
// bloom, poro and viking: outside [(\s|.,!?…。，、।۔،)].
bool is_not_pause(uint32_t code_point);

// The classes of youtu's first stage, each of which runs on its own: Hangul, punctuation,
// Bopomofo, and is_cjk; 0 for none.
int youtu_class(uint32_t code_point);

}  // namespace quern::pre
