//! Endpoints that are known outside: by the cloud that runs the instances, or by another balancer.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;

use crate::Source;

/// All endpoints that are known for an upstream at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Discovered {
    /// Counts up with every change; 0: nothing was learnt yet.
    pub version: u64,
    /// The endpoints; each address once.
    pub endpoints: Vec<DiscoveredEndpoint>,
}

/// One endpoint that is known outside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DiscoveredEndpoint {
    /// How it is known there, such as the id of an instance. An address that comes back with another id is another server.
    pub id: Arc<str>,
    /// Where to connect.
    pub addr: SocketAddr,
    /// Its share, 0..=65535; 0: it gets nothing new.
    pub weight: u32,
    /// What is told of it beside: `zone`, tags.
    pub labels: Arc<BTreeMap<String, String>>,
}

/// Who knows endpoints outside: for each upstream that asks for them, a source of full states.
pub trait Discovery: Send + Sync {
    /// The source for an upstream; `None`: nobody looks for its endpoints.
    fn source(&self, upstream: &str) -> Option<Arc<dyn Source<State = Discovered>>>;
}

/// Nobody knows anything.
impl Discovery for () {
    fn source(&self, _: &str) -> Option<Arc<dyn Source<State = Discovered>>> {
        None
    }
}
