//! The bridge to C++, and with it all the `unsafe` there is.
//!
//! Ownership is simple on purpose. What C++ lends (the pieces of a request) is valid until the call returns, and
//! everything that outlives it is copied before. What Rust owns is one `Reply` for each request. Every entry runs in
//! [`catch`]: if it panics, the reply is dropped on the way and says 503.

use axum::body::Bytes;
use cxx::UniquePtr;
use http::Response;

use crate::dispatch::Reply;
use crate::guard::{catch, install_hook};
use crate::host::Host;
use crate::log::{self, Severity};
use crate::request::Incoming;
use crate::routes::Family;

#[allow(unreachable_pub, missing_docs, reason = "the macro makes everything in it public")]
#[cxx::bridge(namespace = "dcos_bits")]
mod ffi {
    /// One path prefix to register with libprocess.
    struct Route {
        path: String,
        realm: String,
        help: String,
    }

    /// A name and a value, as bytes.
    #[derive(Clone, Copy)]
    struct Field<'a> {
        name: &'a [u8],
        value: &'a [u8],
    }

    /// The pieces of a request, lent for one call.
    struct Request<'a> {
        family: &'a str,
        method: &'a [u8],
        path: &'a [u8],
        query: &'a [Field<'a>],
        headers: &'a [Field<'a>],
        body: &'a [u8],
        named: bool,
        principal: &'a [u8],
    }

    extern "Rust" {
        fn start(family: &str, parameters: &[u8]) -> Vec<Route>;
        unsafe fn handle<'a>(request: &Request<'a>, reply: UniquePtr<Reply>);
    }

    unsafe extern "C++" {
        include!("reply.hpp");

        type Reply;

        fn header(self: Pin<&mut Reply>, name: &str, value: &[u8]);
        fn send(self: Pin<&mut Reply>, status: u16, body: &[u8]);

        fn log(severity: i32, file: &str, line: u32, message: &str);
    }
}

// SAFETY: a `Reply` is a promise and a response that nobody else refers to; libprocess lets promises be kept from any
// thread, and its destructor does no more than that.
unsafe impl Send for ffi::Reply {}

/// The modules of this process.
static HOST: std::sync::LazyLock<Host> = std::sync::LazyLock::new(Host::default);

fn start(family: &str, parameters: &[u8]) -> Vec<ffi::Route> {
    catch(|| {
        log::install(write_log);
        install_hook();
        let Some(family) = Family::named(family) else { return Vec::new() };
        let prefixes = HOST.start(family, parameters).into_iter();
        prefixes
            .map(|prefix| ffi::Route {
                path: prefix.path.to_owned(),
                realm: prefix.realm.to_owned(),
                help: prefix.help,
            })
            .collect()
    })
    // The panic is in the log. Without routes libprocess answers 404, and Mesos runs.
    .unwrap_or_default()
}

fn write_log(severity: Severity, file: &str, line: u32, message: &str) {
    let severity = match severity {
        Severity::Info => 0,
        Severity::Warning => 1,
        Severity::Error => 2,
    };
    ffi::log(severity, file, line, message);
}

fn handle(request: &ffi::Request<'_>, reply: UniquePtr<ffi::Reply>) {
    let &ffi::Request { family, method, path, query, headers, body, named, principal } = request;
    catch(|| {
        let Some(family) = Family::named(family) else { return };
        let incoming = Incoming {
            method,
            path,
            query: query.iter().map(|field| (field.name, field.value)),
            headers: headers.iter().map(|field| (field.name, field.value)),
            body,
            principal: named.then_some(principal),
        };
        HOST.handle(family, incoming, HostReply(reply));
    })
    // The panic is in the log, and the reply answered as it was dropped.
    .unwrap_or_default();
}

/// The host's reply. Dropped unused, its C++ destructor answers 503.
struct HostReply(UniquePtr<ffi::Reply>);

impl Reply for HostReply {
    fn send(mut self, response: Response<Bytes>) {
        let Some(mut reply) = self.0.as_mut() else { return };
        let (parts, body) = response.into_parts();
        #[cfg(feature = "test-router")]
        if parts.extensions.get::<crate::test_router::Abandon>().is_some() {
            return;
        }
        for name in parts.headers.keys() {
            let mut values = parts.headers.get_all(name).iter();
            let Some(first) = values.next() else { continue };
            // libprocess keeps one value for a name; a list with commas means the same (RFC 9110, 5.2).
            let joined =
                values.fold(first.as_bytes().to_vec(), |joined, value| [&joined, value.as_bytes()].join(&b", "[..]));
            reply.as_mut().header(name.as_str(), &joined);
        }
        reply.as_mut().send(parts.status.as_u16(), &body);
    }
}
