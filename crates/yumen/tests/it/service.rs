//! The gateway as a service: what it tells its manager, sockets that were open before it, and the units it writes.

mod activation;
mod notify;
mod unit;
