#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <utility>

#include "engine/model_names.h"
#include "gguf/reader.h"
#include "server/fields.h"
#include "server/offload.h"
#include "server/ollama_fields.h"
#include "server/ollama_models.h"
#include "server/ollama_time.h"
#include "server/reply.h"
#include "server/request_work.h"
#include "text/answer_format.h"

namespace quern::server {
namespace {

constexpr uint64_t kMaxListed = 32;  // entries of a list that are told without `verbose`

Json scalar_json(const MetaValue& value) {
  if (const auto text = value.as_string()) {
    return *text;
  }
  if (value.type() == MetaType::boolean) {
    return value.as_bool().value_or(false);
  }
  if (const auto whole = value.as_i64()) {
    return *whole;
  }
  if (const auto whole = value.as_u64()) {
    return *whole;
  }
  return value.as_f64().value_or(0);
}

Json value_json(const MetaValue& value, bool verbose) {
  if (!value.is_array()) {
    return scalar_json(value);
  }
  if (value.n_elements() > kMaxListed && !verbose) {
    return nullptr;
  }
  Json list = Json::array();
  if (const auto arrays = value.as_arrays()) {
    for (const MetaValue& item : *arrays) {
      list.push_back(value_json(item, verbose));
    }
    return list;
  }
  for (uint64_t i = 0; i < value.n_elements(); ++i) {
    list.push_back(scalar_json(value.element(i)));
  }
  return list;
}

// "temperature 0.7", a line each, as a Modelfile has them: what the file says of sampling.
std::string parameter_lines(const ModelCard& card) {
  constexpr std::array<std::pair<std::string_view, std::string_view>, 9> kNames = {
      {{"temp", "temperature"},
       {"top_k", "top_k"},
       {"top_p", "top_p"},
       {"min_p", "min_p"},
       {"penalty_repeat", "repeat_penalty"},
       {"penalty_last_n", "repeat_last_n"},
       {"mirostat", "mirostat"},
       {"mirostat_tau", "mirostat_tau"},
       {"mirostat_eta", "mirostat_eta"}}};
  std::string lines;
  for (const auto& [key, name] : kNames) {
    if (const auto number = card.f64(fmt::format("general.sampling.{}", key))) {
      lines += fmt::format("{}{} {:g}", lines.empty() ? "" : "\n", name, *number);
    }
  }
  return lines;
}

Json capabilities(std::string_view source) {
  Json list = Json::array({"completion"});
  const AnswerFormat format = detect_answer_format(source, "", true);
  if (format.tools != ToolStyle::none) {
    list.push_back("tools");
  }
  if (!format.think_close.empty()) {
    list.push_back("thinking");
  }
  return list;
}

struct ShowCall {
  std::string model;
  bool verbose = false;
};

Api<ShowCall> read_show_call(std::string_view body) {
  Api<Json> json = parse_object(body);
  if (!json) {
    return refuse(std::move(json.error()));
  }
  ShowCall call;
  Fields fields(*json);
  read_ollama_model(fields, call.model);
  fields.boolean("verbose", call.verbose);
  if (!fields.error() && call.model.empty()) {
    fields.fault("model", "model is missing; expected a name that GET /api/tags lists");
  }
  if (fields.error()) {
    return refuse(*fields.error());
  }
  return call;
}

Result<Json> show_json(const FoundModel& model, bool verbose) {
  QUERN_ASSIGN(const ModelCard card, read_model_card(model.path));
  const auto source = card.string("tokenizer.chat_template").value_or("");
  const std::string parameters = parameter_lines(card);
  std::string modelfile = "FROM " + model.name + "\n";
  for (size_t at = 0; at < parameters.size();) {
    const size_t end = std::min(parameters.find('\n', at), parameters.size());
    modelfile += "PARAMETER " + parameters.substr(at, end - at) + "\n";
    at = end + 1;
  }
  return Json{{"license", card.string("general.license").value_or("")},
              {"modelfile", std::move(modelfile)},
              {"parameters", parameters},
              {"template", source},
              {"details", model_details(summarise(card))},
              {"model_info", model_info(card, verbose)},
              {"capabilities", capabilities(source)},
              {"modified_at", rfc3339(file_time(model.path))}};
}

boost::asio::awaitable<Api<Json>> show(ServerContext& context, ShowCall call) {
  const std::vector<FoundModel> models = context.models.list();
  const FoundModel* const found = find_named(models, call.model);
  if (found == nullptr) {
    ApiError error{.status = 404, .code = "model_not_found", .message = {}};
    co_return refuse(ollama_error(std::move(error), call.model));
  }
  auto work = [model = *found, verbose = call.verbose] { return show_json(model, verbose); };
  Result<Json> body = co_await context.offload.run(0, std::move(work));
  if (!body) {
    ApiError error = from_error(body.error());
    error.status = error.status == 400 ? 422 : error.status;  // the file's fault
    co_return refuse(std::move(error));
  }
  co_return std::move(*body);
}

}  // namespace

Json model_info(const ModelCard& card, bool verbose) {
  Json info = Json::object();
  for (const MetaPair& pair : card.metadata()) {
    if (pair.key != "tokenizer.chat_template") {  // told as `template`
      info[std::string(pair.key)] = value_json(pair.value, verbose);
    }
  }
  info["general.parameter_count"] = card.n_parameters();
  return info;
}

Task ollama_show(Exchange& exchange, ServerContext& context) {
  Api<ShowCall> call = co_await read_body(exchange, context, read_show_call);
  if (!call) {
    co_await send_error(exchange, std::move(call.error()), Dialect::ollama);
    co_return;
  }
  Api<Json> body = co_await show(context, std::move(*call));
  if (!body) {
    co_await send_error(exchange, std::move(body.error()), Dialect::ollama);
    co_return;
  }
  co_await send_json(exchange, std::move(*body));
}

}  // namespace quern::server
