//! Real peers: curl and openssl as clients, nginx and python's http.server as origins. Nobody here wrote them.

#[cfg(unix)]
pub(crate) mod packages;
pub(crate) mod tool;

mod client;
mod origin;
