//! Machines on EC2: reads one request of dcos-bits on standard input, prints one answer, and ends.
//!
//! - [`settings`]: what a configuration says of the provider and of a class of machines, and the choices in it
//! - [`calls`]: the calls of EC2 that a request comes to
//! - [`failure`]: what EC2's error codes mean here
//!
//! The protocol is `dcos_core::provider`. Credentials come by the SDK's own chain: environment, profile, the instance's role.

mod calls;
mod failure;
mod settings;

use std::io::{Read as _, Write as _};
use std::process::ExitCode;

use dcos_core::provider::{Answer, Failure, Request};

/// Requests are small; whatever is longer is none.
const LONGEST_REQUEST: u64 = 1024 * 1024;

fn main() -> ExitCode {
    let mut input = Vec::new();
    let answer = match std::io::stdin().lock().take(LONGEST_REQUEST).read_to_end(&mut input) {
        Ok(_) => answer(&input),
        Err(error) => Err(Failure::invalid(format!("the request can't be read: {error}"))),
    };
    let answer = answer.unwrap_or_else(Answer::Failed);
    let mut out = std::io::stdout().lock();
    match serde_json::to_writer(&mut out, &answer).map_err(std::io::Error::from).and_then(|()| out.write_all(b"\n")) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}

fn answer(input: &[u8]) -> Result<Answer, Failure> {
    let request = Request::read(input)?;
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::invalid(format!("no runtime can be had: {error}")))?
        .block_on(calls::answer(request))
}
