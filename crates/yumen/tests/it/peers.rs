//! Real peers: curl and openssl as clients, nginx and python's http.server as origins. Nobody here wrote them.

pub(crate) mod tool;

mod client;
mod origin;
