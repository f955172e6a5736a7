//! What must hold for every input. The fuzz targets and the smoke test of each crate share these checks.

pub mod alibaba;
pub mod config;
pub mod fields;
pub mod frames;
pub mod grpc_web;
pub mod http1;
pub mod proxy_header;
pub mod route;
pub mod sessions;
pub mod sni;
