// Which loaded models go, and when: least recently used first, one with a lease at its end.
#include "engine/model_shelf.h"

#include <gtest/gtest.h>

#include <limits>

namespace quern {
namespace {

constexpr int64_t kForever = -1;

class ModelShelfTest : public testing::Test {
 protected:
  ModelShelf::Shared add(const std::string& file, uint64_t bytes, int64_t last_used_us) {
    auto model = std::make_shared<ServedModel>();
    model->file = file;
    model->bytes = bytes;
    model->use = {.n_leases = 0, .last_used_us = last_used_us, .keep_alive_us = kForever};
    shelf_.add(model);
    return model;
  }

  // Retires until at most `limit` bytes stay.
  std::optional<uint32_t> make_room(uint64_t limit) {
    return shelf_.make_room([&](uint64_t bytes_that_stay) { return bytes_that_stay <= limit; });
  }

  std::string files() const {
    std::string result;
    for (const auto& model : shelf_.models()) {
      result += model->file;
    }
    return result;
  }

  ModelShelf shelf_;
};

TEST_F(ModelShelfTest, RoomIsMadeByTheLeastRecentlyUsedFirst) {
  add("a", 10, 300);
  add("b", 10, 100);
  add("c", 10, 200);
  EXPECT_EQ(make_room(30), 0U);
  EXPECT_EQ(files(), "abc");
  EXPECT_EQ(make_room(20), 1U);
  EXPECT_EQ(files(), "ac");
  EXPECT_EQ(make_room(15), 1U);
  EXPECT_EQ(files(), "a");
}

TEST_F(ModelShelfTest, ALeasedModelStaysAndANewLeaseMakesItTheMostRecent) {
  const auto a = add("a", 10, 1);
  add("b", 10, 2);
  ModelShelf::begin_lease(*a, 10);
  EXPECT_EQ(make_room(10), 1U);
  EXPECT_EQ(files(), "a");
  ModelShelf::end_lease(*a, 20);
  add("c", 10, 15);
  EXPECT_EQ(make_room(10), 1U);
  EXPECT_EQ(files(), "a");
}

TEST_F(ModelShelfTest, NothingGoesWhenEvenAllOfItWouldNotBeEnough) {
  const auto a = add("a", 10, 1);
  add("b", 10, 2);
  ModelShelf::begin_lease(*a, 3);
  EXPECT_EQ(shelf_.make_room([](uint64_t) { return false; }), std::nullopt);
  EXPECT_EQ(files(), "ab");
  EXPECT_FALSE(shelf_.has_gone());
  EXPECT_FALSE(a->use.is_leaving);
}

TEST_F(ModelShelfTest, LeasedModelsLeaveOnlyWhenIdleOnesAreNotEnough) {
  const auto a = add("a", 10, 1);
  const auto b = add("b", 10, 2);
  add("c", 10, 3);
  ModelShelf::begin_lease(*b, 4);
  ModelShelf::begin_lease(*a, 5);
  EXPECT_EQ(make_room(10), 1U);
  EXPECT_EQ(files(), "ab");
  EXPECT_TRUE(b->use.is_leaving);
  EXPECT_FALSE(a->use.is_leaving);
  shelf_.let_stay();
  EXPECT_FALSE(b->use.is_leaving);
}

TEST_F(ModelShelfTest, ARetiredModelIsNotFoundAndGoesWithItsLastLease) {
  const auto a = add("a", 10, 1);
  ModelShelf::begin_lease(*a, 2);
  EXPECT_TRUE(shelf_.retire(*a));
  EXPECT_FALSE(shelf_.retire(*a));
  EXPECT_EQ(shelf_.find("a"), nullptr);
  EXPECT_TRUE(shelf_.take_gone().empty());
  EXPECT_EQ(shelf_.n_bytes(), 10U);
  EXPECT_EQ(shelf_.n_leased_bytes(), 10U);
  ModelShelf::end_lease(*a, 3);
  EXPECT_TRUE(shelf_.has_gone());
  EXPECT_EQ(shelf_.take_gone().size(), 1U);
  EXPECT_EQ(shelf_.n_bytes(), 0U);
}

TEST_F(ModelShelfTest, BytesOnTheirWayOutCountAsRoom) {
  const auto a = add("a", 10, 1);
  add("b", 10, 2);
  shelf_.retire(*a);
  EXPECT_EQ(make_room(10), 0U);
  EXPECT_EQ(files(), "b");
}

TEST_F(ModelShelfTest, AnIdleModelGoesWhenItsTimeIsUp) {
  const auto a = add("a", 10, 100);
  const auto b = add("b", 10, 100);
  a->use.keep_alive_us = 50;
  b->use.keep_alive_us = 30;
  EXPECT_EQ(shelf_.next_expiry_us(), 130);
  shelf_.retire_expired(129);
  EXPECT_EQ(files(), "ab");
  shelf_.retire_expired(130);
  EXPECT_EQ(files(), "a");
  EXPECT_EQ(shelf_.next_expiry_us(), 150);
  ModelShelf::begin_lease(*a, 140);
  EXPECT_EQ(shelf_.next_expiry_us(), std::nullopt);
  shelf_.retire_expired(1000);
  EXPECT_EQ(files(), "a");
  ModelShelf::end_lease(*a, 1000);
  EXPECT_EQ(shelf_.next_expiry_us(), 1050);
}

TEST_F(ModelShelfTest, KeepAliveZeroAndForever) {
  const auto a = add("a", 10, 100);
  EXPECT_EQ(shelf_.next_expiry_us(), std::nullopt);
  shelf_.retire_expired(std::numeric_limits<int64_t>::max());
  EXPECT_EQ(files(), "a");
  a->use.keep_alive_us = 0;
  shelf_.retire_expired(100);
  EXPECT_EQ(files(), "");
}

TEST_F(ModelShelfTest, TheLongestKeepAliveDoesNotOverflow) {
  const auto a = add("a", 10, 100);
  a->use.keep_alive_us = std::numeric_limits<int64_t>::max();
  EXPECT_EQ(shelf_.next_expiry_us(), std::numeric_limits<int64_t>::max());
}

}  // namespace
}  // namespace quern
