// Just enough of Mesos for a program to be one.
//
// `libmesos.so` exports the constructors of a whole master and a whole agent, but PyPI carries no headers. This file
// declares, under Mesos's own names (a name is the linker's whole notion of identity), the types those constructors
// take. Three rules keep the declarations honest without knowing the real classes:
//
// 1. An object of Mesos's is built by Mesos's constructor in storage that is larger than it needs (`room`). No field of
//    it is touched here, and none is ever destroyed: these programs end with their process.
// 2. No class of Mesos's gets a virtual table here. Where one has virtual functions its destructor is declared and never
//    defined, so that the table is an import. A second table would take the place of libmesos's own. (The two classes
//    that libmesos has no table to offer for, `State` and `PendingFutureTrackerProcess`, are whole here instead.)
// 3. Where a class has virtual bases, only libmesos knows where they lie. A conversion therefore reads the object's own
//    table, in a function that the optimiser may not look into (see `baseOf`).
//
// The few types that pass by value (`Option`, `Try`, `Owned`, …) are laid out exactly; the static assertions say how.

#ifndef DCOS_BITS_TESTS_MESOS_HPP
#define DCOS_BITS_TESTS_MESOS_HPP

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <new>
#include <set>
#include <string>
#include <utility>
#include <vector>


struct None {};
struct Nothing {};


// A value or nothing: the tag comes first, and 0 means that there is a value.
template <typename T>
class Option
{
public:
  Option() : state(NONE) {}
  Option(None) : state(NONE) {}
  Option(const T& value) : state(SOME) { new (&t) T(value); }

  Option(const Option& that) : state(that.state)
  {
    if (state == SOME) {
      new (&t) T(that.t);
    }
  }

  Option& operator=(const Option&) = delete;

  ~Option()
  {
    if (state == SOME) {
      t.~T();
    }
  }

  bool isSome() const { return state == SOME; }
  const T& get() const { return t; }

private:
  enum State : int32_t { SOME = 0, NONE = 1 };

  State state;

  union { T t; };
};


struct Error
{
  std::string message;
};


// The kind of error is part of the name of every template function that returns one.
template <typename T, typename E = Error>
class Try
{
public:
  bool isError() const { return !data.isSome(); }
  const T& get() const { return data.get(); }
  const std::string& error() const { return error_.get().message; }

private:
  Option<T> data;
  Option<E> error_;
};


class Duration
{
public:
  explicit Duration(int64_t nanoseconds) : nanos(nanoseconds) {}

private:
  int64_t nanos;
};


class Path
{
public:
  std::string value;
  char separator;
};


static_assert(sizeof(Option<std::string>) == 40, "Option is a tag and a union");
static_assert(sizeof(Error) == 32, "Error is its message");
static_assert(sizeof(Try<Nothing>) == 48, "Try is an Option of the value and an Option of the error");
static_assert(sizeof(Path) == 40, "Path is a string and its separator");


namespace flags {

class FlagsBase;


struct Name
{
  std::string value;
  bool deprecated;
};


struct Warning
{
  std::string message;
};


struct Warnings
{
  std::vector<Warning> warnings;
};


// A flag knows how to load itself into the object that declared it.
struct Flag
{
  Name name;
  Option<Name> alias;
  Option<Name> loadedName;
  std::string help;
  bool boolean;
  std::function<Try<Nothing>(FlagsBase*, const std::string&)> load;
  std::function<Option<std::string>(const FlagsBase&)> stringify;
  std::function<Option<Error>(const FlagsBase&)> validate;
  bool required;
};


// The value of a flag that may name a file with the value in it.
struct SecurePathOrValue
{
  Option<Path> path;
  std::string value;
};


class FlagsBase
{
public:
  FlagsBase();
  virtual ~FlagsBase();

  // The first parameter is the prefix of environment variables; the command line wins over the environment.
  Try<Warnings> load(
      const Option<std::string>& prefix,
      int argc,
      const char* const* argv,
      bool unknowns,
      bool duplicates);

  std::string usage(const Option<std::string>& message) const;

  bool help;
  std::string programName_;
  Option<std::string> usageMessage_;
  std::map<std::string, Flag> flags_;
  std::map<std::string, std::string> aliases;
};

} // namespace flags {


namespace process {

namespace network {
namespace unix {

class Address;

} // namespace unix {

namespace internal {

template <typename Address>
class Socket
{
private:
  std::shared_ptr<void> impl;
};

} // namespace internal {
} // namespace network {


// The address of a libprocess actor. Returned by `spawn`, and left alone here.
class UPID
{
public:
  UPID();
  UPID(const UPID&) = delete;
  ~UPID() {}

private:
  alignas(8) char room[136];
};


struct MessageEvent;
struct DispatchEvent;
struct HttpEvent;
struct ExitedEvent;
struct TerminateEvent;
struct Event;


// An actor. The functions stand in the order of its table, since one actor is made here (see `future_tracker.hpp`).
class ProcessBase
{
public:
  explicit ProcessBase(const std::string& id = "");
  virtual ~ProcessBase();

  virtual void consume(MessageEvent&& event);
  virtual void consume(DispatchEvent&& event);
  virtual void consume(HttpEvent&& event);
  virtual void consume(ExitedEvent&& event);
  virtual void consume(TerminateEvent&& event);
  virtual void serve(Event&& event);
  virtual void initialize();
  virtual void finalize();
  virtual void exited(const UPID& pid);
  virtual void lost(const UPID& pid);

private:
  char room[416];
};


template <typename T>
class Process : public virtual ProcessBase {};


template <typename T>
class Owned
{
private:
  std::shared_ptr<void> data;
};


// Never completed, and never destroyed here: it only passes from one function of libmesos to another.
template <typename T>
class Future
{
public:
  Future();
  ~Future() {}

private:
  std::shared_ptr<void> data;
};


class RateLimiter;


namespace http {
namespace authorization {

// A map of endpoints to functions, handed from one function of libmesos to the next.
class Callbacks
{
public:
  Callbacks();
  ~Callbacks() {}

private:
  alignas(8) char room[56];
};


// The real type of the parameter is a page of templates, and would have to be declared for its spelling alone.
void setCallbacks(const Callbacks& callbacks) asm(
    "_ZN7process4http13authorization12setCallbacksERK7hashmapINSt7__cxx1112basic_stringIcSt11char_traitsIcESaIcEEESt8"
    "functionIFNS_6FutureIbEENS0_7RequestE6OptionINS0_14authentication9PrincipalEEEESt4hashIS8_ESt8equal_toIS8_EE");

} // namespace authorization {
} // namespace http {


namespace ID {

std::string generate(const std::string& prefix);

} // namespace ID {


bool initialize(
    const Option<std::string>& delegate,
    const Option<std::string>& readwriteRealm,
    const Option<std::string>& readonlyRealm);

UPID spawn(ProcessBase* process, bool manage);

bool wait(const UPID& pid, const Duration& duration);

} // namespace process {


static_assert(sizeof(process::UPID) == 136, "UPID has to have the size of the real one");
static_assert(sizeof(process::ProcessBase) == 424, "ProcessBase is a part of objects that are made here");


namespace mesos {

class ACLs;


class Authorizer
{
public:
  static Try<Authorizer*> create(const std::string& module);
  static Try<Authorizer*> create(const ACLs& acls);
};


class SecretGenerator;


namespace authorization {

process::http::authorization::Callbacks createAuthorizationCallbacks(Authorizer* authorizer) asm(
    "_ZN5mesos13authorization28createAuthorizationCallbacksB5cxx11EPNS_10AuthorizerE");

} // namespace authorization {


class SecretResolver
{
public:
  static Try<SecretResolver*> create(const Option<std::string>& module);
};


// Protobuf messages; this one is only ever referred to.
class Modules;


class Parameters
{
public:
  Parameters(const Parameters& that);
  ~Parameters();

private:
  alignas(8) char room[256];
};


class MasterInfo
{
public:
  MasterInfo(const MasterInfo& that);
  ~MasterInfo();

private:
  alignas(8) char room[1024];
};


namespace modules {

class Anonymous;


class ModuleManager
{
public:
  static Try<Nothing> load(const std::string& directory);
  static Try<Nothing> loadManifest(const Modules& modules);

  template <typename T>
  static std::vector<std::string> find();

  template <typename T>
  static Try<T*> create(const std::string& name, const Option<Parameters>& parameters);
};

} // namespace modules {


namespace master {
namespace detector {

class MasterDetector
{
public:
  static Try<MasterDetector*> create(
      const Option<std::string>& zk,
      const Option<std::string>& module,
      const Option<Duration>& sessionTimeout);
};

} // namespace detector {
} // namespace master {


namespace internal {

class HookManager
{
public:
  static Try<Nothing> initialize(const std::string& hooks);
};


class VersionProcess : public virtual process::ProcessBase
{
public:
  VersionProcess();
  ~VersionProcess() override;

private:
  char room[4096];
};


// Serves `/files/…`.
class Files
{
public:
  Files(const Option<std::string>& realm, const Option<Authorizer*>& authorizer);

private:
  char room[256];
};


namespace logging {

class Flags : public virtual flags::FlagsBase
{
public:
  Flags();
  ~Flags() override;

private:
  char room[4096];
};


void initialize(const std::string& argv0, bool catchSignals, const Option<Flags>& flags);

} // namespace logging {
} // namespace internal {
} // namespace mesos {


// The virtual base of an object that libmesos built. It must stay a call: inlined next to the `new`, the compiler would
// use the place that the base has in the declaration above instead of the place it has in the object.
template <typename Base, typename Derived>
__attribute__((noipa)) Base* baseOf(Derived* object)
{
  return object;
}

#endif // DCOS_BITS_TESTS_MESOS_HPP
