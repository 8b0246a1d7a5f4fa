//! Nothing unwinds into Mesos: panics stop here, and say in the log where they came from.
//!
//! A panic that reaches an `extern` function aborts the process, and that process is somebody's Mesos. So every entry
//! from C++ runs inside [`catch`], and every future inside [`Guarded`]. The default panic hook writes to standard error
//! and, under `RUST_BACKTRACE=1`, spends 100 ms and 12 MB on symbolising the first trace; [`install_hook`] puts one line
//! into the host's log instead. The hook belongs to the copy of `std` inside this library, not to the host.

use std::any::Any;
use std::panic::{AssertUnwindSafe, PanicHookInfo, catch_unwind};
use std::pin::Pin;
use std::sync::Once;
use std::task::{Context, Poll};

/// Something panicked, and what it said.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("panicked: {message}")]
pub struct Panicked {
    message: String,
}

impl Panicked {
    fn new(payload: &(dyn Any + Send)) -> Self {
        Self { message: payload_text(payload).to_owned() }
    }
}

/// Runs `work`; a panic in it becomes a value.
///
/// Unwind safety is asserted: what `work` leaves half-done must not be used after an `Err`. The callers here drop it.
///
/// # Errors
///
/// [`Panicked`] if `work` did.
pub fn catch<T>(work: impl FnOnce() -> T) -> Result<T, Panicked> {
    catch_unwind(AssertUnwindSafe(work)).map_err(|payload| {
        let panicked = Panicked::new(payload.as_ref());
        // Dropping the payload runs code of whoever panicked, which may panic again; leaking a few bytes is cheaper.
        std::mem::forget(payload);
        panicked
    })
}

/// A future whose panics are its output. It must not be polled again after it is ready.
#[derive(Debug)]
pub struct Guarded<F> {
    inner: Option<Pin<Box<F>>>,
}

impl<F> Guarded<F> {
    /// Guards `future`.
    pub fn new(future: F) -> Self {
        Self { inner: Some(Box::pin(future)) }
    }
}

impl<F: Future> Future for Guarded<F> {
    type Output = Result<F::Output, Panicked>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let outcome = match self.inner.as_mut() {
            Some(inner) => catch(|| inner.as_mut().poll(context)),
            None => Err(Panicked { message: "polled after it was done".to_owned() }),
        };
        match outcome {
            Ok(Poll::Pending) => Poll::Pending,
            Ok(Poll::Ready(output)) => {
                self.discard();
                Poll::Ready(Ok(output))
            }
            Err(panicked) => {
                self.discard();
                Poll::Ready(Err(panicked))
            }
        }
    }
}

impl<F> Guarded<F> {
    /// Drops the future; what its destructors throw is in the log already and changes nothing any more.
    fn discard(&mut self) {
        let inner = self.inner.take();
        catch(move || drop(inner)).unwrap_or_default();
    }
}

impl<F> Drop for Guarded<F> {
    fn drop(&mut self) {
        self.discard();
    }
}

/// Sends panics of this library to the log, one line each. Later calls do nothing.
pub fn install_hook() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| std::panic::set_hook(Box::new(log_panic)));
}

fn log_panic(info: &PanicHookInfo<'_>) {
    let (file, line) = info.location().map_or(("unknown", 0), |location| (location.file(), location.line()));
    let thread = std::thread::current();
    let name = thread.name().unwrap_or("of Mesos");
    tracing::error!("thread `{name}` panicked at {file}:{line}: {}", payload_text(info.payload()));
}

/// The message of a panic, as far as it has one.
fn payload_text(payload: &(dyn Any + Send)) -> &str {
    if let Some(text) = payload.downcast_ref::<&str>() {
        text
    } else if let Some(text) = payload.downcast_ref::<String>() {
        text
    } else {
        "without a message"
    }
}

#[cfg(test)]
mod tests {
    use std::task::Waker;

    use super::*;

    fn poll_once<F: Future>(future: &mut Guarded<F>) -> Poll<Result<F::Output, Panicked>> {
        Pin::new(future).poll(&mut Context::from_waker(Waker::noop()))
    }

    #[test]
    fn a_panic_becomes_a_value_with_its_message() {
        let number = 7;
        assert_eq!(catch(|| 1), Ok(1));
        assert_eq!(catch(|| panic!("plain")).map_err(|panicked| panicked.message), Err::<(), _>("plain".to_owned()));
        assert_eq!(
            catch(|| panic!("number {number}")).map_err(|panicked| panicked.to_string()),
            Err::<(), _>("panicked: number 7".to_owned())
        );
    }

    #[test]
    fn a_payload_that_panics_when_dropped_does_no_harm() {
        struct Grenade;
        impl Drop for Grenade {
            fn drop(&mut self) {
                panic!("dropped");
            }
        }
        let outcome = catch(|| std::panic::panic_any(Grenade));
        assert_eq!(outcome.map_err(|panicked| panicked.message), Err::<(), _>("without a message".to_owned()));
    }

    #[test]
    fn a_guarded_future_panics_into_its_output_and_not_again() {
        let mut future = Guarded::new(async { panic!("inside") });
        assert_eq!(poll_once(&mut future), Poll::Ready(Err::<(), _>(Panicked { message: "inside".to_owned() })));
        assert!(matches!(poll_once(&mut future), Poll::Ready(Err(_))));
    }

    #[test]
    fn a_guarded_future_survives_destructors_that_panic() {
        struct Grenade;
        impl Drop for Grenade {
            fn drop(&mut self) {
                panic!("dropped");
            }
        }
        let grenade = Grenade;
        let mut future = Guarded::new(async move {
            let _held = grenade;
            std::future::pending::<()>().await;
        });
        assert_eq!(poll_once(&mut future), Poll::Pending);
        drop(future);
    }
}
