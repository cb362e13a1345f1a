// Any bytes at all as a GGUF file: read, validated, and where that succeeds written and read again.
#include <cstdint>
#include <string>

#include "base/check.h"
#include "gguf/memory_estimate.h"
#include "gguf/reader.h"
#include "gguf/scan.h"
#include "gguf/validate.h"
#include "gguf/writer.h"
#include "text/unicode.h"

namespace {

using namespace quern;

std::string rewritten(const ModelCard& card, ByteSpan file) {
  GgufWriter writer(card.version());
  QUERN_CHECK(writer.add_metadata(card).has_value());
  for (const TensorInfo& tensor : card.tensors()) {
    const Status added = writer.add_tensor(
        {.name = std::string(tensor.name), .dtype = tensor.dtype, .shape = tensor.shape},
        file.subspan(tensor.file_offset, tensor.n_bytes));
    QUERN_CHECK(added.has_value());
  }
  std::string out;
  const Status status = writer.write([&](ByteSpan bytes) -> Status {
    out.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    return {};
  });
  QUERN_CHECK(status.has_value());
  return out;
}

// Names may have letters of any script; controls and bytes that are no UTF-8 are escaped.
void check_error(const Error& error) {
  const std::string line = error.to_string();
  const char* const end = line.data() + line.size();
  for (const char* at = line.data(); at < end;) {
    const Char c = decode_char(at, end);
    QUERN_CHECK(c.n_bytes > 1 || (c.code_point >= 0x20 && c.code_point < 0x7F));
    at += c.n_bytes;
  }
}

}  // namespace

// The name is libFuzzer's. NOLINTNEXTLINE(readability-identifier-naming)
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const ByteSpan bytes(reinterpret_cast<const std::byte*>(data), size);
  const auto card = parse_model_card(bytes, size);
  if (!card) {
    check_error(card.error());
    return 0;
  }
  if (const Status valid = validate_card(*card); !valid) {
    check_error(valid.error());
  } else {
    (void)estimate_memory(*card);
    (void)summarise(*card);
  }
  const std::string once = rewritten(*card, bytes);
  const ByteSpan again(reinterpret_cast<const std::byte*>(once.data()), once.size());
  const auto card_again = parse_model_card(again, again.size());
  QUERN_CHECK(card_again.has_value());
  QUERN_CHECK(rewritten(*card_again, again) == once);
  return 0;
}
