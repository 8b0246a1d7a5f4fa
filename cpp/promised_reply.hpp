#ifndef __DCOS_BITS_PROMISED_REPLY_HPP__
#define __DCOS_BITS_PROMISED_REPLY_HPP__

#include <process/future.hpp>
#include <process/http.hpp>

#include "reply.hpp"

namespace dcos_bits {

// A reply that keeps a promise made to libprocess.
class PromisedReply : public Reply
{
public:
  PromisedReply() : sent(false) {}

  ~PromisedReply() override;

  process::Future<process::http::Response> future() const;

  void header(rust::Str name, rust::Slice<const uint8_t> value) override;

  void send(uint16_t status, rust::Slice<const uint8_t> body) override;

private:
  process::Promise<process::http::Response> promise;
  process::http::Response response;
  bool sent;
};

} // namespace dcos_bits {

#endif // __DCOS_BITS_PROMISED_REPLY_HPP__
