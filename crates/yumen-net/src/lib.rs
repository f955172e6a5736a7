//! THE WIRE. Sockets, TLS and byte relays: everything that touches the operating system.
//!
//! What stands here: opening listeners and accepting from them, dialling endpoints and resolving their names, TLS on both
//! sides, the PROXY protocol, the one transport type under every connection, the relay of layer 4, graceful draining, and the seam to the
//! runtime ([`rt`]): nothing above this crate names Tokio, epoll or a raw socket.
//!
//! What never stands here: HTTP, routes, configuration text. The callers are the data path (per-core workers, futures
//! that need not be `Send`) and the process itself (workers, admin socket, process figures).
//!
//! `unsafe` code and differences between operating systems stand in [`os`] only. A module uses what is listed below it,
//! never above.

pub mod copy;
pub mod quic;
pub mod tls;
pub mod transport;
pub mod udp;
pub mod dial;
pub mod listen;
pub mod proxy_header;
pub mod sni;
pub mod drain;
pub mod rt;
pub mod os;
