//! What a connection or an exchange meets on its way.

use std::any::Any;

/// What is met on the way: a listener, a route, an upstream, an endpoint. The log asks it for its name; the observer, which
/// knows the types of the data path, for itself.
pub trait Met: Any + Send + Sync {
    /// The name in the configuration.
    fn name(&self) -> &str;
}
