//! The gateway as a service: on Linux what it tells its manager, sockets that were open before it, and the units it writes;
//! on Windows a life under the Service Control Manager.

#[cfg(target_os = "linux")]
mod activation;
#[cfg(windows)]
mod manager;
#[cfg(target_os = "linux")]
mod notify;
#[cfg(target_os = "linux")]
mod unit;
