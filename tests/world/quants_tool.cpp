// Filter for tests/world/quants_world.py: `decode TYPE` reads blocks and writes f32, `encode TYPE`
// reads f32 and writes blocks; raw little-endian bytes on stdin and stdout.
#include <fmt/core.h>

#include <cstdio>
#include <cstring>
#include <iostream>
#include <iterator>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "kernels/quantise.h"
#include "kernels/scalar/dequantise.h"

namespace {

using quern::DType;

quern::Status wrong(const char* what) {
  return quern::fail({.kind = quern::ErrorKind::usage,
                      .where = "quants_tool",
                      .what = what,
                      .expected = "decode|encode TYPE, and whole blocks on stdin"});
}

void write(const void* data, size_t n_bytes) {
  std::cout.write(static_cast<const char*>(data), static_cast<std::streamsize>(n_bytes));
}

quern::Status decode(DType dtype, const std::string& input) {
  const quern::DTypeTraits& t = quern::traits(dtype);
  if (!quern::can_dequantise(dtype) || input.size() % t.block_bytes != 0) {
    return wrong("cannot decode this type or length");
  }
  std::vector<float> values(input.size() / t.block_bytes * t.block_elements);
  quern::dequantise_row(dtype, reinterpret_cast<const std::byte*>(input.data()), values.data(),
                        values.size());
  write(values.data(), values.size() * sizeof(float));
  return {};
}

quern::Status encode(DType dtype, const std::string& input) {
  std::vector<float> values(input.size() / sizeof(float));
  std::memcpy(values.data(), input.data(), values.size() * sizeof(float));
  const auto n_bytes = quern::row_bytes(dtype, values.size());
  if (!n_bytes) {
    return wrong("not whole blocks");
  }
  std::vector<std::byte> blocks(*n_bytes);
  QUERN_TRY(quern::quantise_row(dtype, values.data(), blocks.data(), values.size()));
  write(blocks.data(), blocks.size());
  return {};
}

quern::Status run(std::string_view action, std::string_view type_name) {
  const auto dtype = quern::dtype_from_name(type_name);
  if (!dtype) {
    return wrong("unknown type");
  }
  const std::string input{std::istreambuf_iterator<char>(std::cin), {}};
  if (action == "decode") {
    return decode(*dtype, input);
  }
  if (action == "encode") {
    return encode(*dtype, input);
  }
  return wrong("unknown action");
}

}  // namespace

int main(int argc, char** argv) {
  const quern::Status status = argc == 3 ? run(argv[1], argv[2]) : wrong("wrong arguments");
  if (!status) {
    fmt::print(stderr, "{}\n", status.error().to_string());
    return quern::exit_code(status.error().kind);
  }
  return 0;
}
