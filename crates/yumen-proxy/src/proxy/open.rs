//! Opening addresses: new ones, those of the process before, and what is put back when opening others was in vain.

use std::net::SocketAddr;

use yumen_net::drain::Drain;
use yumen_net::listen::{self, ListenError, ListenOptions, ListenSet};
use yumen_net::os;
use yumen_net::udp::UdpSet;

use super::{PUT_BACK, Proxy, lock};
use crate::crew::{Accepting, Set, Socket};
use crate::plan::{self, ListenerPlan};
use crate::snapshot::Carrier;
use crate::view::Key;

/// How often the system is asked for a port that is free for TCP and UDP.
const CHOICES: usize = 16;

impl Proxy {
    /// Opens what a plan asks for, and closes what is in the way of it; the second list is what was closed.
    ///
    /// Where the system lets nobody share a port, `0.0.0.0:80` cannot be opened beside `127.0.0.1:80` of our own, which
    /// goes away. That one is closed first then, when all else is open, and put back when it was in vain.
    pub(super) async fn open_new(
        &self,
        plan: &ListenerPlan,
    ) -> Result<(Vec<(Key, Set)>, Vec<(Key, Socket)>), ListenError> {
        let (mut opened, mut blocked, mut in_way) = (Vec::new(), Vec::new(), Vec::new());
        for key in &plan.open {
            let before: Vec<Key> = self.in_the_way(key, &plan.close);
            if key.carrier == Carrier::Quic && key.addr.port() == 0 {
                let set = self.listen_like(key, &mut opened)?;
                opened.push((key.clone(), set));
                continue;
            }
            let first = if before.is_empty() { listen::patiently(|| self.listen(key)).await } else { self.listen(key) };
            match first {
                Ok(set) => opened.push((key.clone(), set)),
                Err(error) if !before.is_empty() && error.is_taken() => {
                    blocked.push(key);
                    in_way.extend(before.into_iter().filter(|key| !in_way.contains(key)).collect::<Vec<_>>());
                }
                Err(error) => return Err(error),
            }
        }
        if blocked.is_empty() {
            return Ok((opened, Vec::new()));
        }
        let closed = self.stop_accepting(&in_way).await;
        for key in blocked {
            match listen::patiently(|| self.listen_anew(key)).await {
                Ok(set) => opened.push((key.clone(), set)),
                Err(error) => {
                    // They may be in the way of what is put back.
                    drop(opened);
                    return Err(error.and(&self.put_back(closed).await));
                }
            }
        }
        for (_, socket) in &closed {
            tracing::info!(addr = %socket.local, "closed before its port was opened anew: this system lets nobody share it");
        }
        Ok((opened, closed))
    }

    /// Opens QUIC on the port that the system chose for TCP, so that clients find it. Where somebody else has it, the system
    /// chooses again; what is open and has clients keeps its port.
    fn listen_like(&self, key: &Key, opened: &mut [(Key, Set)]) -> Result<Set, ListenError> {
        let tcp = Key { carrier: Carrier::Tcp, ..key.clone() };
        let options = self.options(key.addr);
        if let Some(set) = UdpSet::inherit_quic(&self.inherited, &options, key.name.as_deref(), self.workers()) {
            return Ok(Set::Quic(set?.steered()));
        }
        let mut just_now = opened.iter_mut().find(|(open, _)| *open == tcp).map(|(_, set)| set);
        for _ in 0..CHOICES {
            let chosen = match &just_now {
                Some(set) => Some(set.local_addr()),
                None => lock(&self.sockets).get(&tcp).map(|socket| socket.local),
            };
            match (UdpSet::open(&self.options(chosen.unwrap_or(key.addr)), self.workers()), &mut just_now) {
                (Ok(set), _) => return Ok(Set::Quic(set.steered())),
                (Err(error), Some(set)) if error.is_taken() => **set = self.listen(&tcp)?,
                (Err(_), _) => break,
            }
        }
        UdpSet::open(&options, self.workers()).map(|set| Set::Quic(set.steered()))
    }

    /// Which addresses that are to be closed may keep another one from being opened.
    fn in_the_way(&self, key: &Key, close: &[Key]) -> Vec<Key> {
        if self.accepting == Accepting::Each && os::SHARES_PORT {
            return Vec::new();
        }
        let sockets = lock(&self.sockets);
        let is_in_way = |old: &&Key| {
            old.carrier == key.carrier && sockets.get(old).is_some_and(|socket| plan::overlap(socket.local, key.addr))
        };
        close.iter().filter(is_in_way).cloned().collect()
    }

    /// Opens addresses once more that were closed a moment ago. Their connections were left alone. The result says how
    /// it went, for people.
    async fn put_back(&self, closed: Vec<(Key, Socket)>) -> String {
        let mut told = Vec::new();
        for (key, mut socket) in closed {
            let local = socket.local;
            let same = Key { addr: local, ..key.clone() };
            match listen::patiently_for(PUT_BACK, || self.listen_anew(&same)).await {
                Ok(set) => {
                    socket.give_all(&key, set, self.accepting);
                    lock(&self.sockets).insert(key, socket);
                    told.push(format!("{local}, which was closed to make room for it, is open again"));
                }
                Err(error) => {
                    let drains: Vec<Drain> = socket.peers.load().iter().map(|p| p.drain.clone()).collect();
                    drains.iter().for_each(|drain| drain.start(None));
                    self.watch((key.carrier, local), drains);
                    told.push(format!(
                        "{local}, which was closed to make room for it, IS CLOSED NOW: {error}; a reload opens it"
                    ));
                }
            }
        }
        told.join("; ")
    }

    /// Opens an address whose port was ours until now. Connections that were accepted there keep an exclusive port taken
    /// until they end, but do not keep anybody from opening it like everyone does.
    fn listen_anew(&self, key: &Key) -> Result<Set, ListenError> {
        match self.listen(key) {
            Err(error) if key.carrier == Carrier::Tcp && error.is_taken() && !os::SHARES_PORT => {
                let options = ListenOptions { exclusive: false, ..self.options(key.addr) };
                ListenSet::open(&options, self.workers()).map(Set::Tcp).inspect(|_| {
                    tracing::info!(addr = %key.addr, "opened without exclusive use, because connections from before hold the port");
                })
            }
            done => done,
        }
    }

    fn listen(&self, key: &Key) -> Result<Set, ListenError> {
        let (options, workers) = (self.options(key.addr), self.workers());
        let name = key.name.as_deref();
        // `0.0.0.0:80` beside `127.0.0.1:80` of our own: a conflict only when we ask for the port alone. Sockets of
        // datagrams stay while their sessions end.
        let is_ours = |carrier: Carrier, local: SocketAddr| carrier == key.carrier && local.port() == key.addr.port();
        let beside = key.addr.port() != 0
            && (lock(&self.sockets).iter().any(|(open, s)| is_ours(open.carrier, s.local))
                || lock(&self.draining).iter().any(|((c, local), d)| is_ours(*c, *local) && d.holders() > 0));
        match key.carrier {
            Carrier::Tcp => match self.open_inherited(&options, name, workers) {
                Some(set) => set,
                None if beside => ListenSet::open_beside(&options, workers),
                None => ListenSet::open(&options, workers),
            }
            .map(Set::Tcp),
            Carrier::Udp => match UdpSet::inherit(&self.inherited, &options, name, workers) {
                Some(set) => set,
                None if beside => UdpSet::open_beside(&options, workers),
                None => UdpSet::open(&options, workers),
            }
            .map(Set::Udp),
            Carrier::Quic => match UdpSet::inherit_quic(&self.inherited, &options, name, workers) {
                Some(set) => set,
                None if beside => UdpSet::open_beside(&options, workers),
                None => UdpSet::open(&options, workers),
            }
            .map(|set| Set::Quic(set.steered())),
        }
    }

    pub(super) fn open_inherited(
        &self,
        options: &ListenOptions,
        name: Option<&str>,
        workers: usize,
    ) -> Option<Result<ListenSet, ListenError>> {
        let handles = if self.accepting == Accepting::Each { workers } else { 1 };
        self.inherited.open(options, name, workers, handles)
    }

    pub(super) fn options(&self, addr: SocketAddr) -> ListenOptions {
        ListenOptions { reuse_port: self.accepting == Accepting::Each, ..ListenOptions::new(addr) }
    }
}
