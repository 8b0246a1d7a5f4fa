#include "endpoints.hpp"

#include <memory>
#include <utility>
#include <vector>

#include "promised_reply.hpp"

using process::Future;

using process::http::Response;

using process::http::authentication::Principal;

using std::string;
using std::vector;

namespace dcos_bits {

static rust::Slice<const uint8_t> bytes(const string& value)
{
  return rust::Slice<const uint8_t>(
      reinterpret_cast<const uint8_t*>(value.data()), value.size());
}


// The pairs of a map, borrowed from it.
template <typename Map>
static vector<Field> fields(const Map& map)
{
  vector<Field> result;
  result.reserve(map.size());

  for (const auto& entry : map) {
    result.push_back(Field{bytes(entry.first), bytes(entry.second)});
  }

  return result;
}


static rust::Slice<const Field> slice(const vector<Field>& fields)
{
  return rust::Slice<const Field>(fields.data(), fields.size());
}


Endpoints::Endpoints(const string& _family, rust::Vec<Route>&& _routes)
  : ProcessBase(_family),
    family(_family),
    routes(std::move(_routes)) {}


void Endpoints::initialize()
{
  for (const Route& entry : routes) {
    route(
        string(entry.path),
        string(entry.realm),
        Option<string>(string(entry.help)),
        [this](
            const process::http::Request& request,
            const Option<Principal>& principal) {
          return answer(request, principal);
        });
  }
}


Future<Response> Endpoints::answer(
    const process::http::Request& request,
    const Option<Principal>& principal)
{
  const vector<Field> query = fields(request.url.query);
  const vector<Field> headers = fields(request.headers);

  const bool named = principal.isSome() && principal.get().value.isSome();

  std::unique_ptr<PromisedReply> reply(new PromisedReply());
  const Future<Response> future = reply->future();

  handle(
      Request{
        rust::Str(family),
        bytes(request.method),
        bytes(request.url.path),
        slice(query),
        slice(headers),
        bytes(request.body),
        named,
        named ? bytes(principal.get().value.get())
              : rust::Slice<const uint8_t>()},
      std::move(reply));

  return future;
}

} // namespace dcos_bits {
