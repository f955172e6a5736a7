//! Plays the cases of one script: the client and the origin are this thread, which does one step after the other.

use std::collections::HashMap;
use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;

use serde_json::Value;
use yumen_test::{Case, Config, End, Entry, PATIENCE, Peer, Program, Step, What, Who, shown, until, within};

use crate::gateway::PROGRAM;

const NO_ORIGIN: &str = "no connection came to the origin";

/// Where the scripts are.
pub(super) fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/wire")
}

/// The gateway of one script, and the listener that stands for its only endpoint.
pub(super) struct Stage {
    gateway: Program,
    listen: SocketAddr,
    origin: TcpListener,
    /// How many connections clients have made: the gateway numbers them in the same order.
    clients: u64,
    played: Vec<Played>,
}

/// What is judged once the access log is complete.
struct Played {
    title: String,
    line: usize,
    connections: std::ops::Range<u64>,
    log: Vec<Entry>,
    outcome: Result<(), String>,
}

impl Stage {
    pub(super) fn open(config: &Config) -> Self {
        let origin = TcpListener::bind("127.0.0.1:0").unwrap();
        origin.set_nonblocking(true).unwrap();
        let text = match config {
            Config::Named(name) => std::fs::read_to_string(folder().join(format!("{name}.yaml"))).unwrap(),
            Config::Text(text) => text.clone(),
        };
        // One worker, so that cases and lines of the log have one order.
        let text = format!("runtime: {{ workers: 1 }}\n{text}");
        let gateway = Program::start(PROGRAM, &text.replace("{origin}", &origin.local_addr().unwrap().to_string()));
        let listen = gateway.listener("web");
        Self { gateway, listen, origin, clients: 0, played: Vec::new() }
    }

    /// Where the gateway listens.
    pub(super) fn listen(&self) -> SocketAddr {
        self.listen
    }

    pub(super) fn play(&mut self, case: &Case) {
        let mut played = self.play_once(case);
        if played.outcome.as_ref().is_err_and(|what| what.contains(NO_ORIGIN) && what.contains("endpoint_closed_early"))
        {
            // A busy system may tell the gateway of the end of the last case's connection after it was used once more.
            played = self.play_once(case);
        }
        self.played.push(played);
    }

    fn play_once(&mut self, case: &Case) -> Played {
        let first = self.clients + 1;
        let mut scene = Scene { stage: self, client: None, origin: None, former: Vec::new() };
        let outcome = case
            .steps
            .iter()
            .try_for_each(|(line, step)| scene.step(step).map_err(|what| format!("line {line}: {what}")));
        let outcome = outcome.and_then(|()| scene.end());
        drop(scene);
        // What a failed case left in the backlog is not the next one's.
        while self.origin.accept().is_ok() {}
        Played {
            title: case.title.clone(),
            line: case.line,
            connections: first..self.clients + 1,
            log: case.log.clone().unwrap_or_default(),
            outcome,
        }
    }

    /// Compares the access log and gives what went wrong in all cases.
    pub(super) fn close(mut self) -> Vec<String> {
        // The log is in order: once this request's line is there, all of them are.
        let last = self.clients + 1;
        let mut client = self.connect();
        client.send(b"closing\r\n\r\n").unwrap();
        client.end();
        let lines = until("the access log", || {
            // A listener that relays passes even this on.
            while self.origin.accept().is_ok() {}
            let lines = self.gateway.access_log();
            lines.iter().any(|line| line["conn"] == last).then_some(lines)
        });
        let mut by_connection: HashMap<u64, Vec<&Value>> = HashMap::new();
        for line in &lines {
            by_connection.entry(line["conn"].as_u64().unwrap()).or_default().push(line);
        }
        self.played.iter().filter_map(|played| played.fault(&by_connection)).collect()
    }

    fn connect(&mut self) -> Peer {
        self.clients += 1;
        Peer::connect(self.listen)
    }
}

impl Played {
    fn fault(&self, log: &HashMap<u64, Vec<&Value>>) -> Option<String> {
        let lines: Vec<&Value> =
            self.connections.clone().flat_map(|c| log.get(&c).cloned().unwrap_or_default()).collect();
        let entry = |line: &&Value| Entry {
            status: line["status"].as_u64().and_then(|s| s.try_into().ok()).unwrap_or(0),
            reason: line["reason"].as_str().map(str::to_owned),
        };
        let logged: Vec<Entry> = lines.iter().map(entry).collect();
        let text = |entries: &[Entry]| {
            let one = |e: &Entry| format!("log {} {}", e.status, e.reason.as_deref().unwrap_or_default());
            entries.iter().map(one).map(|e| format!("    {}\n", e.trim_end())).collect::<String>()
        };
        let log = (logged != self.log).then(|| {
            let details: String = lines.iter().map(|line| format!("    {line}\n")).collect();
            format!("log expected:\n{}log written:\n{}{details}", text(&self.log), text(&logged))
        });
        let faults: Vec<String> = self.outcome.clone().err().into_iter().chain(log).collect();
        (!faults.is_empty()).then(|| format!("== {} (line {})\n{}", self.title, self.line, faults.join("\n")))
    }
}

/// One case while it is played.
struct Scene<'a> {
    stage: &'a mut Stage,
    client: Option<Peer>,
    origin: Option<Peer>,
    /// Connections to the origin before the present one.
    former: Vec<Peer>,
}

impl Scene<'_> {
    fn step(&mut self, step: &Step) -> Result<(), String> {
        match step {
            Step::Send(who, bytes) => {
                self.peer(*who)?.send(bytes).map_err(|e| format!("the gateway takes no more: {e}"))
            }
            Step::Get(who, pattern) => {
                let peer = self.peer(*who)?;
                let (mut came, end) = peer.read(pattern.len());
                pattern.check(&came).map_err(|_| {
                    // What came behind shows better what happened.
                    came.extend(peer.read_present().0);
                    let end = end.map(|end| format!(", then {end:?}")).unwrap_or_default();
                    let difference = pattern.check(&came).err().unwrap_or_default();
                    format!("{who:?} got other bytes{end}\n{difference}")
                })
            }
            Step::Do(who, what) => self.act(*who, *what),
        }
    }

    fn act(&mut self, who: Who, what: What) -> Result<(), String> {
        match (who, what) {
            (Who::Client, What::New) => self.client = None,
            (Who::Origin, What::New) => {
                let former = self.origin.take();
                self.former.extend(former);
            }
            (_, What::Ends) => self.peer(who)?.end(),
            (_, What::Resets) => {
                self.peer(who)?;
                let peer = if who == Who::Client { self.client.take() } else { self.origin.take() };
                peer.into_iter().for_each(Peer::reset);
            }
            (_, What::Closed | What::Cut) => {
                let (rest, end) = self.peer(who)?.read_to_end();
                let right = match (who, what) {
                    (Who::Client, What::Closed) => end == End::Closed,
                    (_, What::Cut) => end == End::Reset,
                    // Bytes that the gateway has not read turn its close into a reset.
                    _ => end != End::Silent,
                };
                if !rest.is_empty() || !right {
                    return Err(format!("{who:?} expected the end, got \"{}\", then {end:?}", shown(&rest)));
                }
            }
        }
        Ok(())
    }

    fn peer(&mut self, who: Who) -> Result<&mut Peer, String> {
        match who {
            Who::Client => Ok(self.client.get_or_insert_with(|| self.stage.connect())),
            Who::Origin => match &mut self.origin {
                Some(origin) => Ok(origin),
                empty => Ok(empty.insert(self.stage.accept(self.client.as_mut())?)),
            },
        }
    }

    /// Nothing more may come on any side.
    fn end(&mut self) -> Result<(), String> {
        if let Some(client) = &mut self.client {
            client.end();
            let (rest, end) = client.read_to_end();
            if !rest.is_empty() || end == End::Silent {
                return Err(format!("at the end the client got \"{}\", then {end:?}", shown(&rest)));
            }
        }
        for origin in self.origin.iter_mut().chain(&mut self.former) {
            let (rest, _) = origin.read_present();
            if !rest.is_empty() {
                return Err(format!("at the end the origin got \"{}\"", shown(&rest)));
            }
        }
        match self.stage.origin.accept() {
            Ok(_) => Err("the gateway connected to the origin once more than planned".to_owned()),
            Err(_) => Ok(()),
        }
    }
}

impl Stage {
    /// The next connection of the gateway to the origin; what the client got instead says why there is none.
    fn accept(&self, client: Option<&mut Peer>) -> Result<Peer, String> {
        let accepted = within(PATIENCE, || self.origin.accept().ok());
        accepted.map(|(stream, _)| Peer::of(stream)).ok_or_else(|| {
            let (came, end) = client.map(Peer::read_present).unwrap_or_default();
            format!("{NO_ORIGIN}; the client got \"{}\", then {end:?}", shown(&came))
        })
    }
}
