// Source of the classes: Unicode 15, general categories; of the widths: UAX #11.
#include "text/printable.h"

#include <gtest/gtest.h>

#include <string>

namespace quern {
namespace {

using namespace std::string_literals;

TEST(Printable, LettersMarksDigitsAndSymbolsOfAnyScriptStandAsTheyAre) {
  for (const std::string text : {"plain text, 1 + 1", "ünïcödé", "модель", "日本語", "नमस्ते",
                                 "€5 «x» 🙂", "e\u0301", "\uFFFD"}) {
    EXPECT_EQ(printable(text), text);
  }
}

TEST(Printable, ControlsFormatsAndForeignSpacesAreEscaped) {
  EXPECT_EQ(printable("a\nb\x1b[31m\x7f\0c"s), "a\\x0ab\\x1b[31m\\x7f\\x00c");
  EXPECT_EQ(printable("\u0085\u009b"), "\\xc2\\x85\\xc2\\x9b");       // C1: next line, CSI
  EXPECT_EQ(printable("a\u202eb"), "a\\xe2\\x80\\xaeb");              // right-to-left override
  EXPECT_EQ(printable("\u2028\u00a0"), "\\xe2\\x80\\xa8\\xc2\\xa0");  // line separator, hard space
  EXPECT_EQ(printable("\uE000"), "\\xee\\x80\\x80");                  // private use
}

TEST(Printable, BytesThatAreNoUtf8AreEscaped) {
  EXPECT_EQ(printable("\xff\xc3"), "\\xff\\xc3");
  EXPECT_EQ(printable("\xed\xa0\x80"), "\\xed\\xa0\\x80");  // a surrogate
  EXPECT_EQ(printable("\xc0\xaf"), "\\xc0\\xaf");           // an overlong slash
}

TEST(Printable, IsCutBetweenCharacters) {
  EXPECT_EQ(printable("日本語", 2), "日本...");
  EXPECT_EQ(printable("日本語", 3), "日本語");
  EXPECT_EQ(printable("\n\n\n", 8), "\\x0a\\x0a...");
  EXPECT_EQ(printable("", 0), "");
}

TEST(DisplayWidth, CountsColumns) {
  EXPECT_EQ(display_width("abc"), 3U);
  EXPECT_EQ(display_width("日本"), 4U);
  EXPECT_EQ(display_width("e\u0301"), 1U);
  EXPECT_EQ(display_width(""), 0U);
}

}  // namespace
}  // namespace quern
