//! Servers of an ensemble, played: what a client of several has to say to each.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::thread::JoinHandle;

use super::super::wire::{Code, Writer};
use super::{Held, Name, Request, ZooKeeperLog};
use crate::zookeeper::{Address, ZooKeeperError};

/// The body of an answer: what it tells of, its code, and what was asked for.
type Played = (i64, i32, Vec<u8>);

fn packet(stream: &mut TcpStream) -> Vec<u8> {
    let mut length = [0; 4];
    stream.read_exact(&mut length).unwrap();
    let mut packet = vec![0; u32::from_be_bytes(length) as usize];
    stream.read_exact(&mut packet).unwrap();
    packet
}

/// A server that gives one session and these answers, then closes the connection; it tells what its client had seen.
fn server(answers: Vec<Played>) -> (String, JoinHandle<i64>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let name = listener.local_addr().unwrap().to_string();
    let playing = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let hello = packet(&mut stream);
        let session = Writer::default().int(0).int(10_000).long(1).bytes(&[0; 16]);
        stream.write_all(&Writer::default().bytes(&session.0).0).unwrap();
        for (seen, code, body) in answers {
            let asked = packet(&mut stream);
            let number = i32::from_be_bytes(asked[..4].try_into().unwrap());
            let head = Writer::default().int(number).long(seen).int(code);
            stream.write_all(&Writer::default().bytes(&[head.0, body].concat()).0).unwrap();
        }
        i64::from_be_bytes(hello[4..12].try_into().unwrap())
    });
    (name, playing)
}

fn log(servers: Vec<String>) -> ZooKeeperLog {
    ZooKeeperLog::new(Address { servers, path: "/mesos".to_owned(), auth: None }, "test")
}

#[test]
fn another_server_is_told_what_the_first_has_answered() {
    let (first, first_saw) = server(vec![(77, 0, Vec::new())]);
    let (second, second_saw) = server(vec![(78, 0, Vec::new())]);
    let mut log = log(vec![first, second]);
    log.ask(|session| session.call(&Request::write("/mesos", b"", 0))).unwrap();
    log.ask(|session| session.call(&Request::children("/mesos"))).unwrap();
    assert_eq!((first_saw.join().unwrap(), second_saw.join().unwrap()), (0, 77));
}

#[test]
fn a_record_that_is_there_already_counts_only_if_it_is_the_same() {
    for (there, counts) in [(&b"ours"[..], true), (b"another", false)] {
        let data = Writer::default().bytes(there).0;
        let (name, playing) = server(vec![(5, Code::NODE_EXISTS.0, Vec::new()), (5, 0, data)]);
        let held = Held { fence: 1, generation: 0, next: 3 };
        let created = log(vec![name]).create(held, Name::Whole { generation: 0, number: 3 }, b"ours");
        match created {
            Ok(()) => assert!(counts),
            Err(ZooKeeperError::Refused { code, .. }) => assert_eq!((code, counts), (Code::NODE_EXISTS, false)),
            Err(error) => panic!("{error}"),
        }
        playing.join().unwrap();
    }
}
