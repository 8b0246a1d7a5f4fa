// `mesos-containerizer`: the program that an agent starts to become a task's process. Only its command `launch` is here,
// which is all that plain processes (`--launcher=posix` with the posix isolators) ask for.

#include "host.hpp"

#include <cstdlib>
#include <string>

using std::string;


namespace mesos {
namespace internal {
namespace slave {

// The real class is a subcommand: a table, its name, flags it does not use, and its own flags. Only the last are read,
// so the table stays out, and `execute` is called by its name.
class MesosContainerizerLaunch
{
public:
  struct Flags : public virtual flags::FlagsBase
  {
    Flags();
    ~Flags() override;

    char room[4096];
  };

  int execute();

  void* table = nullptr;
  string name = "launch";
  flags::FlagsBase unused;
  Flags flags;
};


static_assert(sizeof(flags::FlagsBase) == 184, "what lies before the flags must have its real size");

} // namespace slave {
} // namespace internal {
} // namespace mesos {


int main(int argc, char** argv)
{
  if (argc < 2 || string(argv[1]) != "launch") {
    host::fail("This mesos-containerizer knows the command `launch` only");
  }

  auto* launch = new mesos::internal::slave::MesosContainerizerLaunch();

  host::orFail(
      baseOf<flags::FlagsBase>(&launch->flags)
        ->load(string("MESOS_CONTAINERIZER_"), argc - 1, argv + 1, false, false),
      "Cannot load the flags of `launch`");

  // Does not return when the task's program can be executed.
  std::_Exit(launch->execute());
}
