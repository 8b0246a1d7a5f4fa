// What a master's and an agent's start have in common: flags, logging, libprocess, modules.
//
// The order is Mesos's own: flags are checked before anything starts, the address is settled before libprocess, and
// every anonymous module exists before the first actor of the master or of the agent does.

#ifndef DCOS_BITS_TESTS_MESOS_HOST_HPP
#define DCOS_BITS_TESTS_MESOS_HOST_HPP

#include <string>

#include "mesos.hpp"


namespace host {

// Ends the program with status 1, naming the reason on stderr.
[[noreturn]] void fail(const std::string& reason);


// The value of a `Try`, or the end of the program: `attempted` says what this was about.
template <typename T>
const T& orFail(const Try<T>& result, const std::string& attempted)
{
  if (result.isError()) {
    fail(attempted + ": " + result.error());
  }

  return result.get();
}


// The flags of one program, whose fields are found by the names that operators know.
//
// Where a field lies in Mesos's class differs from version to version. Each flag carries the answer: the function that
// loads it closes over a pointer to its field, and a pointer to a data member is the field's distance from the start of
// the object that declares it.
class Flags
{
public:
  // `declaring` is the object with the fields, `base` its virtual base.
  Flags(std::string program, void* declaring, flags::FlagsBase* base);

  // Loads `MESOS_…` variables and the command line. Answers `--help` and `--version` and ends the program there; ends
  // it with status 1 when a flag is unknown, missing or malformed.
  void load(int argc, char** argv);

  template <typename T>
  T& field(const std::string& name)
  {
    return *reinterpret_cast<T*>(address(name));
  }

  // An optional field of a type that is not laid out here (a protobuf message): its address, or null when unset.
  void* optional(const std::string& name);

  // Ends the program if an operator set this flag, which only the real main of Mesos serves.
  void refuse(const std::string& name);

private:
  char* address(const std::string& name);

  std::string program;
  char* declaring;
  flags::FlagsBase* base;
};


// The package that this program lies in: two levels above its executable, links resolved.
std::string packageDirectory();

// Starts logging (to stderr, or as `--log_dir` and the like say) and the reporting of fatal signals.
void startLogging(int argc, char** argv);

// Settles the address from `--ip`, `--port` and the advertised ones, and starts libprocess with `id` as the actor that
// serves paths without a name. Starts `/version` too.
void startProcess(Flags& flags, const std::string& id, const std::string& realmPrefix);

// Loads `--modules` or `--modules_dir`, creates every anonymous module, installs `--hooks`.
void startModules(Flags& flags);

// The authorizer that `--acls` (or a module of that name) asks for, if any.
Option<mesos::Authorizer*> createAuthorizer(Flags& flags, const std::string& name);

// Where the master is to be found: the flag's value, or the content of the file that it names.
Option<std::string> pathOrValue(Flags& flags, const std::string& name);

// Runs an actor until it ends.
void runUntilEnd(process::ProcessBase* actor);

} // namespace host {

#endif // DCOS_BITS_TESTS_MESOS_HOST_HPP
