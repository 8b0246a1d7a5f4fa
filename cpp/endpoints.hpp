#ifndef __DCOS_BITS_ENDPOINTS_HPP__
#define __DCOS_BITS_ENDPOINTS_HPP__

#include <string>

#include <process/authenticator.hpp>
#include <process/future.hpp>
#include <process/http.hpp>
#include <process/process.hpp>

#include <stout/option.hpp>

#include "dcos-bits/rust/ffi/bridge.rs.h"

namespace dcos_bits {

// The actor that answers for one family of endpoints, such as `/pkg`: it takes
// a request apart, hands the pieces to Rust, and promises libprocess the reply.
class Endpoints : public process::Process<Endpoints>
{
public:
  // `family` names the actor, and so is the first segment of its paths.
  Endpoints(const std::string& family, rust::Vec<Route>&& routes);

protected:
  void initialize() override;

private:
  process::Future<process::http::Response> answer(
      const process::http::Request& request,
      const Option<process::http::authentication::Principal>& principal);

  const std::string family;
  const rust::Vec<Route> routes;
};

} // namespace dcos_bits {

#endif // __DCOS_BITS_ENDPOINTS_HPP__
