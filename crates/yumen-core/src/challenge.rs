//! What a CA is shown that looks whether a name is ours.

/// The texts of HTTP-01 (RFC 8555 section 8.3). Asked by workers for every path that looks like one, so it may not block.
pub trait Challenges: Send + Sync {
    /// The content to answer with for a path of a request, without its query. `None` when nobody waits for it: then the
    /// request is one like any other.
    fn answer(&self, path: &str) -> Option<String>;
}
