// One encoder per block format: the values of one block in, the block out. Inputs are finite and
// within +-65504; quantise_row() checks that. Pure.
#pragma once

#include "tensor/blocks.h"

namespace quern {

void quantise_block(const float* x, BlockQ40& block);
void quantise_block(const float* x, BlockQ41& block);
void quantise_block(const float* x, BlockQ50& block);
void quantise_block(const float* x, BlockQ51& block);
void quantise_block(const float* x, BlockQ80& block);
void quantise_block(const float* x, BlockIq4Nl& block);
void quantise_block(const float* x, BlockMxfp4& block);
void quantise_block(const float* x, BlockQ2K& block);
void quantise_block(const float* x, BlockQ3K& block);
void quantise_block(const float* x, BlockQ4K& block);
void quantise_block(const float* x, BlockQ5K& block);
void quantise_block(const float* x, BlockQ6K& block);
void quantise_block(const float* x, BlockIq4Xs& block);

}  // namespace quern
