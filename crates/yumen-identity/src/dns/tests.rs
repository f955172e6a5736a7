#![allow(clippy::unwrap_used, reason = "tests")]

use std::net::SocketAddr;
use std::str::FromStr as _;
use std::sync::Mutex;
use std::time::Duration;

use hickory_proto::op::{Message, MessageType};
use hickory_proto::rr::rdata::{A, AAAA, CNAME, NS, TXT};
use hickory_proto::rr::{Name, RData, Record};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, UdpSocket};

use super::*;

/// What a server does with questions over UDP.
#[derive(Clone, Copy, PartialEq)]
enum Udp {
    Answers,
    CutsOff,
    IsClosed,
}

/// A name server that tells what is in a list, from the question on that is told with each record.
#[derive(Clone)]
struct Server {
    address: SocketAddr,
    asked: Arc<Mutex<usize>>,
}

impl Server {
    async fn start(udp: Udp, records: Vec<(usize, Record)>) -> Self {
        let (records, asked) = (Arc::new(records), Arc::new(Mutex::new(0)));
        let (socket, listener) = loop {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            match UdpSocket::bind(listener.local_addr().unwrap()).await {
                Ok(socket) => break (socket, listener),
                // Somebody else has that port for UDP.
                Err(_) => continue,
            }
        };
        let server = Self { address: listener.local_addr().unwrap(), asked };
        if udp != Udp::IsClosed {
            let (records, asked) = (records.clone(), server.asked.clone());
            tokio::spawn(async move {
                let mut buffer = [0; 1500];
                while let Ok((length, from)) = socket.recv_from(&mut buffer).await {
                    let mut answer = answer(&buffer[..length], &records, &asked);
                    if udp == Udp::CutsOff {
                        answer.metadata.truncation = true;
                        answer.answers.clear();
                    }
                    // Before it comes something that is no answer to the question.
                    let mut stray = answer.clone();
                    stray.metadata.id = answer.id.wrapping_add(1);
                    for message in [stray, answer] {
                        socket.send_to(&message.to_vec().unwrap(), from).await.unwrap();
                    }
                }
            });
        }
        let asked = server.asked.clone();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let length = stream.read_u16().await.unwrap();
                let mut question = vec![0; usize::from(length)];
                stream.read_exact(&mut question).await.unwrap();
                let bytes = answer(&question, &records, &asked).to_vec().unwrap();
                stream.write_u16(u16::try_from(bytes.len()).unwrap()).await.unwrap();
                stream.write_all(&bytes).await.unwrap();
            }
        });
        server
    }

    fn resolver(&self) -> Resolver {
        Resolver::new(vec![self.address])
    }
}

fn answer(question: &[u8], records: &[(usize, Record)], asked: &Mutex<usize>) -> Message {
    let question = Message::from_vec(question).unwrap();
    let mut answer = Message::new(question.id, MessageType::Response, question.op_code);
    let query = question.queries[0].clone();
    let mut asked = asked.lock().unwrap();
    *asked += 1;
    let is_wanted = |record: &Record| record.name == *query.name() && record.record_type() == query.query_type();
    let wanted = records.iter().filter(|(from, record)| *asked >= *from && is_wanted(record));
    answer.add_answers(wanted.map(|(_, record)| record.clone()));
    answer.add_query(query);
    answer
}

fn name(text: &str) -> Name {
    ask::parse(text).unwrap()
}

fn text(at: &str, text: &str) -> Record {
    Record::from_rdata(name(at), 60, RData::TXT(TXT::new(vec![text.to_owned()])))
}

fn alias(at: &str, of: &str) -> (usize, Record) {
    (0, Record::from_rdata(name(at), 60, RData::CNAME(CNAME(name(of)))))
}

#[tokio::test]
async fn an_answer_that_does_not_fit_or_does_not_come_is_fetched_over_tcp() {
    for udp in [Udp::Answers, Udp::CutsOff, Udp::IsClosed] {
        // A long text stands in several strings.
        let long = TXT::new(vec!["a".repeat(250), "b".into()]);
        let long = Record::from_rdata(name("x.test"), 60, RData::TXT(long));
        let server = Server::start(udp, vec![(0, text("x.test", "one")), (0, long)]).await;
        let texts = ask::texts(server.address, &name("X.test.")).await.unwrap();
        assert_eq!(texts, ["one".to_owned(), format!("{}b", "a".repeat(250))]);
        assert_eq!(*server.asked.lock().unwrap(), if udp == Udp::CutsOff { 2 } else { 1 });
    }
}

#[tokio::test]
async fn aliases_are_followed_and_rings_are_told() {
    let records = vec![
        alias("_acme-challenge.a.test", "b.test"),
        alias("b.test", "C.other.test"),
        alias("r1.test", "r2.test"),
        alias("r2.test", "r1.test"),
    ];
    let resolver = Server::start(Udp::Answers, records).await.resolver();
    assert_eq!(resolver.end_of_aliases("_acme-challenge.A.test.").await.unwrap(), "c.other.test");
    assert_eq!(resolver.end_of_aliases("none.test").await.unwrap(), "none.test");
    assert!(resolver.end_of_aliases("r1.test").await.unwrap_err().to_string().contains("alias of an alias"));
    let nobody = Resolver::new(Vec::new()).end_of_aliases("a.test").await.unwrap_err().to_string();
    assert_eq!(nobody, "`a.test.` cannot be looked up: there is no resolver");
}

#[tokio::test]
async fn the_servers_of_the_zone_are_those_of_the_nearest_name_above() {
    let server = |zone: &str, host: &str| (0, Record::from_rdata(name(zone), 60, RData::NS(NS(name(host)))));
    let records = vec![
        server("test", "ns.nic.test"),
        server("sub.a.test", "ns2.a.test"),
        server("sub.a.test", "ns1.a.test"),
        (0, Record::from_rdata(name("ns1.a.test"), 60, RData::A(A::new(192, 0, 2, 1)))),
        (0, Record::from_rdata(name("ns1.a.test"), 60, RData::AAAA(AAAA::from_str("2001:db8::1").unwrap()))),
    ];
    let resolver = Server::start(Udp::Answers, records).await.resolver();
    let servers = resolver.name_servers("_acme-challenge.x.sub.a.test").await.unwrap();
    assert_eq!(servers, ["ns1.a.test", "ns2.a.test"]);
    assert_eq!(resolver.addresses("ns1.a.test").await.unwrap().len(), 2);
    assert!(resolver.name_servers("elsewhere.example").await.is_err());
}

#[tokio::test]
async fn all_servers_have_to_tell_all_values() {
    let at = "_acme-challenge.a.test";
    let both = |from| vec![(0, text(at, "one")), (from, text(at, "two"))];
    let (quick, slow) = (Server::start(Udp::Answers, both(0)).await, Server::start(Udp::Answers, both(3)).await);
    let values = ["one".to_owned(), "two".to_owned()];
    let limits = |limit| {
        Propagation::new(quick.resolver(), Wait::Servers(vec![quick.address, slow.address]))
            .with_limits(limit, Duration::ZERO)
    };
    limits(Duration::from_secs(20)).wait(at, &values, &[]).await.unwrap();
    // The slow one was asked until it told, the quick one was not asked again.
    assert_eq!((*quick.asked.lock().unwrap(), *slow.asked.lock().unwrap()), (1, 3));
    let values = ["three".to_owned()];
    let error = limits(Duration::ZERO).wait(at, &values, &[]).await.unwrap_err().to_string();
    assert!(error.contains("is not seen after 0 s") && error.contains("does not tell 1 of 1 values yet"), "{error}");
}

#[test]
fn the_provider_of_the_longest_suffix_is_taken() {
    for (name, suffix, fits) in [
        ("_acme-challenge.a.test", "", true),
        ("_acme-challenge.a.test", "A.test.", true),
        ("a.test", "a.test", true),
        ("_acme-challenge.ba.test", "a.test", false),
    ] {
        assert_eq!(is_below(name, suffix), fits, "{name} {suffix}");
    }
    assert_eq!(challenge_name("A.test."), "_acme-challenge.a.test");
}
