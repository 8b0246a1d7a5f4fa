// Stand-in for Mesos's header of the same path: just a module's parameters,
// whose content is taken as bytes and decoded elsewhere.

#ifndef __MESOS_HPP__
#define __MESOS_HPP__

#include <string>

namespace google {
namespace protobuf {

// Only ever received by reference; the pointer to its table is at the start of
// every message, so a conversion to this base moves nothing.
class MessageLite
{
public:
  std::string SerializeAsString() const;
};

} // namespace protobuf {
} // namespace google {


namespace mesos {

class Parameters : public google::protobuf::MessageLite {};

} // namespace mesos {

#endif // __MESOS_HPP__
