//! The controller's log in real ensembles: it keeps what was acknowledged, in order, and has one writer.

use dcos_deploy::zookeeper::{Address, ZooKeeperLog};
use dcos_deploy::{StateStore, StoreError};

use crate::harness::zookeeper::Ensemble;

/// Longer than a znode may be, and not the same everywhere.
const LONG: usize = 2_500_000;

fn log(address: &str, holder: &str) -> ZooKeeperLog {
    ZooKeeperLog::new(Address::parse(address).unwrap(), holder)
}

fn record(text: &str) -> Vec<u8> {
    text.as_bytes().to_vec()
}

fn long() -> Vec<u8> {
    (0..LONG).map(|place| b'a' + u8::try_from(place / 7 % 26).unwrap()).collect()
}

#[track_caller]
fn fenced(outcome: &Result<(), StoreError>) {
    assert!(matches!(outcome, Err(StoreError::Fenced(_))), "{outcome:?}");
}

#[test]
#[ignore = "needs ZooKeeper: make test"]
fn a_log_keeps_its_records_and_has_one_writer() {
    let mut ensemble = Ensemble::start(1);
    let address = ensemble.address("/mesos");
    let mut first = log(&address, "first");
    assert_eq!(first.load().unwrap(), Vec::<Vec<u8>>::new());
    for text in ["one", "two"] {
        first.append(text.as_bytes()).unwrap();
    }
    first.append(&long()).unwrap();

    // Another controller opens it, and nothing of the first one is written from then on.
    let mut second = log(&address, "second");
    assert_eq!(second.load().unwrap(), [record("one"), record("two"), long()]);
    fenced(&first.append(b"late"));
    fenced(&first.replace(&[record("late")]));
    second.append(b"three").unwrap();
    fenced(&first.append(&long()));

    // It is replaced as a whole, and goes on.
    second.replace(&[record("snapshot"), long(), record("end")]).unwrap();
    second.append(b"four").unwrap();
    fenced(&first.append(b"late"));
    let all = [record("snapshot"), long(), record("end"), record("four")];
    assert_eq!(first.load().unwrap(), all, "loaded anew, it is the first one's again");
    fenced(&second.append(b"late"));

    // The server dies and comes back: what is written meanwhile arrives once.
    ensemble.kill(0);
    let writer = std::thread::spawn(move || {
        first.append(b"five").unwrap();
        first.append(b"six").unwrap();
        first
    });
    ensemble.run(0);
    let mut first = writer.join().unwrap();
    assert_eq!(first.load().unwrap(), [&all[..], &[record("five"), record("six")]].concat());

    // With nobody to ask it says so, in time.
    ensemble.kill(0);
    let refused = first.append(b"seven").unwrap_err();
    let why = dcos_core::Problem::chain(&refused);
    assert!(why.contains("no server of the ensemble") && why.contains("Connection refused"), "{why}");
}

#[test]
#[ignore = "needs ZooKeeper: make test"]
fn an_ensemble_that_loses_its_leader_loses_no_record() {
    let mut ensemble = Ensemble::start(3);
    let address = ensemble.address("/dcos/mesos");
    let mut writer = log(&address, "writer");
    writer.load().unwrap();
    let mut written = Vec::new();
    for round in 0..3 {
        if round > 0 {
            let leader = ensemble.leader();
            ensemble.kill(leader);
            for number in 0..5 {
                written.push(record(&format!("round {round}, without a leader at first, number {number}")));
                writer.append(&written[written.len() - 1]).unwrap();
            }
            ensemble.run(leader);
            ensemble.wait();
        }
        for number in 0..20 {
            written.push(record(&format!("round {round}, number {number}")));
            writer.append(&written[written.len() - 1]).unwrap();
        }
    }
    let mut reader = log(&address, "reader");
    assert_eq!(reader.load().unwrap(), written);
    fenced(&writer.append(b"late"));
}

#[test]
#[ignore = "needs ZooKeeper: make test"]
fn a_log_with_a_password_is_nobody_elses() {
    let ensemble = Ensemble::start(1);
    let address = |who: &str| format!("zk://{who}{}/mesos", ensemble.servers());
    let mut ours = log(&address("dcos:secret@"), "ours");
    ours.load().unwrap();
    ours.append(b"one").unwrap();
    for stranger in ["", "dcos:wrong@"] {
        let refused = log(&address(stranger), "stranger").load().unwrap_err();
        let why = dcos_core::Problem::chain(&refused);
        assert!(why.contains("not ours by its access list"), "{why}");
    }
    ours.append(b"two").unwrap();
    assert_eq!(log(&address("dcos:secret@"), "reader").load().unwrap(), [record("one"), record("two")]);
}
