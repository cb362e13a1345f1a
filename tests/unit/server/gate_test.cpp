// Who is let through, and what the others are told.
#include <gtest/gtest.h>

#include <set>

#include "server/cors.h"
#include "server/json.h"
#include "server/live_requests.h"
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
  const TestServer server;
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
      for (const char* status : {"400", "408", "413", "415", "417", "431", "501", "503", "505"}) {
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
  for (const char* host : {"localhost", "127.0.0.1", "127.8.8.8", "::1"}) {
    EXPECT_TRUE(is_loopback(host)) << host;
  }
  for (const char* host : {"0.0.0.0", "::", "192.168.1.1", "example.org", ""}) {
    EXPECT_FALSE(is_loopback(host)) << host;
  }
}

}  // namespace
}  // namespace quern::server::test
