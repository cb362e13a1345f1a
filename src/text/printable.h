// Text from outside made fit for one line on a terminal. Pure functions.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace quern {

// Letters, marks, digits, punctuation and symbols of any script stand as they are. What could break
// a line or change how the rest is shown (controls, formats such as the bidirectional ones, spaces
// beyond ASCII, code points that mean nothing) and bytes that are no UTF-8 become \xNN, byte by
// byte. Cut after about `max_chars` characters, with "...".
std::string printable(std::string_view text, size_t max_chars = 60);

// Columns that printable text takes on a terminal: 2 for wide characters, 0 for combining ones.
size_t display_width(std::string_view text);

}  // namespace quern
