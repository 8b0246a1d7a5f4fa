#ifndef __DCOS_BITS_LAYOUT_HPP__
#define __DCOS_BITS_LAYOUT_HPP__

// Every number that this library and libmesos have to agree upon, for Mesos 1.10
// and 1.11 on x86-64 with libstdc++. The build checks them (layout.cpp);
// `cpp/check-abi` prints them for our declarations and for Mesos's own.
//
// Private members are among them: compile with -fno-access-control.

#include <cstddef>
#include <cstdint>
#include <string>

#include <mesos/mesos.hpp>
#include <mesos/module.hpp>

#include <mesos/module/anonymous.hpp>

#include <process/authenticator.hpp>
#include <process/future.hpp>
#include <process/http.hpp>
#include <process/pid.hpp>
#include <process/process.hpp>

#include <stout/error.hpp>
#include <stout/hashmap.hpp>
#include <stout/option.hpp>
#include <stout/result.hpp>

namespace layout {

typedef Option<std::string> OptionalString;
typedef hashmap<std::string, std::string> StringMap;

typedef mesos::modules::Anonymous Anonymous;
typedef mesos::modules::Module<Anonymous> AnonymousModule;
typedef mesos::modules::ModuleBase ModuleBase;

typedef process::http::Headers Headers;
typedef process::http::Request Request;
typedef process::http::Response Response;
typedef process::http::URL URL;
typedef process::http::authentication::Principal Principal;

typedef process::Future<Response> FutureResponse;
typedef process::Promise<Response> PromiseResponse;
typedef FutureResponse::Data FutureData;

typedef process::ProcessBase ProcessBase;
typedef process::UPID UPID;

} // namespace layout {


// SIZE(type, bytes), OFFSET(type, member, bytes), VALUE(enumerator, number)
#define DCOS_BITS_LAYOUT(SIZE, OFFSET, VALUE)   \
  SIZE(std::string, 32)                         \
  SIZE(OptionalString, 40)                      \
  OFFSET(OptionalString, state, 0)              \
  VALUE(OptionalString::SOME, 0)                \
  VALUE(OptionalString::NONE, 1)                \
  SIZE(Error, 32)                               \
  SIZE(Result<Response>, 248)                   \
  SIZE(StringMap, 56)                           \
  SIZE(Headers, 56)                             \
                                                \
  SIZE(URL, 240)                                \
  OFFSET(URL, scheme, 0)                        \
  OFFSET(URL, domain, 40)                       \
  OFFSET(URL, ip, 80)                           \
  OFFSET(URL, port, 104)                        \
  OFFSET(URL, path, 112)                        \
  OFFSET(URL, query, 144)                       \
  OFFSET(URL, fragment, 200)                    \
                                                \
  SIZE(Request, 560)                            \
  OFFSET(Request, method, 0)                    \
  OFFSET(Request, url, 32)                      \
  OFFSET(Request, headers, 272)                 \
  OFFSET(Request, keepAlive, 328)               \
  OFFSET(Request, client, 336)                  \
  OFFSET(Request, type, 488)                    \
  OFFSET(Request, body, 496)                    \
  OFFSET(Request, reader, 528)                  \
  OFFSET(Request, received, 552)                \
  VALUE(Request::BODY, 0)                       \
  VALUE(Request::PIPE, 1)                       \
                                                \
  SIZE(Response, 192)                           \
  OFFSET(Response, status, 0)                   \
  OFFSET(Response, headers, 32)                 \
  OFFSET(Response, type, 88)                    \
  OFFSET(Response, body, 96)                    \
  OFFSET(Response, path, 128)                   \
  OFFSET(Response, reader, 160)                 \
  OFFSET(Response, code, 184)                   \
  VALUE(Response::NONE, 0)                      \
  VALUE(Response::BODY, 1)                      \
  VALUE(Response::PATH, 2)                      \
  VALUE(Response::PIPE, 3)                      \
                                                \
  SIZE(FutureResponse, 16)                      \
  SIZE(FutureData, 408)                         \
  OFFSET(FutureData, lock, 0)                   \
  OFFSET(FutureData, state, 4)                  \
  OFFSET(FutureData, discard, 8)                \
  OFFSET(FutureData, associated, 9)             \
  OFFSET(FutureData, abandoned, 10)             \
  OFFSET(FutureData, result, 16)                \
  OFFSET(FutureData, onAbandonedCallbacks, 264) \
  OFFSET(FutureData, onDiscardCallbacks, 288)   \
  OFFSET(FutureData, onReadyCallbacks, 312)     \
  OFFSET(FutureData, onFailedCallbacks, 336)    \
  OFFSET(FutureData, onDiscardedCallbacks, 360) \
  OFFSET(FutureData, onAnyCallbacks, 384)       \
  VALUE(FutureResponse::PENDING, 0)             \
  VALUE(FutureResponse::READY, 1)               \
  VALUE(FutureResponse::FAILED, 2)              \
  VALUE(FutureResponse::DISCARDED, 3)           \
  SIZE(PromiseResponse, 24)                     \
  OFFSET(PromiseResponse, f, 8)                 \
                                                \
  SIZE(Principal, 96)                           \
  OFFSET(Principal, value, 0)                   \
  OFFSET(Principal, claims, 40)                 \
                                                \
  SIZE(UPID, 136)                               \
  OFFSET(UPID, id, 0)                           \
  OFFSET(UPID, address, 16)                     \
  OFFSET(UPID, addresses, 40)                   \
  OFFSET(UPID, host, 72)                        \
  OFFSET(UPID, reference, 112)                  \
  SIZE(ProcessBase, 424)                        \
  OFFSET(ProcessBase, pid, 288)                 \
  SIZE(ProcessBase::RouteOptions, 1)            \
                                                \
  SIZE(ModuleBase, 56)                          \
  OFFSET(ModuleBase, moduleApiVersion, 0)       \
  OFFSET(ModuleBase, mesosVersion, 8)           \
  OFFSET(ModuleBase, kind, 16)                  \
  OFFSET(ModuleBase, authorName, 24)            \
  OFFSET(ModuleBase, authorEmail, 32)           \
  OFFSET(ModuleBase, description, 40)           \
  OFFSET(ModuleBase, compatible, 48)            \
  SIZE(AnonymousModule, 64)                     \
  OFFSET(AnonymousModule, create, 56)           \
  SIZE(Anonymous, 8)

#endif // __DCOS_BITS_LAYOUT_HPP__
