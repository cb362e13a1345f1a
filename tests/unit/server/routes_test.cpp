// The routes of the program over HTTP, with a tiny random model. Statuses and codes: the README's
// table of errors and the dialects' own references (api_error_test.cpp).
#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "gguf/writer.h"
#include "server/health.h"
#include "server/json.h"
#include "support/temp_dir.h"
#include "support/tiny_model.h"
#include "unit/server/http_harness.h"

namespace quern::server::test {
namespace {

class RoutesTest : public testing::Test {
 protected:
  ModelManagerConfig config() {
    ModelManagerConfig config;
    config.host.model_store = folder_.path();
    config.host.system_ollama.clear();
    config.engine.engine = {
        .max_context = 256, .kv_bytes = 8 << 20, .max_seqs = 4, .fail_points = &points_};
    config.n_threads = 1;
    config.max_batch_tokens = 32;
    return config;
  }

  void add_tiny() {
    quern::test::write_tiny_model(folder_.path() / "tiny.gguf", {.max_context = 256});
  }

  static Answer post(Client& client, const std::string& path, const std::string& body) {
    client.request("POST " + path, "Content-Type: application/json\r\n", body);
    return client.read();
  }

  static Json json(const Answer& answer) {
    const auto body = parse_json(answer.body);
    EXPECT_TRUE(body.has_value()) << answer.body;
    return body ? *body : Json();
  }

  // "404 model_not_found", of OpenAI's shape.
  static std::string error_of(const Answer& answer) {
    const Json body = json(answer);
    const std::string code = body.is_object() && body.contains("error") && body["error"].is_object()
                                 ? body["error"].value("code", "none")
                                 : "none";
    return std::to_string(answer.status) + " " + code;
  }

  quern::test::TempDir folder_;
  FailPoints points_;
};

TEST_F(RoutesTest, ReadinessTellsWhyTheServerIsNotReady) {
  TestServer server({}, config());
  Client running(server.port());
  running.request("GET /hold");
  notes().wait_for("held");
  EXPECT_EQ(Client(server.port()).get("/health/ready").status, 200U);
  server.server().drain();
  const Answer refused = Client(server.port()).get("/health/ready");
  EXPECT_EQ(refused.status, 503U);
  EXPECT_EQ(json(refused)["status"], "draining");
  EXPECT_FALSE(refused.header("retry-after").empty());
  EXPECT_EQ(json(Client(server.port()).get("/health"))["state"], "draining");
  EXPECT_EQ(json(Client(server.port()).get("/health/live"))["status"], "live");
  running.half_close();
  server.join();
}

TEST_F(RoutesTest, HealthIsTheWorstOfWhatIsKnown) {
  TestServer server({}, config());
  ServerContext context = server.context();
  EXPECT_EQ(health_of(context, {}).state, ServerState::ready);
  const std::atomic<bool> starting = true;
  context.starting = &starting;
  EXPECT_EQ(to_string(health_of(context, {}).state), "starting");
  ModelStatus stuck;
  stuck.name = "slow";
  stuck.is_stuck = true;
  stuck.step_age_ms = 70'000;
  const Health degraded = health_of(context, {ModelStatus(), stuck});
  EXPECT_EQ(to_string(degraded.state), "degraded");
  EXPECT_NE(degraded.reason.find("slow has been running for 70000 ms"), std::string::npos);
  context.draining = true;
  EXPECT_EQ(to_string(health_of(context, {stuck}).state), "draining");
}

TEST_F(RoutesTest, ARequestIsListedWhileItRunsAndEndsByItsId) {
  add_tiny();
  const TestServer server({}, config());
  points_.arm(FailPoint::stuck_step, {});
  Client asking(server.port());
  asking.request("POST /v1/completions", "X-Request-Id: mine\r\n",
                 R"({"model":"tiny","prompt":"hello","max_tokens":4,"priority":7})");
  points_.wait_until_blocked(FailPoint::stuck_step);
  Client watching(server.port());
  const Json rows = json(watching.get("/v1/requests"))["data"];
  ASSERT_EQ(rows.size(), 1U);
  EXPECT_EQ(rows[0]["id"], "mine");
  EXPECT_EQ(rows[0]["model"], "tiny");
  EXPECT_EQ(rows[0]["priority"], 7);
  EXPECT_EQ(rows[0]["completion_tokens"], 0);
  watching.request("DELETE /v1/requests/other");
  EXPECT_EQ(error_of(watching.read()), "404 unknown_request");
  watching.request("DELETE /v1/requests/mine");
  EXPECT_EQ(json(watching.read()), Json::parse(R"({"id":"mine","cancelled":true})"));
  points_.release(FailPoint::stuck_step);
  EXPECT_EQ(error_of(asking.read()), "499 cancelled");
  EXPECT_EQ(json(watching.get("/v1/requests"))["data"].size(), 0U);
}

TEST_F(RoutesTest, AModelWithoutATemplateChatsInNoDialect) {
  add_tiny();
  const TestServer server({}, config());
  Client client(server.port());
  const std::string body =
      R"({"model":"tiny","max_tokens":4,"messages":[{"role":"user","content":"hi"}]})";
  EXPECT_EQ(error_of(post(client, "/v1/chat/completions", body)), "400 no_chat_template");
  EXPECT_EQ(error_of(post(client, "/tokenize", body)), "400 no_chat_template");
  EXPECT_EQ(post(client, "/api/chat", body).status, 400U);
  EXPECT_EQ(post(client, "/v1/messages", body).status, 400U);
  EXPECT_EQ(error_of(post(client, "/v1/responses", R"({"model":"tiny","input":"hi"})")),
            "400 no_chat_template");
}

TEST_F(RoutesTest, ATemplateThatDoesNotParseIsToldAndLeftOutOnlyWhenAsked) {
  quern::test::write_tiny_model(
      folder_.path() / "tiny.gguf",
      {.max_context = 256, .chat_template = "{{ messages }}\n{% oops %}"});
  const TestServer server({}, config());
  Client client(server.port());
  const std::string chat =
      R"({"model":"tiny","max_tokens":4,"messages":[{"role":"user","content":"hi"}]})";
  const Answer refused = post(client, "/v1/chat/completions", chat);
  EXPECT_EQ(error_of(refused), "400 no_chat_template");
  const std::string message = json(refused)["error"]["message"];
  EXPECT_TRUE(
      message.starts_with("the model 'tiny' has a chat template that does not parse (line 2: "))
      << message;
  EXPECT_TRUE(message.ends_with("; expected a prompt for /v1/completions, or raw in /api/generate"))
      << message;
  const auto generate = [&](const std::string& member) {
    return post(client, "/api/generate",
                R"({"model":"tiny","prompt":"hi","stream":false,"options":{"num_predict":1})" +
                    member + "}");
  };
  EXPECT_EQ(generate("").status, 400U);
  EXPECT_EQ(json(generate(""))["error"], message);
  EXPECT_EQ(generate(R"(,"raw":true)").status, 200U);
  EXPECT_EQ(json(post(client, "/api/chat", chat))["error"], message);
  add_tiny();
  const TestServer without({}, config());
  Client other(without.port());
  EXPECT_EQ(post(other, "/api/generate", R"({"model":"tiny","prompt":"hi","stream":false})").status,
            200U);
  EXPECT_EQ(json(post(other, "/v1/chat/completions", chat))["error"]["message"],
            "the model 'tiny' has no chat template; expected a prompt for /v1/completions, or raw "
            "in /api/generate");
}

TEST_F(RoutesTest, AFileThatIsNoModelIsNoneToAskFor) {
  folder_.write("broken.gguf", "GGUF");
  const TestServer server({}, config());
  Client client(server.port());
  EXPECT_EQ(error_of(post(client, "/v1/completions", R"({"model":"broken","prompt":"x"})")),
            "422 model_load_failed");
  EXPECT_EQ(post(client, "/api/show", R"({"model":"broken"})").status, 422U);
}

TEST_F(RoutesTest, AnswersNeverTellTheFolderOfAFile) {
  folder_.write("broken.gguf", "GGUF");
  std::filesystem::create_symlink("nowhere", folder_.path() / "gone.gguf");
  const TestServer server({}, config());
  Client client(server.port());
  for (const std::string name : {"broken", "gone"}) {
    for (const std::string path : {"/v1/completions", "/api/show"}) {
      const Answer answer = post(client, path, R"({"prompt":"x","model":")" + name + "\"}");
      EXPECT_GE(answer.status, 400U);
      EXPECT_NE(answer.body.find("'" + name + ".gguf'"), std::string::npos) << answer.body;
      EXPECT_EQ(answer.body.find(folder_.path().string()), std::string::npos) << answer.body;
    }
  }
}

TEST_F(RoutesTest, ARequestWithoutAModelMeansTheOnlyOneThatCanBeServed) {
  add_tiny();
  folder_.write("broken.gguf", "GGUF");
  const std::string unload = R"({"keep_alive":0})";
  {
    const TestServer server({}, config());
    Client client(server.port());
    const Answer answer = post(client, "/v1/completions", R"({"prompt":"x","max_tokens":1})");
    EXPECT_EQ(answer.status, 200U) << answer.body;
    EXPECT_EQ(json(answer)["model"], "tiny");
    EXPECT_EQ(json(post(client, "/api/generate", unload))["model"], "tiny");
  }
  quern::test::write_tiny_model(folder_.path() / "other.gguf", {.max_context = 256});
  const TestServer server({}, config());
  Client client(server.port());
  EXPECT_EQ(error_of(post(client, "/v1/completions", R"({"prompt":"x"})")), "400 invalid_value");
  EXPECT_EQ(post(client, "/api/generate", unload).status, 404U);
}

TEST_F(RoutesTest, ARequestWithoutAModelNeedsADefault) {
  const TestServer server({}, config());
  Client client(server.port());
  EXPECT_EQ(error_of(post(client, "/v1/completions", R"({"prompt":"x"})")), "400 invalid_value");
}

TEST_F(RoutesTest, LongTextsAreTakenApartLikeShortOnes) {
  add_tiny();
  const TestServer server({}, config());
  Client client(server.port());
  const std::string text(20'000, 'x');  // a token of each byte
  const Json tokens = json(post(
      client, "/tokenize", R"({"model":"tiny","add_special":false,"content":")" + text + "\"}"));
  const Json few =
      json(post(client, "/tokenize", R"({"model":"tiny","add_special":false,"content":"xx"})"));
  ASSERT_GE(few["tokens"].size(), 2U);
  EXPECT_EQ(tokens["tokens"].size() - few["tokens"].size(), text.size() - 2);
  EXPECT_EQ(
      error_of(post(client, "/v1/completions", R"({"model":"tiny","prompt":")" + text + "\"}")),
      "400 context_length_exceeded");
}

// Bodies that nobody has begun to read yet cost no other client anything.
TEST_F(RoutesTest, LargeBodiesDoNotHoldUpTheServer) {
  add_tiny();
  TestServer server({}, config());
  Offload& offload = server.context().offload;
  HeldWorkers held(offload);
  std::vector<std::unique_ptr<Client>> clients;
  for (const char* path :
       {"/tokenize", "/detokenize", "/v1/completions", "/v1/chat/completions", "/v1/embeddings",
        "/v1/rerank", "/v1/responses", "/v1/messages", "/v1/messages/count_tokens", "/api/generate",
        "/api/chat", "/api/embed", "/api/embeddings", "/api/show"}) {
    clients.push_back(std::make_unique<Client>(server.port()));
    clients.back()->request(std::string("POST ") + path, "Content-Type: application/json\r\n",
                            R"({"model":"tiny","prompt":")" + filler(Offload::kBulkBytes));
  }
  const auto n_answered = [&] {
    return std::ranges::count_if(
        server.records(), [](const AccessRecord& record) { return record.method == "POST"; });
  };
  Client other(server.port());
  while (offload.n_waiting() < clients.size() && n_answered() == 0) {
    ASSERT_EQ(other.get("/health/live").status, 200U);
  }
  EXPECT_EQ(offload.n_waiting(), clients.size());
  EXPECT_EQ(other.get("/health/live").status, 200U);
  EXPECT_EQ(n_answered(), 0);
  held.release();
  for (const auto& client : clients) {
    EXPECT_EQ(client->read().status, 400U);  // the JSON ends within a string
  }
}

// A template comes with a file, and may take a second for a conversation of one word.
TEST_F(RoutesTest, SlowTemplatesDoNotHoldUpTheServer) {
  quern::test::write_tiny_model(
      folder_.path() / "tiny.gguf",
      {.max_context = 256,
       .chat_template = "{% for i in range(300) %}{% for j in range(300) %}{% endfor %}{% endfor %}"
                        "{{ messages[0].content }}"});
  TestServer server({}, config());
  Offload& offload = server.context().offload;
  HeldWorkers held(offload);
  Client asking(server.port());
  asking.request("POST /v1/chat/completions", "Content-Type: application/json\r\n",
                 R"({"model":"tiny","max_tokens":1,"messages":[{"role":"user","content":"hi"}]})");
  Client other(server.port());
  while (offload.n_waiting() == 0 && server.records().empty()) {
    server.wait_for_records(0);
  }
  EXPECT_EQ(offload.n_waiting(), 1U);
  EXPECT_EQ(other.get("/health/live").status, 200U);
  held.release();
  EXPECT_EQ(asking.read().status, 200U);
}

TEST_F(RoutesTest, ALargeAnswerArrivesWhole) {
  add_tiny();
  const TestServer server({}, config());
  Client client(server.port());
  const std::string text(300'000, 'x');  // a token of each byte
  const Answer answer = post(client, "/tokenize", R"({"model":"tiny","content":")" + text + "\"}");
  EXPECT_TRUE(answer.is_whole);
  const Json tokens = json(answer);
  ASSERT_GE(tokens["count"], text.size());
  EXPECT_EQ(tokens["tokens"].size(), tokens["count"]);
  EXPECT_EQ(tokens["max_model_len"], 256);
  const Json call = {{"model", "tiny"}, {"tokens", tokens["tokens"]}};
  const Json back = json(post(client, "/detokenize", call.dump()));
  // The vocabulary has no token for the space mark that it puts first: it stays, as three bytes.
  EXPECT_TRUE(back["prompt"] == "\xE2\x96\x81" + text);
}

// The tiny model's longest token is "<filler299>", of 11 bytes: 20,000 bytes are 1819 of them.
TEST_F(RoutesTest, ATextThatCannotFitIsRefusedByItsLeastNumberOfTokens) {
  quern::test::write_tiny_model(
      folder_.path() / "tiny.gguf",
      {.max_context = 256, .chat_template = "{% for m in messages %}{{ m.content }}{% endfor %}"});
  const TestServer server({}, config());
  Client client(server.port());
  const std::string text(20'000, 'x');
  const std::string prompt = R"({"model":"tiny","prompt":")" + text + "\"}";
  const std::string chat =
      R"({"model":"tiny","messages":[{"role":"user","content":")" + text + "\"}]}";
  const std::string expected =
      "the prompt has at least 1819 tokens, and the context of this server's model holds 256, the "
      "answer included; expected a shorter prompt";
  EXPECT_EQ(json(post(client, "/v1/completions", prompt))["error"]["message"], expected);
  EXPECT_EQ(json(post(client, "/v1/chat/completions", chat))["error"]["message"], expected);
  EXPECT_EQ(json(post(client, "/api/generate", prompt))["error"], expected);
  EXPECT_EQ(json(post(client, "/api/chat", chat))["error"], expected);
  EXPECT_GE(json(post(client, "/tokenize", chat))["count"], text.size());
}

TEST_F(RoutesTest, AnswersHaveIdsOfTheirOwnWhateverTheRequestIsCalled) {
  add_tiny();
  const TestServer server({}, config());
  Client client(server.port());
  const auto id = [&] {
    client.request("POST /v1/completions", "X-Request-Id: mine\r\n",
                   R"({"model":"tiny","prompt":"hello","max_tokens":1})");
    const Answer answer = client.read();
    EXPECT_EQ(answer.header("x-request-id"), "mine");
    return json(answer).value("id", "none");
  };
  const std::string first = id();
  EXPECT_TRUE(first.starts_with("cmpl-")) << first;
  EXPECT_NE(first, id());
}

// Ollama cuts unless it is told not to.
TEST_F(RoutesTest, OllamaCutsATextToEmbedUnlessToldNotTo) {
  add_tiny();
  const TestServer server({}, config());
  Client client(server.port());
  const auto embed = [&](const std::string& members) {
    return post(client, "/api/embed",
                R"({"model":"tiny","input":")" + std::string(2'000, 'x') + "\"" + members + "}");
  };
  EXPECT_EQ(json(embed(""))["prompt_eval_count"], 256);
  EXPECT_EQ(embed(R"(,"truncate":true)").status, 200U);
  EXPECT_EQ(embed(R"(,"truncate":false)").status, 400U);
  EXPECT_EQ(json(embed(R"(,"dimensions":3)"))["embeddings"][0].size(), 3U);
}

// As Ollama does for clients that load a model before they need it (its server/routes.go).
TEST_F(RoutesTest, AnEmptyTextToEmbedLoadsTheModelOnly) {
  add_tiny();
  const TestServer server({}, config());
  Client client(server.port());
  const Answer answer = post(client, "/api/embed", R"({"model":"tiny","input":""})");
  EXPECT_EQ(answer.status, 200U);
  EXPECT_EQ(json(answer)["embeddings"], Json::array());
  EXPECT_EQ(json(client.get("/api/ps"))["models"].size(), 1U);
  const Answer old = post(client, "/api/embeddings", R"({"model":"tiny","prompt":""})");
  EXPECT_EQ(old.status, 200U);
  EXPECT_EQ(json(old)["embedding"], Json::array());
  EXPECT_EQ(post(client, "/api/embed", R"({"model":"none","input":""})").status, 404U);
}

TEST_F(RoutesTest, ABiasOfATokenBeyondTheVocabularyIsAnInvalidValue) {
  add_tiny();
  const TestServer server({}, config());
  Client client(server.port());
  const Answer answer = post(client, "/v1/completions",
                             R"({"model":"tiny","prompt":"x","logit_bias":{"9999999":1}})");
  EXPECT_EQ(error_of(answer), "400 invalid_value");
  EXPECT_EQ(json(answer)["error"]["param"], "logit_bias");
}

TEST_F(RoutesTest, AFaultBeforeTheFirstByteHasAStatus) {
  add_tiny();
  const TestServer server({}, config());
  Client client(server.port());
  points_.arm(FailPoint::kernel_result, {});
  const std::string body = R"({"model":"tiny","prompt":"hello","max_tokens":4,"stream":true})";
  const Answer refused = post(client, "/v1/completions", body);
  EXPECT_EQ(error_of(refused), "503 device_error");
  EXPECT_EQ(json(refused)["error"]["type"], "service_unavailable");
  EXPECT_EQ(post(client, "/v1/completions", body).status, 200U);  // the engine goes on
}

TEST_F(RoutesTest, AFaultWithinAStreamIsItsLastEvent) {
  add_tiny();
  const TestServer server({}, config());
  Client client(server.port());
  points_.arm(FailPoint::kernel_result, {.after = 3});
  const Answer answer = post(client, "/v1/completions",
                             R"({"model":"tiny","prompt":"hello","max_tokens":20,"stream":true,
      "ignore_eos":true})");
  EXPECT_EQ(answer.status, 200U);
  EXPECT_TRUE(answer.is_whole);
  const size_t last = answer.body.rfind("data: ");
  ASSERT_NE(last, std::string::npos);
  const auto event = parse_json(std::string_view(answer.body).substr(last + 6));
  ASSERT_TRUE(event.has_value()) << answer.body;
  EXPECT_EQ((*event)["error"]["code"], "device_error") << answer.body;
}

// Ollama's docs/api.md, "Show Model Information": parameters as a Modelfile writes them, and
// capabilities from the template.
TEST_F(RoutesTest, ShowTellsWhatTheFileSays) {
  GgufWriter writer;
  const auto add = [&](std::string_view key, const MetaValue& value) {
    ASSERT_TRUE(writer.add(key, value).has_value());
  };
  add("general.architecture", MetaValue::string("llama"));
  add("general.sampling.temp", MetaValue::f32(0.5F));
  add("general.sampling.top_k", MetaValue::i32(20));
  add("x.flag", MetaValue::boolean(true));
  add("x.large", MetaValue::u64(UINT64_MAX));
  add("x.lists", MetaValue::arrays({MetaValue::strings({"a"}), MetaValue::strings({"b", "c"})}));
  add("tokenizer.chat_template",
      MetaValue::string("{% if tools %}<tool_call>{{ tools }}</tool_call>{% endif %}"
                        "{% for m in messages %}{{ m.content.split('</think>')[-1] }}{% endfor %}"
                        "{% if add_generation_prompt %}<think>\n{% endif %}"));
  ASSERT_TRUE(writer.write_file(folder_.path() / "told.gguf").has_value());
  const TestServer server({}, config());
  Client client(server.port());
  const Json told = json(post(client, "/api/show", R"({"model":"told"})"));
  EXPECT_EQ(told["parameters"], "temperature 0.5\ntop_k 20");
  EXPECT_EQ(told["modelfile"], "FROM told\nPARAMETER temperature 0.5\nPARAMETER top_k 20\n");
  EXPECT_EQ(told["capabilities"], Json::parse(R"(["completion","tools","thinking"])"));
  EXPECT_EQ(told["model_info"]["x.flag"], true);
  EXPECT_EQ(told["model_info"]["x.large"], UINT64_MAX);
  EXPECT_EQ(told["model_info"]["x.lists"], Json::parse(R"([["a"],["b","c"]])"));
}

}  // namespace
}  // namespace quern::server::test
