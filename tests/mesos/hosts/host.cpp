#include "host.hpp"

#include <cstdlib>
#include <cstring>
#include <iostream>
#include <limits.h>
#include <unistd.h>


using std::string;


namespace host {

void fail(const string& reason)
{
  std::cerr << reason << std::endl;
  // The threads of libprocess may be running: no destructor of theirs is to be raced against.
  std::_Exit(EXIT_FAILURE);
}


Flags::Flags(string program_, void* declaring_, flags::FlagsBase* base_)
  : program(std::move(program_)), declaring(static_cast<char*>(declaring_)), base(base_) {}


char* Flags::address(const string& name)
{
  const auto flag = base->flags_.find(name);
  if (flag == base->flags_.end()) {
    fail("This libmesos has no flag `--" + name + "`: the host was built for another version");
  }

  // A closure of one pointer is stored in the `std::function` itself, at its start.
  ptrdiff_t distance = 0;
  std::memcpy(&distance, &flag->second.load, sizeof(distance));

  // A wrong guess must not become a wild write.
  constexpr ptrdiff_t largest = 65536;
  if (distance <= 0 || distance >= largest) {
    fail("Cannot find the field of flag `--" + name + "` in this libmesos");
  }

  return declaring + distance;
}


void* Flags::optional(const string& name)
{
  char* option = address(name);

  int32_t state = 0;
  std::memcpy(&state, option, sizeof(state));

  return state == 0 ? option + 8 : nullptr;
}


void Flags::refuse(const string& name)
{
  // A version that does not know the flag has refused it already.
  if (base->flags_.count(name) != 0 && optional(name) != nullptr) {
    fail("`--" + name + "` is not served by this build of " + program);
  }
}


void Flags::load(int argc, char** argv)
{
  const Try<flags::Warnings> loaded = base->load(string("MESOS_"), argc, argv, false, false);

  if (base->help) {
    std::cout << base->usage(None()) << std::endl;
    std::_Exit(EXIT_SUCCESS);
  }

  if (field<bool>("version")) {
    std::cout << "mesos " << MESOS_VERSION << std::endl;
    std::_Exit(EXIT_SUCCESS);
  }

  if (loaded.isError()) {
    fail("Cannot load the flags: " + loaded.error() + "\nhint: `" + program + " --help` lists them");
  }

  for (const flags::Warning& warning : loaded.get().warnings) {
    std::cerr << "warning: " << warning.message << std::endl;
  }
}


string packageDirectory()
{
  char path[PATH_MAX];
  const ssize_t length = readlink("/proc/self/exe", path, sizeof(path));
  if (length <= 0 || length == sizeof(path)) {
    fail("Cannot read the link `/proc/self/exe`: " + string(std::strerror(errno)));
  }

  const string executable(path, length);
  const string programs = executable.substr(0, executable.rfind('/'));
  return programs.substr(0, programs.rfind('/'));
}


void startLogging(int argc, char** argv)
{
  // An `Option<logging::Flags>` made by hand, since that class cannot be copied from here.
  alignas(16) static char option[16384];
  new (option) int32_t(0);
  auto* logging = new (option + 8) mesos::internal::logging::Flags();

  // Every other flag of the program is unknown to this object, which is why unknown ones pass.
  orFail(
      baseOf<flags::FlagsBase>(logging)->load(string("MESOS_"), argc, argv, true, true),
      "Cannot load the logging flags");

  mesos::internal::logging::initialize(
      argv[0], true, *reinterpret_cast<Option<mesos::internal::logging::Flags>*>(option));
}


void startProcess(Flags& flags, const string& id, const string& realmPrefix)
{
  const auto& ip = flags.field<Option<string>>("ip");
  if (ip.isSome()) {
    setenv("LIBPROCESS_IP", ip.get().c_str(), 1);
  }

  // Mesos's own programs let the flag, or its default, win over this variable too.
  setenv("LIBPROCESS_PORT", std::to_string(flags.field<uint16_t>("port")).c_str(), 1);

  const auto& advertiseIp = flags.field<Option<string>>("advertise_ip");
  if (advertiseIp.isSome()) {
    setenv("LIBPROCESS_ADVERTISE_IP", advertiseIp.get().c_str(), 1);
  }

  const auto& advertisePort = flags.field<Option<string>>("advertise_port");
  if (advertisePort.isSome()) {
    setenv("LIBPROCESS_ADVERTISE_PORT", advertisePort.get().c_str(), 1);
  }

  if (!process::initialize(id, realmPrefix + "-readwrite", realmPrefix + "-readonly")) {
    fail("Cannot start libprocess for `" + id + "`: it runs already");
  }

  auto* version = new mesos::internal::VersionProcess();
  process::spawn(baseOf<process::ProcessBase>(version), true);
}


void startModules(Flags& flags)
{
  using mesos::modules::Anonymous;
  using mesos::modules::ModuleManager;

  const auto* modules = static_cast<const mesos::Modules*>(flags.optional("modules"));
  const auto& directory = flags.field<Option<string>>("modules_dir");

  if (modules != nullptr && directory.isSome()) {
    fail("Only one of `--modules` and `--modules_dir` may be given");
  }

  if (directory.isSome()) {
    orFail(ModuleManager::load(directory.get()), "Error loading modules");
  }

  if (modules != nullptr) {
    orFail(ModuleManager::loadManifest(*modules), "Error loading modules");
  }

  for (const string& name : ModuleManager::find<Anonymous>()) {
    orFail(
        ModuleManager::create<Anonymous>(name, Option<mesos::Parameters>()),
        "Failed to create the anonymous module `" + name + "`");
  }

  const auto& hooks = flags.field<Option<string>>("hooks");
  if (hooks.isSome()) {
    orFail(mesos::internal::HookManager::initialize(hooks.get()), "Error installing hooks");
  }
}


Option<mesos::Authorizer*> createAuthorizer(Flags& flags, const string& name)
{
  // `local` is what Mesos calls its built-in one, which exists only when there are rules for it.
  const auto* acls = static_cast<const mesos::ACLs*>(flags.optional("acls"));
  if (name == "local" && acls == nullptr) {
    return None();
  }

  mesos::Authorizer* authorizer = orFail(
      name == "local" ? mesos::Authorizer::create(*acls) : mesos::Authorizer::create(name),
      "Could not create the authorizer `" + name + "`");

  process::http::authorization::setCallbacks(mesos::authorization::createAuthorizationCallbacks(authorizer));

  return authorizer;
}


Option<string> pathOrValue(Flags& flags, const string& name)
{
  const auto& flag = flags.field<Option<flags::SecurePathOrValue>>(name);
  if (!flag.isSome()) {
    return None();
  }

  return flag.get().value;
}


void runUntilEnd(process::ProcessBase* actor)
{
  // A negative duration is libprocess's for ever.
  process::wait(process::spawn(actor, false), Duration(-1000000000));
}

} // namespace host {
