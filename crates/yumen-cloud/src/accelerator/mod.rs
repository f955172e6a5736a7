//! Follows an accelerator: what it listens on becomes listeners of the gateway.
//!
//! [`run`] looks again and again (`survey`) and keeps what it learns as a whole state ([`State`]), carefully (`follow`): no
//! failing, torn or empty answer takes anything away, and what a complete answer no longer has goes only when the next
//! complete answer does not have it either. Whoever owns the listeners makes them of the state and the templates of the
//! configuration ([`listeners`]), and puts them in force.

mod follow;
mod made;
mod state;
mod survey;

use std::sync::Arc;

use yumen_alibaba::Client;
use yumen_config::config::Accelerator;
use yumen_core::Pending;
use yumen_net::rt;
use yumen_telemetry::Duty;

use crate::rhythm::Rhythm;
use follow::{Follow, Seen};
pub use made::{Made, Problem, listeners};
pub use state::{Spoken, State, Wanted, target};
pub use survey::Survey;

/// Where states go.
pub trait Overlay: Send + Sync {
    /// What is in force, or was when the gateway ran last.
    fn known(&self) -> Option<Arc<State>>;

    /// Puts a state in force in the place of the one before.
    ///
    /// # Errors
    /// For operators: why the state before stays in force.
    fn put(&self, state: Arc<State>) -> Pending<'_, Result<(), String>>;

    /// What of the state in force is not served, and why: a line for each.
    fn unserved(&self) -> Vec<String>;
}

/// Follows an accelerator for as long as its section stays the same.
pub async fn run(section: Arc<Accelerator>, client: Client, duty: Arc<Duty>, overlay: impl Overlay) {
    let target = target(&section);
    let known = overlay.known().filter(|state| state.target == target);
    let (mut follow, mut rhythm) = (Follow::new(target, known), Rhythm::new(section.interval));
    let mut waiting: Option<Arc<State>> = None;
    loop {
        let outcome = match survey::survey(&section, &client).await {
            Ok(survey) => {
                let now = rt::wall();
                let seen = follow.see(survey, now);
                if let Seen::Changed(state) = &seen {
                    waiting = Some(Arc::clone(state));
                }
                put(&overlay, &mut waiting).await.and_then(|()| told(&follow, &seen, &overlay.unserved()))
            }
            // Nothing of it may have gone in because the cloud is away now; what waits is tried again all the same.
            Err(text) => put(&overlay, &mut waiting).await.and(Err(format!("{text}; what runs stays as it is"))),
        };
        let is_well = outcome.is_ok();
        match outcome {
            Ok(text) => duty.well(text),
            Err(text) => duty.failing(text),
        }
        let pause = rhythm.pause(is_well);
        duty.next(Some(rt::wall() + pause));
        rt::sleep(pause).await;
    }
}

/// Puts in force what waits for it; a state that cannot be is tried again each time.
async fn put(overlay: &impl Overlay, waiting: &mut Option<Arc<State>>) -> Result<(), String> {
    let Some(state) = waiting.clone() else { return Ok(()) };
    overlay.put(state).await.inspect(|()| *waiting = None)
}

fn told(follow: &Follow, seen: &Seen, unserved: &[String]) -> Result<String, String> {
    let count = follow.state().map_or(0, |state| state.listeners.len());
    let rest = match unserved {
        [] => String::new(),
        [one] => format!("; not served: {one}"),
        [first, rest @ ..] => format!("; not served: {first}, and {} more", rest.len()),
    };
    match seen {
        Seen::Empty(what) => Err(format!(
            "the accelerator has no {what} any more; what runs stays as it is: remove the section to end it"
        )),
        Seen::Doubtful(ids) => {
            let ids = ids.join(", ");
            Ok(format!("{count} listeners; {ids} less than before, which the next answer has to confirm{rest}"))
        }
        Seen::Changed(_) | Seen::Same => Ok(format!("{count} listeners{rest}")),
    }
}
