//! `tracing` events of this library become lines of the host's log, under the file and line that raised them.
//!
//! The subscriber is global for the copy of `tracing` inside this library only; another Rust module in the same process
//! has its own. Spans are not followed: a line has to make sense by itself in a log that is mostly Mesos's.

use std::fmt::{self, Write as _};
use std::sync::Once;
use std::sync::atomic::{AtomicU64, Ordering};

use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Metadata, Subscriber};

/// How the host's log ranks a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Severity {
    /// Of interest.
    Info,
    /// Somebody should look, some day.
    Warning,
    /// Somebody should look.
    Error,
}

/// Where lines go.
pub type Sink = fn(severity: Severity, file: &str, line: u32, message: &str);

/// Sends the events of this library to `sink`. Only the first call has an effect.
pub fn install(sink: Sink) {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        // Fails only if a subscriber is there already, and then that one is wanted (a test's).
        tracing::subscriber::set_global_default(HostLog { sink, spans: AtomicU64::new(0) }).ok();
    });
}

struct HostLog {
    sink: Sink,
    spans: AtomicU64,
}

impl Subscriber for HostLog {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        *metadata.level() <= Level::INFO
    }

    fn max_level_hint(&self) -> Option<tracing::level_filters::LevelFilter> {
        Some(tracing::level_filters::LevelFilter::INFO)
    }

    fn event(&self, event: &Event<'_>) {
        let severity = match *event.metadata().level() {
            Level::ERROR => Severity::Error,
            Level::WARN => Severity::Warning,
            _ => Severity::Info,
        };
        let mut text = Text::default();
        event.record(&mut text);
        let file = event.metadata().file().unwrap_or("dcos-bits");
        (self.sink)(severity, file, event.metadata().line().unwrap_or(0), &text.finish());
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1 + self.spans.fetch_add(1, Ordering::Relaxed))
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

/// The message of an event, and behind it the other fields as `name=value`.
#[derive(Default)]
struct Text {
    message: String,
    fields: String,
}

impl Text {
    /// One line, whatever the parts contain: a forged line in Mesos's log would be believed.
    fn finish(self) -> String {
        let mut line = self.message + &self.fields;
        if line.contains(['\n', '\r']) {
            line = line.replace(['\n', '\r'], " | ");
        }
        line
    }
}

impl Visit for Text {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        // Writing into a string cannot fail.
        if field.name() == "message" {
            write!(self.message, "{value:?}").ok();
        } else {
            write!(self.fields, " {}={value:?}", field.name()).ok();
        }
    }
}

#[cfg(test)]
#[expect(clippy::expect_used, reason = "a test fails by panicking")]
mod tests {
    use std::sync::Mutex;

    use super::*;

    static LINES: Mutex<Vec<(Severity, String)>> = Mutex::new(Vec::new());

    fn keep(severity: Severity, file: &str, line: u32, message: &str) {
        assert!(file.ends_with("log.rs") && line > 0, "{file}:{line}");
        LINES.lock().expect("no test panics here").push((severity, message.to_owned()));
    }

    #[test]
    fn events_become_single_lines_with_their_fields() {
        let log = HostLog { sink: keep, spans: AtomicU64::new(0) };
        tracing::subscriber::with_default(log, || {
            tracing::info_span!("unseen").in_scope(|| tracing::warn!(node = "a", count = 2, "two\nlines"));
            tracing::debug!("too quiet");
            tracing::error!("loud");
        });
        let lines = LINES.lock().expect("no test panics here");
        let expected =
            [(Severity::Warning, "two | lines node=\"a\" count=2".to_owned()), (Severity::Error, "loud".to_owned())];
        assert_eq!(*lines, expected);
    }
}
