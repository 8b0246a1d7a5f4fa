#include <string>

#include <mesos/mesos.hpp>
#include <mesos/module.hpp>

#include <mesos/module/anonymous.hpp>

#include <process/process.hpp>

#include "endpoints.hpp"

using mesos::Parameters;

using mesos::modules::Anonymous;
using mesos::modules::Module;

using std::string;

// What Mesos finds by name; everything else in the library stays hidden.
#define DCOS_BITS_EXPORT __attribute__((visibility("default")))

static const char AUTHOR[] = "The authors of dcos-bits";
static const char EMAIL[] = "dev@dcos-bits.org";


// Asks Rust what to serve, and serves it. Whatever is wrong with the parameters
// or with the node is for the endpoints to say: a Mesos that does not start is
// worse than one whose endpoints refuse.
static Anonymous* create(const char* family, const Parameters& parameters)
{
  const string bytes = parameters.SerializeAsString();

  rust::Vec<dcos_bits::Route> routes = dcos_bits::start(
      family,
      rust::Slice<const uint8_t>(
          reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size()));

  process::ProcessBase* endpoints =
    new dcos_bits::Endpoints(family, std::move(routes));

  process::spawn(endpoints, true);

  return new Anonymous();
}


static Anonymous* createPkg(const Parameters& parameters)
{
  return create("pkg", parameters);
}


static Anonymous* createRestart(const Parameters& parameters)
{
  return create("restart", parameters);
}


static Anonymous* createDeploy(const Parameters& parameters)
{
  return create("deploy", parameters);
}


static Anonymous* createProvision(const Parameters& parameters)
{
  return create("provision", parameters);
}


// The package manager: what is local, available and active on this node.
DCOS_BITS_EXPORT Module<Anonymous> org_dcos_bits_Pkg(
    MESOS_MODULE_API_VERSION,
    MESOS_VERSION,
    AUTHOR,
    EMAIL,
    "Packages of this node: fetch, validate, list (/pkg)",
    nullptr,
    createPkg);


// The restart module: switches this node's Mesos to another set of packages.
DCOS_BITS_EXPORT Module<Anonymous> org_dcos_bits_Restart(
    MESOS_MODULE_API_VERSION,
    MESOS_VERSION,
    AUTHOR,
    EMAIL,
    "Restarts this node's Mesos into another set of packages (/restart)",
    nullptr,
    createRestart);


// The deploy module: rolls a change over the cluster from the leading master.
DCOS_BITS_EXPORT Module<Anonymous> org_dcos_bits_Deploy(
    MESOS_MODULE_API_VERSION,
    MESOS_VERSION,
    AUTHOR,
    EMAIL,
    "Rolls changes over the cluster, and halts (/deploy)",
    nullptr,
    createDeploy);


// The provisioning module: adds agents to the cluster and takes them away.
DCOS_BITS_EXPORT Module<Anonymous> org_dcos_bits_Provision(
    MESOS_MODULE_API_VERSION,
    MESOS_VERSION,
    AUTHOR,
    EMAIL,
    "Adds agents to the cluster and takes them away (/provision)",
    nullptr,
    createProvision);
