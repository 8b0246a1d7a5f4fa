// A module that does to its Mesos what bad releases do: the config says what, in
// the parameter `how`, as `<deed>` or `<deed>:<argument>`.
//
//   GET /saboteur/health         200, unless that is the deed
//
// It is compiled like a module of any site, against nothing but the declarations
// in cpp/abi, and it passes every check that can be made without running it.

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iostream>
#include <stdexcept>
#include <string>
#include <thread>

#include <mesos/mesos.hpp>
#include <mesos/module.hpp>

#include <mesos/module/anonymous.hpp>

#include <process/future.hpp>
#include <process/http.hpp>
#include <process/process.hpp>

#include <stout/none.hpp>
#include <stout/option.hpp>

using mesos::Parameters;

using mesos::modules::Anonymous;
using mesos::modules::Module;

using process::Future;

using process::http::Request;
using process::http::Response;
using process::http::Status;

using std::string;

using Clock = std::chrono::steady_clock;

static const Clock::time_point began = Clock::now();


static void pause(double seconds)
{
  std::this_thread::sleep_for(std::chrono::duration<double>(seconds));
}


static void crash()
{
  // Not null, which the compiler knows never to be written to.
  volatile int* nowhere = reinterpret_cast<volatile int*>(64);
  *nowhere = 1;
}


class Saboteur : public process::Process<Saboteur>
{
public:
  explicit Saboteur(const string& _deed)
    : ProcessBase("saboteur"), deed(_deed) {}

protected:
  void initialize() override
  {
    const Option<string> help = None();
    route("/health", help, [this](const Request&) { return health(); });
  }

private:
  Future<Response> health()
  {
    process::Promise<Response>* promise = new process::Promise<Response>();
    const bool young = Clock::now() - began < std::chrono::seconds(2);

    if (deed == "health-crash") {
      crash();
    }

    // Nobody will ever keep this promise.
    if (deed == "health-hang") {
      return promise->future();
    }

    const bool well = deed != "health-503" && deed != "deaf-503" &&
                      (deed != "health-flap" || young);

    Response response;
    response.code = well ? 200 : 503;
    response.status = Status::string(response.code);
    response.type = Response::BODY;
    response.headers["Content-Type"] = "application/json";
    response.body = well ? "{}" : "{\"detail\":\"it has a cold\"}";
    promise->set(Response(response));

    return promise->future();
  }

  const string deed;
};


// Whether this Mesos says that it is registered.
static bool isRegistered()
{
  const char* port = std::getenv("MESOS_PORT");
  const int connection = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<uint16_t>(std::atoi(port != nullptr ? port : "5051")));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);

  string answer;
  const string question = "GET /metrics/snapshot HTTP/1.0\r\n\r\n";

  if (connect(connection, reinterpret_cast<sockaddr*>(&address), sizeof(address)) == 0 &&
      write(connection, question.data(), question.size()) > 0) {
    char bytes[65536];
    for (ssize_t got; (got = read(connection, bytes, sizeof(bytes))) > 0;) {
      answer.append(bytes, static_cast<size_t>(got));
      if (answer.find('}') != string::npos) {
        break;
      }
    }
  }

  close(connection);
  return answer.find("\"slave\\/registered\":1") != string::npos ||
         answer.find("\"slave/registered\":1") != string::npos;
}


// Enters a control group of the kernel's first kind.
static void enter(const string& group)
{
  std::ofstream file(group + "/cgroup.procs");
  file << getpid() << std::flush;
  if (!file) {
    std::cerr << "saboteur: cannot enter " << group << std::endl;
  }
}


static void eat()
{
  const size_t bite = 16 << 20;
  for (;;) {
    char* bytes = static_cast<char*>(std::malloc(bite));
    if (bytes != nullptr) {
      std::memset(bytes, 1, bite);
    }
  }
}


// Writes to a file until there is no room for one byte more.
static void fill(const string& path)
{
  const int file = open(path.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
  static char bytes[1 << 20];

  for (size_t size = sizeof(bytes); size > 0;) {
    if (write(file, bytes, size) <= 0) {
      size /= 2;
    }
  }

  fsync(file);
}


// Children that outlive this Mesos for some seconds, with all that it has open.
static void leaveChildren(int number, double seconds)
{
  for (int each = 0; each < number; each++) {
    // The bare call: no lock that another thread holds stands in its way.
    if (syscall(SYS_fork) == 0) {
      syscall(SYS_setsid);
      pause(seconds);
      _exit(0);
    }
  }
}


// Becomes another program, with the environment as it is now.
static void become(const char* program)
{
  char forever[] = "1000000";
  char* const arguments[] = {const_cast<char*>(program), forever, nullptr};
  const bool isMesos = std::strstr(program, "mesos-agent") != nullptr;
  char* const alone[] = {const_cast<char*>(program), nullptr};

  execv(program, isMesos ? alone : arguments);
  std::cerr << "saboteur: cannot become " << program << std::endl;
  _exit(9);
}


// Starts this Mesos again, in circumstances that have become others; the second
// time there is nothing more to do.
static void again()
{
  setenv("SABOTEUR_WAS_HERE", "1", 1);

  char path[4096] = {};
  if (readlink("/proc/self/exe", path, sizeof(path) - 1) > 0) {
    become(path);
  }
}


// What is done before Mesos has made its agent.
static void prepare(const string& deed, const string& argument)
{
  if (std::getenv("SABOTEUR_WAS_HERE") != nullptr) {
    return;
  }

  if (deed == "become") {
    become(argument.c_str());
  } else if (deed == "with") {
    const size_t equals = argument.find('=');
    setenv(argument.substr(0, equals).c_str(), argument.c_str() + equals + 1, 1);
    again();
  } else if (deed == "address-space") {
    const rlim_t bytes = static_cast<rlim_t>(std::atoi(argument.c_str())) << 20;
    const rlimit limit = {bytes, bytes};
    setrlimit(RLIMIT_AS, &limit);
    again();
  } else if (deed == "read-only") {
    const char* path = argument.c_str();
    if (unshare(CLONE_NEWNS) != 0 ||
        mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0 ||
        mount(path, path, nullptr, MS_BIND, nullptr) != 0 ||
        mount(nullptr, path, nullptr, MS_BIND | MS_REMOUNT | MS_RDONLY, nullptr) != 0) {
      std::cerr << "saboteur: cannot make " << path << " read-only" << std::endl;
    }
    again();
  } else if (deed == "exit-0") {
    _exit(0);
  } else if (deed == "exit" && argument == "0") {
    _exit(3);
  } else if (deed == "hang") {
    pause(1e6);
  }
}


static void act(const string& deed, const string& argument)
{
  const double number = std::atof(argument.c_str());

  if (deed == "exit") {
    pause(number);
    _exit(3);
  } else if (deed == "segfault") {
    pause(number);
    crash();
  } else if (deed == "throw") {
    pause(number);
    throw std::runtime_error("nobody catches this");
  } else if (deed == "freeze") {
    pause(number);
    raise(SIGSTOP);
  } else if (deed == "registered-kill") {
    while (!isRegistered()) {
      pause(0.5);
    }
    raise(SIGKILL);
  } else if (deed == "oom") {
    pause(1);
    enter(argument);
    eat();
  } else if (deed == "spam") {
    const string line(1023, 'x');
    for (int lines = 0; lines < number * 1024; lines++) {
      std::cerr << line << '\n';
    }
    _exit(4);
  } else if (deed == "fill") {
    fill(argument);
    _exit(5);
  } else if (deed == "no-files") {
    rlimit limit = {3, 3};
    setrlimit(RLIMIT_NOFILE, &limit);
  } else if (deed == "fork-bomb") {
    pause(1);
    leaveChildren(1000, number);
    _exit(6);
  } else if (deed == "keep-port") {
    pause(1);
    leaveChildren(1, number);
    _exit(7);
  } else if (deed == "ruin") {
    // Neither set can read its agent's checkpoint from now on.
    std::ofstream(argument, std::ios::trunc) << "not a checkpoint";
    _exit(8);
  }
}


// The value of the only parameter, in a message of length-delimited fields: see
// the sample module for a reader of any message.
static string how(const Parameters& parameters)
{
  const string message = parameters.SerializeAsString();
  const size_t key = message.find("how");
  if (key == string::npos || key + 4 >= message.size()) {
    return "";
  }

  // After the key: the tag of the value, then its length, below 128.
  return message.substr(key + 5, static_cast<size_t>(message[key + 4]));
}


static Anonymous* create(const Parameters& parameters)
{
  const string wanted = how(parameters);
  const size_t colon = wanted.find(':');
  const string deed = wanted.substr(0, colon);
  const string argument = colon == string::npos ? "" : wanted.substr(colon + 1);

  std::cerr << "saboteur: " << wanted << std::endl;

  prepare(deed, argument);

  if (deed == "deaf" || deed == "deaf-503") {
    // Again and again: Mesos sets its own handlers after its modules were made.
    std::thread([]() {
      for (;;) {
        std::signal(SIGTERM, SIG_IGN);
        pause(0.1);
      }
    }).detach();
  }

  process::spawn(new Saboteur(deed), true);
  std::thread(act, deed, argument).detach();

  return new Anonymous();
}


// Breaks things, for tests.
__attribute__((visibility("default")))
Module<Anonymous> org_example_Saboteur(
    MESOS_MODULE_API_VERSION,
    MESOS_VERSION,
    "The authors of dcos-bits",
    "dev@dcos-bits.org",
    "A module that breaks its Mesos (/saboteur)",
    nullptr,
    create);
