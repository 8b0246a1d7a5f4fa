// Stand-in for Mesos's header of the same path: a value, nothing, or an error.
//
// Only the storage matters here: an optional optional value and behind it an
// optional error. A future's result is one, and starts as "nothing".

#ifndef __STOUT_RESULT_HPP__
#define __STOUT_RESULT_HPP__

#include <utility>

#include <stout/error.hpp>
#include <stout/none.hpp>
#include <stout/option.hpp>

template <typename T>
class Result
{
public:
  Result(const None&) : value(Option<T>()) {}

  Result(T&& _value) : value(Option<T>(std::move(_value))) {}

  bool isSome() const { return value.isSome() && value.get().isSome(); }
  bool isError() const { return value.isNone(); }

  const T& get() const { return value.get().get(); }

  Result& operator=(Result&& that)
  {
    // The error stays as it is: results that carry one are never made here.
    value = std::move(that.value);
    return *this;
  }

private:
  Option<Option<T>> value;
  Option<Error> error_;
};

#endif // __STOUT_RESULT_HPP__
