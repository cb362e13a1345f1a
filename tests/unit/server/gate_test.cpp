// Who is let through, and what the others are told.
#include <gtest/gtest.h>

#include <set>

#include "server/cors.h"
#include "server/json.h"
#include "server/live_requests.h"
#include "server/loopback.h"
#include "server/openapi.h"
#include "server/request_id.h"
#include "unit/server/http_harness.h"

namespace quern::server::test {
namespace {

TEST(Gate, NeedsAKeyWhereThereAreSome) {
  ServerConfig config;
  config.api_keys = {"first", "second"};
  const TestServer server(config);
  Client client(server.port());
  const Answer refused = client.get("/echo");
  EXPECT_EQ(refused.status, 401U);
  EXPECT_EQ(refused.header("www-authenticate"), "Bearer");
  EXPECT_EQ(client.get("/echo", "Authorization: Bearer wrong\r\n").status, 401U);
  EXPECT_EQ(client.get("/echo", "Authorization: Bearer firstsecond\r\n").status, 401U);
  EXPECT_EQ(client.get("/echo", "Authorization: Basic first\r\n").status, 401U);
  EXPECT_EQ(client.get("/echo", "X-Api-Key: \r\n").status, 401U);
  EXPECT_EQ(client.get("/nowhere").status, 401U);
  EXPECT_EQ(client.get("/echo", "Authorization: Bearer first\r\n").status, 200U);
  EXPECT_EQ(client.get("/echo", "Authorization: bearer second\r\n").status, 200U);
  EXPECT_EQ(client.get("/echo", "X-Api-Key: second\r\n").status, 200U);
  EXPECT_EQ(client.get("/open").status, 200U);
}

// A GET of /echo with these headers only.
Answer echo_with(const TestServer& server, const std::string& headers) {
  Client client(server.port());
  client.send("GET /echo HTTP/1.1\r\n" + headers + "\r\n");
  return client.read();
}

TEST(Gate, AnswersToNamesOfThisMachineOnlyWithoutKeys) {
  const TestServer server;
  for (const char* host :
       {"localhost", "LocalHost:11434", "127.0.0.1:1", "127.8.8.8", "[::1]:11434", "[::1]",
        "app.localhost", "a.b.localhost:80", "[::ffff:127.0.0.1]:80", ""}) {
    EXPECT_EQ(echo_with(server, std::string("Host: ") + host + "\r\n").status, 200U) << host;
  }
  for (const char* host : {"rebound.example", "rebound.example:11434", "localhost.example",
                           "xlocalhost", "127.0.0.1.x", "0.0.0.0:11434", "192.168.1.1", "[::]:80",
                           "[::ffff:10.0.0.1]", "localhost:x"}) {
    const Answer refused = echo_with(server, std::string("Host: ") + host + "\r\n");
    EXPECT_EQ(refused.status, 403U) << host;
    EXPECT_EQ(parse_json(refused.body)->at("error").at("code"), "foreign_host");
  }
  Client old(server.port());
  old.send("GET /echo HTTP/1.0\r\n\r\n");  // which knows no Host
  EXPECT_EQ(old.read().status, 200U);
}

TEST(Gate, AnswersNoForeignPagesWithoutKeys) {
  ServerConfig config;
  config.cors_origins = {"https://a.example"};
  const TestServer server(config);
  Client client(server.port());
  for (const char* origin : {"http://localhost", "https://localhost:3000", "http://127.0.0.1:8080",
                             "http://[::1]:5173", "http://app.localhost:1", "https://a.example"}) {
    EXPECT_EQ(client.get("/echo", std::string("Origin: ") + origin + "\r\n").status, 200U)
        << origin;
  }
  for (const char* origin : {"https://b.example", "http://a.example", "null", "app://localhost",
                             "http://localhost.example", "http://b.example/.localhost",
                             "http://b.example#.localhost", "http://192.168.1.1"}) {
    client.request("POST /echo",
                   std::string("Content-Type: text/plain\r\nOrigin: ") + origin + "\r\n", "{}");
    const Answer refused = client.read();
    EXPECT_EQ(refused.status, 403U) << origin;
    EXPECT_EQ(refused.header("access-control-allow-origin"), "");
    const std::string message = parse_json(refused.body)->at("error").at("message");
    for (const char* way_out : {"--cors-origin", "--api-key-file", "--insecure"}) {
      EXPECT_NE(message.find(way_out), std::string::npos) << message;
    }
  }
}

TEST(Gate, TellsForeignPagesInTheWordsOfTheRoute) {
  const TestServer server;
  Client client(server.port());
  const std::string foreign = "Origin: https://b.example\r\n";
  EXPECT_EQ(parse_json(client.get("/v1/models", foreign).body)->at("error").at("type"),
            "permission_error");
  EXPECT_TRUE(parse_json(client.get("/api/tags", foreign).body)->at("error").is_string());
  const Json anthropic = *parse_json(client.get("/v1/messages", foreign).body);
  EXPECT_EQ(anthropic.at("error").at("type"), "permission_error");
  EXPECT_EQ(client.get("/health/live", foreign).status, 403U);
}

TEST(Gate, LeavesForeignPagesToKeysAndToTheNetwork) {
  const std::string foreign = "Host: b.example\r\nOrigin: https://b.example\r\n";
  ServerConfig insecure;
  insecure.insecure = true;
  EXPECT_EQ(echo_with(TestServer(insecure), foreign).status, 200U);
  ServerConfig open;
  open.host = "0.0.0.0";
  EXPECT_EQ(echo_with(TestServer(open), foreign).status, 200U);
  ServerConfig keyed;
  keyed.api_keys = {"key"};
  EXPECT_EQ(echo_with(TestServer(keyed), foreign).status, 401U);
  EXPECT_EQ(echo_with(TestServer(keyed), foreign + "X-Api-Key: key\r\n").status, 200U);
}

TEST(Gate, LeadsToNoRouteThatIsNotThereYet) {
  const TestServer server;
  Client client(server.port());
  for (const char* path : {"/api/nope", "/api/copi", "/api/pul", "/v1/reran"}) {
    const Answer answer = client.get(path);
    EXPECT_EQ(answer.status, 404U);
    for (const char* stub : {"/api/copy", "/api/pull", "/v1/rerank"}) {
      EXPECT_EQ(answer.body.find(stub), std::string::npos) << answer.body;
    }
  }
  EXPECT_NE(client.get("/api/tag").body.find("/api/tags"), std::string::npos);
}

TEST(Gate, GivesEachKeyASaltOfItsOwn) {
  ServerConfig config;
  config.api_keys = {"first", "second"};
  const TestServer server(config);
  Client client(server.port());
  const std::string first = client.get("/salt", "X-Api-Key: first\r\n").body;
  EXPECT_FALSE(first.empty());
  EXPECT_EQ(client.get("/salt", "Authorization: Bearer first\r\n").body, first);
  EXPECT_NE(client.get("/salt", "X-Api-Key: second\r\n").body, first);
  EXPECT_EQ(first.find("first"), std::string::npos);
}

TEST(Gate, TellsWhatIsNearAPathThatIsNot) {
  const TestServer server;
  Client client(server.port());
  const Answer plain = client.get("/ecko");
  EXPECT_EQ(plain.status, 404U);
  EXPECT_NE(plain.body.find("/echo"), std::string::npos) << plain.body;
  EXPECT_TRUE(parse_json(client.get("/v1/nowhere").body)->at("error").is_object());
  EXPECT_TRUE(parse_json(client.get("/api/nowhere").body)->at("error").is_string());
  EXPECT_EQ(parse_json(client.get("/v1/messages/x").body)->at("type"), "error");
}

TEST(Gate, NamesTheMethodsOfAPath) {
  const TestServer server;
  Client client(server.port());
  client.request("DELETE /echo");
  const Answer refused = client.read();
  EXPECT_EQ(refused.status, 405U);
  EXPECT_EQ(refused.header("allow"), "GET, HEAD, OPTIONS, POST");
  client.request("OPTIONS /stream");
  const Answer options = client.read();
  EXPECT_EQ(options.status, 204U);
  EXPECT_EQ(options.header("allow"), "GET, HEAD, OPTIONS");
  EXPECT_EQ(options.header("access-control-allow-origin"), "");
}

TEST(Gate, FindsPathsHoweverTheyAreWritten) {
  const TestServer server;
  Client client(server.port());
  EXPECT_EQ(client.get("/echo/").status, 200U);
  EXPECT_EQ(client.get("//echo").status, 200U);
  EXPECT_EQ(client.get("/%65cho").status, 200U);
  EXPECT_EQ(client.get("http://other.host/echo?x").body, "GET /echo ?x ");
  EXPECT_EQ(client.get("/items/a%2Fb").body, "id=a/b");
  EXPECT_EQ(client.get("/items/a/b").status, 404U);
  EXPECT_EQ(client.get("/names/org/model:tag").body, "name=org/model:tag");
  EXPECT_EQ(client.get("/names").status, 404U);
}

TEST(Gate, GivesEveryAnswerARequestId) {
  const TestServer server;
  Client client(server.port());
  EXPECT_EQ(client.get("/echo", "X-Request-Id: a.B_c:1-2\r\n").header("x-request-id"), "a.B_c:1-2");
  EXPECT_EQ(client.get("/no", "X-Request-Id: mine\r\n").header("x-request-id"), "mine");
  std::set<std::string> fresh;
  for (const std::string& insane : {std::string("a b"), std::string("x\"y"), std::string("ü"),
                                    std::string(129, 'x'), std::string()}) {
    const std::string id =
        client.get("/echo", "X-Request-Id: " + insane + "\r\n").header("x-request-id");
    EXPECT_TRUE(is_sane_request_id(id)) << id;
    fresh.insert(id);
  }
  fresh.insert(client.get("/stream").header("x-request-id"));
  EXPECT_EQ(fresh.size(), 6U);
}

// Serialised origins: RFC 6454, section 6.2; those of programs have schemes of their own.
TEST(Cors, KnowsAnOriginThatABrowserSends) {
  for (const char* text :
       {"https://a.example", "http://localhost:3000", "http://127.0.0.1:8080", "http://[::1]:8080",
        "http://[::1]", "app://obsidian.md", "chrome-extension://abc"}) {
    EXPECT_TRUE(is_origin(text)) << text;
  }
  for (const char* text : {"",
                           "foo",
                           "null",
                           "://a",
                           "https://",
                           "a.example",
                           "https://a.example/",
                           "https://a/b",
                           "https://a?b",
                           "https://A.example",
                           "HTTPS://a.example",
                           "https://a.example:",
                           "https://a.example:x",
                           "https://a.example:70000",
                           "https://a.example:0",
                           "https://:80",
                           "https://*.example",
                           "https://a b",
                           "https://u@a",
                           "https://a,https://b",
                           "1x://a",
                           "https://a\n",
                           "https://a.example https://b.example"}) {
    EXPECT_FALSE(is_origin(text)) << text;
  }
}

TEST(Cors, IsOffByDefault) {
  ServerConfig config;
  config.insecure = true;
  const TestServer server(config);
  Client client(server.port());
  const Answer answer = client.get("/echo", "Origin: https://a.example\r\n");
  EXPECT_EQ(answer.status, 200U);
  EXPECT_EQ(answer.header("access-control-allow-origin"), "");
}

TEST(Cors, AllowsTheOriginsThatWereNamedAndNoOther) {
  ServerConfig config;
  config.cors_origins = {"https://a.example"};
  config.api_keys = {"key"};
  const TestServer server(config);
  Client client(server.port());
  const std::string preflight =
      "Access-Control-Request-Method: POST\r\n"
      "Access-Control-Request-Headers: authorization, content-type\r\n";
  client.request("OPTIONS /echo", "Origin: https://a.example\r\n" + preflight);
  const Answer allowed = client.read();
  EXPECT_EQ(allowed.status, 204U);
  EXPECT_EQ(allowed.header("access-control-allow-origin"), "https://a.example");
  EXPECT_EQ(allowed.header("vary"), "Origin");
  EXPECT_EQ(allowed.header("access-control-allow-headers"), "authorization, content-type");
  EXPECT_NE(allowed.header("access-control-allow-methods").find("POST"), std::string::npos);
  for (const char* origin : {"https://b.example", "https://a.example.b.example", "null",
                             "http://a.example", "https://a.example:444"}) {
    client.request("OPTIONS /echo", std::string("Origin: ") + origin + "\r\n" + preflight);
    EXPECT_EQ(client.read().header("access-control-allow-origin"), "") << origin;
  }
  const Answer refused = client.get("/echo", "Origin: https://a.example\r\n");
  EXPECT_EQ(refused.status, 401U);  // an error that the page can read
  EXPECT_EQ(refused.header("access-control-allow-origin"), "https://a.example");
}

TEST(Cors, CanAllowAnyOrigin) {
  ServerConfig config;
  config.cors_origins = {"*"};
  const TestServer server(config);
  Client client(server.port());
  EXPECT_EQ(
      client.get("/echo", "Origin: https://a.example\r\n").header("access-control-allow-origin"),
      "*");
}

// What the transport answers, whatever the route is.
TEST(OpenApi, DocumentsTheStatusesOfTheTransport) {
  const Json document = parse_json(openapi_document()).value();
  for (const auto& [path, operations] : document.at("paths").items()) {
    for (const auto& [method, operation] : operations.items()) {
      for (const char* status :
           {"400", "403", "408", "413", "415", "417", "431", "501", "503", "505"}) {
        EXPECT_TRUE(operation.at("responses").contains(status)) << method << path << status;
      }
    }
  }
}

TEST(Drain, FinishesWhatRunsAndTakesNothingNew) {
  TestServer server;
  Client running(server.port());
  running.request("GET /hold");
  notes().wait_for("held");
  Client idle(server.port());
  EXPECT_EQ(idle.get("/echo").status, 200U);
  server.server().drain();
  EXPECT_TRUE(idle.is_closed());
  Client late(server.port());
  const Answer refused = late.get("/echo");
  EXPECT_EQ(refused.status, 503U);
  EXPECT_FALSE(refused.header("retry-after").empty());
  EXPECT_EQ(parse_json(refused.body)->at("error").at("type"), "service_unavailable");
  Client probe(server.port());
  EXPECT_EQ(probe.get("/open").status, 200U);
  tell("finish");
  EXPECT_EQ(running.read().status, 200U);
  server.join();
}

TEST(Drain, CancelsWhatStillRunsWhenItsTimeIsUp) {
  ServerConfig config;
  config.drain_timeout_s = 0;
  TestServer server(config);
  const LiveRequests::Ticket ticket = server.context().live.add(
      {.request_id = "slow", .model = "m", .cancel = [] { notes().add("cancelled"); }});
  Client running(server.port());
  running.request("GET /hold");
  notes().wait_for("held");
  server.server().drain();
  notes().wait_for("cancelled");
  tell("finish");  // as a cancelled request does, it ends now
  EXPECT_EQ(running.read().status, 200U);
  server.join();
}

TEST(Drain, EndsAtOnceWithoutWork) {
  TestServer server;
  server.server().drain();
  server.join();
}

TEST(Listen, SaysWhenThePortIsTaken) {
  TestServer first;
  ServerConfig config;
  config.port = first.port();
  ServerContext other{.config = config,
                      .models = first.context().models,
                      .metrics = first.context().metrics,
                      .log = first.context().log,
                      .live = first.context().live,
                      .responses = first.context().responses,
                      .offload = first.context().offload,
                      .draining = first.context().draining};
  const auto second = Server::listen(other, {.tables = test_routes()});
  ASSERT_FALSE(second.has_value());
  EXPECT_EQ(second.error().kind, ErrorKind::io);
  EXPECT_NE(second.error().what.find("in use"), std::string::npos);
}

TEST(Listen, KnowsWhatOnlyThisMachineReaches) {
  for (const char* host : {"localhost", "LOCALHOST", "127.0.0.1", "127.8.8.8", "::1", "[::1]",
                           "::ffff:127.0.0.1", "[::ffff:127.9.9.9]"}) {
    EXPECT_TRUE(is_loopback(host)) << host;
  }
  for (const char* host :
       {"0.0.0.0", "::", "192.168.1.1", "example.org", "", "127.1", "::ffff:10.0.0.1", "[]",
        "nohost.invalid", "localhost.example", "[127.0.0.1]"}) {
    EXPECT_FALSE(is_loopback(host)) << host;
  }
}

}  // namespace
}  // namespace quern::server::test
