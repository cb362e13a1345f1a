// Well-formed and ill-formed sequences: Unicode 15, tables 3-7 and 3-8.
#include "text/utf8.h"

#include <gtest/gtest.h>

namespace quern {
namespace {

TEST(Utf8, KnowsAWholeTextOfIt) {
  for (const char* text : {"", "plain", "\u00e9t\u00e9", "\u20ac", "\U0001F600!"}) {
    EXPECT_TRUE(is_valid_utf8(text)) << text;
  }
  // A Latin-1 byte, a lone continuation, an overlong form, a surrogate, beyond U+10FFFF, a cut end.
  for (const char* text :
       {"caf\xe9", "\x80", "a\xc0\xaf", "\xed\xa0\x80", "\xf4\x90\x80\x80", "ok\xe2\x82"}) {
    EXPECT_FALSE(is_valid_utf8(text)) << text;
  }
}

}  // namespace
}  // namespace quern
