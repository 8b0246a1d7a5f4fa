#include <string>

#include <glog/logging.h>

#include "reply.hpp"

namespace dcos_bits {

void log(int32_t severity, rust::Str file, uint32_t line, rust::Str message)
{
  // glog keeps the pointer until the line is out, which is before this returns.
  const std::string name(file);

  google::LogMessage(name.c_str(), static_cast<int>(line), severity)
    .stream()
    .write(message.data(), static_cast<std::streamsize>(message.size()));
}

} // namespace dcos_bits {
