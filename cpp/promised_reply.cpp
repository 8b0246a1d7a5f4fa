#include "promised_reply.hpp"

#include <string>
#include <utility>

using process::Future;

using process::http::Response;
using process::http::Status;

using std::string;

namespace dcos_bits {

// What a client reads when its request was given up inside.
static const char DROPPED[] =
  "{\"type\":\"urn:dcos-bits:dropped\",\"title\":\"dropped\",\"status\":503,"
  "\"detail\":\"the request was dropped before it was answered\"}";


PromisedReply::~PromisedReply()
{
  if (!sent) {
    response = Response();
    response.headers["Content-Type"] = "application/problem+json";

    send(503, rust::Slice<const uint8_t>(
        reinterpret_cast<const uint8_t*>(DROPPED), sizeof(DROPPED) - 1));
  }
}


Future<Response> PromisedReply::future() const
{
  return promise.future();
}


void PromisedReply::header(rust::Str name, rust::Slice<const uint8_t> value)
{
  response.headers[string(name.data(), name.size())] =
    string(reinterpret_cast<const char*>(value.data()), value.size());
}


void PromisedReply::send(uint16_t status, rust::Slice<const uint8_t> body)
{
  if (sent) {
    return;
  }

  sent = true;

  response.code = status;
  response.status = Status::string(status);
  response.type = Response::BODY;
  response.body =
    string(reinterpret_cast<const char*>(body.data()), body.size());

  promise.set(std::move(response));
}

} // namespace dcos_bits {
