#include "gguf/reader.h"

#include <fmt/format.h>

#include <charconv>
#include <cstring>
#include <memory>
#include <utility>

#include "base/mapped_file.h"
#include "gguf/header_parser.h"
#include "gguf/name_index.h"
#include "gguf/validate.h"
#include "text/printable.h"

namespace quern {
namespace {
namespace fs = std::filesystem;

std::unexpected<Error> malformed(std::string what, std::string expected) {
  return fail({.kind = ErrorKind::invalid_input,
               .where = "gguf",
               .what = std::move(what),
               .expected = std::move(expected)});
}

// What a file says about its split set; writers store the numbers as u16 or i32.
struct SplitKeys {
  std::optional<uint64_t> count, number, n_tensors;
  const MetaValue* count_value = nullptr;  // as it stands; null when there is none
};

SplitKeys split_keys(const FileHeader& header) {
  SplitKeys keys;
  for (const MetaPair& pair : header.metadata) {
    if (pair.key == "split.count") {
      keys.count = pair.value.as_u64();
      keys.count_value = &pair.value;
    } else if (pair.key == "split.no") {
      keys.number = pair.value.as_u64();
    } else if (pair.key == "split.tensors.count") {
      keys.n_tensors = pair.value.as_u64();
    }
  }
  return keys;
}

std::optional<uint64_t> five_digits(std::string_view text) {
  uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc() && end == text.data() + text.size() ? std::optional(value)
                                                                  : std::nullopt;
}

}  // namespace

// Puts the headers of a model's files together. The views of each header move from the mapping into
// a copy that the card owns.
class CardBuilder {
 public:
  void add(FileHeader header, ByteSpan bytes) {
    const ByteSpan source = bytes.first(header.n_header_bytes);
    auto copy = std::make_unique_for_overwrite<std::byte[]>(source.size());
    std::memcpy(copy.get(), source.data(), source.size());
    const ByteSpan target(copy.get(), source.size());
    const auto move = [&](std::string_view text) {
      const auto offset = reinterpret_cast<const std::byte*>(text.data()) - source.data();
      return std::string_view(reinterpret_cast<const char*>(target.data() + offset), text.size());
    };
    for (TensorInfo& tensor : header.tensors) {
      tensor.name = move(tensor.name);
      tensor.file_index = static_cast<uint32_t>(card_.headers_.size());
      card_.tensors_.push_back(tensor);
    }
    if (card_.headers_.empty()) {
      for (MetaPair& pair : header.metadata) {
        pair.key = move(pair.key);
        pair.value.rebase(source, target);
      }
      card_.metadata_ = std::move(header.metadata);
      card_.version_ = header.version;
      card_.alignment_ = header.alignment;
    }
    card_.headers_.push_back(std::move(copy));
  }

  void add_path(const fs::path& path) { card_.files_.push_back(path); }

  Result<ModelCard> finish() && {
    card_.metadata_by_key_ = index_by_name(card_.metadata_, &MetaPair::key);
    card_.tensors_by_name_ = index_by_name(card_.tensors_, &TensorInfo::name);
    if (const auto name =
            repeated_name(card_.tensors_, card_.tensors_by_name_, &TensorInfo::name)) {
      return malformed(fmt::format("duplicate tensor '{}'", printable(*name)), "each tensor once");
    }
    return std::move(card_);
  }

  uint64_t n_tensors() const { return card_.tensors_.size(); }

 private:
  ModelCard card_;
};

namespace {

// The first file of a model.
struct FirstFile {
  const fs::path& path;
  const MappedFile& file;
  FailPoints* fail_points = nullptr;
};

// Reads the parts after the first of a split set.
class SplitReader {
 public:
  SplitReader(const FirstFile& first, uint64_t n_files)
      : path_(first.path), fail_points_(first.fail_points), n_files_(n_files) {}

  Status read(const SplitKeys& first, CardBuilder& builder) const {
    const auto name = parse_split_name(path_.filename().string());
    if (!name || name->n != n_files_) {
      return malformed(
          fmt::format("split.count is {}, but the file's name does not say so", n_files_),
          fmt::format("a name that ends in -00001-of-{:05}.gguf", n_files_));
    }
    if (first.number != 0U || name->i != 0) {
      QUERN_TRY(check_first_part(*name));
      return malformed(fmt::format("part {} of a split set", first.number.value_or(name->i) + 1),
                       fmt::format("the path of its first part, '{}'",
                                   split_file_name(name->base, 0, n_files_)));
    }
    for (uint64_t i = 1; i < n_files_; ++i) {
      const fs::path part = path_.parent_path() / split_file_name(name->base, i, n_files_);
      QUERN_TRY(read_part(part, i, builder));
    }
    if (first.n_tensors && *first.n_tensors != builder.n_tensors()) {
      return malformed(fmt::format("the {} parts hold {} tensors", n_files_, builder.n_tensors()),
                       fmt::format("{}, as split.tensors.count says", *first.n_tensors));
    }
    return {};
  }

 private:
  Status check_first_part(const SplitName& name) const {
    const std::string first = split_file_name(name.base, 0, n_files_);
    std::error_code error;
    if (name.i != 0 && !fs::exists(path_.parent_path() / first, error)) {
      return malformed(fmt::format("part 1 of {}, '{}', is missing", n_files_, first),
                       "all parts in one folder");
    }
    return {};
  }

  Status read_part(const fs::path& path, uint64_t i, CardBuilder& builder) const {
    auto opened = MappedFile::open(path, fail_points_);
    if (!opened && opened.error().kind == ErrorKind::not_found) {
      return malformed(
          fmt::format("part {} of {}, '{}', is missing", i + 1, n_files_, path.filename().string()),
          "all parts in one folder");
    }
    QUERN_ASSIGN(const MappedFile file, std::move(opened));
    auto header = parse_header(file.bytes(), file.n_bytes());
    if (!header) {
      QUERN_TRY(file.check_intact());
      return fail_in(path.string(), std::move(header).error());
    }
    const SplitKeys keys = split_keys(*header);
    if (keys.count != n_files_ || keys.number != i) {
      return fail({.kind = ErrorKind::invalid_input,
                   .where = "gguf",
                   .what = "split.no or split.count do not fit the file's name",
                   .expected = fmt::format("split.no {} and split.count {}", i, n_files_),
                   .file = path.string()});
    }
    builder.add(std::move(*header), file.bytes());
    builder.add_path(path);
    return file.check_intact();
  }

  fs::path path_;
  FailPoints* fail_points_;
  uint64_t n_files_;
};

// A part that does not say so would pass for a whole model.
Result<uint64_t> n_split_files(const SplitKeys& keys, const fs::path& path) {
  const auto name = parse_split_name(path.filename().string());
  if (keys.count_value == nullptr) {
    if (name && name->n > 1) {
      return malformed(fmt::format("the name is that of part {} of {}, but there is no split.count",
                                   name->i + 1, name->n),
                       "split.count in each part, or another name");
    }
    return 1;
  }
  if (!keys.count || *keys.count == 0 || *keys.count > gguf_limits::kSplitFiles) {
    return malformed(fmt::format("split.count is {} ({})", keys.count_value->to_string(),
                                 quern::name(keys.count_value->type())),
                     fmt::format("an integer from 1 to {}", gguf_limits::kSplitFiles));
  }
  if (*keys.count == 1 && name && name->n > 1) {
    return malformed(
        fmt::format("split.count is 1, but the name says part {} of {}", name->i + 1, name->n),
        "the two to agree");
  }
  return *keys.count;
}

Result<ModelCard> read_checked(const FirstFile& first) {
  const auto& [path, file, fail_points] = first;
  QUERN_ASSIGN(FileHeader header, parse_header(file.bytes(), file.n_bytes()));
  const SplitKeys keys = split_keys(header);
  QUERN_ASSIGN(const uint64_t n_files, n_split_files(keys, path));
  CardBuilder builder;
  builder.add(std::move(header), file.bytes());
  builder.add_path(path);
  if (n_files > 1) {
    QUERN_TRY(SplitReader(first, n_files).read(keys, builder));
  }
  QUERN_ASSIGN(ModelCard card, std::move(builder).finish());
  QUERN_TRY(validate_card(card));
  return card;
}

}  // namespace

Result<ModelCard> parse_model_card(ByteSpan bytes, uint64_t n_file_bytes) {
  QUERN_ASSIGN(FileHeader header, parse_header(bytes, n_file_bytes));
  CardBuilder builder;
  builder.add(std::move(header), bytes);
  return std::move(builder).finish();
}

Result<ModelCard> read_model_card(const fs::path& path, FailPoints* fail_points) {
  QUERN_ASSIGN(const MappedFile file, MappedFile::open(path, fail_points));
  auto card = read_checked({.path = path, .file = file, .fail_points = fail_points});
  QUERN_TRY(file.check_intact());  // first: what is wrong with a card may come of lost bytes
  if (!card) {
    return fail_in(path.string(), std::move(card).error());
  }
  return card;
}

std::string split_file_name(const std::string& base, uint64_t i, uint64_t n) {
  return fmt::format("{}-{:05}-of-{:05}.gguf", base, i + 1, n);
}

std::optional<SplitName> parse_split_name(const std::string& file_name) {
  constexpr std::string_view pattern = "-00001-of-00003.gguf";
  if (file_name.size() <= pattern.size()) {
    return std::nullopt;
  }
  const std::string_view suffix =
      std::string_view(file_name).substr(file_name.size() - pattern.size());
  const auto number = five_digits(suffix.substr(1, 5));
  const auto count = five_digits(suffix.substr(10, 5));
  if (suffix[0] != '-' || suffix.substr(6, 4) != "-of-" || suffix.substr(15) != ".gguf" ||
      !number || !count || *number == 0 || *number > *count) {
    return std::nullopt;
  }
  return SplitName{.base = file_name.substr(0, file_name.size() - pattern.size()),
                   .i = *number - 1,
                   .n = *count};
}

}  // namespace quern
