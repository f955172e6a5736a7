//! What the client does with failures, on a transport that answers from a list.

use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use tokio::time::Instant;
use yumen_alibaba::api::dns::Dns;
use yumen_alibaba::api::ecs::{Filter, instances};
use yumen_alibaba::client::Style;
use yumen_alibaba::client::{Parameters, Rate};
use yumen_alibaba::credential::Credentials;
use yumen_alibaba::product::{ALB, ALIDNS, CS, ECS};
use yumen_alibaba::transport::{Endpoint, Stage};
use yumen_alibaba::{AccessKey, Call, Client, Clock, Error, Repeat, Scheme, Setup};

use crate::script::{self, Script, now};
use crate::vector::form;

fn setup(script: &Arc<Script>) -> Setup {
    script::setup(script, AccessKey::new("STS.id", "hush-secret").with_token("hush/token"))
}

fn client(script: &Arc<Script>) -> Client {
    Client::new(setup(script))
}

fn read() -> Call {
    Call::read(&ALIDNS, "DescribeDomains", Parameters::default().with("KeyWord", "a b"))
}

fn write(repeat: Repeat) -> Call {
    Call::write(&ALIDNS, "AddDomainRecord", Parameters::default().with("RR", "@"), repeat)
}

fn error(code: &str) -> String {
    format!(r#"{{"RequestId":"R-1","HostId":"h","Code":"{code}","Message":"m"}}"#)
}

async fn call(client: &Client, call: &Call) -> Result<Value, Error> {
    client.call(call).await
}

#[tokio::test]
async fn a_call_is_signed_and_all_its_parameters_are_in_the_body() {
    let script = Script::new([(200, r#"{"RequestId":"R"}"#.to_owned())]);
    call(&client(&script), &read()).await.unwrap();
    let sent = &script.seen()[0];
    assert_eq!(script.lines(), ["POST /"]);
    assert_eq!(sent.endpoint, Endpoint::https("alidns.aliyuncs.com"));
    assert_eq!(form(&script.body(0)), [("KeyWord".to_owned(), "a b".to_owned())]);
    assert!(script.header(0, "authorization").unwrap().starts_with("ACS3-HMAC-SHA256 Credential=STS.id,"));
    assert_eq!(script.header(0, "x-acs-version").as_deref(), Some("2015-01-09"));
}

#[tokio::test]
async fn version_one_keeps_the_token_out_of_the_url_too() {
    let script = Script::new([(200, "{}".to_owned()), (200, "{}".to_owned())]);
    let client = Client::new(Setup { scheme: Scheme::V1, ..setup(&script) });
    call(&client, &read()).await.unwrap();
    assert_eq!(script.lines(), ["POST /"]);
    assert!(script.body(0).contains("SecurityToken=hush%2Ftoken&Signature="));
    let style = Style::Roa { method: "GET", path: "/api/v1/clusters".to_owned(), body: String::new() };
    let roa = Call { style, ..Call::read(&CS, "DescribeClustersV1", Parameters::default().with("name", "x")) };
    call(&client, &roa).await.unwrap();
    assert_eq!(script.lines()[1], "GET /api/v1/clusters?name=x");
    assert!(script.header(1, "authorization").unwrap().starts_with("acs STS.id:"));
}

#[tokio::test]
async fn what_may_be_done_twice_is_sent_again_with_another_nonce() {
    for (status, body) in [(500, error("InternalError")), (502, "<html>".into()), (200, r#"{"torn":"#.into())] {
        let script = Script::new([(status, body.clone()), (status, body), (200, "{}".to_owned())]);
        call(&client(&script), &read()).await.unwrap();
        let nonces: Vec<_> = (0..3).map(|at| script.header(at, "x-acs-signature-nonce")).collect();
        assert!(nonces[0] != nonces[1] && nonces[1] != nonces[2] && nonces[0] != nonces[2], "{nonces:?}");
    }
}

#[tokio::test]
async fn a_call_is_given_up_after_four_attempts() {
    let script = Script::new((0..9).map(|_| (500, error("InternalError"))));
    let error = call(&client(&script), &read()).await.unwrap_err();
    assert_eq!(script.lines().len(), 4);
    let text = error.to_string();
    assert_eq!(text, "alidns DescribeDomains failed: InternalError: m (status 500, request R-1, 4 attempts)");
}

#[tokio::test]
async fn what_must_not_be_done_twice_is_sent_again_only_when_nothing_was_done() {
    let sent = async |prepare: &dyn Fn(&Script), repeat| {
        let script = Script::new([]);
        prepare(&script);
        script.push(200, r#"{"RecordId":"1"}"#);
        let outcome = call(&client(&script), &write(repeat)).await;
        (script.lines().len(), outcome.is_ok())
    };
    let broken = |script: &Script| script.push(500, &error("InternalError"));
    let torn = |script: &Script| script.push(200, "{");
    let lost = |script: &Script| script.push_error(Stage::Timeout, true);
    let unsent = |script: &Script| script.push_error(Stage::Connect, false);
    let throttled = |script: &Script| script.push(400, &error("Throttling.User"));
    for vague in [&broken as &dyn Fn(&Script), &torn, &lost] {
        assert_eq!(sent(vague, Repeat::Never).await, (1, false));
        assert_eq!(sent(vague, Repeat::Safe).await, (2, true));
        assert_eq!(sent(vague, Repeat::ByToken).await, (2, true));
    }
    for undone in [&unsent as &dyn Fn(&Script), &throttled] {
        assert_eq!(sent(undone, Repeat::Never).await, (2, true));
    }
}

#[tokio::test]
async fn a_token_marks_a_call_until_the_service_was_busy() {
    let script = Script::new([
        (500, error("InternalError")),
        (400, error("IdempotenceProcessing")),
        (400, error("IncorrectStatus.ServerGroup")),
        (200, "{}".to_owned()),
    ]);
    let add = Call::write(&ALB, "AddServersToServerGroup", Parameters::default(), Repeat::ByToken);
    call(&client(&script), &add).await.unwrap();
    let tokens: Vec<String> = (0..4).map(|at| form(&script.body(at))[0].1.clone()).collect();
    assert!(tokens[0] == tokens[1] && tokens[1] == tokens[2] && tokens[2] != tokens[3], "{tokens:?}");
    assert!(tokens.iter().all(|token| token.len() <= 64));
}

#[tokio::test]
async fn a_hint_of_the_service_is_heeded_by_everybody() {
    let script = Script::new([]);
    script.push_with(429, &[("x-acs-retry-after", "400")], &error("Throttling.Api"));
    (0..2).for_each(|_| script.push(200, "{}"));
    let (client, start) = (client(&script), Instant::now());
    let first = tokio::spawn({
        let client = client.clone();
        async move { call(&client, &read()).await }
    });
    while script.lines().is_empty() {
        tokio::task::yield_now().await;
    }
    // This runtime has one thread: after some turns the first one has had its answer and waits.
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    call(&client, &read()).await.unwrap();
    assert!(start.elapsed() >= Duration::from_millis(400), "{:?}", start.elapsed());
    first.await.unwrap().unwrap();
}

#[tokio::test]
async fn a_refusal_that_will_not_change_is_told_at_once() {
    for code in ["InvalidAccessKeyId.NotFound", "SignatureDoesNotMatch", "Forbidden.RAM", "InvalidDomainName.NoExist"] {
        let script = Script::new([(404, error(code)), (200, "{}".to_owned())]);
        assert_eq!(call(&client(&script), &read()).await.unwrap_err().code(), code);
        assert_eq!(script.lines().len(), 1, "{code}");
    }
}

#[tokio::test]
async fn a_missing_permission_is_named() {
    let script = Script::new([(403, error("Forbidden.RAM"))]);
    let refused = call(&client(&script), &write(Repeat::Safe)).await.unwrap_err();
    assert_eq!(refused.permission(), Some("alidns:AddDomainRecord"));
    let body =
        r#"{"RequestId":"R","Code":"NoPermission","Message":"m","AccessDeniedDetail":{"AuthAction":"ecs:Other"}}"#;
    let script = Script::new([(403, body.to_owned())]);
    let list = Call::read(&ECS, "DescribeInstances", Parameters::default());
    let refused = call(&client(&script), &list).await.unwrap_err();
    assert!(refused.to_string().ends_with("grant the RAM action ecs:Other to this identity"), "{refused}");
}

#[tokio::test]
async fn a_wrong_clock_is_corrected_and_the_call_sent_once_more() {
    let script = Script::new([]);
    for _ in 0..3 {
        script.push_with(400, &[("date", "Fri, 02 Jan 2026 05:04:05 GMT")], &error("InvalidTimeStamp.Expired"));
    }
    let client = client(&script);
    assert_eq!(call(&client, &write(Repeat::Never)).await.unwrap_err().code(), "InvalidTimeStamp.Expired");
    assert_eq!(script.lines().len(), 2, "once, not for ever");
    assert_eq!(script.header(1, "x-acs-date").as_deref(), Some("2026-01-02T05:04:05Z"));
    assert_eq!(client.clock().ahead(), 7200);
}

#[tokio::test]
async fn no_error_holds_the_key_that_signed_the_request() {
    let spoken = r#"{"RequestId":"R","Code":"SignatureDoesNotMatch","Message":"server string to sign is: hush/token hush%2Ftoken hush%252Ftoken hush-secret"}"#;
    let script = Script::new([(400, spoken.to_owned())]);
    let client = client(&script);
    let error = call(&client, &read()).await.unwrap_err();
    let text = format!("{error} {error:?} {client:?} {:?}", script.seen());
    assert!(text.contains("***") && !text.contains("hush"), "{text}");
    let script = Script::new([(200, r#"{"SecretData":"hush"#.to_owned() + r#"","x":1}"#)]);
    let client = self::client(&script);
    let error = client.call::<Vec<u8>>(&read()).await.unwrap_err();
    assert!(matches!(&error, Error::Answer { .. }) && !format!("{error} {error:?}").contains("hush"), "{error}");
}

#[tokio::test]
async fn a_dead_service_is_left_alone_and_tried_again_later() {
    let script = Script::new([]);
    let mut setup = setup(&script);
    setup.retry.rest = Duration::from_secs(2);
    let client = Client::new(setup);
    for _ in 0..3 {
        assert!(call(&client, &read()).await.is_err());
    }
    let sent = script.lines().len();
    assert_eq!(sent, 5, "the fifth failure opens the breaker");
    let error = call(&client, &read()).await.unwrap_err();
    let text = error.to_string();
    assert!(matches!(error, Error::Unavailable { .. }) && text.contains("2026-01-02T03:04:05Z"), "{text}");
    assert_eq!(script.lines().len(), sent, "nothing is sent");
    script.push(200, "{}");
    script.push(200, "{}");
    let (mut outcome, start) = (call(&client, &read()).await, Instant::now());
    while outcome.is_err() && start.elapsed() < Duration::from_secs(20) {
        tokio::time::sleep(Duration::from_millis(20)).await;
        outcome = call(&client, &read()).await;
    }
    outcome.unwrap();
    assert_eq!(script.lines().len(), sent + 1, "it was left alone until then");
    call(&client, &read()).await.unwrap();
}

#[tokio::test]
async fn an_operation_is_called_no_faster_than_its_rate() {
    let script = Script::new((0..10).map(|_| (200, "{}".to_owned())));
    let mut setup = setup(&script);
    setup.rates.insert("alidns:DescribeDomains".to_owned(), Rate { per_second: 20.0, burst: 2 });
    let (client, start) = (Client::new(setup), Instant::now());
    for _ in 0..5 {
        call(&client, &read()).await.unwrap();
    }
    assert!(start.elapsed() >= Duration::from_millis(149), "{:?}", start.elapsed());
}

#[tokio::test]
async fn without_a_key_nothing_is_sent() {
    let script = Script::new([]);
    let surroundings = script::surroundings(&script, &[("ALIBABA_CLOUD_ECS_METADATA_DISABLED", "true")]);
    let chain = yumen_alibaba::credential::chain(&surroundings);
    let client = Client::new(Setup { credentials: Credentials::new(chain, Clock::fixed(now())), ..setup(&script) });
    let error = call(&client, &read()).await.unwrap_err();
    assert!(
        error.to_string().starts_with("alidns DescribeDomains was not sent: no key from any source: environment:"),
        "{error}"
    );
    assert!(script.lines().is_empty());
}

/// Everything that is logged on this thread.
#[derive(Clone, Default)]
struct Log(Arc<std::sync::Mutex<Vec<u8>>>);

impl std::io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn no_log_line_holds_a_key() {
    let log = Log::default();
    let writer = log.clone();
    let subscriber =
        tracing_subscriber::fmt().with_max_level(tracing::Level::TRACE).with_writer(move || writer.clone()).finish();
    let _guard = tracing::subscriber::set_default(subscriber);
    let taken = r#"{"Code":"Success","AccessKeyId":"STS.i","AccessKeySecret":"hush","SecurityToken":"hush","Expiration":"2026-01-02T04:04:05Z"}"#;
    let script = Script::new([(200, "hush-session".to_owned()), (200, taken.to_owned()), (200, "{}".to_owned())]);
    let clock = Clock::fixed(now());
    let mut surroundings = script::surroundings(&script, &[]);
    surroundings.clock = clock.clone();
    let role = yumen_alibaba::credential::EcsRole::new(surroundings, Some("r".to_owned()));
    let credentials = Credentials::new(role, clock.clone());
    let client = Client::new(Setup { credentials: credentials.clone(), clock: clock.clone(), ..setup(&script) });
    call(&client, &read()).await.unwrap();
    // The renewal fails behind a call, which is logged.
    clock.correct("Fri, 02 Jan 2026 03:54:05 GMT");
    script.push(500, "hush");
    script.push(500, "hush");
    script.push(500, "hush");
    credentials.key().await.unwrap();
    let start = Instant::now();
    while credentials.status().failing.is_none() && start.elapsed() < Duration::from_secs(20) {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    tokio::task::yield_now().await;
    let text = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    assert!(text.contains("no key from ECS role: the metadata service answered 500"), "{text}");
    assert!(!text.contains("hush"), "{text}");
}

fn zones(total: usize, count: usize) -> (u16, String) {
    let list: Vec<Value> = (0..count).map(|at| serde_json::json!({"DomainName": format!("z{at}.example")})).collect();
    (200, serde_json::json!({"TotalCount": total, "Domains": {"Domain": list}}).to_string())
}

#[tokio::test]
async fn a_list_that_changes_while_it_is_read_is_read_again() {
    let script = Script::new([zones(3, 1), zones(2, 1), zones(2, 1), zones(2, 1)]);
    let found = Dns::new(client(&script)).zones().await.unwrap();
    assert_eq!((found.len(), script.lines().len()), (2, 4));
    let pages: Vec<String> = (0..4).map(|at| form(&script.body(at))[0].1.clone()).collect();
    assert_eq!(pages, ["1", "2", "1", "2"]);
}

#[tokio::test]
async fn a_list_with_a_missing_page_is_an_error_and_no_shorter_list() {
    let script = Script::new([zones(2, 1), zones(2, 0), zones(2, 1), zones(2, 0)]);
    let error = Dns::new(client(&script)).zones().await.unwrap_err();
    assert!(matches!(&error, Error::Incomplete { text, .. } if text == "1 came of 2"), "{error}");
    let script = Script::new([zones(0, 0)]);
    assert!(Dns::new(client(&script)).zones().await.unwrap().is_empty());
    // An answer without its list is none, however well it is formed.
    let script = Script::new([(200, r#"{"RequestId":"R","TotalCount":0}"#.to_owned())]);
    assert!(matches!(Dns::new(client(&script)).zones().await, Err(Error::Answer { .. })));
}

#[tokio::test]
async fn a_page_that_names_itself_as_the_next_one_ends_the_list_with_an_error() {
    let page = r#"{"NextToken":"t","Instances":{"Instance":[]}}"#.to_owned();
    let script = Script::new((0..5).map(|_| (200, page.clone())));
    let error = instances(&client(&script), &Filter::default()).await.unwrap_err();
    assert!(matches!(error, Error::Incomplete { .. }) && script.lines().len() == 2);
}
