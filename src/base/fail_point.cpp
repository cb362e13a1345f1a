#include "base/fail_point.h"

#include <fmt/format.h>

#include <charconv>
#include <string>
#include <utility>
#include <vector>

#include "base/check.h"

namespace quern {
namespace {

constexpr std::array<std::string_view, kFailPointCount> kNames = {
    "allocation", "mmap", "read", "kernel_result", "nan_logits", "stuck_step"};

std::unexpected<Error> wrong(std::string what, std::string expected) {
  return fail({.kind = ErrorKind::usage,
               .where = "fail points",
               .what = std::move(what),
               .expected = std::move(expected)});
}

std::string all_names() {
  std::string list(kNames[0]);
  for (size_t i = 1; i < kNames.size(); ++i) {
    list.append(", ").append(kNames[i]);
  }
  return list;
}

// Cuts the text before the first `separator` off; the separator goes too.
std::string_view take_until(std::string_view& text, char separator) {
  const size_t end = text.find(separator);
  const std::string_view head = text.substr(0, end);
  text = end == std::string_view::npos ? std::string_view() : text.substr(end + 1);
  return head;
}

std::optional<uint64_t> parse_number(std::string_view text) {
  uint64_t n = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), n);
  const bool whole = error == std::errc() && end == text.data() + text.size();
  return whole ? std::optional(n) : std::nullopt;
}

// "after=3" or "times=1"
Status set_option(std::string_view option, FailPlan& plan) {
  std::string_view text = option;
  const std::string_view key = take_until(text, '=');
  if (key == "after") {
    const auto n = parse_number(text);
    if (!n) {
      return wrong(fmt::format("'{}'", option), "after=N");
    }
    plan.after = *n;
    return {};
  }
  if (key != "times") {
    return wrong(fmt::format("option '{}'", option), "after=N or times=N");
  }
  const auto n = text == "always" ? FailPlan::kAlways : parse_number(text);
  if (n.value_or(0) == 0) {
    return wrong(fmt::format("'{}'", option), "times=N with N at least 1, or times=always");
  }
  plan.times = *n;
  return {};
}

}  // namespace

std::string_view name(FailPoint point) {
  return kNames[static_cast<size_t>(point)];
}

std::optional<FailPoint> fail_point_named(std::string_view name) {
  for (size_t i = 0; i < kNames.size(); ++i) {
    if (kNames[i] == name) {
      return static_cast<FailPoint>(i);
    }
  }
  return std::nullopt;
}

void FailPoints::arm(FailPoint point, const FailPlan& plan) {
  QUERN_CHECK(plan.times > 0);
  const std::scoped_lock lock(mutex_);
  state(point).plan = plan;
  armed_.fetch_or(bit(point));
}

Status FailPoints::arm_from(std::string_view text) {
  std::vector<std::pair<FailPoint, FailPlan>> plans;
  while (!text.empty()) {
    std::string_view options = take_until(text, ';');
    const std::string_view which = take_until(options, ':');
    const auto point = fail_point_named(which);
    if (!point) {
      return wrong(fmt::format("there is no fail point '{}'", which), "one of " + all_names());
    }
    FailPlan plan;
    while (!options.empty()) {
      QUERN_TRY(set_option(take_until(options, ','), plan));
    }
    plans.emplace_back(*point, plan);
  }
  for (const auto& [point, plan] : plans) {
    arm(point, plan);
  }
  return {};
}

void FailPoints::disarm(FailPoint point) {
  const std::scoped_lock lock(mutex_);
  disarm_locked(point);
}

void FailPoints::disarm_locked(FailPoint point) {
  state(point).plan.times = 0;
  armed_.fetch_and(~bit(point));
}

bool FailPoints::fires(FailPoint point) {
  const std::scoped_lock lock(mutex_);
  return fires_locked(point);
}

bool FailPoints::fires_locked(FailPoint point) {
  State& s = state(point);
  if (s.plan.times == 0) {
    return false;  // another thread took the last one since this one looked
  }
  ++s.counts.n_hits;
  if (s.plan.after > 0) {
    --s.plan.after;
    return false;
  }
  ++s.counts.n_fired;
  if (s.plan.times == 1) {
    disarm_locked(point);
  } else if (s.plan.times != FailPlan::kAlways) {
    --s.plan.times;
  }
  return true;
}

void FailPoints::block(FailPoint point) {
  if ((armed_.load(std::memory_order_relaxed) & bit(point)) == 0) {
    return;
  }
  std::unique_lock lock(mutex_);
  if (!fires_locked(point)) {
    return;
  }
  State& s = state(point);
  const uint64_t n_releases = s.n_releases;
  ++s.n_blocked;
  changed_.notify_all();
  changed_.wait(lock, [&] { return s.n_releases != n_releases; });
  --s.n_blocked;
}

void FailPoints::wait_until_blocked(FailPoint point) {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [&] { return state(point).n_blocked > 0; });
}

void FailPoints::release(FailPoint point) {
  const std::scoped_lock lock(mutex_);
  disarm_locked(point);
  ++state(point).n_releases;
  changed_.notify_all();
}

FailCounts FailPoints::counts(FailPoint point) const {
  const std::scoped_lock lock(mutex_);
  return states_[static_cast<size_t>(point)].counts;
}

}  // namespace quern
