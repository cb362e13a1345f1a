// Filters on sequences and mappings.
#include <algorithm>
#include <array>

#include "text/jinja/attribute_path.h"
#include "text/jinja/merge_sort.h"
#include "text/jinja/operators.h"
#include "text/jinja/params.h"
#include "text/jinja/print.h"
#include "text/jinja/tables.h"
#include "text/jinja/text_ops.h"
#include "text/jinja/unicode.h"

namespace quern::jinja {

// A name of its own, because several files define a `join` or a `count`.
namespace filters_list {
namespace {

Result<Value> length_filter(const Call& call) {
  QUERN_ASSIGN(const int64_t n, length(call.self));
  return Value::integer(n);
}

Result<Value> list(const Call& call) {
  QUERN_ASSIGN(std::vector<Value> items, call.runtime.collect(call.self));
  return call.runtime.list(std::move(items));
}

Result<Value> items(const Call& call) {
  if (call.self.is(Kind::undefined)) {
    return call.runtime.iterator({});
  }
  if (!call.self.is(Kind::dict)) {
    return raise("Can only get item pairs from a mapping.");
  }
  QUERN_ASSIGN(const Value view, find_method(Kind::dict, "items")->function(call));
  return call.runtime.iterator(view.items());
}

Result<Value> first(const Call& call) {
  if (call.self.is(Kind::iterator)) {
    auto& iterator = call.self.as<IteratorObject>();
    if (iterator.next < iterator.items.size()) {
      return iterator.items[iterator.next++];
    }
  }
  QUERN_ASSIGN(const std::vector<Value> all, call.runtime.collect(call.self));
  return all.empty() ? call.runtime.undefined("No first item, sequence was empty.") : all.front();
}

Result<Value> last(const Call& call) {
  if (call.self.is(Kind::iterator)) {
    return raise("'" + std::string(type_name(call.self)) + "' object is not reversible");
  }
  QUERN_ASSIGN(const std::vector<Value> all, call.runtime.collect(call.self));
  return all.empty() ? call.runtime.undefined("No last item, sequence was empty.") : all.back();
}

Result<Value> reverse(const Call& call) {
  if (call.self.is(Kind::string)) {
    return slice(call.runtime, call.self,
                 {.start = std::nullopt, .stop = std::nullopt, .step = -1});
  }
  if (!iterable(call.self)) {
    return raise("argument must be iterable");
  }
  QUERN_ASSIGN(std::vector<Value> all, call.runtime.collect(call.self));
  std::reverse(all.begin(), all.end());
  if (call.self.is(Kind::iterator) || call.self.is(Kind::undefined)) {
    return call.runtime.list(std::move(all));
  }
  return call.runtime.iterator(std::move(all), "list_reverseiterator");
}

Result<Value> join(const Call& call) {
  QUERN_ASSIGN(const Params p,
               Params::bind(call, {.function = "join", .names = {"d", "attribute"}}));
  QUERN_ASSIGN(const Value separator, to_text(call.runtime, p.given(0) ? p[0] : Value()));
  QUERN_ASSIGN(const AttributePath path,
               AttributePath::parse(call.runtime, p.some(1) ? &p[1] : nullptr, nullptr));
  QUERN_ASSIGN(const std::vector<Value> all, call.runtime.collect(call.self));
  TextBuilder out(call.runtime);
  bool begun = false;
  for (const Value& item : all) {
    QUERN_TRY(call.runtime.spend(cost::kItem));
    QUERN_TRY(out.append(begun ? separator.text() : ""));
    begun = true;
    QUERN_ASSIGN(const Value value, path.get(call.runtime, item));
    QUERN_TRY(append_text(out, value));
  }
  return out.value();
}

// A value with what it is sorted by.
struct Keyed {
  Value key;
  Value value;
};

Status sort_by_key(Runtime& runtime, std::vector<Keyed>& keyed, bool reversed) {
  Status status;
  merge_sort(keyed, [&](const Keyed& a, const Keyed& b) {
    return reversed ? ordered_before(runtime, {b.key, a.key}, status)
                    : ordered_before(runtime, {a.key, b.key}, status);
  });
  return status;
}

Result<Value> without_case(Runtime& runtime, const Value& value) {
  if (!value.is(Kind::string)) {
    return value;
  }
  QUERN_TRY(runtime.spend(cost::convert(value.text().size())));
  QUERN_TRY(runtime.reserve(kCaseGrowth * value.text().size()));
  return runtime.string(to_lower(value.text()));
}

Result<Value> dict_sort(const Call& call) {
  QUERN_ASSIGN(const Params p, Params::bind(call, {.function = "dictsort",
                                                   .names = {"case_sensitive", "by", "reverse"}}));
  QUERN_ASSIGN(const std::string_view by, p.text(1, "key"));
  if (by != "key" && by != "value") {
    return raise("You can only sort by either \"key\" or \"value\"");
  }
  if (call.self.is(Kind::undefined)) {
    return raise_undefined(call.self);
  }
  if (!call.self.is(Kind::dict)) {
    return raise("'" + std::string(type_name(call.self)) + "' object has no attribute 'items'");
  }
  QUERN_TRY(call.runtime.reserve_items(call.self.entries().size()));
  std::vector<Keyed> keyed;
  keyed.reserve(call.self.entries().size());
  for (const Dict::Entry& entry : call.self.entries()) {
    QUERN_ASSIGN(Value pair, call.runtime.tuple({entry.key, entry.value}));
    Value key = by == "key" ? entry.key : entry.value;
    if (!p.flag(0)) {
      QUERN_ASSIGN(key, without_case(call.runtime, key));
    }
    keyed.push_back({std::move(key), std::move(pair)});
  }
  QUERN_TRY(sort_by_key(call.runtime, keyed, p.flag(2)));
  std::vector<Value> pairs;
  pairs.reserve(keyed.size());
  for (Keyed& entry : keyed) {
    pairs.push_back(std::move(entry.value));
  }
  return call.runtime.list(std::move(pairs));
}

// The key of sort: the list of the named attributes, or the item.
Result<Value> sort_key(const Call& call, const Params& p, const Value& item) {
  std::vector<Value> names = {p.some(2) ? p[2] : Value::none()};
  if (names[0].is(Kind::string)) {
    QUERN_ASSIGN(const Parts parts, split_text(call.runtime, p[2].text(), {.separator = ","}));
    names.clear();
    for (const std::string_view part : parts) {
      QUERN_ASSIGN(Value name, call.runtime.text(part));
      names.push_back(std::move(name));
    }
  }
  std::vector<Value> keys;
  for (const Value& name : names) {
    QUERN_ASSIGN(const AttributePath path, AttributePath::parse(call.runtime, &name, nullptr));
    QUERN_ASSIGN(Value key, path.get(call.runtime, item));
    if (!p.flag(1)) {
      QUERN_ASSIGN(key, without_case(call.runtime, key));
    }
    keys.push_back(std::move(key));
  }
  return call.runtime.list(std::move(keys));
}

Result<Value> sort(const Call& call) {
  QUERN_ASSIGN(const Params p,
               Params::bind(call, {.function = "sort",
                                   .names = {"reverse", "case_sensitive", "attribute"}}));
  QUERN_ASSIGN(const std::vector<Value> all, call.runtime.collect(call.self));
  std::vector<Keyed> keyed;
  keyed.reserve(all.size());
  for (const Value& item : all) {
    QUERN_ASSIGN(Value key, sort_key(call, p, item));
    keyed.push_back({std::move(key), item});
  }
  QUERN_TRY(sort_by_key(call.runtime, keyed, p.flag(0)));
  std::vector<Value> sorted;
  sorted.reserve(keyed.size());
  for (Keyed& entry : keyed) {
    sorted.push_back(std::move(entry.value));
  }
  return call.runtime.list(std::move(sorted));
}

// The attribute of an item, in lower case unless `exact`.
struct KeyOf {
  AttributePath path;
  bool exact = false;

  Result<Value> get(Runtime& runtime, const Value& item) const {
    QUERN_ASSIGN(const Value key, path.get(runtime, item));
    return exact ? Result<Value>(key) : without_case(runtime, key);
  }
};

Result<Value> unique(const Call& call) {
  QUERN_ASSIGN(const Params p, Params::bind(call, {.function = "unique",
                                                   .names = {"case_sensitive", "attribute"}}));
  KeyOf key_of;
  key_of.exact = p.flag(0);
  QUERN_ASSIGN(key_of.path,
               AttributePath::parse(call.runtime, p.some(1) ? &p[1] : nullptr, nullptr));
  QUERN_ASSIGN(const std::vector<Value> all, call.runtime.collect(call.self));
  Dict seen;
  MemoryHold hold(call.runtime);
  std::vector<Value> kept;
  for (const Value& item : all) {
    QUERN_ASSIGN(const Value key, key_of.get(call.runtime, item));
    QUERN_TRY(call.runtime.check_hashable(key));
    QUERN_ASSIGN(const Value* known, call.runtime.find(seen, key));
    if (known == nullptr) {
      QUERN_TRY(call.runtime.set(seen, key, Value::none()));
      QUERN_TRY(hold.set(seen.heap_bytes()));
      kept.push_back(item);
    }
  }
  return call.runtime.iterator(std::move(kept));
}

template <bool largest>
Result<Value> extreme(const Call& call) {
  QUERN_ASSIGN(const Params p, Params::bind(call, {.function = largest ? "max" : "min",
                                                   .names = {"case_sensitive", "attribute"}}));
  KeyOf key_of;
  key_of.exact = p.flag(0);
  QUERN_ASSIGN(key_of.path,
               AttributePath::parse(call.runtime, p.some(1) ? &p[1] : nullptr, nullptr));
  QUERN_ASSIGN(const std::vector<Value> all, call.runtime.collect(call.self));
  if (all.empty()) {
    return call.runtime.undefined("No aggregated item, sequence was empty.");
  }
  size_t best = 0;
  QUERN_ASSIGN(Value best_key, key_of.get(call.runtime, all[0]));
  for (size_t i = 1; i < all.size(); ++i) {
    QUERN_ASSIGN(Value key, key_of.get(call.runtime, all[i]));
    QUERN_ASSIGN(
        const bool better,
        compare(call.runtime, largest ? Operator::greater : Operator::less, {key, best_key}));
    if (better) {
      best = i;
      best_key = std::move(key);
    }
  }
  return all[best];
}

Result<Value> sum(const Call& call) {
  QUERN_ASSIGN(const Params p,
               Params::bind(call, {.function = "sum", .names = {"attribute", "start"}}));
  QUERN_ASSIGN(const AttributePath path,
               AttributePath::parse(call.runtime, p.some(0) ? &p[0] : nullptr, nullptr));
  Value total = p.given(1) ? p[1] : Value::integer(0);
  if (total.is(Kind::string)) {
    return raise("sum() can't sum strings [use ''.join(seq) instead]");
  }
  QUERN_ASSIGN(const std::vector<Value> all, call.runtime.collect(call.self));
  for (const Value& item : all) {
    QUERN_ASSIGN(const Value value, path.get(call.runtime, item));
    QUERN_ASSIGN(total, binary(call.runtime, Operator::add, {total, value}));
  }
  return total;
}

Result<Value> map(const Call& call) {
  if (!truthy(call.self)) {
    return call.runtime.iterator({});
  }
  const bool by_name = !call.args.positional.empty();
  if (by_name && !call.args.positional[0].is(Kind::string)) {
    return raise("map wants the name of a filter");
  }
  QUERN_ASSIGN(const std::vector<Value> all, call.runtime.collect(call.self));
  std::vector<Value> mapped;
  mapped.reserve(all.size());
  if (by_name) {
    const std::string_view name = call.args.positional[0].text();
    const NativeFn filter = find_filter(name);
    if (filter == nullptr) {
      return raise_unknown({.filter = true, .name = name, .end = "."});
    }
    const Args args = {{call.args.positional.begin() + 1, call.args.positional.end()},
                       call.args.named};
    for (const Value& item : all) {
      QUERN_TRY(call.runtime.step());
      QUERN_ASSIGN(Value value, filter({call.runtime, item, args}));
      mapped.push_back(std::move(value));
    }
    return call.runtime.iterator(std::move(mapped));
  }
  QUERN_ASSIGN(const Params p,
               Params::bind(call, {.function = "map", .names = {"attribute", "default"}}));
  if (!p.given(0)) {
    return raise("map requires a filter argument");
  }
  QUERN_ASSIGN(const AttributePath path,
               AttributePath::parse(call.runtime, &p[0], p.some(1) ? &p[1] : nullptr));
  for (const Value& item : all) {
    QUERN_ASSIGN(Value value, path.get(call.runtime, item));
    mapped.push_back(std::move(value));
  }
  return call.runtime.iterator(std::move(mapped));
}

// select, reject and their kin with an attribute
template <bool wanted, bool by_attribute>
Result<Value> select(const Call& call) {
  if (!truthy(call.self)) {
    return call.runtime.iterator({});
  }
  const auto& given = call.args.positional;
  AttributePath path;
  if (by_attribute) {
    if (given.empty()) {
      return raise("Missing parameter for attribute name");
    }
    QUERN_ASSIGN(path, AttributePath::parse(call.runtime, &given[0], nullptr));
  }
  constexpr size_t kTest = by_attribute ? 1 : 0;
  NativeFn test = nullptr;
  Args args;
  if (given.size() > kTest) {
    test = given[kTest].is(Kind::string) ? find_test(given[kTest].text()) : nullptr;
    if (test == nullptr) {
      return raise("No test named " + short_repr(given[kTest]) + ".");
    }
    args.positional = {given.begin() + kTest + 1, given.end()};
    args.named = call.args.named;
  }
  QUERN_ASSIGN(const std::vector<Value> all, call.runtime.collect(call.self));
  std::vector<Value> kept;
  for (const Value& item : all) {
    QUERN_TRY(call.runtime.step());
    QUERN_ASSIGN(Value value, path.get(call.runtime, item));
    if (test != nullptr) {
      QUERN_ASSIGN(value, test({call.runtime, value, args}));
    }
    if (truthy(value) == wanted) {
      kept.push_back(item);
    }
  }
  return call.runtime.iterator(std::move(kept));
}

Result<Value> group_by(const Call& call) {
  QUERN_ASSIGN(const Params p,
               Params::bind(call, {.function = "groupby",
                                   .names = {"attribute", "default", "case_sensitive"},
                                   .n_required = 1}));
  KeyOf key_of;
  key_of.exact = p.flag(2);
  QUERN_ASSIGN(key_of.path, AttributePath::parse(call.runtime, &p[0], p.some(1) ? &p[1] : nullptr));
  QUERN_ASSIGN(const std::vector<Value> all, call.runtime.collect(call.self));
  std::vector<Keyed> keyed;
  keyed.reserve(all.size());
  for (const Value& item : all) {
    QUERN_ASSIGN(Value key, key_of.get(call.runtime, item));
    keyed.push_back({std::move(key), item});
  }
  QUERN_TRY(sort_by_key(call.runtime, keyed, false));
  std::vector<Value> groups;
  for (size_t i = 0; i < keyed.size();) {
    QUERN_ASSIGN(Value grouper, key_of.path.get(call.runtime, keyed[i].value));
    const size_t from = i;
    std::vector<Value> members;
    for (bool same = true; same && i < keyed.size();) {
      QUERN_ASSIGN(same, compare(call.runtime, Operator::equal, {keyed[i].key, keyed[from].key}));
      if (same) {
        members.push_back(keyed[i++].value);
      }
    }
    QUERN_ASSIGN(Value group, call.runtime.list(std::move(members)));
    QUERN_ASSIGN(Value pair, call.runtime.tuple({std::move(grouper), std::move(group)}));
    groups.push_back(std::move(pair));
  }
  return call.runtime.list(std::move(groups));
}

Result<Value> batch(const Call& call) {
  QUERN_ASSIGN(const Params p, Params::bind(call, {.function = "batch",
                                                   .names = {"linecount", "fill_with"},
                                                   .n_required = 1}));
  QUERN_ASSIGN(const int64_t n, p.integer(0));
  QUERN_ASSIGN(const std::vector<Value> all, call.runtime.collect(call.self));
  const size_t per_row = n <= 0 ? SIZE_MAX : static_cast<size_t>(n);
  std::vector<Value> rows;
  for (size_t at = 0; at < all.size();) {
    const size_t end = at + std::min(per_row, all.size() - at);
    std::vector<Value> row(all.begin() + static_cast<std::ptrdiff_t>(at),
                           all.begin() + static_cast<std::ptrdiff_t>(end));
    if (p.some(1) && n > 0) {
      QUERN_TRY(call.runtime.reserve_items(per_row));
      QUERN_TRY(call.runtime.spend(per_row * cost::kItem));
      row.resize(per_row, p[1]);
    }
    QUERN_ASSIGN(Value list, call.runtime.list(std::move(row)));
    rows.push_back(std::move(list));
    at = end;
  }
  return call.runtime.iterator(std::move(rows));
}

Result<Value> slices(const Call& call) {
  QUERN_ASSIGN(
      const Params p,
      Params::bind(call, {.function = "slice", .names = {"slices", "fill_with"}, .n_required = 1}));
  QUERN_ASSIGN(const int64_t n, p.integer(0));
  if (n == 0) {
    return raise("integer division or modulo by zero");
  }
  QUERN_ASSIGN(const std::vector<Value> all, call.runtime.collect(call.self));
  const size_t n_slices = n < 0 ? 0 : static_cast<size_t>(n);
  QUERN_TRY(call.runtime.reserve_items(n_slices));
  std::vector<Value> columns;
  size_t at = 0;
  for (size_t i = 0; i < n_slices; ++i) {
    const bool extra = i < all.size() % n_slices;
    const size_t end = at + all.size() / n_slices + (extra ? 1 : 0);
    std::vector<Value> column(all.begin() + static_cast<std::ptrdiff_t>(at),
                              all.begin() + static_cast<std::ptrdiff_t>(end));
    if (p.some(1) && !extra) {
      column.push_back(p[1]);
    }
    QUERN_ASSIGN(Value list, call.runtime.list(std::move(column)));
    columns.push_back(std::move(list));
    at = end;
  }
  return call.runtime.iterator(std::move(columns));
}

constexpr std::array<Builtin, 22> kFilters = {{
    {"length", length_filter},
    {"count", length_filter},
    {"list", list},
    {"items", items},
    {"first", first},
    {"last", last},
    {"reverse", reverse},
    {"join", join},
    {"dictsort", dict_sort},
    {"sort", sort},
    {"unique", unique},
    {"min", extreme<false>},
    {"max", extreme<true>},
    {"sum", sum},
    {"map", map},
    {"select", select<true, false>},
    {"reject", select<false, false>},
    {"selectattr", select<true, true>},
    {"rejectattr", select<false, true>},
    {"groupby", group_by},
    {"batch", batch},
    {"slice", slices},
}};

}  // namespace
}  // namespace filters_list

std::span<const Builtin> list_filters() {
  return filters_list::kFilters;
}

}  // namespace quern::jinja
