// The hand-written splits against PCRE2 running the expressions that the models publish
// (tokenizer.json of each family; alternatives as the file orders them).
#define PCRE2_CODE_UNIT_WIDTH 8
#include <gtest/gtest.h>

#include <pcre2.h>
#include <algorithm>

#include <memory>
#include <random>
#include <string>
#include <vector>

#include "base/log.h"
#include "text/pretokenizer.h"
#include "text/unicode.h"

namespace quern {
namespace {

using Pieces = std::vector<std::string_view>;

class Regex {
 public:
  explicit Regex(const std::string& pattern) {
    int error = 0;
    PCRE2_SIZE where = 0;
    code_.reset(pcre2_compile(reinterpret_cast<PCRE2_SPTR>(pattern.data()), pattern.size(),
                              PCRE2_UTF | PCRE2_UCP, &error, &where, nullptr));
    EXPECT_NE(code_, nullptr) << pattern << " at " << where;
    pcre2_jit_compile(code_.get(), PCRE2_JIT_COMPLETE);
    match_.reset(pcre2_match_data_create_from_pattern(code_.get(), nullptr));
  }

  // The "isolated" split: matches and what lies between them, empty parts left out.
  void split(std::string_view text, Pieces& out) const {
    size_t rest = 0;
    size_t from = 0;
    const auto emit = [&](size_t end) {
      if (end > rest) {
        out.push_back(text.substr(rest, end - rest));
        rest = end;
      }
    };
    while (from <= text.size()) {
      const int found = pcre2_match(code_.get(), reinterpret_cast<PCRE2_SPTR>(text.data()),
                                    text.size(), from, PCRE2_NO_UTF_CHECK, match_.get(), nullptr);
      if (found < 0) {
        EXPECT_EQ(found, PCRE2_ERROR_NOMATCH);
        break;
      }
      const PCRE2_SIZE* const span = pcre2_get_ovector_pointer(match_.get());
      emit(span[0]);
      emit(span[1]);
      if (span[1] > span[0]) {
        from = span[1];
      } else if (span[1] < text.size()) {
        from = span[1] + decode_char(text.data() + span[1], text.data() + text.size()).n_bytes;
      } else {
        break;
      }
    }
    emit(text.size());
  }

 private:
  struct Free {
    void operator()(pcre2_code* code) const { pcre2_code_free(code); }
    void operator()(pcre2_match_data* data) const { pcre2_match_data_free(data); }
  };
  std::unique_ptr<pcre2_code, Free> code_;
  std::unique_ptr<pcre2_match_data, Free> match_;
};

struct Published {
  const char* name;
  std::vector<std::string> stages;
};

const std::string kGpt2 =
    R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)";
const std::string kQuoted = R"((?i:'s|'t|'re|'ve|'m|'ll|'d))";
const std::string kLlama3Tail = R"(| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
const std::string kQwen2 = kQuoted + R"(|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N})" + kLlama3Tail;
const std::string kU = R"([\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}])";
const std::string kL = R"([\p{Ll}\p{Lm}\p{Lo}\p{M}])";
const std::string kPrefix = R"([^\r\n\p{L}\p{N}]?)";
const std::string kO200kTail = R"(| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
const std::string kGpt4o = kPrefix + kU + "*" + kL + "+" + kQuoted + "?|" + kPrefix + kU + "+" +
                           kL + "*" + kQuoted + R"(?|\p{N}{1,3})" + kO200kTail;
// The set intersection && of other engines, as a lookahead.
const std::string kKimiU = R"((?:(?!\p{sc:Han}))" + kU + ")";
const std::string kKimiL = R"((?:(?!\p{sc:Han}))" + kL + ")";
const std::string kDeepseekWords =
    R"([!"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+)";
const std::string kDeepseek3 =
    kDeepseekWords + R"(| ?[\p{P}\p{S}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
const std::string kCjk = "[一-龥\u3040-ゟ゠-ヿ]+";
const std::string kEastAsian = "[一-龥\u0800-一가-\uD7FF]+";

std::vector<Published> published() {
  return {
      {"default", {R"([\p{P}\$\+<=>\^~\|]+)", kGpt2, R"(\p{N}+)", "[0-9][0-9][0-9]"}},
      {"gpt-2", {kGpt2}},
      {"smollm", {R"(\p{N})", kGpt2}},
      {"falcon", {R"([\p{P}\$\+<=>\^~\|`]+)", kGpt2, "[0-9][0-9][0-9]"}},
      {"chameleon",
       {"<sentinel:[0-9]+>", "(IMGIMG)((A|B|C|D|E|F|G|H|I){1,4})Z", R"([\t\n]|    |  )", R"(\p{N})",
        R"([\p{P}!-/:-@\[-`{-~])", kGpt2}},
      {"bloom", {R"( ?[^(\s|.,!?…。，、।۔،)]+)"}},
      {"viking", {R"( ?[^(\s|.,!?…。，、।۔،)]+)", R"(\p{N})"}},
      {"superbpe", {R"(\p{N}+)", R"((?=(\d{3})+(?!\d)))"}},
      {"gemma4", {R"([^\n]+|[\n]+)"}},
      {"whitespace", {R"(\S+)"}},
      {"llama3", {kQuoted + R"(|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3})" + kLlama3Tail}},
      {"jais-2",
       {kQuoted +
        R"(|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+)"
        R"(|\s{512}(?!\S)|\s{256}(?!\S)|\s{128}(?!\S)|\s{64}(?!\S)|\s{32}(?!\S)|\s{16}(?!\S))"
        R"(|\s{8}(?!\S)|\s{4}(?!\S)|\s{1,2}(?!\S)|\s{1})"}},
      {"qwen2", {kQwen2}},
      {"bailingmoe",
       {R"('(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]++[\r\n]*)"
        R"(|\s*[\r\n]|\s+(?!\S)|\s+)"}},
      {"qwen35",
       {kQuoted + R"(|[^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+|\p{N}| ?[^\s\p{L}\p{M}\p{N}]+[\r\n]*)"
                  R"(|\s*[\r\n]+|\s+(?!\S)|\s+)"}},
      {"seed-coder",
       {kQuoted + R"(|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1}| ?[^\s\p{L}\p{N}\r\n]+)"
                  R"(|\s*[\r\n]+|\s+(?!\S)|\s+)"}},
      {"ufakzeka", {R"([^\r\n\p{L}\p{N}]?\p{L}+|\p{N})" + kLlama3Tail}},
      {"laguna", {R"([^\n]+|[\n]+)", kQwen2}},
      {"minicpm5",
       {R"(\p{N}{1,3})", kQuoted + R"(|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}+)" + kLlama3Tail}},
      {"exaone-moe",
       {kQuoted + R"(|[^\r\n\p{L}\p{N}]?(?:\p{L}\p{M}*(?: \p{L}\p{M}*)*)+|\p{N})"
                  R"(| ?[^\s\p{L}\p{N}]+[\r\n/]?|\s*[\r\n]|\s+(?!\S)|\s+)"}},
      {"tekken",
       {kPrefix + kU + "*" + kL + "+|" + kPrefix + kU + "+" + kL + R"(*|\p{N})" + kO200kTail}},
      {"gpt-4o", {kGpt4o}},
      // \b of the published expression, spelled out: PCRE2 10.42 leaves marks out of \w.
      {"tiny_aya", {R"(\d{1,3}(?=(?:\d{3})*(?![\p{L}\p{M}\p{N}\p{Pc}])))", kGpt4o}},
      {"kimi-k2",
       {R"([\p{sc:Han}]+|)" + kPrefix + kKimiU + "*" + kKimiL + "+" + kQuoted + "?|" + kPrefix +
        kKimiU + "+" + kKimiL + "*" + kQuoted + R"(?|\p{N}{1,3})" + kLlama3Tail}},
      {"youtu",
       {"[가-힣ㄱ-ㆎ]+|[！…“”‘’—：；，、-〿︰-﹏]+|[ㄅ-ㄯ]+|" + kCjk,
        kPrefix + kU + "*" + kL + "+" + kQuoted + "?|" + kPrefix + kU + "+" + kL + "*" + kQuoted +
            R"(?|\p{N})" + kO200kTail}},
      {"deepseek-coder", {"[\r\n]", R"(\s?\p{L}+)", R"(\s?\p{P}+)", kEastAsian, R"(\p{N})"}},
      {"deepseek-v3", {R"(\p{N}{1,3})", kCjk, kDeepseek3}},
      {"spark2_5",
       {R"(\p{N}{1,3})", kCjk, kDeepseekWords + R"(| ?[\p{P}\p{S}]+|[\r\n]|\s+(?!\S)|\s+)",
        R"(\p{N})"}},
      {"afmoe",
       {R"(\p{N}{1,3}(?=(?:\p{N}{3})*(?!\p{N})))",
        "[一-\u9FFF㐀-䶿\uF900-\uFAFF\u3040-ゟ゠-ヿ･-ﾟ⼀-\u2FDFเ-\u0E7F\u0E80-\u0EFFក-\u17FFက-႟"
        "ꩠ-ꩿꧠ-\uA9FF가-\uD7AFᄀ-ᇿ]+",
        kDeepseek3}},
      {"deepseek-llm",
       {"[\r\n]",
        "\\s?[A-Za-zµÀ-ÖØ-öø-ƺƼ-ƿǄ-ʓʕ-ʯͰ-ͳͶͷͻ-ͽͿΆΈ-ΊΌΎ-ΡΣ-ϵϷ-ҁҊ-ԯԱ-ՖႠ-ჅᎠ-Ᏽᏸ-ᏽᲐ-ᲺᲽ-Ჿᴀ-ᴫᵫ-ᵷᵹ-ᶚḀ-ἕ"
        "Ἐ-Ἕἠ-ὅὈ-Ὅὐ-ὗὙὛὝὟ-\u1F7Dᾀ-ᾴᾶ-ᾼ\u1FBEῂ-ῄῆ-ῌῐ-\u1FD3ῖ-\u1FDBῠ-Ῥῲ-ῴῶ-ῼℂℇℊ-ℓℕℙ-"
        "ℝℤ\u2126ℨ\u212A-ℭℯ-ℴℹℼ-ℿⅅ-ⅉⅎↃↄⰀ-ⱻⱾ-ⳤⳫ-ⳮⲳⳲⳳꙀ-ꙭꚀ-ꚛꜢ-ꝯꝱ-ꞇꞋ-ꞎꭰ-ꮿﬀ-ﬆﬓ-ﬗＡ-Ｚａ-ｚ𐐀-𐑏𐒰-𐓓𐓘-𐓻"
        "𐲀-𐲲𐳀-𐳲𑢠-𑣟𞤀-𞥃]+",
        "\\s?[!-/:-~！-／：-～‘-‟\u3000-。]+", "\\s+$", kEastAsian, R"(\p{N}+)"}},
  };
}

// Characters that the expressions tell apart, several of each class. U+180E stays out: PCRE2 alone
// takes it for a space.
std::vector<std::string> alphabet() {
  return {"a",      "b",      "z",         "A",
          "Z",      "S",      "s",         "t",
          "T",      "re",     "LL",        "l",
          "d",      "'",      "'",         "'s",
          "'ll",    "'RE",    "'ſ",        "0",
          "1",      "9",      "12",        "123",
          " ",      " ",      " ",         "  ",
          "    ",   "\n",     "\r",        "\r\n",
          "\t",     "\v",     "/",         "!",
          ".",      ",",      "(",         ")",
          "|",      "_",      "-",         "$",
          "+",      "`",      "~",         "<",
          "é",      "É",      "ß",         "ſ",
          "ǅ",      "ʰ",      "ª",         "Ж",
          "ж",      "中",     "文",        "々",
          "〇",     "⺀",     "あ",        "ア",
          "ー",     "한",     "국",        "ㄱ",
          "ㄅ",     "ไ",      "ท",         "ກ",
          "ក",      "က",      "अ",         "ि",
          "\u0301", "\u0300", "\u20DD",    "ــ",
          "ع",      "٣",      "½",         "²",
          "Ⅷ",      "〡",     "😀",        "👍🏽",
          "\u200D", "\u200B", "\u00A0",    "\u3000",
          "\u2028", "\u0085", "，",        "。",
          "、",     "！",     "“",         "”",
          "…",      "—",      "۔",         "।",
          "،",      "‿",      "Ａ",        "ｱ",
          "﹏",     "⼀",     "\x01",      "\x7F",
          "𐐀",      "𝒳",      "IMGIMGABZ", "<sentinel:12>",
          "\uFFFD"};
}

std::string random_text(std::mt19937& random, const std::vector<std::string>& letters) {
  const auto pick = [&](size_t n) {
    return std::uniform_int_distribution<size_t>(0, n - 1)(random);
  };
  // A few letters per text, so that runs and repeated meetings of the same classes are common.
  std::vector<std::string> few;
  for (size_t i = 0, n = 2 + pick(10); i < n; ++i) {
    few.push_back(letters[pick(letters.size())]);
  }
  std::string text;
  for (size_t i = 0, n = 1 + pick(40); i < n; ++i) {
    const std::string& letter = few[pick(few.size())];
    for (size_t repeat = 1 + (pick(4) == 0 ? pick(9) : 0); repeat > 0; --repeat) {
      text += letter;
    }
  }
  return text;
}

const PreTokenizer& pre(std::string_view name) {
  const auto found = resolve_pre(name, false, Log());
  EXPECT_TRUE(found.has_value()) << name;
  return **found;
}

std::string shown(const Pieces& pieces) {
  std::string line;
  for (const std::string_view piece : pieces) {
    line.append("[").append(piece).append("]");
  }
  return line;
}

TEST(PreTokenizerOracle, SplitsAsThePublishedExpressionsDo) {
  const std::vector<std::string> letters = alphabet();
  for (const Published& model : published()) {
    const PreTokenizer& entry = pre(model.name);
    std::vector<Regex> stages;
    for (const std::string& pattern : model.stages) {
      stages.emplace_back(pattern);
    }
    std::mt19937 random(7);
    int n_wrong = 0;
    for (int round = 0; round < 4000 && n_wrong < 3; ++round) {
      const std::string text = random_text(random, letters);
      Pieces want = {text};
      for (const Regex& stage : stages) {
        Pieces parts;
        for (const std::string_view part : want) {
          stage.split(part, parts);
        }
        want = std::move(parts);
      }
      const Pieces got = split_pieces(entry, text);
      EXPECT_EQ(got, want) << model.name << "\n got " << shown(got) << "\nwant " << shown(want);
      n_wrong += got != want ? 1 : 0;
    }
  }
}

// Every split function of the table is covered above, through one of its names.
TEST(PreTokenizerOracle, CoversEverySplitOfTheTable) {
  std::vector<SplitFunction> covered;
  for (const Published& model : published()) {
    covered.push_back(pre(model.name).split);
  }
  for (const std::string_view name : known_pre_names()) {
    EXPECT_NE(std::ranges::find(covered, pre(name).split), covered.end()) << name;
  }
}

// The class of every code point that both libraries know, against PCRE2's properties.
TEST(Unicode, ClassesAgreeWithPcre2) {
  struct Named {
    CharClass classes;
    const char* pattern;
  };
  const Named named[] = {{kUpper, R"([\p{Lu}\p{Lt}])"},
                         {kLower, R"(\p{Ll})"},
                         {kOtherLetter, R"([\p{Lm}\p{Lo}])"},
                         {kMark, R"(\p{M})"},
                         {kDecimal, R"(\p{Nd})"},
                         {kOtherNumber, R"([\p{Nl}\p{No}])"},
                         {kPunct, R"(\p{P})"},
                         {kSymbol, R"(\p{S})"},
                         {kConnector, R"(\p{Pc})"},
                         {kSpace, R"(\s)"}};
  std::vector<uint32_t> points;
  const Regex unassigned(R"([\p{Cn}\x{180E}])");
  for (uint32_t c = 0; c < 0x32400; ++c) {
    if (c >= 0xD800 && c < 0xE000) {
      continue;
    }
    points.push_back(c);
  }
  std::vector<bool> known(0x110000, true);
  std::vector<bool> in(0x110000);
  const auto mark = [&](const Regex& regex, std::vector<bool>& set, bool value) {
    // One character each, because a split also cuts before and after a match.
    for (const uint32_t c : points) {
      std::string text = "\x01";
      append_utf8(c, text);
      text += '\x01';
      Pieces pieces;
      regex.split(text, pieces);
      if (pieces.size() == 3) {
        set[c] = value;
      }
    }
  };
  mark(unassigned, known, false);
  for (const Named& entry : named) {
    std::fill(in.begin(), in.end(), false);
    mark(Regex(entry.pattern), in, true);
    for (const uint32_t c : points) {
      if (known[c]) {
        ASSERT_EQ((char_class(c) & entry.classes) != 0, in[c])
            << entry.pattern << " U+" << std::hex << c;
      }
    }
  }
  std::fill(in.begin(), in.end(), false);
  mark(Regex(R"(\p{sc:Han})"), in, true);
  for (const uint32_t c : points) {
    if (known[c]) {
      ASSERT_EQ(is_han(c), in[c]) << std::hex << c;
    }
  }
}

TEST(PreTokenizerOracle, IllFormedBytesCutLikeTheReplacementCharacter) {
  std::mt19937 random(11);
  const std::vector<std::string> letters = alphabet();
  for (const std::string_view name : known_pre_names()) {
    for (int round = 0; round < 40; ++round) {
      const std::string text = random_text(random, letters);
      std::string broken;
      for (size_t at = 0; at < text.size();) {
        const std::string_view rest = std::string_view(text).substr(at);
        const bool replacement = rest.starts_with("\uFFFD");
        broken.push_back(replacement ? '\xFF' : rest.front());
        at += replacement ? 3 : 1;
      }
      std::vector<std::string> want;
      for (const std::string_view piece : split_pieces(pre(name), text)) {
        std::string bytes(piece);
        for (size_t at = bytes.find("\uFFFD"); at != std::string::npos; at = bytes.find("\uFFFD")) {
          bytes.erase(at, 2);
          bytes[at] = '\xFF';
        }
        want.push_back(bytes);
      }
      const Pieces got = split_pieces(pre(name), broken);
      EXPECT_EQ(std::vector<std::string>(got.begin(), got.end()), want) << name;
    }
  }
}

}  // namespace
}  // namespace quern
