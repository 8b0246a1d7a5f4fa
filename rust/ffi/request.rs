//! From the pieces of a libprocess request to the `http::Request` that the router takes.
//!
//! libprocess has buffered the body, split the query into a map (so a repeated key arrives once) and decoded it; the
//! path is as the client sent it. The query is encoded again here, since a router reads it from the URI.

use axum::body::{Body, Bytes};
use dcos_api::Principal;
use dcos_core::problem::Problem;
use http::header::{CONNECTION, CONTENT_LENGTH, TRANSFER_ENCODING};
use http::uri::PathAndQuery;
use http::{HeaderName, HeaderValue, Method, Request, StatusCode, Uri};

use crate::problem::problem;

/// A request as libprocess has it: borrowed bytes.
#[derive(Clone, Debug)]
pub struct Incoming<'a, Q, H> {
    /// Such as `GET`.
    pub method: &'a [u8],
    /// The full path, percent-encoded.
    pub path: &'a [u8],
    /// Decoded keys and values.
    pub query: Q,
    /// Names and values.
    pub headers: H,
    /// The whole body.
    pub body: &'a [u8],
    /// Who calls, if an authenticator said so.
    pub principal: Option<&'a [u8]>,
}

impl<'a, Q, H> Incoming<'a, Q, H>
where
    Q: Iterator<Item = (&'a [u8], &'a [u8])>,
    H: Iterator<Item = (&'a [u8], &'a [u8])>,
{
    /// The request for the router, with its [`Principal`] as an extension.
    ///
    /// # Errors
    ///
    /// The problem to answer with: 413 if the body has more than `body_limit` bytes, 400 if a piece is no valid HTTP.
    pub fn into_request(self, body_limit: usize) -> Result<Request<Body>, Problem> {
        if self.body.len() > body_limit {
            let detail = format!("the request body has {} bytes, the limit is {body_limit}", self.body.len());
            return Err(problem(StatusCode::PAYLOAD_TOO_LARGE, "body-too-large", detail));
        }
        let method = Method::from_bytes(self.method).map_err(|_| malformed("method"))?;
        let principal = match self.principal {
            Some(name) => Some(String::from_utf8(name.to_vec()).map_err(|_| malformed("principal"))?),
            None => None,
        };

        let mut request = Request::new(Body::from(Bytes::copy_from_slice(self.body)));
        *request.method_mut() = method;
        *request.uri_mut() = uri(self.path, self.query)?;
        request.headers_mut().insert(CONTENT_LENGTH, HeaderValue::from(self.body.len()));
        for (name, value) in self.headers {
            let name = HeaderName::from_bytes(name).map_err(|_| malformed("header name"))?;
            // These describe the bytes on the wire, which are libprocess's and gone.
            if [CONNECTION, CONTENT_LENGTH, TRANSFER_ENCODING].contains(&name) {
                continue;
            }
            let value = HeaderValue::from_bytes(value).map_err(|_| malformed("header value"))?;
            request.headers_mut().append(name, value);
        }
        request.extensions_mut().insert(Principal(principal));
        Ok(request)
    }
}

fn malformed(what: &str) -> Problem {
    problem(StatusCode::BAD_REQUEST, "malformed-request", format!("the request's {what} is not valid"))
}

/// The path with the query encoded behind it.
fn uri<'a>(path: &[u8], query: impl Iterator<Item = (&'a [u8], &'a [u8])>) -> Result<Uri, Problem> {
    let mut target = path.to_vec();
    for (position, (key, value)) in query.enumerate() {
        target.push(if position == 0 { b'?' } else { b'&' });
        encode(key, &mut target);
        target.push(b'=');
        encode(value, &mut target);
    }
    PathAndQuery::from_maybe_shared(Bytes::from(target)).map(Uri::from).map_err(|_| malformed("path"))
}

/// Appends `bytes`, percent-encoding all but RFC 3986's unreserved characters.
fn encode(bytes: &[u8], target: &mut Vec<u8>) {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    for &byte in bytes {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            target.push(byte);
        } else {
            target.extend([b'%', DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]]);
        }
    }
}

#[cfg(test)]
#[expect(clippy::expect_used, reason = "a test fails by panicking")]
mod tests {
    use http::header::CONTENT_TYPE;

    use super::*;

    type Pairs = &'static [(&'static [u8], &'static [u8])];

    fn convert(path: &'static str, query: Pairs, headers: Pairs, body: &'static str) -> Result<Request<Body>, Problem> {
        let incoming = Incoming {
            method: b"POST",
            path: path.as_bytes(),
            query: query.iter().copied(),
            headers: headers.iter().copied(),
            body: body.as_bytes(),
            principal: Some(b"operator"),
        };
        incoming.into_request(8)
    }

    #[test]
    fn path_query_headers_and_principal_arrive() {
        let headers: Pairs = &[(b"content-TYPE", b"text/plain"), (b"Transfer-Encoding", b"chunked")];
        let request = convert("/pkg/packages/a%20b", &[(b"a b", b"1&2=3"), (b"c", b"")], headers, "12345678");
        let request = request.expect("a valid request");
        assert_eq!(request.uri(), "/pkg/packages/a%20b?a%20b=1%262%3D3&c=");
        assert_eq!(request.method(), Method::POST);
        assert_eq!(request.headers().get(CONTENT_TYPE), Some(&HeaderValue::from_static("text/plain")));
        assert_eq!(request.headers().get(TRANSFER_ENCODING), None);
        assert_eq!(request.headers().get(CONTENT_LENGTH), Some(&HeaderValue::from(8)));
        assert_eq!(request.extensions().get::<Principal>(), Some(&Principal(Some("operator".to_owned()))));
    }

    #[test]
    fn a_body_over_the_limit_is_413_and_says_both_numbers() {
        let problem = convert("/pkg/fetch", &[], &[], "123456789").expect_err("nine bytes with a limit of eight");
        assert_eq!(problem.status, 413);
        assert_eq!(problem.detail, "the request body has 9 bytes, the limit is 8");
    }

    #[test]
    fn what_is_no_http_is_400_and_says_which_part() {
        let cases: [(&str, Pairs, &str); 3] = [
            ("/pkg/ x", &[], "path"),
            ("/pkg/active", &[(b"a header", b"1")], "header name"),
            ("/pkg/active", &[(b"header", b"1\r\n2")], "header value"),
        ];
        for (path, headers, part) in cases {
            let problem = convert(path, &[], headers, "").expect_err(part);
            assert_eq!((problem.status, problem.detail), (400, format!("the request's {part} is not valid")));
        }
    }
}
