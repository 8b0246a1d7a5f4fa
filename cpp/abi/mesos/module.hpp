// Stand-in for Mesos's header of the same path: the record that a library
// exports for every module in it. The constructors are `constexpr` here, so that
// the record lies ready in the file and a reader need not load it.

#ifndef __MESOS_MODULE_HPP__
#define __MESOS_MODULE_HPP__

#include <mesos/version.hpp>

#define MESOS_MODULE_API_VERSION "2"

namespace mesos {
namespace modules {

struct ModuleBase
{
  constexpr ModuleBase(
      const char* _moduleApiVersion,
      const char* _mesosVersion,
      const char* _kind,
      const char* _authorName,
      const char* _authorEmail,
      const char* _description,
      bool (*_compatible)())
    : moduleApiVersion(_moduleApiVersion),
      mesosVersion(_mesosVersion),
      kind(_kind),
      authorName(_authorName),
      authorEmail(_authorEmail),
      description(_description),
      compatible(_compatible) {}

  const char* moduleApiVersion;
  const char* mesosVersion;
  const char* kind;
  const char* authorName;
  const char* authorEmail;
  const char* description;

  // May be null: then only the versions are compared.
  bool (*compatible)();
};


template <typename T>
struct Module;

} // namespace modules {
} // namespace mesos {

#endif // __MESOS_MODULE_HPP__
