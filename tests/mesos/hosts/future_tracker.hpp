// What remembers which operations of the containerizer are pending, for `GET /containerizer/debug`.
//
// Mesos makes it from its header alone, so libmesos exports no constructor; and without one that endpoint follows a null
// pointer. All that happens to it later happens inside libmesos, which finds the list by its place in the object and the
// class by its name: both are therefore Mesos's.

#ifndef DCOS_BITS_TESTS_MESOS_FUTURE_TRACKER_HPP
#define DCOS_BITS_TESTS_MESOS_FUTURE_TRACKER_HPP

#include <list>
#include <map>
#include <memory>
#include <string>

#include "mesos.hpp"


namespace mesos {
namespace internal {

struct FutureMetadata
{
  std::string operation;
  std::string component;
  std::map<std::string, std::string> arguments;
};


class PendingFutureTrackerProcess : public process::Process<PendingFutureTrackerProcess>
{
public:
  PendingFutureTrackerProcess()
    : process::ProcessBase(process::ID::generate("pending-future-tracker")) {}

private:
  std::list<FutureMetadata> pending;
};


class PendingFutureTracker
{
public:
  PendingFutureTracker()
  {
    auto* tracker = new PendingFutureTrackerProcess();
    process::spawn(tracker, false);

    // An `Owned` shares the pointer to a pointer.
    process = std::make_shared<PendingFutureTrackerProcess*>(tracker);
  }

private:
  std::shared_ptr<PendingFutureTrackerProcess*> process;
};

} // namespace internal {
} // namespace mesos {

#endif // DCOS_BITS_TESTS_MESOS_FUTURE_TRACKER_HPP
