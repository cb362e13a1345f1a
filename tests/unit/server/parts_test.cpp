// The server's small parts, without sockets.
#include <gtest/gtest.h>

#include <sys/resource.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>

#include <functional>
#include <optional>
#include <stdexcept>
#include <thread>

#include "server/access_log.h"
#include "server/api_keys.h"
#include "server/inbox.h"
#include "server/json.h"
#include "server/live_requests.h"
#include "server/offload.h"
#include "server/request_work.h"
#include "server/response_head.h"
#include "server/response_store.h"
#include "server/target.h"
#include "unit/server/http_harness.h"

namespace quern::server {
namespace {

TEST(Target, IsTakenApartBeforeItIsDecoded) {
  const auto target = parse_target("/a%2Fb/c%20d?x=%31&y");
  ASSERT_TRUE(target.has_value());
  EXPECT_EQ(target->segments, (std::vector<std::string>{"a/b", "c d"}));
  EXPECT_EQ(target->path, "/a/b/c d");
  EXPECT_EQ(target->query, "x=%31&y");
  EXPECT_EQ(query_value(target->query, "x"), "1");
  EXPECT_EQ(query_value(target->query, "y"), "");
  EXPECT_EQ(query_value(target->query, "z"), std::nullopt);
  EXPECT_EQ(parse_target("/")->path, "/");
  EXPECT_EQ(parse_target("http://h:1/p")->path, "/p");
  EXPECT_EQ(parse_target("http://h?q")->query, "q");
}

TEST(Target, RefusesWhatCannotBeAPath) {
  for (const char* text :
       {"x", "/%", "/%4", "/%g0", "/%0a", "/%7f", "/%ff", "/%c0%80", "ftp://a/b"}) {
    EXPECT_FALSE(parse_target(text).has_value()) << text;
  }
}

TEST(ResponseHead, CannotBeSplitByAValue) {
  const std::string head =
      write_head({.status = 200, .content_type = "text/plain", .n_body_bytes = 3},
                 {{"X-A", "one\r\nX-B: two"}}, {{"X-C", "three\nfour"}});
  EXPECT_NE(head.find("X-A: oneX-B: two\r\n"), std::string::npos) << head;
  EXPECT_NE(head.find("X-C: threefour\r\n"), std::string::npos) << head;
  EXPECT_NE(head.find("Content-Length: 3\r\n"), std::string::npos) << head;
}

TEST(ResponseHead, HasNoLengthWhereThereIsNoBodyByDefinition) {
  const std::string head = write_head({.status = 204, .n_body_bytes = 0}, {}, {});
  EXPECT_EQ(head.find("Content-Length"), std::string::npos);
  EXPECT_EQ(head.find("Content-Type"), std::string::npos);
}

TEST(ResponseStore, ForgetsTheLeastRecentlyUsed) {
  ResponseStore store({.n_entries = 2, .n_bytes = 1000});
  store.put({"", "a"}, "1");
  store.put({"", "b"}, "2");
  EXPECT_EQ(store.get({"", "a"}), "1");
  store.put({"", "c"}, "3");
  EXPECT_EQ(store.get({"", "b"}), std::nullopt);
  EXPECT_EQ(store.get({"", "a"}), "1");
  EXPECT_EQ(store.get({"", "c"}), "3");
}

TEST(ResponseStore, IsBoundedByBytes) {
  ResponseStore store({.n_entries = 100, .n_bytes = 100});
  for (int i = 0; i < 50; ++i) {
    store.put({"", std::to_string(i)}, std::string(30, 'x'));
    EXPECT_LE(store.n_bytes(), 100U);
  }
  EXPECT_GE(store.n_entries(), 2U);
  store.put({"", "large"}, std::string(101, 'x'));
  EXPECT_EQ(store.get({"", "large"}), std::nullopt);
  EXPECT_EQ(store.get({"", "49"}), std::string(30, 'x'));
  EXPECT_TRUE(store.erase({"", "49"}));
  EXPECT_TRUE(store.erase({"", "48"}));
  EXPECT_EQ(store.n_bytes(), 0U);
}

TEST(ResponseStore, KeepsKeysApart) {
  ResponseStore store;
  store.put({"aa", "id"}, "one");
  EXPECT_EQ(store.get({"bb", "id"}), std::nullopt);
  EXPECT_EQ(store.get({"", "id"}), std::nullopt);
  EXPECT_FALSE(store.erase({"bb", "id"}));
  EXPECT_EQ(store.get({"aa", "id"}), "one");
}

TEST(LiveRequests, AreListedWhileTheirTicketsLive) {
  LiveRequests live;
  int n_cancelled = 0;
  const auto cancel = [&n_cancelled] { ++n_cancelled; };
  std::optional<LiveRequests::Ticket> first =
      live.add({.request_id = "a", .model = "m", .arrival_us = 10, .cancel = cancel});
  const LiveRequests::Ticket second = live.add(
      {.request_id = "a", .model = "m", .priority = 3, .arrival_us = 20, .cancel = cancel});
  const LiveRequests::Ticket others =
      live.add({.request_id = "a", .key_salt = "k", .model = "m", .cancel = cancel});
  const auto rows = live.list("", 30);
  ASSERT_EQ(rows.size(), 2U);
  EXPECT_EQ(rows[0].age_us, 20);
  EXPECT_EQ(rows[1].priority, 3);
  EXPECT_EQ(rows[0].state, LiveRequest::State::queued);
  EXPECT_TRUE(live.cancel({.key_salt = "", .request_id = "a"}));
  EXPECT_EQ(n_cancelled, 2);
  EXPECT_FALSE(live.cancel({.key_salt = "", .request_id = "b"}));
  EXPECT_FALSE(live.cancel({.key_salt = "l", .request_id = "a"}));
  const LiveRequests::Ticket moved = std::move(*first);
  first.reset();
  EXPECT_EQ(live.list("", 30).size(), 2U);
  EXPECT_EQ(live.list("k", 30).size(), 1U);
}

TEST(Inbox, BringsValuesFromAnotherThreadInOrder) {
  boost::asio::io_context io;
  const auto inbox = std::make_shared<Inbox<int>>(io.get_executor());
  std::vector<int> seen;
  boost::asio::co_spawn(
      io,
      [&]() -> boost::asio::awaitable<void> {
        while (seen.size() < 1000) {
          const std::optional<int> value = co_await inbox->next();
          seen.push_back(*value);
        }
      },
      boost::asio::detached);
  std::thread sender([&] {
    for (int i = 0; i < 1000; ++i) {
      inbox->push(i);
    }
  });
  io.run();
  sender.join();
  for (int i = 0; i < 1000; ++i) {
    ASSERT_EQ(seen[static_cast<size_t>(i)], i);
  }
  inbox->close();
  EXPECT_FALSE(inbox->push(1));
}

TEST(Inbox, GivesUpAtItsDeadline) {
  boost::asio::io_context io;
  const auto inbox = std::make_shared<Inbox<int>>(io.get_executor());
  bool gave_up = false;
  boost::asio::co_spawn(
      io,
      [&]() -> boost::asio::awaitable<void> {
        const std::optional<int> value = co_await inbox->next(Inbox<int>::Clock::now());
        gave_up = !value;
      },
      boost::asio::detached);
  io.run();
  EXPECT_TRUE(gave_up);
}

TEST(Offload, ComputesElsewhereAndBringsBackResultsAndExceptions) {
  boost::asio::io_context io;
  Offload offload;
  std::thread::id worker;
  std::string thrown;
  boost::asio::co_spawn(
      io,
      [&]() -> boost::asio::awaitable<void> {
        std::function<std::thread::id()> work = [] { return std::this_thread::get_id(); };
        worker = co_await offload.run(0, std::move(work));
        std::function<int()> bad = []() -> int { throw std::runtime_error("bad"); };
        try {
          co_await offload.run(0, std::move(bad));
        } catch (const std::runtime_error& error) {
          thrown = error.what();
        }
        EXPECT_EQ(io.get_executor().running_in_this_thread(), true);
      },
      boost::asio::detached);
  auto guard = boost::asio::make_work_guard(io);
  std::thread runner([&] { io.run(); });
  guard.reset();
  runner.join();
  EXPECT_NE(worker, std::thread::id());
  EXPECT_NE(worker, std::this_thread::get_id());
  EXPECT_EQ(thrown, "bad");
}

// Linux's setpriority(2): the nice value of this thread, higher for who gives way.
int nice_value() {
  return ::getpriority(PRIO_PROCESS, 0);
}

// What `work` gives on a worker for so many bytes.
template <typename Work>
auto made_by_worker(Offload& offload, size_t n_bytes, Work work) {
  boost::asio::io_context io;
  std::optional<std::invoke_result_t<Work>> made;
  const auto run = [&]() -> boost::asio::awaitable<void> {
    made = co_await offload.run(n_bytes, std::move(work));
  };
  boost::asio::co_spawn(io, run(), boost::asio::detached);
  const auto guard = boost::asio::make_work_guard(io);
  while (!made) {
    io.run_one();
  }
  return *made;
}

TEST(Offload, GivesWayToOtherThreads) {
  Offload offload;
  for (const size_t n_bytes : {size_t{0}, Offload::kBulkBytes + 1}) {
    EXPECT_GE(made_by_worker(offload, n_bytes, nice_value), 10) << n_bytes;
  }
}

TEST(Offload, ShortWorkDoesNotWaitForLong) {
  Offload offload;
  const test::HeldWorkers held(offload);
  EXPECT_EQ(made_by_worker(offload, Offload::kBulkBytes, [] { return 7; }), 7);
}

// An exchange whose client goes away when told.
class LeavingExchange final : public Exchange {
 public:
  explicit LeavingExchange(boost::asio::any_io_executor executor)
      : executor_(std::move(executor)) {}
  const HttpRequest& request() const override { return request_; }
  boost::asio::any_io_executor executor() const override { return executor_; }
  Task send(HttpResponse /*response*/) override { co_return; }
  Task begin_stream(StreamHead /*head*/) override { co_return; }
  boost::asio::awaitable<bool> write(std::string /*piece*/) override { co_return true; }
  Task end_stream() override { co_return; }
  bool has_begun() const override { return false; }
  void on_client_gone(std::function<void()> listener) override { listener_ = std::move(listener); }
  void leave() { listener_(); }

 private:
  HttpRequest request_;
  boost::asio::any_io_executor executor_;
  std::function<void()> listener_;
};

TEST(RequestWork, IsLeftOutWhenItsClientHasGone) {
  boost::asio::io_context io;
  Offload offload;
  test::HeldWorkers held(offload);
  LeavingExchange exchange(io.get_executor());
  bool has_run = false;
  std::optional<Api<int>> made;
  const auto run = [&]() -> boost::asio::awaitable<void> {
    auto work = [&has_run]() -> Api<int> {
      has_run = true;
      return 7;
    };
    RequestWork reading(Offload::kBulkBytes + 1, std::move(work));
    made = co_await reading.run(exchange, offload);
  };
  boost::asio::co_spawn(io, run(), boost::asio::detached);
  const auto guard = boost::asio::make_work_guard(io);
  while (offload.n_waiting() == 0) {
    io.run_one();
  }
  exchange.leave();
  held.release();
  while (!made) {
    io.run_one();
  }
  EXPECT_FALSE(has_run);
  ASSERT_FALSE(made->has_value());
  EXPECT_EQ(made->error().status, 499U);
}

TEST(AccessLog, IsOneLineOfTextOrJson) {
  AccessRecord record;
  record.request_id = "id";
  record.method = "GET";
  record.path = "/a\nb";
  record.status = 200;
  record.duration_us = 1500;
  record.n_prompt_tokens = 7;
  record.n_completion_tokens = 5;
  const std::string text = access_line(record, false);
  EXPECT_EQ(text.find('\n'), std::string::npos);
  EXPECT_NE(text.find("id GET"), std::string::npos) << text;
  EXPECT_NE(text.find("200 1.5 ms 7+5 tokens"), std::string::npos) << text;
  const auto json = parse_json(access_line(record, true));
  ASSERT_TRUE(json.has_value());
  EXPECT_EQ(json->at("path"), "/a\nb");
  EXPECT_EQ(json->at("status"), 200);
  EXPECT_EQ(json->at("duration_ms"), 1.5);
}

TEST(AccessLog, AMessageIsOneLineWhateverNamesAreInIt) {
  const std::string message = "model 'a\nb\x1b[31m\xff' is \u00e9t\u00e9";
  const std::string text = message_line(LogLevel::warning, message, false);
  EXPECT_TRUE(text.ends_with(" warning model 'a\\x0ab\\x1b[31m\\xff' is \u00e9t\u00e9")) << text;
  const auto json = parse_json(message_line(LogLevel::warning, message, true));
  ASSERT_TRUE(json.has_value());
  EXPECT_EQ(json->at("message"), "model 'a\nb\x1b[31m\uFFFD' is \u00e9t\u00e9");
  const std::string of_4096 = message_line(LogLevel::info, std::string(4096, 'x'), false);
  EXPECT_TRUE(of_4096.ends_with(" info " + std::string(4096, 'x')));
  EXPECT_TRUE(message_line(LogLevel::info, std::string(5000, 'x'), false)
                  .ends_with(" x" + std::string(4095, 'x') + "..."));
}

}  // namespace
}  // namespace quern::server
