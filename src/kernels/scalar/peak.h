// What plain C++ reaches at best, beside which the scalar kernels are measured.
#pragma once

#include "kernels/kernel_table.h"

namespace quern {

PeakLoops scalar_peak_loops();

}  // namespace quern
