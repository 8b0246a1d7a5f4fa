#include "confine.hpp"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <unistd.h>

#include <linux/landlock.h>

#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>

#include "child.hpp"

using std::string;
using std::vector;

namespace probe {

// What a child may use. libmesos maps 130 MB; no honest constructor needs the rest.
static const rlim_t CPU_SECONDS = 10;
static const rlim_t ADDRESS_SPACE = rlim_t(1) << 30;
static const rlim_t OPEN_FILES = 64;

static void limit(__rlimit_resource resource, rlim_t most)
{
  // A lower limit that somebody set before stays.
  struct rlimit limits;

  if (::getrlimit(resource, &limits) == 0 && limits.rlim_max < most) {
    most = limits.rlim_max;
  }

  limits.rlim_cur = limits.rlim_max = most;
  ::setrlimit(resource, &limits);
}


// From here on nothing on any file system is written, made, renamed or removed,
// whoever we are: Landlock (Linux 5.13) without a single exception. A kernel
// that does not know it leaves the limits to do what they can.
static void forbidChanges()
{
  struct landlock_ruleset_attr changes = {};
  changes.handled_access_fs =
    LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_REMOVE_DIR |
    LANDLOCK_ACCESS_FS_REMOVE_FILE | LANDLOCK_ACCESS_FS_MAKE_CHAR |
    LANDLOCK_ACCESS_FS_MAKE_DIR | LANDLOCK_ACCESS_FS_MAKE_REG |
    LANDLOCK_ACCESS_FS_MAKE_SOCK | LANDLOCK_ACCESS_FS_MAKE_FIFO |
    LANDLOCK_ACCESS_FS_MAKE_BLOCK | LANDLOCK_ACCESS_FS_MAKE_SYM;

  const long ruleset = ::syscall(
      SYS_landlock_create_ruleset, &changes, sizeof(changes), 0);

  if (ruleset >= 0) {
    ::syscall(SYS_landlock_restrict_self, ruleset, 0);
    ::close(static_cast<int>(ruleset));
  }
}


[[noreturn]] void confine(
    int channel,
    const vector<string>& arguments,
    const string& libraries)
{
  ::setpgid(0, 0);
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);

  if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) {
    ::_exit(126);
  }

  // Its output would end up in the middle of ours.
  const int null = ::open("/dev/null", O_RDWR);

  if (null < 0 || ::dup2(channel, CHANNEL) < 0) {
    ::_exit(126);
  }

  for (int fd = 0; fd < CHANNEL; fd++) {
    ::dup2(null, fd);
  }

  if (::close_range(CHANNEL + 1, ~0U, 0) != 0) {
    for (int fd = CHANNEL + 1; fd < 65536; fd++) {
      ::close(fd);
    }
  }

  forbidChanges();

  // No network either, where that is ours to take away.
  ::unshare(CLONE_NEWNET);

  limit(RLIMIT_CPU, CPU_SECONDS);
  limit(RLIMIT_AS, ADDRESS_SPACE);
  limit(RLIMIT_NOFILE, OPEN_FILES);
  limit(RLIMIT_FSIZE, 0);
  limit(RLIMIT_CORE, 0);

  // The kernel does not hold root to this one; the process group's end does.
  limit(RLIMIT_NPROC, 0);

  const string path = "LD_LIBRARY_PATH=" + libraries;

  vector<const char*> argv;
  for (const string& argument : arguments) {
    argv.push_back(argument.c_str());
  }
  argv.push_back(nullptr);

  const char* environment[] = {path.c_str(), nullptr};

  ::execve(
      "/proc/self/exe",
      const_cast<char* const*>(argv.data()),
      const_cast<char* const*>(environment));

  ::_exit(127);
}

} // namespace probe {
