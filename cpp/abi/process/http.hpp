// Stand-in for Mesos's header of the same path: requests and responses.

#ifndef __PROCESS_HTTP_HPP__
#define __PROCESS_HTTP_HPP__

#include <cctype>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include <stout/hashmap.hpp>
#include <stout/option.hpp>

#include <process/future.hpp>

namespace net {

// An address family and room for an IPv6 address.
class IP
{
private:
  int32_t family;
  uint32_t address[4];
};

} // namespace net {


namespace process {
namespace network {

// Any socket address; only its room is known here.
class Address
{
private:
  alignas(8) unsigned char storage[144];
};

} // namespace network {


namespace http {

struct URL
{
  Option<std::string> scheme;
  Option<std::string> domain;
  Option<net::IP> ip;
  Option<uint16_t> port;
  std::string path;
  hashmap<std::string, std::string> query;
  Option<std::string> fragment;
};


// Has to be the hash that libmesos was compiled with, since libmesos looks for
// our headers by it: Boost's way, from 1.56 to 1.80, of combining 64 bit hashes
// (one round of MurmurHash2 for each), over the lower case of each byte.
//
// Not `noexcept`: libstdc++ would then leave the hash out of the map's nodes, and
// libmesos expects it there.
struct CaseInsensitiveHash
{
  size_t operator()(const std::string& key) const
  {
    const uint64_t factor = 0xc6a4a7935bd1e995;

    uint64_t seed = 0;

    for (const char c : key) {
      uint64_t value = static_cast<uint64_t>(::tolower(c)) * factor;
      value ^= value >> 47;

      seed = (seed ^ (value * factor)) * factor + 0xe6546b64;
    }

    return seed;
  }
};


struct CaseInsensitiveEqual
{
  bool operator()(const std::string& left, const std::string& right) const
  {
    if (left.size() != right.size()) {
      return false;
    }

    for (size_t i = 0; i < left.size(); i++) {
      if (::tolower(left[i]) != ::tolower(right[i])) {
        return false;
      }
    }

    return true;
  }
};


class Headers : public hashmap<
    std::string,
    std::string,
    CaseInsensitiveHash,
    CaseInsensitiveEqual> {};


struct Status
{
  // The code and its phrase, as in `200 OK`.
  static std::string string(uint16_t code);
};


class Pipe
{
public:
  class Reader
  {
  private:
    std::shared_ptr<void> data;
  };
};


// Only ever received by reference.
struct Request
{
  std::string method;
  URL url;
  Headers headers;
  bool keepAlive;
  Option<network::Address> client;

  enum
  {
    BODY,
    PIPE
  } type;

  std::string body;
  Option<Pipe::Reader> reader;

  // Nanoseconds since the epoch.
  int64_t received;
};


struct Response
{
  Response() : type(NONE), code(0) {}

  std::string status;
  Headers headers;

  enum
  {
    NONE,
    BODY,
    PATH,
    PIPE
  } type;

  std::string body;
  std::string path;
  Option<Pipe::Reader> reader;
  uint16_t code;
};

} // namespace http {
} // namespace process {

#endif // __PROCESS_HTTP_HPP__
