// What the files of this folder give each other. Plain declarations, no code.
#pragma once

#include "kernels/kernel_table.h"

namespace quern::avx2 {
#include "kernels/fragments/functions.h"
}  // namespace quern::avx2
