//! Questions to chosen name servers: UDP first, TCP when that does not do.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use hickory_proto::op::{Message, MessageType, OpCode, Query, ResponseCode};
use hickory_proto::rr::{Name, RData, RecordType};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpStream, UdpSocket};
use tokio::time::timeout;

use crate::error::Error;

/// How long one server may take for one answer over UDP.
const UDP_PATIENCE: Duration = Duration::from_millis(1500);
/// As [`UDP_PATIENCE`], over TCP.
const TCP_PATIENCE: Duration = Duration::from_secs(10);
/// How often all resolvers are asked before a name counts as not to be looked up.
const ROUNDS: usize = 2;
/// How many aliases are followed.
const LONGEST_CHAIN: usize = 8;

/// Resolvers that look things up for us.
#[derive(Clone, Debug)]
pub struct Resolver {
    servers: Vec<SocketAddr>,
}

impl Resolver {
    /// Asks these, one after the other until one answers.
    #[must_use]
    pub fn new(servers: Vec<SocketAddr>) -> Self {
        Self { servers }
    }

    /// Asks those that the operating system asks.
    ///
    /// # Errors
    /// They cannot be read.
    pub fn system() -> Result<Self, Error> {
        let (config, _) = hickory_resolver::system_conf::read_system_conf()
            .map_err(|error| Error::Dns(format!("the resolvers of the system cannot be read: {error}")))?;
        let servers = config.name_servers().iter().map(|server| SocketAddr::new(server.ip, 53)).collect();
        Ok(Self { servers })
    }

    /// Where a name ends when its aliases are followed: the name itself when it has none. In small letters, without a dot
    /// at the end.
    ///
    /// # Errors
    /// No resolver answers, or the aliases lead in a ring.
    pub async fn end_of_aliases(&self, name: &str) -> Result<String, Error> {
        let mut end = parse(name)?;
        for _ in 0..LONGEST_CHAIN {
            let answer = self.look_up(&end, RecordType::CNAME).await?;
            let alias = answer.answers.iter().find_map(|record| match &record.data {
                RData::CNAME(alias) if record.name == end => Some(alias.0.clone()),
                _ => None,
            });
            match alias {
                Some(alias) => end = alias,
                None => return Ok(plain(&end)),
            }
        }
        Err(Error::Dns(format!("`{name}` is an alias of an alias, more than {LONGEST_CHAIN} times")))
    }

    /// The names of the servers of the zone in which a name lies.
    ///
    /// # Errors
    /// No resolver answers, or none knows a zone.
    pub(super) async fn name_servers(&self, name: &str) -> Result<Vec<String>, Error> {
        let mut zone = parse(name)?;
        while !zone.is_root() {
            let answer = self.look_up(&zone, RecordType::NS).await?;
            let mut servers: Vec<String> = answer
                .answers
                .iter()
                .filter_map(|record| match &record.data {
                    RData::NS(server) if record.name == zone => Some(plain(&server.0)),
                    _ => None,
                })
                .collect();
            if !servers.is_empty() {
                servers.sort();
                return Ok(servers);
            }
            zone = zone.base_name();
        }
        Err(Error::Dns(format!("no zone is found in which `{name}` lies")))
    }

    /// The addresses of a host.
    pub(super) async fn addresses(&self, host: &str) -> Result<Vec<IpAddr>, Error> {
        let name = parse(host)?;
        let mut found = Vec::new();
        for kind in [RecordType::A, RecordType::AAAA] {
            let answer = self.look_up(&name, kind).await?;
            found.extend(answer.answers.iter().filter_map(|record| match &record.data {
                RData::A(address) => Some(IpAddr::V4(address.0)),
                RData::AAAA(address) => Some(IpAddr::V6(address.0)),
                _ => None,
            }));
        }
        Ok(found)
    }

    async fn look_up(&self, name: &Name, kind: RecordType) -> Result<Message, Error> {
        let mut last = "there is no resolver".to_owned();
        for server in std::iter::repeat_n(&self.servers, ROUNDS).flatten() {
            match ask(*server, name, kind, true).await {
                Ok(answer) if matches!(answer.response_code, ResponseCode::NoError | ResponseCode::NXDomain) => {
                    return Ok(answer);
                }
                Ok(answer) => last = format!("{server} answers {}", answer.response_code),
                Err(error) => last = format!("{server}: {error}"),
            }
        }
        Err(Error::Dns(format!("`{name}` cannot be looked up: {last}")))
    }
}

/// A name as it is asked in DNS; Unicode is taken, too.
pub(super) fn parse(name: &str) -> Result<Name, Error> {
    let mut parsed =
        Name::from_utf8(name).map_err(|error| Error::Dns(format!("`{name}` is no name for DNS: {error}")))?;
    parsed.set_fqdn(true);
    Ok(parsed.to_lowercase())
}

fn plain(name: &Name) -> String {
    let text = name.to_ascii().to_ascii_lowercase();
    text.strip_suffix('.').unwrap_or(&text).to_owned()
}

/// The texts of all TXT records at a name, as one server has them.
pub(super) async fn texts(server: SocketAddr, name: &Name) -> io::Result<Vec<String>> {
    let answer = ask(server, name, RecordType::TXT, false).await?;
    if !matches!(answer.response_code, ResponseCode::NoError | ResponseCode::NXDomain) {
        return Err(io::Error::other(format!("it answers {}", answer.response_code)));
    }
    let texts = answer.answers.iter().filter_map(|record| match &record.data {
        RData::TXT(text) => Some(String::from_utf8_lossy(&text.txt_data.concat()).into_owned()),
        _ => None,
    });
    Ok(texts.collect())
}

/// Asks one server one question: over UDP, and over TCP when the answer is cut off, unusable or does not come.
pub(super) async fn ask(server: SocketAddr, name: &Name, kind: RecordType, recursive: bool) -> io::Result<Message> {
    let mut question = Message::new(rand::random(), MessageType::Query, OpCode::Query);
    question.metadata.recursion_desired = recursive;
    question.add_query(Query::query(name.clone(), kind));
    let bytes = question.to_vec().map_err(io::Error::other)?;
    if let Ok(Ok(answer)) = timeout(UDP_PATIENCE, over_udp(server, &bytes, &question)).await
        && !answer.truncation
    {
        return Ok(answer);
    }
    let answer = over_tcp(server, &bytes).await?;
    let answer = Message::from_vec(&answer).map_err(io::Error::other)?;
    if is_answer(&answer, &question) { Ok(answer) } else { Err(io::Error::other("it answers another question")) }
}

async fn over_udp(server: SocketAddr, bytes: &[u8], question: &Message) -> io::Result<Message> {
    let any: SocketAddr = if server.is_ipv4() { ([0, 0, 0, 0], 0).into() } else { ([0_u16; 8], 0).into() };
    let socket = UdpSocket::bind(any).await?;
    socket.connect(server).await?;
    socket.send(bytes).await?;
    let mut buffer = [0; 4096];
    loop {
        let length = socket.recv(&mut buffer).await?;
        // Anybody can send us something; what is no answer to our question is not from the server.
        match Message::from_vec(buffer.get(..length).unwrap_or_default()) {
            Ok(answer) if is_answer(&answer, question) => return Ok(answer),
            _ => {}
        }
    }
}

fn is_answer(answer: &Message, question: &Message) -> bool {
    answer.id == question.id && answer.message_type == MessageType::Response && answer.queries == question.queries
}

/// Sends a message and takes the next one that comes back.
pub(super) async fn over_tcp(server: SocketAddr, bytes: &[u8]) -> io::Result<Vec<u8>> {
    let exchange = async {
        let mut stream = TcpStream::connect(server).await?;
        let length = u16::try_from(bytes.len()).map_err(|_| io::Error::other("the message is too long"))?;
        stream.write_all(&[&length.to_be_bytes()[..], bytes].concat()).await?;
        let length = stream.read_u16().await?;
        let mut answer = vec![0; usize::from(length)];
        stream.read_exact(&mut answer).await?;
        Ok(answer)
    };
    timeout(TCP_PATIENCE, exchange).await.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
}
