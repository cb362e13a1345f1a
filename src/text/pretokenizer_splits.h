// One SplitFunction per family of pre-tokenizers. Internal to the pre-tokenizers.
#pragma once

#include <string_view>

#include "text/pretokenizer.h"

namespace quern::pre {

void split_default(std::string_view text, PieceSink& sink);
void split_gpt2(std::string_view text, PieceSink& sink);
void split_digits_gpt2(std::string_view text, PieceSink& sink);
void split_falcon(std::string_view text, PieceSink& sink);
void split_chameleon(std::string_view text, PieceSink& sink);
void split_bloom(std::string_view text, PieceSink& sink);
void split_viking(std::string_view text, PieceSink& sink);
void split_superbpe(std::string_view text, PieceSink& sink);
void split_lines(std::string_view text, PieceSink& sink);
void split_whitespace(std::string_view text, PieceSink& sink);

void split_llama3(std::string_view text, PieceSink& sink);
void split_jais2(std::string_view text, PieceSink& sink);
void split_qwen2(std::string_view text, PieceSink& sink);
void split_qwen35(std::string_view text, PieceSink& sink);
void split_seed_coder(std::string_view text, PieceSink& sink);
void split_ufakzeka(std::string_view text, PieceSink& sink);
void split_laguna(std::string_view text, PieceSink& sink);
void split_minicpm5(std::string_view text, PieceSink& sink);
void split_exaone_moe(std::string_view text, PieceSink& sink);

void split_tekken(std::string_view text, PieceSink& sink);
void split_gpt4o(std::string_view text, PieceSink& sink);
void split_tiny_aya(std::string_view text, PieceSink& sink);
void split_kimi_k2(std::string_view text, PieceSink& sink);
void split_youtu(std::string_view text, PieceSink& sink);

void split_deepseek_llm(std::string_view text, PieceSink& sink);
void split_deepseek_coder(std::string_view text, PieceSink& sink);
void split_deepseek3(std::string_view text, PieceSink& sink);
void split_spark(std::string_view text, PieceSink& sink);
void split_afmoe(std::string_view text, PieceSink& sink);

}  // namespace quern::pre
