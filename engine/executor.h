// executor.h - threads of their own for one kind of work, behind a bounded queue. Thread-safe.
//
// The threads that serve connections never compute and never touch the disk: they hand that over
// here, and refuse a request (503) when an executor is full instead of letting work pile up.
#ifndef PREDICTOR_ENGINE_EXECUTOR_H
#define PREDICTOR_ENGINE_EXECUTOR_H

#include <atomic>
#include <boost/asio/post.hpp>
#include <boost/asio/thread_pool.hpp>
#include <cstddef>
#include <utility>

namespace predictor::engine {

class Executor {
 public:
  // `queue` is how much may wait beside what the threads are doing.
  Executor(size_t threads, size_t queue) : pool_(threads), most_(threads + queue) {}

  // Whether there is room for one more piece of work; the caller then owes a post().
  bool take() {
    if (taken_.fetch_add(1) < most_) return true;
    taken_.fetch_sub(1);
    return false;
  }
  // The work must not throw.
  template <class Work>
  void post(Work work) {
    boost::asio::post(pool_, [this, work = std::move(work)]() mutable {
      work();
      taken_.fetch_sub(1);
    });
  }

  // Waiting and running.
  size_t taken() const { return taken_; }
  // Waits for all that was posted.
  void join() { pool_.join(); }

 private:
  boost::asio::thread_pool pool_;
  const size_t most_;
  std::atomic<size_t> taken_ = 0;
};

}  // namespace predictor::engine

#endif
