// The transport over real sockets. What is expected follows RFC 9110 and RFC 9112.
#include <gtest/gtest.h>

#include <algorithm>

#include "server/json.h"
#include "unit/server/http_harness.h"

namespace quern::server::test {
namespace {

TEST(Connection, IsKeptForFurtherRequests) {
  const TestServer server;
  Client client(server.port());
  EXPECT_EQ(client.get("/echo?a=1").body, "GET /echo ?a=1 ");
  client.request("POST /echo", {}, "words");
  EXPECT_EQ(client.read().body, "POST /echo ? words");
  const Answer last = client.get("/echo", "Connection: close\r\n");
  EXPECT_EQ(last.status, 200);
  EXPECT_EQ(last.header("connection"), "close");
  EXPECT_TRUE(client.is_closed());
}

TEST(Connection, AnswersPipelinedRequestsInOrder) {
  const TestServer server;
  Client client(server.port());
  std::string all;
  for (int i = 0; i < 50; ++i) {
    const std::string path = i % 10 == 3 ? "/stream" : "/items/" + std::to_string(i);
    all += "GET " + path + " HTTP/1.1\r\nHost: localhost\r\n\r\n";
  }
  client.send(all);
  for (int i = 0; i < 50; ++i) {
    const std::string expected =
        i % 10 == 3 ? "piece 0\npiece 1\npiece 2\n" : "id=" + std::to_string(i);
    EXPECT_EQ(client.read().body, expected);
  }
}

TEST(Connection, ReadsARequestThatComesByteByByte) {
  const TestServer server;
  Client client(server.port());
  for (const char byte :
       std::string("POST /echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3\r\n\r\nabc")) {
    client.send({&byte, 1});
  }
  EXPECT_EQ(client.read().body, "POST /echo ? abc");
}

TEST(Connection, ReadsChunkedBodies) {
  const TestServer server;
  Client client(server.port());
  client.request("POST /echo", "Transfer-Encoding: chunked\r\n");
  client.send("3\r\nabc\r\n4;name=value\r\ndefg\r\n0\r\nTrailer: x\r\n\r\n");
  EXPECT_EQ(client.read().body, "POST /echo ? abcdefg");
  EXPECT_EQ(client.get("/echo").status, 200);
}

TEST(Connection, SaysContinueBeforeABodyThatWaitsForIt) {
  const TestServer server;
  Client client(server.port());
  client.request("POST /echo", "Content-Length: 5\r\nExpect: 100-continue\r\n");
  EXPECT_EQ(client.read().status, 100);
  client.send("hello");
  EXPECT_EQ(client.read().body, "POST /echo ? hello");
}

TEST(Connection, RefusesWithoutReadingABodyThatWaits) {
  const TestServer server;
  Client client(server.port());
  client.request("POST /nowhere", "Content-Length: 5000000\r\nExpect: 100-continue\r\n");
  EXPECT_EQ(client.read().status, 404);
  EXPECT_TRUE(client.is_closed());
}

TEST(Connection, GoesOnAfterRefusingARequestWithASmallBody) {
  const TestServer server;
  Client client(server.port());
  client.request("POST /nowhere", {}, "body");
  EXPECT_EQ(client.read().status, 404);
  EXPECT_EQ(client.get("/echo").status, 200);
}

TEST(Connection, AnswersHeadWithTheHeadOfGet) {
  const TestServer server;
  Client client(server.port());
  const Answer get = client.get("/echo");
  client.request("HEAD /echo");
  const Answer head = client.read(true);
  EXPECT_EQ(head.status, 200);
  EXPECT_EQ(head.header("content-length"), std::to_string(get.body.size() + 1));  // HEAD is longer
  client.request("HEAD /stream");
  EXPECT_EQ(client.read(true).header("transfer-encoding"), "chunked");
  EXPECT_EQ(client.get("/echo").body, get.body);
}

TEST(Connection, StreamsToHttp10UntilItsEnd) {
  const TestServer server;
  Client client(server.port());
  client.send("GET /stream HTTP/1.0\r\n\r\n");
  const std::string all = client.read_all();
  EXPECT_TRUE(all.ends_with("\r\n\r\npiece 0\npiece 1\npiece 2\n")) << all;
  EXPECT_EQ(all.find("chunked"), std::string::npos);
}

TEST(Connection, KeepsHttp10OnRequest) {
  const TestServer server;
  Client client(server.port());
  client.send("GET /echo HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
  EXPECT_EQ(client.read().header("connection"), "keep-alive");
  client.send("GET /echo HTTP/1.0\r\n\r\n");
  EXPECT_EQ(client.read().status, 200);
  EXPECT_TRUE(client.is_closed());
}

TEST(Connection, AnswersWhatIsMalformedAndGoesOnServing) {
  const TestServer server;
  const std::vector<std::string> malformed = {
      "\x16\x03\x01\x02\x01\x01",
      "GET\r\n\r\n",
      "GET / HTTP/9.9\r\n\r\n",
      "GET / HTTP/1.1\r\n\r\n",  // no Host
      "GET / HTTP/1.1\r\nHost: localhost\r\nHost: b\r\n\r\n",
      "GET / HTTP/1.1\r\nHost: localhost\r\nno colon\r\n\r\n",
      "GET / HTTP/1.1\r\nHost: localhost\r\nName : x\r\n\r\n",
      "GET /%zz HTTP/1.1\r\nHost: localhost\r\n\r\n",
      "GET /%00 HTTP/1.1\r\nHost: localhost\r\n\r\n",
      "GET /\xFF HTTP/1.1\r\nHost: localhost\r\n\r\n",
      "GET echo HTTP/1.1\r\nHost: localhost\r\n\r\n",
      "POST /echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: -1\r\n\r\n",
      "POST /echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1x\r\n\r\n",
      "POST /echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
      "POST /echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: 4\r\nTransfer-Encoding: "
      "chunked\r\n\r\n0\r\n\r\n",
      "POST /echo HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n",
      "POST /echo HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: "
      "chunked\r\n\r\n5\r\nabcdefgh\r\n",
      "POST /echo HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: gzip\r\n\r\n",
      "POST /echo HTTP/1.1\r\nHost: localhost\r\nContent-Encoding: gzip\r\nContent-Length: "
      "1\r\n\r\nx",
      "POST /echo HTTP/1.1\r\nHost: localhost\r\nExpect: miracles\r\nContent-Length: 1\r\n\r\nx"};
  for (const std::string& bytes : malformed) {
    Client client(server.port());
    client.send(bytes);
    client.half_close();
    const Answer answer = client.read();
    EXPECT_GE(answer.status, 400U) << bytes;
    EXPECT_LT(answer.status, 600U) << bytes;
    EXPECT_NE(answer.status, 500U) << bytes;
    EXPECT_FALSE(answer.header("x-request-id").empty()) << bytes;
    const auto body = parse_json(answer.body);
    EXPECT_TRUE(body && body->contains("error")) << bytes << answer.body;
  }
  EXPECT_EQ(Client(server.port()).get("/echo").status, 200);
}

// RFC 9112, sections 2.3 and 6.1; RFC 9110, section 15.6.6.
TEST(Connection, NamesTheVersionOrTheCodingThatItDoesNotServe) {
  const TestServer server;
  const auto answer_to = [&](const std::string& bytes) {
    Client client(server.port());
    client.send(bytes);
    client.half_close();
    const Answer answer = client.read();
    return std::to_string(answer.status) + " " +
           parse_json(answer.body).value()["error"]["code"].get<std::string>();
  };
  for (const char* version : {"HTTP/2.0", "HTTP/3.1", "HTTP/1.2", "HTTP/0.9"}) {
    EXPECT_EQ(answer_to(std::string("GET / ") + version + "\r\nHost: localhost\r\n\r\n"),
              "505 http_version")
        << version;
  }
  EXPECT_EQ(answer_to("GET / HTTP/x.1\r\nHost: localhost\r\n\r\n"), "400 malformed_request");
  EXPECT_EQ(answer_to("GET / SPDY/1.1\r\nHost: localhost\r\n\r\n"), "400 malformed_request");
  for (const char* coding : {"gzip", "gzip, chunked", "chunked, chunked"}) {
    EXPECT_EQ(
        answer_to(std::string("POST /echo HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: ") +
                  coding + "\r\n\r\n0\r\n\r\n"),
        "501 transfer_encoding")
        << coding;
  }
}

TEST(Connection, LimitsTheHeader) {
  const TestServer server;
  Client client(server.port());
  client.send("GET /echo HTTP/1.1\r\nHost: localhost\r\nLong: " + filler(100'000));
  EXPECT_EQ(client.read().status, 431);
  EXPECT_TRUE(client.is_closed());
}

TEST(Connection, LimitsTheBodyHoweverItIsSent) {
  ServerConfig config;
  config.max_body_bytes = 1000;
  const TestServer server(config);
  Client fits(server.port());
  fits.request("POST /echo", {}, filler(1000));
  EXPECT_EQ(fits.read().status, 200);
  Client claimed(server.port());
  claimed.request("POST /echo", "X-Request-Id: mine\r\n", filler(1001));
  const Answer answer = claimed.read();
  EXPECT_EQ(answer.status, 413);
  EXPECT_EQ(answer.header("x-request-id"), "mine");
  Client chunked(server.port());
  chunked.request("POST /echo", "Transfer-Encoding: chunked\r\n");
  chunked.send("3e9\r\n" + filler(1001) + "\r\n0\r\n\r\n");
  EXPECT_EQ(chunked.read().status, 413);
}

TEST(Connection, EndsAHeaderOrBodyThatDoesNotCome) {
  ServerConfig config;
  config.header_timeout_s = 0;
  config.body_timeout_s = 0;
  const TestServer server(config);
  Client header(server.port());
  header.send("GET /echo HT");
  EXPECT_EQ(header.read().status, 408);
  Client body(server.port());
  body.request("POST /echo", "Content-Length: 10\r\n");
  EXPECT_EQ(body.read().status, 408);
}

TEST(Connection, EndsWhenItIsIdleForTooLong) {
  ServerConfig config;
  config.idle_timeout_s = 0;
  const TestServer server(config);
  Client client(server.port());
  EXPECT_TRUE(client.is_closed());
}

TEST(Connection, LimitsHowManyThereAre) {
  ServerConfig config;
  config.max_connections = 1;
  const TestServer server(config);
  Client first(server.port());
  EXPECT_EQ(first.get("/echo").status, 200);
  Client second(server.port());
  const Answer refused = second.read();
  EXPECT_EQ(refused.status, 503);
  EXPECT_FALSE(refused.header("retry-after").empty());
  EXPECT_TRUE(second.is_closed());
  EXPECT_EQ(first.get("/echo").status, 200);
}

TEST(Connection, OutlivesAHandlerThatThrowsOrSaysNothing) {
  const TestServer server;
  Client client(server.port());
  EXPECT_EQ(client.get("/throw").status, 500);
  const Answer openai = client.get("/v1/throw");
  EXPECT_TRUE((*parse_json(openai.body)).at("error").is_object());
  const Answer ollama = client.get("/api/throw");
  EXPECT_TRUE((*parse_json(ollama.body)).at("error").is_string());
  EXPECT_EQ(openai.body.find("own failure"), std::string::npos);  // for the log only
  EXPECT_EQ(client.get("/silent").status, 500);
  EXPECT_EQ(client.get("/echo").status, 200);
}

TEST(Connection, DoesNotPassAHalfAnswerOffAsAWholeOne) {
  const TestServer server;
  Client client(server.port());
  const Answer answer = client.get("/throw_late");
  EXPECT_EQ(answer.body, "half");
  EXPECT_FALSE(answer.is_whole);
}

TEST(Connection, TellsItsHandlerThatTheClientWentAway) {
  TestServer server;
  Client closed(server.port());
  closed.request("GET /hold");
  notes().wait_for("held", 1);
  closed.close();
  notes().wait_for("gone", 1);
  Client reset(server.port());
  reset.request("GET /hold");
  notes().wait_for("held", 2);
  reset.reset();
  notes().wait_for("gone", 2);
  server.wait_for_records(2);
  EXPECT_TRUE(server.records()[0].client_gone);
}

// An interim response asks who ended its side whether it is still there (RFC 9110, section 15.2).
TEST(Connection, AnswersWhoOnlyStoppedSending) {
  TestServer server;
  Client client(server.port());
  client.request("GET /hold");
  client.request("GET /echo");
  notes().wait_for("held");
  client.half_close();
  EXPECT_EQ(client.read().status, 100);
  tell("finish");
  EXPECT_EQ(client.read().status, 200);
  EXPECT_EQ(client.read().body, "GET /echo ? ");
  EXPECT_TRUE(client.is_closed());
  EXPECT_EQ(notes().count("gone"), 0U);
  server.wait_for_records(2);
  EXPECT_FALSE(server.records()[0].client_gone);
}

TEST(Connection, GivesAnEarlyEndNoInterimResponseWhereNothingWaits) {
  const TestServer server;
  Client client(server.port());
  client.request("GET /echo");
  client.half_close();
  EXPECT_EQ(client.read().status, 200);
  EXPECT_TRUE(client.is_closed());
}

TEST(Connection, StreamsOnToWhoOnlyStoppedSending) {
  const TestServer server;
  Client client(server.port());
  client.request("GET /drip");
  notes().wait_for("held");
  client.half_close();
  tell("one ");
  tell("end");
  const Answer answer = client.read();
  EXPECT_EQ(answer.body, "one end");
  EXPECT_TRUE(answer.is_whole);
  EXPECT_EQ(notes().count("gone"), 0U);
}

TEST(Connection, SeesByOnePieceThatTheReaderOfAStreamIsGone) {
  const TestServer server;
  Client client(server.port());
  client.request("GET /drip");
  notes().wait_for("held");
  client.close();
  tell("one");
  notes().wait_for("gone");
}

// Which has no interim responses, so that nobody can be asked.
TEST(Connection, TakesTheEndOfAnHttp10ClientForItsGoing) {
  const TestServer server;
  Client client(server.port());
  client.send("GET /hold HTTP/1.0\r\n\r\n");
  notes().wait_for("held");
  client.half_close();
  notes().wait_for("gone");
  EXPECT_EQ(client.read().status, 200);
}

TEST(Connection, GivesNoTwoLiveRequestsOfAKeyOneId) {
  ServerConfig config;
  config.api_keys = {"key-a", "key-b"};
  const TestServer server(config);
  const std::string id = "X-Request-Id: mine\r\n";
  const std::string key_a = "x-api-key: key-a\r\n";
  std::vector<std::unique_ptr<Client>> clients;
  for (size_t i = 1; i <= 3; ++i) {
    clients.push_back(std::make_unique<Client>(server.port()));
    clients.back()->request("GET /hold", id + key_a);
    notes().wait_for("held", i);
  }
  Client other(server.port());
  EXPECT_EQ(other.get("/echo", id + "x-api-key: key-b\r\n").header("x-request-id"), "mine");
  const std::string longest = filler(128);
  Client first(server.port());
  first.request("GET /hold", "X-Request-Id: " + longest + "\r\n" + key_a);
  notes().wait_for("held", 4);
  Client second(server.port());
  const Answer fresh = second.get("/echo", "X-Request-Id: " + longest + "\r\n" + key_a);
  EXPECT_EQ(fresh.header("x-request-id").size(), 32U);
  tell("finish");
  EXPECT_EQ(first.read().header("x-request-id"), longest);
  EXPECT_EQ(clients[0]->read().header("x-request-id"), "mine");
  EXPECT_EQ(clients[1]->read().header("x-request-id"), "mine.2");
  EXPECT_EQ(clients[2]->read().header("x-request-id"), "mine.3");
  EXPECT_EQ(clients[2]->get("/echo", id + key_a).header("x-request-id"), "mine");
}

TEST(Connection, DropsAReaderThatReadsNothing) {
  ServerConfig config;
  config.write_timeout_s = 0;
  const TestServer server(config);
  Client client(server.port());
  client.request("GET /flood");
  notes().wait_for("flood ended");
  EXPECT_EQ(notes().count("gone"), 1U);
  EXPECT_EQ(Client(server.port()).get("/echo").status, 200);
}

TEST(Connection, BoundsWhatItReadsAhead) {
  const TestServer server;
  Client client(server.port());
  client.request("GET /hold");
  notes().wait_for("held");
  // More than the server may take in meanwhile; the rest waits in the two kernels' buffers.
  client.send(filler(200'000));
  client.reset();
  // The write side notices, since the read side is full: at the latest when it answers.
  Client other(server.port());
  EXPECT_EQ(other.get("/echo").status, 200);
}

TEST(Connection, LogsEachRequestOnce) {
  TestServer server;
  Client client(server.port());
  client.get("/echo", "X-Request-Id: one\r\n");
  client.get("/nowhere");
  server.wait_for_records(2);
  const std::vector<AccessRecord> records = server.records();
  ASSERT_EQ(records.size(), 2U);
  EXPECT_EQ(records[0].request_id, "one");
  EXPECT_EQ(records[0].method, "GET");
  EXPECT_EQ(records[0].path, "/echo");
  EXPECT_EQ(records[0].status, 200U);
  EXPECT_EQ(records[0].peer, "127.0.0.1");
  EXPECT_EQ(records[1].status, 404U);
}

}  // namespace
}  // namespace quern::server::test
