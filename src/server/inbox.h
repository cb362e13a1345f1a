// Inbox: brings values from other threads to a coroutine of the io thread, in order.
// push() is thread-safe; everything else belongs to the receiver's executor. Shared by the receiver
// and the senders, of which some may come after the receiver has gone: what they send is dropped.
#pragma once

#include <chrono>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <utility>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>

namespace quern::server {

template <typename T>
class Inbox : public std::enable_shared_from_this<Inbox<T>> {
 public:
  using Clock = std::chrono::steady_clock;

  explicit Inbox(boost::asio::any_io_executor executor)
      : executor_(std::move(executor)), wake_(std::in_place, executor_) {}

  // Closes the inbox when the receiver's scope ends: nothing is posted to the executor after.
  class Guard {
   public:
    explicit Guard(std::shared_ptr<Inbox> box) : box_(std::move(box)) {}
    Guard(const Guard&) = delete;
    Guard& operator=(const Guard&) = delete;
    ~Guard() { box_->close(); }

   private:
    std::shared_ptr<Inbox> box_;
  };

  // False when the receiver has gone. One wake-up is on its way at most, however many values wait.
  bool push(T value) {
    const std::lock_guard lock(mutex_);
    if (is_closed_) {
      return false;
    }
    values_.push_back(std::move(value));
    if (!wake_posted_) {
      wake_posted_ = true;
      boost::asio::post(executor_, [self = this->shared_from_this()] { self->wake(); });
    }
    return true;
  }

  // The next value; none when `deadline` passes, or after interrupt().
  boost::asio::awaitable<std::optional<T>> next(
      Clock::time_point deadline = Clock::time_point::max()) {
    std::optional<T> value = take();
    while (!value && !is_interrupted_ && wake_) {
      boost::system::error_code cancelled;
      wake_->expires_at(deadline);
      co_await wake_->async_wait(
          boost::asio::redirect_error(boost::asio::use_awaitable, cancelled));
      value = take();
      if (!cancelled) {
        break;
      }
    }
    co_return value;
  }

  // From now on next() only gives what is there. Of the receiver's executor.
  void interrupt() {
    is_interrupted_ = true;
    cancel_wait();
  }

  bool is_interrupted() const { return is_interrupted_; }

  // Of the receiver's executor. The last sender may hold the inbox longer than the io context
  // lives, and would destroy the timer after it: so the timer goes here.
  void close() {
    {
      const std::lock_guard lock(mutex_);
      is_closed_ = true;
      values_.clear();
    }
    wake_.reset();
  }

 private:
  std::optional<T> take() {
    const std::lock_guard lock(mutex_);
    if (values_.empty()) {
      return std::nullopt;
    }
    std::optional<T> value(std::move(values_.front()));
    values_.pop_front();
    return value;
  }

  void wake() {
    {
      const std::lock_guard lock(mutex_);
      wake_posted_ = false;
    }
    cancel_wait();
  }

  void cancel_wait() {
    if (wake_) {
      wake_->cancel();
    }
  }

  const boost::asio::any_io_executor executor_;
  std::optional<boost::asio::steady_timer> wake_;  // none once closed
  bool is_interrupted_ = false;

  std::mutex mutex_;
  std::deque<T> values_;
  bool is_closed_ = false;
  bool wake_posted_ = false;
};

}  // namespace quern::server
