// Stand-in for Mesos's header of the same path: the address of a process.

#ifndef __PROCESS_PID_HPP__
#define __PROCESS_PID_HPP__

#include <cstdint>
#include <memory>
#include <string>

#include <stout/option.hpp>

#include <process/http.hpp>

namespace process {

class ProcessBase;


// Received from `spawn` by value, so it has to be destroyed properly.
struct UPID
{
  struct
  {
    std::shared_ptr<std::string> id;
  } id;

  struct Address
  {
    net::IP ip;
    uint16_t port;
  } address;

  struct
  {
    Option<Address> v6;
  } addresses;

  Option<std::string> host;
  Option<std::weak_ptr<ProcessBase*>> reference;
};

} // namespace process {

#endif // __PROCESS_PID_HPP__
