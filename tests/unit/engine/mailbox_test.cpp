#include "engine/mailbox.h"

#include "engine_thread_fixture.h"

namespace quern {
namespace {

class MailboxTest : public EngineThreadTest {
 protected:
  void SetUp() override {
    EngineThreadTest::SetUp();
    auto model = LoadedModel::load({.path = path(), .n_threads = 1}, Log());
    ASSERT_TRUE(model.has_value());
    loaded = std::move(*model);
    auto created = Engine::create(*loaded, {.max_context = 256});
    ASSERT_TRUE(created.has_value());
    engine_ = std::move(*created);
  }
  EngineRequestPtr prepared(uint64_t id, int32_t priority, uint32_t n_prompt = 10) {
    Request r = request(answer_, n_prompt);
    r.priority = priority;
    return std::move(
        *engine_->prepare(std::move(r), {.id = SeqId{id}, .time_us = static_cast<int64_t>(id)}));
  }
  static std::vector<uint64_t> ids(const std::vector<EngineRequestPtr>& requests) {
    std::vector<uint64_t> list;
    for (const EngineRequestPtr& r : requests) {
      list.push_back(value(r->id));
    }
    return list;
  }

  Answer answer_;
  std::unique_ptr<Engine> engine_;
};

TEST_F(MailboxTest, HandsOverOnceAndInOrder) {
  Mailbox box({});
  Mail mail;
  box.post(prepared(1, 0));
  box.post(prepared(2, 0));
  box.cancel(SeqId{1});
  box.wait();
  box.take(mail);
  EXPECT_EQ(ids(mail.arrivals), (std::vector<uint64_t>{1, 2}));
  EXPECT_EQ(mail.cancels.size(), 1U);
  box.take(mail);
  EXPECT_TRUE(mail.empty());
  EXPECT_FALSE(box.wait_for(std::chrono::microseconds(1)));
}

TEST_F(MailboxTest, AFullOneGivesUpTheNewestOfTheLeastImportant) {
  Mailbox box({.max_requests = 3});
  box.post(prepared(1, 5));
  box.post(prepared(2, 5));
  box.post(prepared(3, 0));
  box.post(prepared(4, 5));   // as unimportant as the least: refused
  box.post(prepared(5, -1));  // displaces 2
  Mail mail;
  box.take(mail);
  EXPECT_EQ(ids(mail.arrivals), (std::vector<uint64_t>{1, 3, 5}));
  ASSERT_EQ(mail.refusals.size(), 2U);
  EXPECT_EQ(mail.refusals[0].cause, FinishCause::queue_full);
  EXPECT_EQ(value(mail.refusals[0].request->id), 4U);
  EXPECT_EQ(mail.refusals[1].cause, FinishCause::displaced);
  EXPECT_EQ(value(mail.refusals[1].request->id), 2U);
}

TEST_F(MailboxTest, IsBoundedByTokens) {
  Mailbox box({.max_tokens = 50});
  box.post(prepared(1, 0, 60));  // alone it may
  box.post(prepared(2, 0, 10));
  Mail mail;
  box.take(mail);
  ASSERT_EQ(mail.refusals.size(), 1U);
  EXPECT_EQ(mail.refusals[0].cause, FinishCause::queue_tokens_full);
  box.post(prepared(3, 0, 50));
  box.take(mail);
  EXPECT_EQ(ids(mail.arrivals), (std::vector<uint64_t>{3})) << "what was taken counts no more";
}

TEST_F(MailboxTest, StaysClosed) {
  Mailbox box({});
  box.close();
  Mail mail;
  box.wait();
  box.take(mail);
  EXPECT_TRUE(mail.closed);
  box.take(mail);
  EXPECT_TRUE(mail.closed);
}

}  // namespace
}  // namespace quern
