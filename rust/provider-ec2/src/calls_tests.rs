//! The calls against a stand-in for EC2 that answers by what it is asked. What moto can answer is tried on moto, in `tests/aws`.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use aws_config::{BehaviorVersion, Region};
use aws_sdk_ec2::Client;
use aws_sdk_ec2::config::Credentials;
use aws_sdk_ec2::config::retry::RetryConfig;
use dcos_core::provider::{Launch, MachineState, Reason};
use serde_json::json;

use super::Ec2;
use crate::settings::{Class, read};

type Asked = BTreeMap<String, String>;

/// EC2, as `answer` has it: what it is asked by name, and the code of the error or the document that it answers.
struct Stand {
    ec2: Ec2,
    asked: Arc<Mutex<Vec<Asked>>>,
}

impl Stand {
    fn new(answer: impl Fn(&Asked) -> Result<String, (u16, &'static str)> + Send + 'static) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let asked = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&asked);
        // It ends with the test's process.
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                let call = heard(&stream);
                let (status, body) = match answer(&call) {
                    Ok(body) => (200, body),
                    Err((status, code)) => {
                        let text = format!("<Code>{code}</Code><Message>said the stand-in</Message>");
                        (status, format!("<Response><Errors><Error>{text}</Error></Errors></Response>"))
                    }
                };
                seen.lock().unwrap().push(call);
                let head =
                    format!("HTTP/1.1 {status} x\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len());
                stream.write_all((head + &body).as_bytes()).unwrap();
            }
        });
        let config = aws_sdk_ec2::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new("us-east-1"))
            .credentials_provider(Credentials::new("test", "test", None, None, "test"))
            .endpoint_url(endpoint)
            // Each call is counted; that failures are tried again is the SDK's affair.
            .retry_config(RetryConfig::disabled())
            .build();
        Self { ec2: Ec2 { client: Client::from_conf(config), cluster: "c1".to_owned() }, asked }
    }

    /// The types and subnets that were asked for, in order.
    fn choices(&self) -> Vec<String> {
        let name = |call: &Asked| format!("{} {}", call["InstanceType"], call["SubnetId"]);
        self.asked.lock().unwrap().iter().map(name).collect()
    }
}

/// One request: the fields of its form. Values here hold nothing that a form has to escape.
fn heard(stream: &TcpStream) -> Asked {
    let mut reader = BufReader::new(stream);
    let mut length = 0;
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).unwrap();
        let line = line.trim().to_ascii_lowercase();
        if line.is_empty() {
            break;
        }
        if let Some(value) = line.strip_prefix("content-length:") {
            length = value.trim().parse().unwrap();
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).unwrap();
    let fields = String::from_utf8(body).unwrap();
    fields.split('&').filter_map(|field| field.split_once('=')).map(|(key, value)| (key.into(), value.into())).collect()
}

fn class() -> serde_json::Value {
    json!({"image": "ami-1", "instance_types": ["large", "small"], "subnets": ["a", "b"]})
}

fn checked() -> Class {
    read("the class", class()).unwrap()
}

#[tokio::test]
async fn the_dry_run_tries_the_choices_until_one_could_work() {
    let stand = Stand::new(|call| match (call["InstanceType"].as_str(), call["SubnetId"].as_str()) {
        ("small", "b") => Err((412, "DryRunOperation")),
        (_, "a") => Err((400, "Unsupported")),
        (_, _) => Err((500, "InsufficientInstanceCapacity")),
    });
    stand.ec2.try_launch(&checked()).await.unwrap();
    assert_eq!(stand.choices(), ["large a", "large b", "small a", "small b"]);
    assert!(stand.asked.lock().unwrap().iter().all(|call| call["DryRun"] == "true"));
}

#[tokio::test]
async fn the_dry_run_ends_with_the_last_choice_and_with_what_no_choice_can_mend() {
    let none = Stand::new(|_| Err((400, "Unsupported")));
    let failure = none.ec2.try_launch(&checked()).await.unwrap_err();
    assert_eq!((failure.reason, none.choices().len()), (Reason::NoCapacity, 4), "{failure:?}");
    let denied = Stand::new(|_| Err((403, "UnauthorizedOperation")));
    let failure = denied.ec2.try_launch(&checked()).await.unwrap_err();
    assert_eq!((failure.reason, denied.choices().len()), (Reason::Denied, 1), "{failure:?}");
}

#[tokio::test]
async fn a_machine_that_shuts_itself_down_is_terminated() {
    let stand = Stand::new(|_| {
        let instance = "<item><instanceId>i-1</instanceId></item>";
        Ok(format!("<RunInstancesResponse><instancesSet>{instance}</instancesSet></RunInstancesResponse>"))
    });
    let launch = Launch {
        operation: "o1".to_owned(),
        slot: 0,
        token: "o1-0-0-0".to_owned(),
        choice: 0,
        class: class(),
        user_data: "#!/bin/sh\n".to_owned(),
    };
    assert_eq!(stand.ec2.launch(launch).await.unwrap().machine, "i-1");
    let asked = stand.asked.lock().unwrap();
    assert_eq!(asked[0]["InstanceInitiatedShutdownBehavior"], "terminate");
    assert_eq!(asked[0]["ClientToken"], "o1-0-0-0");
}

#[tokio::test]
async fn a_stopped_machine_is_listed_as_one_that_is_there() {
    let stand = Stand::new(|_| {
        let tag = |key, value| format!("<item><key>dcos-bits:{key}</key><value>{value}</value></item>");
        let tags = [tag("operation", "o1"), tag("slot", "0"), tag("token", "o1-0-0-0")].concat();
        let item = |id, state| {
            format!(
                "<item><instanceId>{id}</instanceId><instanceState><name>{state}</name></instanceState>\
                 <tagSet>{tags}</tagSet></item>"
            )
        };
        let states = ["running", "stopping", "stopped", "shutting-down", "terminated"];
        let instances = states.map(|state| item(state, state)).concat();
        let reservation = format!("<item><instancesSet>{instances}</instancesSet></item>");
        Ok(format!(
            "<DescribeInstancesResponse><reservationSet>{reservation}</reservationSet></DescribeInstancesResponse>"
        ))
    });
    let machines = stand.ec2.list().await.unwrap();
    let live: Vec<_> = machines.iter().filter(|it| it.is_live()).map(|it| (it.id.as_str(), it.is_usable())).collect();
    assert_eq!(live, [("running", true), ("stopping", false), ("stopped", false), ("shutting-down", false)]);
    assert_eq!(machines[2].state, MachineState::Stopping);
}
