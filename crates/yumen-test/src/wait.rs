//! Waiting for a condition.

use std::time::{Duration, Instant};

/// How long anything may take before the test fails: long, because a machine that runs tests is busy.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// Between two looks.
const PAUSE: Duration = Duration::from_millis(2);

/// Asks again until there is an answer.
///
/// # Panics
/// When there is none within [`PATIENCE`]; `what` says what was waited for.
pub fn until<T>(what: &str, ask: impl FnMut() -> Option<T>) -> T {
    within(PATIENCE, ask).unwrap_or_else(|| panic!("waited too long for {what}"))
}

/// Asks again until there is an answer or the time is over.
pub fn within<T>(patience: Duration, mut ask: impl FnMut() -> Option<T>) -> Option<T> {
    let begun = now();
    loop {
        let found = ask();
        if found.is_some() || begun.elapsed() > patience {
            return found;
        }
        pause();
    }
}

#[expect(clippy::disallowed_methods, reason = "the patience of a test is measured on the clock of the wall")]
fn now() -> Instant {
    Instant::now()
}

#[expect(clippy::disallowed_methods, reason = "leaves the processor to what is waited for; the condition decides")]
fn pause() {
    std::thread::sleep(PAUSE);
}
