// `mesos-master`: a real Mesos master, put together from the constructors that libmesos exports.
//
// It leads alone, or contends for leadership under ZooKeeper (`--zk`); its registry lives in memory or in the replicated
// log, as `--registry` says.

#include "host.hpp"

#include <cstdlib>
#include <filesystem>
#include <string>

using std::string;


namespace zookeeper {

struct Authentication
{
  string scheme;
  string credentials;
};


class URL
{
public:
  static Try<URL> parse(const string& url);

  Option<Authentication> authentication;
  string servers;
  string path;
};

} // namespace zookeeper {


namespace mesos {
namespace allocator {

class Allocator;

} // namespace allocator {


namespace log {

class Log
{
public:
  // One replica, alone.
  Log(int quorum,
      const string& path,
      const std::set<process::UPID>& pids,
      bool autoInitialize,
      const Option<string>& metricsPrefix);

  // One replica of those that find each other under `znode`.
  Log(int quorum,
      const string& path,
      const string& servers,
      const Duration& timeout,
      const string& znode,
      const Option<zookeeper::Authentication>& authentication,
      bool autoInitialize,
      const Option<string>& metricsPrefix);

private:
  char room[1024];
};

} // namespace log {


namespace state {

class Storage;


class InMemoryStorage
{
public:
  InMemoryStorage();

private:
  char room[1024];
};


class LogStorage
{
public:
  LogStorage(log::Log* log, size_t diffsBetweenSnapshots);

private:
  char room[1024];
};


// The one class whose constructor and table exist only where its header is included, so this program has them.
class State
{
public:
  explicit State(Storage* storage_) : storage(storage_) {}
  virtual ~State() {}

private:
  Storage* storage;
};

} // namespace state {


namespace master {
namespace contender {

class MasterContender
{
public:
  static Try<MasterContender*> create(
      const Option<string>& zk,
      const Option<string>& module,
      const Option<Duration>& sessionTimeout);

  MasterContender() = default;
  virtual ~MasterContender() = 0;
  virtual void initialize(const MasterInfo& info) = 0;
  virtual process::Future<process::Future<Nothing>> contend() = 0;
};

} // namespace contender {


namespace detector {

class StandaloneMasterDetector : public MasterDetector
{
public:
  void appoint(const Option<MasterInfo>& leader);
};

} // namespace detector {
} // namespace master {


namespace internal {
namespace master {

class Flags : public virtual logging::Flags
{
public:
  Flags();
  ~Flags() override;

private:
  char room[65536];
};


namespace allocator {

class DRFSorter;


template <typename RoleSorter, typename FrameworkSorter>
class HierarchicalAllocatorProcess;


template <typename Process>
class MesosAllocator
{
public:
  MesosAllocator();

private:
  char room[1024];
};

} // namespace allocator {


class Registrar
{
public:
  Registrar(const Flags& flags, state::State* state, const Option<string>& realm);

private:
  char room[1024];
};


class Master : public virtual process::ProcessBase
{
public:
  Master(
      mesos::allocator::Allocator* allocator,
      Registrar* registrar,
      Files* files,
      mesos::master::contender::MasterContender* contender,
      mesos::master::detector::MasterDetector* detector,
      const Option<Authorizer*>& authorizer,
      const Option<std::shared_ptr<process::RateLimiter>>& removalLimiter,
      const Flags& flags);

  ~Master() override;

private:
  char room[262144];
};

} // namespace master {
} // namespace internal {
} // namespace mesos {


using namespace mesos::internal;

using host::orFail;

using mesos::master::contender::MasterContender;
using mesos::master::detector::MasterDetector;
using mesos::master::detector::StandaloneMasterDetector;


// Appoints the only master as the leader.
//
// Mesos's main hands the master's own description to the detector. That description is a private field; but the master
// also shows it to its contender, first thing, which is where this one takes it from.
class OnlyContender : public MasterContender
{
public:
  OnlyContender(MasterContender* contender_, StandaloneMasterDetector* detector_)
    : contender(contender_), detector(detector_) {}

  ~OnlyContender() override = default;

  void initialize(const mesos::MasterInfo& info) override
  {
    contender->initialize(info);
    detector->appoint(info);
  }

  process::Future<process::Future<Nothing>> contend() override { return contender->contend(); }

private:
  MasterContender* contender;
  StandaloneMasterDetector* detector;
};


// The storage of the registry: which agents have been admitted, quotas, maintenance.
static mesos::state::Storage* createStorage(host::Flags& flags, const Option<string>& zk)
{
  const string& registry = flags.field<string>("registry");

  if (registry == "in_memory") {
    return reinterpret_cast<mesos::state::Storage*>(new mesos::state::InMemoryStorage());
  }

  if (registry != "replicated_log") {
    host::fail("`" + registry + "` is not a registry: use `in_memory` or `replicated_log`");
  }

  const auto& workDirectory = flags.field<Option<string>>("work_dir");
  if (!workDirectory.isSome()) {
    host::fail("The registry `replicated_log` needs `--work_dir`");
  }

  std::error_code error;
  std::filesystem::create_directories(workDirectory.get(), error);
  if (error) {
    host::fail("Failed to create the work directory `" + workDirectory.get() + "`: " + error.message());
  }

  const string path = workDirectory.get() + "/replicated_log";
  const bool autoInitialize = flags.field<bool>("log_auto_initialize");
  const string metricsPrefix = "registrar/";

  mesos::log::Log* log = nullptr;

  if (zk.isSome()) {
    const auto& quorum = flags.field<Option<int>>("quorum");
    if (!quorum.isSome()) {
      host::fail("The registry `replicated_log` under ZooKeeper needs `--quorum`");
    }

    const Try<zookeeper::URL> parsed = zookeeper::URL::parse(zk.get());
    const zookeeper::URL& url = orFail(parsed, "Error parsing the ZooKeeper URL");

    log = new mesos::log::Log(
        quorum.get(),
        path,
        url.servers,
        flags.field<Duration>("zk_session_timeout"),
        url.path == "/" ? "/log_replicas" : url.path + "/log_replicas",
        url.authentication,
        autoInitialize,
        metricsPrefix);
  } else {
    log = new mesos::log::Log(1, path, std::set<process::UPID>(), autoInitialize, metricsPrefix);
  }

  // Mesos writes the whole registry, not a difference, every so many changes: never, for the registrar.
  constexpr size_t diffsBetweenSnapshots = 0;

  return reinterpret_cast<mesos::state::Storage*>(new mesos::state::LogStorage(log, diffsBetweenSnapshots));
}


int main(int argc, char** argv)
{
  using Allocator = master::allocator::MesosAllocator<
      master::allocator::HierarchicalAllocatorProcess<master::allocator::DRFSorter, master::allocator::DRFSorter>>;

  auto* masterFlags = new master::Flags();
  host::Flags flags("mesos-master", masterFlags, baseOf<flags::FlagsBase>(masterFlags));

  flags.load(argc, argv);

  for (const char* unserved : {"agent_removal_rate_limit", "firewall_rules", "ip_discovery_command"}) {
    flags.refuse(unserved);
  }

  const Option<string> zk = host::pathOrValue(flags, "zk");
  const auto& contenderModule = flags.field<Option<string>>("master_contender");
  const auto& detectorModule = flags.field<Option<string>>("master_detector");
  if (contenderModule.isSome() != detectorModule.isSome()) {
    host::fail("Both or neither of `--master_contender` and `--master_detector` must be given");
  }

  if (zk.isSome() && detectorModule.isSome()) {
    host::fail("Only one of `--zk` and `--master_detector` may be given");
  }

  // Sorters and allocators other than the default ones are templates that libmesos instantiates inside.
  for (const char* sorter : {"role_sorter", "framework_sorter"}) {
    if (flags.field<string>(sorter) != "drf") {
      host::fail("`--" + string(sorter) + "=" + flags.field<string>(sorter) + "` is not served by this build");
    }
  }

  if (flags.field<string>("allocator") != "hierarchical") {
    host::fail("`--allocator=" + flags.field<string>("allocator") + "` is not served by this build");
  }

  host::startLogging(argc, argv);
  host::startProcess(flags, "master", "mesos-master");
  host::startModules(flags);

  auto* allocator = new Allocator();

  auto* state = new mesos::state::State(createStorage(flags, zk));
  auto* registrar = new master::Registrar(*masterFlags, state, string("mesos-master-readonly"));

  const Duration& sessionTimeout = flags.field<Duration>("zk_session_timeout");

  MasterContender* contender = orFail(
      MasterContender::create(zk, contenderModule, sessionTimeout), "Failed to create a master contender");

  MasterDetector* detector = orFail(
      MasterDetector::create(zk, detectorModule, sessionTimeout), "Failed to create a master detector");

  if (!zk.isSome() && !detectorModule.isSome()) {
    contender = new OnlyContender(contender, static_cast<StandaloneMasterDetector*>(detector));
  }

  const Option<mesos::Authorizer*> authorizer = host::createAuthorizer(flags, flags.field<string>("authorizers"));

  auto* files = new Files(string("mesos-master-readonly"), authorizer);

  auto* actor = new master::Master(
      reinterpret_cast<mesos::allocator::Allocator*>(allocator),
      registrar,
      files,
      contender,
      detector,
      authorizer,
      None(),
      *masterFlags);

  host::runUntilEnd(baseOf<process::ProcessBase>(actor));

  std::_Exit(EXIT_SUCCESS);
}
