#include "server/metrics_page.h"

#include <fmt/format.h>

#include <functional>
#include <iterator>
#include <string_view>
#include <vector>

#include "base/system_info.h"
#include "scheduler/finish_reason.h"

namespace quern::server {
namespace {

constexpr std::string_view kRejectNames[kNRejectReasons] = {
    "queue_full", "queue_tokens_full", "displaced", "out_of_memory", "loading", "draining"};

// The value of a label, escaped.
std::string label_value(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '\\' || c == '"') {
      out += '\\';
      out += c;
    } else if (c == '\n') {
      out += "\\n";
    } else {
      out += c;
    }
  }
  return out + "\"";
}

struct Family {
  std::string_view name;
  std::string_view type;
  std::string_view help;
};

class Page {
 public:
  explicit Page(const std::vector<ModelStatus>& models) : models_(models) {}

  void begin(const Family& family) {
    fmt::format_to(std::back_inserter(text_), "# HELP {0} {2}\n# TYPE {0} {1}\n", family.name,
                   family.type, family.help);
    name_ = family.name;
  }

  void add(std::string_view labels, double value) {
    fmt::format_to(std::back_inserter(text_), "{}{} {}\n", name_, labels, value);
  }

  void one(const Family& family, double value) {
    begin(family);
    add("", value);
  }

  // One line for each loaded model; a zero without a model when there is none.
  void per_model(const Family& family, double (*value)(const ModelStatus&)) {
    begin(family);
    bool any = false;
    for (const ModelStatus& model : models_) {
      if (model.state == ModelStatus::State::ready) {
        add(fmt::format("{{model={}}}", label_value(model.name)), value(model));
        any = true;
      }
    }
    if (!any) {
      add("", 0);
    }
  }

  void histogram(const Family& family, const Histogram& source) {
    begin(family);
    const Histogram::Snapshot snapshot = source.snapshot();
    uint64_t n_below = 0;
    for (size_t i = 0; i < snapshot.bounds.size(); ++i) {
      n_below += snapshot.counts[i];
      fmt::format_to(std::back_inserter(text_), "{}_bucket{{le=\"{}\"}} {}\n", name_,
                     snapshot.bounds[i], n_below);
    }
    fmt::format_to(std::back_inserter(text_),
                   "{0}_bucket{{le=\"+Inf\"}} {1}\n{0}_sum {2}\n{0}_count {1}\n", name_,
                   snapshot.count, snapshot.sum);
  }

  std::string take() { return std::move(text_); }

 private:
  const std::vector<ModelStatus>& models_;
  std::string text_;
  std::string_view name_;
};

double number(uint64_t value) {
  return static_cast<double>(value);
}

double number(const std::atomic<uint64_t>& value) {
  return number(value.load(std::memory_order_relaxed));
}

void add_gauges(Page& page) {
  page.per_model({"quern_num_requests_running", "gauge", "Requests being computed"},
                 [](const ModelStatus& m) { return number(m.engine.n_running); });
  page.per_model({"quern_num_requests_waiting", "gauge", "Requests in the queue"},
                 [](const ModelStatus& m) { return number(m.engine.n_waiting); });
  page.per_model({"quern_num_tokens_waiting", "gauge", "Tokens of the requests in the queue"},
                 [](const ModelStatus& m) { return number(m.engine.n_waiting_tokens); });
  page.per_model({"quern_kv_cache_usage_perc", "gauge",
                  "Part of the KV blocks that running requests hold, 0 to 1"},
                 [](const ModelStatus& m) {
                   const double n_total = m.engine.stats.kv_blocks_total;
                   const double n_left =
                       double{0} + m.engine.stats.kv_blocks_free + m.engine.stats.kv_blocks_cached;
                   return n_total > 0 ? (n_total - n_left) / n_total : 0.0;
                 });
  page.per_model({"quern_step_age_seconds", "gauge", "Age of the step that is being computed"},
                 [](const ModelStatus& m) { return static_cast<double>(m.step_age_ms) / 1000; });
  page.per_model({"quern_engine_stuck", "gauge", "1 when a step does not come back"},
                 [](const ModelStatus& m) { return m.is_stuck ? 1.0 : 0.0; });
  page.per_model({"quern_model_weights_bytes", "gauge", "Memory of weights"},
                 [](const ModelStatus& m) { return number(m.engine.weights_bytes); });
  page.per_model({"quern_model_kv_bytes", "gauge", "Memory of KV blocks ever used"},
                 [](const ModelStatus& m) { return number(m.engine.kv_bytes); });
  page.per_model({"quern_model_activations_bytes", "gauge", "Memory of activations"},
                 [](const ModelStatus& m) { return number(m.engine.activations_bytes); });
  page.per_model({"quern_model_leases", "gauge", "What keeps the model loaded: parts of requests"},
                 [](const ModelStatus& m) { return number(uint64_t{m.in_flight}); });
}

void add_engine_counters(Page& page, const EngineMetrics& metrics) {
  page.one({"quern_prefix_cache_queries_total", "counter", "Prompt tokens looked up"},
           number(metrics.n_cache_queries));
  page.one({"quern_prefix_cache_hits_total", "counter", "Prompt tokens found in the cache"},
           number(metrics.n_cache_hits));
  page.one({"quern_num_preemptions_total", "counter", "Requests put back for others"},
           number(metrics.n_preemptions));
  page.one({"quern_prompt_tokens_total", "counter", "Tokens of prompts, cached ones included"},
           number(metrics.n_prompt_tokens));
  page.one({"quern_generation_tokens_total", "counter", "Tokens drawn"},
           number(metrics.n_generated_tokens));
  page.one({"quern_engine_steps_total", "counter", "Steps computed"}, number(metrics.n_steps));
  page.begin({"quern_request_success_total", "counter", "Requests that ended, by reason"});
  for (size_t i = 0; i < kNFinishReasons; ++i) {
    page.add(fmt::format("{{finished_reason=\"{}\"}}", to_string(static_cast<FinishReason>(i))),
             number(metrics.n_finished[i]));
  }
  page.begin({"quern_request_rejected_total", "counter", "Requests not taken, by reason"});
  for (size_t i = 0; i < kNRejectReasons; ++i) {
    page.add(fmt::format("{{reason=\"{}\"}}", kRejectNames[i]), number(metrics.n_rejected[i]));
  }
}

void add_model_counters(Page& page, const ModelCacheStats& stats) {
  page.one({"quern_model_cache_hits_total", "counter", "Requests whose model was loaded"},
           number(stats.n_hits));
  page.one({"quern_model_cache_misses_total", "counter", "Requests that waited for a model"},
           number(stats.n_misses));
  page.one({"quern_model_evictions_total", "counter", "Models unloaded to make room"},
           number(stats.n_evictions));
  page.one({"quern_load_retries_total", "counter", "Loads tried again after a passing fault"},
           number(stats.n_load_retries));
  page.one({"quern_models_loaded_bytes", "gauge", "Memory of all loaded models"},
           number(stats.loaded_bytes));
  page.one({"quern_models_limit_bytes", "gauge", "Memory that models may take"},
           number(stats.limit_bytes));
}

void add_faults(Page& page, ServerContext& context) {
  const EngineMetrics& metrics = context.metrics;
  page.begin({"quern_faults_total", "counter", "Faults of the machine or of this program"});
  page.add("{kind=\"load\"}", number(context.models.stats().n_load_failures));
  page.add("{kind=\"step\"}", number(metrics.n_failed_steps));
  page.add("{kind=\"stuck_step\"}", number(metrics.n_stuck_steps));
  page.add("{kind=\"logits\"}", number(metrics.n_unusable_logits));
  page.add("{kind=\"allocation\"}", number(metrics.n_failed_allocations));
  page.add("{kind=\"kv_integrity\"}", number(metrics.n_integrity_failures));
}

void add_histograms(Page& page, const EngineMetrics& metrics) {
  page.histogram({"quern_time_to_first_token_seconds", "histogram", "From arrival to first token"},
                 metrics.time_to_first_token_s);
  page.histogram({"quern_inter_token_latency_seconds", "histogram", "Between tokens"},
                 metrics.inter_token_latency_s);
  page.histogram({"quern_e2e_request_latency_seconds", "histogram", "From arrival to end"},
                 metrics.e2e_latency_s);
  page.histogram({"quern_request_queue_time_seconds", "histogram", "From arrival to first step"},
                 metrics.queue_time_s);
  page.histogram({"quern_step_time_seconds", "histogram", "Of one step"}, metrics.step_time_s);
}

}  // namespace

std::string metrics_page(ServerContext& context) {
  const std::vector<ModelStatus> models = context.models.status();
  Page page(models);
  add_gauges(page);
  add_engine_counters(page, context.metrics);
  add_model_counters(page, context.models.stats());
  add_faults(page, context);
  add_histograms(page, context.metrics);
  page.one({"quern_uptime_seconds", "gauge", "Since the server started"},
           static_cast<double>(monotonic_us() - context.started_us) / 1e6);
  page.one({"process_resident_memory_bytes", "gauge", "Resident memory of this process"},
           number(current_rss_bytes()));
  return page.take();
}

}  // namespace quern::server
