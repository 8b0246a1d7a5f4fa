// Stand-in for Mesos's header of the same path: a value that may be absent.
//
// What has to match is the layout: a four byte state in which 0 means that
// the value behind it is there, and the value at its natural alignment.

#ifndef __STOUT_OPTION_HPP__
#define __STOUT_OPTION_HPP__

#include <new>
#include <utility>

#include <stout/none.hpp>

template <typename T>
class Option
{
public:
  Option() : state(NONE) {}

  Option(const None&) : state(NONE) {}

  Option(const T& value) : state(SOME)
  {
    new (&slot.value) T(value);
  }

  Option(T&& value) : state(SOME)
  {
    new (&slot.value) T(std::move(value));
  }

  Option(const Option& that) : state(that.state)
  {
    if (that.isSome()) {
      new (&slot.value) T(that.slot.value);
    }
  }

  Option(Option&& that) : state(that.state)
  {
    if (that.isSome()) {
      new (&slot.value) T(std::move(that.slot.value));
    }
  }

  ~Option()
  {
    clear();
  }

  // One assignment for copies and moves: the argument is already ours.
  Option& operator=(Option that)
  {
    clear();

    if (that.isSome()) {
      new (&slot.value) T(std::move(that.slot.value));
      state = SOME;
    }

    return *this;
  }

  bool isSome() const { return state == SOME; }
  bool isNone() const { return state == NONE; }

  // The value; only to be asked for when there is one.
  const T& get() const { return slot.value; }
  T& get() { return slot.value; }

private:
  enum State
  {
    SOME = 0,
    NONE = 1
  };

  // A union, so that the value is made and destroyed by hand.
  union Slot
  {
    Slot() {}
    ~Slot() {}

    T value;
  };

  void clear()
  {
    if (isSome()) {
      state = NONE;
      slot.value.~T();
    }
  }

  State state;
  Slot slot;
};

#endif // __STOUT_OPTION_HPP__
