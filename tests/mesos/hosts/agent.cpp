// `mesos-agent`: a real Mesos agent, put together from the constructors that libmesos exports.

#include "future_tracker.hpp"
#include "host.hpp"

#include <cstdlib>
#include <string>

using std::string;


namespace mesos {
namespace slave {

class QoSController
{
public:
  static Try<QoSController*> create(const Option<string>& module);
};


class ResourceEstimator
{
public:
  static Try<ResourceEstimator*> create(const Option<string>& module);
};

} // namespace slave {


namespace internal {
namespace slave {

class CSIServer;


class Flags : public virtual logging::Flags
{
public:
  Flags();
  ~Flags() override;

private:
  char room[65536];
};


class VolumeGidManager
{
public:
  static Try<VolumeGidManager*> create(const Flags& flags);
};


class Fetcher
{
public:
  explicit Fetcher(const Flags& flags);

private:
  char room[1024];
};


class GarbageCollector
{
public:
  explicit GarbageCollector(const string& workDirectory);

private:
  char room[1024];
};


class TaskStatusUpdateManager
{
public:
  explicit TaskStatusUpdateManager(const Flags& flags);

private:
  char room[1024];
};


class Containerizer
{
public:
  static Try<Containerizer*> create(
      const Flags& flags,
      bool local,
      Fetcher* fetcher,
      GarbageCollector* gc,
      SecretResolver* secretResolver,
      VolumeGidManager* volumeGidManager,
      PendingFutureTracker* futureTracker
#if MESOS_HAS_CSI_SERVER
      ,
      CSIServer* csiServer
#endif
  );
};


class Slave : public virtual process::ProcessBase
{
public:
  Slave(
      const string& id,
      const Flags& flags,
      mesos::master::detector::MasterDetector* detector,
      Containerizer* containerizer,
      Files* files,
      GarbageCollector* gc,
      TaskStatusUpdateManager* taskStatusUpdateManager,
      mesos::slave::ResourceEstimator* resourceEstimator,
      mesos::slave::QoSController* qosController,
      SecretGenerator* secretGenerator,
      VolumeGidManager* volumeGidManager,
      PendingFutureTracker* futureTracker,
#if MESOS_HAS_CSI_SERVER
      process::Owned<CSIServer>&& csiServer,
#endif
      const Option<process::network::internal::Socket<process::network::unix::Address>>& executorSocket,
      const Option<Authorizer*>& authorizer);

  ~Slave() override;

private:
  char room[262144];
};

} // namespace slave {
} // namespace internal {
} // namespace mesos {


namespace systemd {

class Flags : public virtual flags::FlagsBase
{
public:
  Flags();
  ~Flags() override;

private:
  char room[4096];
};


bool exists();

Try<Nothing> initialize(const Flags& flags);

} // namespace systemd {


using namespace mesos::internal;

using host::orFail;

using mesos::master::detector::MasterDetector;


// Lets executors outlive the agent's unit where systemd runs the machine.
static void startSystemd(host::Flags& flags)
{
  if (!flags.field<bool>("systemd_enable_support") || !systemd::exists()) {
    return;
  }

  auto* systemd = new systemd::Flags();
  host::Flags fields("mesos-agent", systemd, baseOf<flags::FlagsBase>(systemd));

  fields.field<bool>("enabled") = true;
  fields.field<string>("runtime_directory") = flags.field<string>("systemd_runtime_directory");
  fields.field<string>("cgroups_hierarchy") = flags.field<string>("cgroups_hierarchy");

  orFail(systemd::initialize(*systemd), "Failed to initialize systemd");
}


int main(int argc, char** argv)
{
  auto* agentFlags = new slave::Flags();
  host::Flags flags("mesos-agent", agentFlags, baseOf<flags::FlagsBase>(agentFlags));

  // Mesos's default is the prefix it was built for; this one's is the package it lies in.
  flags.field<string>("launcher_dir") = host::packageDirectory() + "/libexec/mesos";

  flags.load(argc, argv);

  for (const char* unserved :
       {"agent_subsystems", "csi_plugin_config_dir", "firewall_rules", "ip_discovery_command", "ip6",
        "ip6_discovery_command", "jwt_secret_key"}) {
    flags.refuse(unserved);
  }

  const Option<string> master = host::pathOrValue(flags, "master");
  const auto& detectorModule = flags.field<Option<string>>("master_detector");
  if (master.isSome() == detectorModule.isSome()) {
    host::fail("Exactly one of `--master` and `--master_detector` must be given");
  }

  host::startLogging(argc, argv);

  const string id = process::ID::generate("slave");
  host::startProcess(flags, id, "mesos-agent");
  host::startModules(flags);
  startSystemd(flags);

  auto* fetcher = new slave::Fetcher(*agentFlags);
  auto* gc = new slave::GarbageCollector(flags.field<string>("work_dir"));

  mesos::SecretResolver* secretResolver = orFail(
      mesos::SecretResolver::create(flags.field<Option<string>>("secret_resolver")),
      "Failed to initialize the secret resolver");

  slave::VolumeGidManager* volumeGidManager = nullptr;
  if (flags.field<Option<string>>("volume_gid_range").isSome()) {
    volumeGidManager = orFail(
        slave::VolumeGidManager::create(*agentFlags), "Failed to initialize the volume gid manager");
  }

  auto* futureTracker = new PendingFutureTracker();

  slave::Containerizer* containerizer = orFail(
      slave::Containerizer::create(
          *agentFlags,
          false,
          fetcher,
          gc,
          secretResolver,
          volumeGidManager,
          futureTracker
#if MESOS_HAS_CSI_SERVER
          ,
          nullptr
#endif
          ),
      "Failed to create a containerizer");

  MasterDetector* detector = orFail(
      MasterDetector::create(master, detectorModule, flags.field<Duration>("zk_session_timeout")),
      "Failed to create a master detector");

  const Option<mesos::Authorizer*> authorizer = host::createAuthorizer(flags, flags.field<string>("authorizer"));

  auto* files = new Files(string("mesos-agent-readonly"), authorizer);
  auto* taskStatusUpdateManager = new slave::TaskStatusUpdateManager(*agentFlags);

  mesos::slave::ResourceEstimator* resourceEstimator = orFail(
      mesos::slave::ResourceEstimator::create(flags.field<Option<string>>("resource_estimator")),
      "Failed to create a resource estimator");

  mesos::slave::QoSController* qosController = orFail(
      mesos::slave::QoSController::create(flags.field<Option<string>>("qos_controller")),
      "Failed to create a QoS controller");

  if (flags.field<bool>("http_executor_domain_sockets")) {
    host::fail("`--http_executor_domain_sockets` is not served by this build of mesos-agent");
  }

  auto* agent = new slave::Slave(
      id,
      *agentFlags,
      detector,
      containerizer,
      files,
      gc,
      taskStatusUpdateManager,
      resourceEstimator,
      qosController,
      nullptr,
      volumeGidManager,
      futureTracker,
#if MESOS_HAS_CSI_SERVER
      process::Owned<slave::CSIServer>(),
#endif
      None(),
      authorizer);

  host::runUntilEnd(baseOf<process::ProcessBase>(agent));

  // The actor ended by itself: Mesos's agent does so when it is told to shut down.
  std::_Exit(EXIT_SUCCESS);
}
