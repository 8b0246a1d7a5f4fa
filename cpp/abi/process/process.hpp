// Stand-in for Mesos's header of the same path: actors that answer requests.

#ifndef __PROCESS_PROCESS_HPP__
#define __PROCESS_PROCESS_HPP__

#include <functional>
#include <string>

#include <stout/option.hpp>

#include <process/authenticator.hpp>
#include <process/future.hpp>
#include <process/http.hpp>
#include <process/pid.hpp>

namespace process {

struct MessageEvent;
struct DispatchEvent;
struct HttpEvent;
struct ExitedEvent;
struct TerminateEvent;
struct Event;


// Everything virtual is libmesos's own, in the order of its table; none of it
// is defined here, so that no second copy of it comes into the process.
class ProcessBase
{
public:
  explicit ProcessBase(const std::string& id = "");

  virtual ~ProcessBase();

protected:
  virtual void consume(MessageEvent&& event);
  virtual void consume(DispatchEvent&& event);
  virtual void consume(HttpEvent&& event);
  virtual void consume(ExitedEvent&& event);
  virtual void consume(TerminateEvent&& event);
  virtual void serve(Event&& event);
  virtual void initialize();
  virtual void finalize();
  virtual void exited(const UPID& pid);
  virtual void lost(const UPID& pid);

  struct RouteOptions
  {
    RouteOptions() : requestStreaming(false) {}

    bool requestStreaming;
  };

  typedef std::function<Future<http::Response>(const http::Request&)>
    HttpRequestHandler;

  typedef std::function<Future<http::Response>(
      const http::Request&,
      const Option<http::authentication::Principal>&)>
    AuthenticatedHttpRequestHandler;

  // Open to everybody.
  void route(
      const std::string& name,
      const Option<std::string>& help,
      const HttpRequestHandler& handler,
      const RouteOptions& options = RouteOptions());

  // Guarded by the realm's authenticator, if there is one.
  void route(
      const std::string& name,
      const std::string& realm,
      const Option<std::string>& help,
      const AuthenticatedHttpRequestHandler& handler,
      const RouteOptions& options = RouteOptions());

private:
  alignas(8) unsigned char before[280];
  UPID pid;
};


template <typename T>
class Process : public virtual ProcessBase
{
public:
  ~Process() override {}
};


// Starts the actor; with `manage` it is deleted when it has ended.
UPID spawn(ProcessBase* process, bool manage = false);

} // namespace process {

#endif // __PROCESS_PROCESS_HPP__
