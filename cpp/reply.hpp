#ifndef __DCOS_BITS_REPLY_HPP__
#define __DCOS_BITS_REPLY_HPP__

#include <cstdint>

#include "rust/cxx.h"

namespace dcos_bits {

// The one answer that a request is owed. Rust owns it, fills it and sends it,
// from whatever thread. One that is dropped unsent sends 503 as it dies, since
// libprocess would leave the client waiting for ever.
//
// Abstract and free of Mesos's types: this is all that the bridge sees.
class Reply
{
public:
  virtual ~Reply() {}

  // Sets a header; a later value for the same name replaces the earlier.
  virtual void header(
      rust::Str name,
      rust::Slice<const uint8_t> value) = 0;

  // Answers. Only the first call has an effect.
  virtual void send(uint16_t status, rust::Slice<const uint8_t> body) = 0;
};


// Writes one line into the host's log, as if it came from `file`:`line`.
// `severity` is glog's: 0 information, 1 warning, 2 error.
void log(int32_t severity, rust::Str file, uint32_t line, rust::Str message);

} // namespace dcos_bits {

#endif // __DCOS_BITS_REPLY_HPP__
