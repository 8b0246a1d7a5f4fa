// dcos-module-probe --mesos LIBMESOS LIBRARY SYMBOL...
//
// Says whether a module library can be loaded by a given Mesos and what its
// module records contain, without letting it near anything: the library is
// loaded in a child of its own that has no privileges to gain, no files, no
// environment, little time and little memory. Compilers may leave a record to be
// filled in when the library is loaded, so reading the file is not enough.
//
// The child is a fresh execution of this program, with the directory of libmesos
// as the loader's search path: libmesos's neighbours (the stand-ins that lie
// beside it in a package) are found as in a Mesos that was linked with that
// directory, and nothing has been loaded before them. Nobody else inherits the
// path; the child starts no programs.
//
// Prints one JSON document and exits with 0 if it could tell, also if the answer
// is "not loadable"; with 1 if not (then a message is on standard error).

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <chrono>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "child.hpp"
#include "confine.hpp"
#include "report.hpp"

using std::string;
using std::vector;

using std::chrono::steady_clock;

namespace probe {

static const char USAGE[] =
  "Usage: dcos-module-probe [--timeout SECONDS] --mesos LIBMESOS LIBRARY "
  "SYMBOL...\n";

// Loading takes a tenth of a second on an idle machine; the rest is for busy ones.
static const unsigned DEFAULT_TIMEOUT = 20;

// More than any honest answer has; a child that says more is not listened to.
static const size_t LONGEST_ANSWER = 1 << 20;


struct Arguments
{
  unsigned timeout = DEFAULT_TIMEOUT;
  string mesos;
  string library;
  vector<string> symbols;
};


// What came of the child.
struct Outcome
{
  vector<Message> messages;
  int status = 0;
  bool timedOut = false;
};


[[noreturn]] static void give(const string& message)
{
  ::fprintf(stderr, "dcos-module-probe: %s\n", message.c_str());
  ::exit(1);
}


static bool parse(int argc, char** argv, Arguments* arguments)
{
  int i = 1;

  for (; i + 1 < argc && ::strncmp(argv[i], "--", 2) == 0; i += 2) {
    if (::strcmp(argv[i], "--mesos") == 0) {
      arguments->mesos = argv[i + 1];
    } else if (::strcmp(argv[i], "--timeout") == 0) {
      arguments->timeout = ::strtoul(argv[i + 1], nullptr, 10);
    } else {
      return false;
    }
  }

  if (i + 1 >= argc) {
    return false;
  }

  arguments->library = argv[i++];
  arguments->symbols.assign(argv + i, argv + argc);

  return !arguments->mesos.empty() && !arguments->library.empty() &&
    arguments->timeout > 0;
}


// The absolute path, since the loader takes a name without a slash for a name.
// Links stay as they are: libmesos's neighbours lie where its name does.
static string absolute(const string& path)
{
  if (path.front() == '/') {
    return path;
  }

  char* directory = ::getcwd(nullptr, 0);

  if (directory == nullptr) {
    give("finding the working directory failed: " + string(::strerror(errno)));
  }

  const string result = string(directory) + "/" + path;
  ::free(directory);

  return result;
}


// Reads what is there; false at the end or when the child talks too much.
static bool receive(int channel, string* bytes, size_t* total, Outcome* outcome)
{
  char buffer[4096];
  const ssize_t length = ::read(channel, buffer, sizeof(buffer));

  if (length <= 0) {
    return false;
  }

  *total += static_cast<size_t>(length);
  bytes->append(buffer, static_cast<size_t>(length));

  Message message;
  while (take(bytes, &message)) {
    if (!message.empty()) {
      outcome->messages.push_back(message);
    }
  }

  return *total < LONGEST_ANSWER;
}


// Listens until the child is gone, talks too much, or the time is up. Its end
// is watched apart from the channel, which whoever it started may hold open.
static void listen(
    int channel,
    int process,
    const Arguments& arguments,
    Outcome* outcome)
{
  const auto deadline =
    steady_clock::now() + std::chrono::seconds(arguments.timeout);

  string bytes;
  size_t total = 0;

  for (;;) {
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(
        deadline - steady_clock::now());

    struct pollfd ready[] = {{channel, POLLIN, 0}, {process, POLLIN, 0}};
    const int count =
      left.count() <= 0 ? 0 : ::poll(ready, 2, static_cast<int>(left.count()));

    if (count < 0 && errno == EINTR) {
      continue;
    }

    if (count <= 0) {
      outcome->timedOut = true;
      return;
    }

    if (ready[0].revents != 0) {
      if (!receive(channel, &bytes, &total, outcome)) {
        // Closed, or too much. A child that just closed it ends now or is ended.
        channel = -1;
        if (total >= LONGEST_ANSWER) {
          return;
        }
      }
    } else if (ready[1].revents != 0) {
      return;
    }
  }
}


// Ends the child, its process group, and what fled from the group: as this
// process is the subreaper, orphans become its children.
static void reap(pid_t pid, Outcome* outcome)
{
  ::kill(-pid, SIGKILL);
  ::kill(pid, SIGKILL);

  while (::waitpid(pid, &outcome->status, 0) < 0 && errno == EINTR) {}

  for (;;) {
    FILE* children = ::fopen("/proc/thread-self/children", "r");
    int orphan = 0;

    while (children != nullptr && ::fscanf(children, "%d", &orphan) == 1) {
      ::kill(orphan, SIGKILL);
    }

    if (children != nullptr) {
      ::fclose(children);
    }

    // Blocks until the next of them is gone; fails when there are none.
    if (orphan == 0 || ::waitpid(-1, nullptr, 0) < 0) {
      return;
    }
  }
}


static Outcome run(const Arguments& arguments)
{
  int channel[2];

  if (::pipe2(channel, O_CLOEXEC) != 0) {
    give("making a pipe failed: " + string(::strerror(errno)));
  }

  ::prctl(PR_SET_CHILD_SUBREAPER, 1);

  const pid_t pid = ::fork();

  if (pid < 0) {
    give("starting the confined child failed: " + string(::strerror(errno)));
  }

  if (pid == 0) {
    vector<string> argv = {
      "dcos-module-probe", CHILD, arguments.mesos, arguments.library};
    argv.insert(
        argv.end(), arguments.symbols.begin(), arguments.symbols.end());

    confine(
        channel[1],
        argv,
        arguments.mesos.substr(0, arguments.mesos.find_last_of('/')));
  }

  // In both processes, so that the group exists whoever comes first.
  ::setpgid(pid, pid);
  ::close(channel[1]);

  const int process = static_cast<int>(::syscall(SYS_pidfd_open, pid, 0));

  if (process < 0) {
    ::kill(pid, SIGKILL);
    give("watching the confined child failed: " + string(::strerror(errno)));
  }

  Outcome outcome;
  listen(channel[0], process, arguments, &outcome);
  reap(pid, &outcome);
  ::close(process);
  ::close(channel[0]);

  return outcome;
}


// How a child ended that did not come to its end.
static string ending(const Outcome& outcome, const Arguments& arguments)
{
  if (outcome.timedOut) {
    return "not done within " + std::to_string(arguments.timeout) + " s";
  }

  if (WIFSIGNALED(outcome.status)) {
    const int signal = WTERMSIG(outcome.status);
    const char* name = ::sigabbrev_np(signal);

    return "killed by SIG" +
      (name == nullptr ? std::to_string(signal) : string(name));
  }

  return "exited with status " + std::to_string(WEXITSTATUS(outcome.status));
}


// Makes a report of what the child told, or gives up if it says nothing about
// the library.
static Report judge(const Outcome& outcome, const Arguments& arguments)
{
  Report report;
  report.library = arguments.library;

  string step = "starting";
  bool done = false;
  string failure;

  for (const Message& message : outcome.messages) {
    if (message[0] == STEP && message.size() == 2) {
      step = message[1];
    } else if (message[0] == FAILED && message.size() == 2) {
      failure = message[1];
    } else if (message[0] == MISSING && message.size() == 2) {
      report.missing.push_back(message[1]);
    } else if (message[0] == MODULE && message.size() == 9) {
      Module module = {
        message[1], message[2], message[3], message[4],
        message[5], message[6], message[7], {}};

      if (!message[8].empty()) {
        module.compatible = message[8] == "yes";
      }

      report.modules.push_back(module);
    } else if (message[0] == DONE) {
      done = true;
    }
  }

  if (done) {
    return report;
  }

  report.error = failure.empty()
    ? ending(outcome, arguments) + " while " + step
    : failure;

  if (step == "starting" || step == LOADING_MESOS) {
    give("loading `" + arguments.mesos + "` failed: " + report.error);
  }

  return report;
}


static int main(int argc, char** argv)
{
  if (argc >= 4 && ::strcmp(argv[1], CHILD) == 0) {
    return child(argv[2], argv[3], vector<string>(argv + 4, argv + argc));
  }

  Arguments arguments;

  if (!parse(argc, argv, &arguments)) {
    ::fputs(USAGE, stderr);
    return 2;
  }

  arguments.mesos = absolute(arguments.mesos);

  Arguments resolved = arguments;
  resolved.library = absolute(arguments.library);

  Report report = judge(run(resolved), resolved);
  report.library = arguments.library;

  const string document = json(report);

  if (::fwrite(document.data(), 1, document.size(), stdout) !=
        document.size() || ::fflush(stdout) != 0) {
    give("writing the report failed: " + string(::strerror(errno)));
  }

  return 0;
}

} // namespace probe {


int main(int argc, char** argv)
{
  return probe::main(argc, argv);
}
