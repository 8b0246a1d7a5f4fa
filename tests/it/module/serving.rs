//! Requests, many and large and rude ones, to the test build of the module.

use std::net::{Shutdown, SocketAddr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use serde_json::json;

use super::client::{Client, get};
use super::mesos::{EVERYWHERE, Mesos, Role, built, node_toml, our_modules, test_modules};

/// Runs `test` in every version and role, one after the other: each is a busy process of its own.
fn everywhere(test: impl Fn(&mut Mesos)) {
    for (version, role) in EVERYWHERE {
        eprintln!("in Mesos {version}, {role:?}");
        let mut mesos = Mesos::start(version, role, &test_modules(version));
        test(&mut mesos);
        mesos.assert_alive();
    }
}

#[test]
#[ignore = "needs real Mesos and built modules: make test"]
fn ten_thousand_requests_of_64_clients_are_answered() {
    const CLIENTS: usize = 64;
    const REQUESTS: usize = 10_000;

    everywhere(|mesos| {
        let address = mesos.address;
        let next = AtomicUsize::new(0);
        thread::scope(|scope| {
            for _ in 0..CLIENTS {
                scope.spawn(|| {
                    let mut client = Client::connect(address);
                    loop {
                        let number = next.fetch_add(1, Ordering::Relaxed);
                        if number >= REQUESTS {
                            return;
                        }
                        // Every answer is the one to this request, not to a neighbour's.
                        let path = format!("/pkg/state/describe?number={number}");
                        let answer = client.ask("GET", &path, &[], b"");
                        assert_eq!((answer.status, &answer.json()["uri"]), (200, &json!(path)));
                    }
                });
            }
        });
    });
}

#[test]
#[ignore = "needs real Mesos and built modules: make test"]
fn ten_megabytes_go_both_ways() {
    let body: Vec<u8> =
        (0..10 * 1024 * 1024_u32).map(|index| (index.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    everywhere(|mesos| {
        let answer = Client::connect(mesos.address).ask("POST", "/pkg/fetch/echo", &[], &body);
        assert_eq!(answer.status, 200);
        assert!(answer.body == body, "the body came back changed");
    });
}

#[test]
#[ignore = "needs real Mesos and built modules: make test"]
fn a_body_over_the_limit_is_413() {
    let body = vec![b'x'; 16 * 1024 * 1024 + 1];
    everywhere(|mesos| {
        let answer = Client::connect(mesos.address).ask("POST", "/pkg/fetch/echo", &[], &body);
        assert_eq!((answer.status, answer.header("content-type")), (413, "application/problem+json"));
        assert_eq!(answer.json()["type"], "urn:dcos-bits:body-too-large");
    });
}

#[test]
#[ignore = "needs real Mesos and built modules: make test"]
fn a_panic_is_500_and_mesos_lives() {
    everywhere(|mesos| {
        let mut client = Client::connect(mesos.address);
        for path in ["/pkg/state/panic", "/pkg/state/panic-later", "/pkg/state/panic"] {
            let answer = client.ask("GET", path, &[], b"");
            assert_eq!((answer.status, answer.header("content-type")), (500, "application/problem+json"));
            assert_eq!(answer.json()["type"], "urn:dcos-bits:panicked");
        }
        assert_eq!(client.ask("GET", "/pkg/health", &[], b"").text(), "healthy");
        let log = mesos.log();
        assert!(log.contains("test_router.rs") && log.contains("as the test wished"), "{log}");
    });
}

#[test]
#[ignore = "needs real Mesos and built modules: make test"]
fn a_dropped_reply_is_503() {
    everywhere(|mesos| {
        let answer = mesos.get("/pkg/state/abandoned");
        assert_eq!((answer.status, answer.header("content-type")), (503, "application/problem+json"));
        assert_eq!(answer.json()["type"], "urn:dcos-bits:dropped");
    });
}

#[test]
#[ignore = "needs real Mesos and built modules: make test"]
fn answers_that_take_their_time_hold_up_nobody() {
    everywhere(|mesos| {
        let mut waiting: Vec<_> = (0..16).map(|_| Client::connect(mesos.address)).collect();
        for client in &mut waiting {
            client.send("GET", "/pkg/state/gate", &[], b"");
        }
        // The actor has these requests, and answers others all the same.
        assert_eq!(mesos.get("/pkg/health").text(), "healthy");
        for client in &waiting {
            client.socket().set_nonblocking(true).expect("a socket that does not block");
            let unread = client.socket().peek(&mut [0]).map_err(|error| error.kind());
            assert_eq!(unread, Err(std::io::ErrorKind::WouldBlock), "it was answered before the gate was opened");
            client.socket().set_nonblocking(false).expect("a socket that blocks");
        }
        assert_eq!(mesos.get("/pkg/state/open?count=16").text(), "open");
        for client in &mut waiting {
            assert_eq!(client.receive().text(), "through");
        }
    });
}

#[test]
#[ignore = "needs real Mesos and built modules: make test"]
fn clients_that_hang_up_harm_nobody() {
    everywhere(|mesos| {
        let descriptors = |mesos: &Mesos| mesos.proc("fd").read_dir().expect("the descriptors of Mesos").count();
        assert_eq!(mesos.get("/pkg/health").status, 200);
        let before = descriptors(mesos);

        thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    for _ in 0..10 {
                        hang_up(mesos.address);
                    }
                });
            }
        });

        assert_eq!(mesos.get("/pkg/health").text(), "healthy");
        // Sockets are closed when libprocess comes to it; a leak of one a request would be hundreds.
        mesos.wait_until("its sockets are closed", |mesos| (descriptors(mesos) <= before + 4).then_some(()));
    });
}

/// Hangs up at every stage of a request.
fn hang_up(address: SocketAddr) {
    use std::io::Write as _;

    // In the middle of the head, and of the body.
    for part in ["GET /pkg/hea", "POST /pkg/fetch/echo HTTP/1.1\r\nHost: mesos\r\nContent-Length: 1000\r\n\r\nhalf"] {
        Client::connect(address).socket().write_all(part.as_bytes()).expect("half a request");
    }
    // While the handler waits.
    Client::connect(address).send("GET", "/pkg/state/slow?milliseconds=50", &[], b"");
    // With our half closed already, which is still a client to be answered.
    let mut half = Client::connect(address);
    half.send("GET", "/pkg/state/slow?milliseconds=1", &[], b"");
    half.socket().shutdown(Shutdown::Write).ok();
    // With the answer unread, so that the kernel resets the connection under whoever writes to it.
    let mut reset = Client::connect(address);
    reset.send("POST", "/pkg/fetch/echo", &[], &vec![b'x'; 1024 * 1024]);
    reset.socket().peek(&mut [0]).expect("the answer begins");
}

#[test]
#[ignore = "needs real Mesos and built modules: make test"]
fn headers_arrive_and_are_found_by_mesos() {
    everywhere(|mesos| {
        let mut client = Client::connect(mesos.address);

        let answer = client.ask("PUT", "/pkg/state/describe", &[("X-Custom", "Value")], b"body");
        let seen = answer.json();
        assert_eq!(answer.header("content-type"), "text/plain; charset=utf-8");
        assert_eq!((&seen["method"], &seen["principal"]), (&json!("PUT"), &json!(null)));
        assert_eq!((&seen["headers"]["x-custom"], &seen["headers"]["content-length"]), (&json!("Value"), &json!("4")));

        // Mesos looks for a length and an encoding by its own hash of the name, and would add its own if it found none:
        // `receive` and `header` demand each exactly once.
        let answer = client.ask("GET", "/pkg/state/headers", &[], b"");
        assert_eq!((answer.header("x-one"), answer.header("x-two")), ("1", "2, 3"));

        let long = vec![b'x'; 100_000];
        let answer = client.ask("POST", "/pkg/fetch/echo", &[("Accept-Encoding", "gzip")], &long);
        assert_eq!(answer.header("content-encoding"), "gzip");
        assert!(answer.body.len() < 1000, "{} bytes", answer.body.len());
    });
}

#[test]
#[ignore = "needs real Mesos and built modules: make test"]
fn the_query_arrives_as_it_was_sent() {
    let mesos = Mesos::start("1.11.0", Role::Agent, &test_modules("1.11.0"));
    // libprocess hands over a map, so one parameter at a time.
    for (sent, seen) in [
        ("/pkg/state/describe?a=1%262", "/pkg/state/describe?a=1%262"),
        ("/pkg/state/describe?b=%C3%A4+c", "/pkg/state/describe?b=%C3%A4%20c"),
        ("/pkg/state/describe?flag=", "/pkg/state/describe?flag="),
    ] {
        assert_eq!(get(mesos.address, sent).json()["uri"], seen);
    }
    assert_eq!(get(mesos.address, "/pkg/state/nothing-there").status, 404);
}

#[test]
#[ignore = "needs real Mesos and built modules: make test"]
fn the_principal_is_the_one_that_mesos_authenticated() {
    for (version, role) in EVERYWHERE {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let credentials = directory.path().join("credentials");
        std::fs::write(&credentials, r#"{"credentials":[{"principal":"operator","secret":"tomato"}]}"#)
            .expect("a file");
        let credentials = credentials.to_str().expect("a path in UTF-8");
        let environment = [
            ("MESOS_AUTHENTICATE_HTTP_READONLY", "true"),
            ("MESOS_AUTHENTICATE_HTTP_READWRITE", "true"),
            (if role == Role::Master { "MESOS_CREDENTIALS" } else { "MESOS_HTTP_CREDENTIALS" }, credentials),
        ];
        // The realms follow the role in node.toml.
        let node = node_toml(directory.path(), role, directory.path());
        let library = built(version, "libdcos_bits_test.so");
        let manifest = our_modules(&library, &[("test_router", ""), ("node", &node)]);
        let mut mesos = Mesos::start_with(version, role, Some(&manifest), &environment);

        // Mesos installs its authenticators after the modules are made, and after it answers /version.
        let log = "the realm is guarded";
        mesos.wait_until(log, |mesos| (mesos.get("/pkg/state/describe").status == 401).then_some(()));

        let mut client = Client::connect(mesos.address);
        let answer = client.ask("GET", "/pkg/state/describe", &[("Authorization", "Basic b3BlcmF0b3I6dG9tYXRv")], b"");
        assert_eq!((answer.status, &answer.json()["principal"]), (200, &json!("operator")));
        let answer = client.ask("GET", "/pkg/state/describe", &[("Authorization", "Basic b3BlcmF0b3I6d3Jvbmc=")], b"");
        assert_eq!(answer.status, 401);
        // A changing endpoint lies in the other realm, and health in none.
        assert_eq!(client.ask("POST", "/pkg/fetch/echo", &[], b"").status, 401);
        assert_eq!(client.ask("GET", "/pkg/health", &[], b"").text(), "healthy");
    }
}
