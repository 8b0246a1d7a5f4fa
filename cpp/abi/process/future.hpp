// Stand-in for Mesos's header of the same path: futures and promises.
//
// libmesos reads and writes the shared state behind a future with code of its
// own: it waits for the lock, looks at the state, appends callbacks. So the
// state's layout, the lock's protocol and the virtual functions of a callback
// must be libmesos's; what is not needed to answer a request is left out.

#ifndef __PROCESS_FUTURE_HPP__
#define __PROCESS_FUTURE_HPP__

#include <atomic>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <stout/none.hpp>
#include <stout/result.hpp>

namespace lambda {

template <typename F>
class CallableOnce;


// A function that is called at most once: one pointer to an object with a
// virtual destructor and, behind it in the table, the call.
template <typename... Args>
class CallableOnce<void(Args...)>
{
public:
  void operator()(Args... args) &&
  {
    (*callable)(std::forward<Args>(args)...);
  }

private:
  struct Callable
  {
    virtual ~Callable() {}
    virtual void operator()(Args&&... args) = 0;
  };

  std::unique_ptr<Callable> callable;
};

} // namespace lambda {


namespace process {

template <typename T>
class Promise;


template <typename T>
class Future
{
private:
  friend class Promise<T>;

  enum State
  {
    PENDING,
    READY,
    FAILED,
    DISCARDED
  };

  struct Data
  {
    Data()
      : state(PENDING),
        discard(false),
        associated(false),
        abandoned(false),
        result(None()) {}

    std::atomic_flag lock = ATOMIC_FLAG_INIT;
    State state;
    bool discard;
    bool associated;
    bool abandoned;

    Result<T> result;

    std::vector<lambda::CallableOnce<void()>> onAbandonedCallbacks;
    std::vector<lambda::CallableOnce<void()>> onDiscardCallbacks;
    std::vector<lambda::CallableOnce<void(const T&)>> onReadyCallbacks;
    std::vector<lambda::CallableOnce<void(const std::string&)>>
      onFailedCallbacks;
    std::vector<lambda::CallableOnce<void()>> onDiscardedCallbacks;
    std::vector<lambda::CallableOnce<void(const Future<T>&)>> onAnyCallbacks;
  };

  // Holds the state's lock for as long as it lives.
  class Guard
  {
  public:
    explicit Guard(Data* _data) : data(_data)
    {
      while (data->lock.test_and_set(std::memory_order_acquire)) {}
    }

    ~Guard()
    {
      data->lock.clear(std::memory_order_release);
    }

    Guard(const Guard&) = delete;
    Guard& operator=(const Guard&) = delete;

  private:
    Data* data;
  };

  // Whoever leaves PENDING first owns the callbacks: nobody appends to them
  // any more, so they are run and dropped without the lock.
  bool set(T&& value)
  {
    {
      Guard guard(data.get());

      if (data->state != PENDING) {
        return false;
      }

      data->result = Result<T>(std::move(value));
      data->state = READY;
    }

    // A callback may drop the last other reference to the state.
    const Future<T> self = *this;

    for (auto& callback : self.data->onReadyCallbacks) {
      std::move(callback)(self.data->result.get());
    }

    for (auto& callback : self.data->onAnyCallbacks) {
      std::move(callback)(self);
    }

    self.data->onAbandonedCallbacks.clear();
    self.data->onDiscardCallbacks.clear();
    self.data->onReadyCallbacks.clear();
    self.data->onFailedCallbacks.clear();
    self.data->onDiscardedCallbacks.clear();
    self.data->onAnyCallbacks.clear();

    return true;
  }

  Future() : data(new Data()) {}

  std::shared_ptr<Data> data;
};


// Unlike libmesos's own, a promise that dies unset does not abandon its
// future: whoever owns one here answers it first (see `Reply`).
template <typename T>
class Promise
{
public:
  Promise() {}
  virtual ~Promise() {}

  Promise(const Promise&) = delete;
  Promise& operator=(const Promise&) = delete;

  bool set(T&& value) { return f.set(std::move(value)); }

  Future<T> future() const { return f; }

private:
  Future<T> f;
};

} // namespace process {

#endif // __PROCESS_FUTURE_HPP__
