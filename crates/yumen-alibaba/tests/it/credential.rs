//! Every source of keys, what it puts on the wire, and how keys are kept.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use yumen_alibaba::credential::{
    AssumeRole, CliProfile, Credentials, EcsRole, EnvironmentKey, Fetching, IniProfile, Oidc, Provider, Role, Uri,
    chain,
};
use yumen_alibaba::transport::Stage;
use yumen_alibaba::{AccessKey, Clock, CredentialError, Secret, Timestamp};

use crate::script::{Script, now, surroundings};
use crate::vector::{form, read, text};

const META: &str = r#"{"Code":"Success","AccessKeyId":"STS.meta","AccessKeySecret":"hush-secret","SecurityToken":"hush-token","LastUpdated":"2026-01-02T03:04:05Z","Expiration":"2027-01-02T03:04:05Z"}"#;
const STS: &str = r#"{"RequestId":"R","AssumedRoleUser":{"Arn":"a","AssumedRoleId":"i"},"Credentials":{"AccessKeyId":"STS.x","AccessKeySecret":"hush-secret","SecurityToken":"hush-token","Expiration":"2027-01-02T03:04:05Z"}}"#;

fn answers(list: &[(u16, &str)]) -> Arc<Script> {
    Script::new(list.iter().map(|(status, body)| (*status, (*body).to_owned())))
}

/// Writes a file that only its owner may read.
fn write(path: &Path, content: &str) {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, content).unwrap();
    mode(path, 0o600);
}

#[cfg(unix)]
fn mode(path: &Path, mode: u32) {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
}

#[cfg(not(unix))]
fn mode(_path: &Path, _mode: u32) {}

#[tokio::test]
async fn a_key_in_the_environment_has_many_names() {
    for names in [
        ["ALIBABA_CLOUD_ACCESS_KEY_ID", "ALIBABA_CLOUD_ACCESS_KEY_SECRET", "ALIBABA_CLOUD_SECURITY_TOKEN"],
        ["ALICLOUD_ACCESS_KEY", "ALICLOUD_SECRET_KEY", "ALICLOUD_SECURITY_TOKEN"],
        ["ALICLOUD_ACCESS_KEY_ID", "ALICLOUD_ACCESS_KEY_SECRET", "ALICLOUD_SECURITY_TOKEN"],
    ] {
        let pairs: Vec<_> = names.into_iter().zip(["id", "secret", "token"]).collect();
        let environment = surroundings(&answers(&[]), &pairs).environment;
        let key = EnvironmentKey { environment }.fetch().await.unwrap();
        assert_eq!(key, AccessKey::new("id", "secret").with_token("token"), "{names:?}");
    }
    // Halves of two keys are no key, and the token of one is not that of the other.
    let mixed = [
        ("ALIBABA_CLOUD_ACCESS_KEY_ID", "half"),
        ("ALIBABA_CLOUD_SECURITY_TOKEN", "half"),
        ("ALICLOUD_SECRET_KEY", "half"),
        ("Ali_Key", "id"),
        ("Ali_Secret", "secret"),
    ];
    let environment = surroundings(&answers(&[]), &mixed).environment;
    assert_eq!(EnvironmentKey { environment }.fetch().await.unwrap(), AccessKey::new("id", "secret"));
    let environment = surroundings(&answers(&[]), &mixed[..3]).environment;
    assert!(EnvironmentKey { environment }.fetch().await.is_err());
    let environment = surroundings(&answers(&[]), &[("ALIBABA_CLOUD_ACCESS_KEY_ID", "id")]).environment;
    let error = EnvironmentKey { environment }.fetch().await.unwrap_err();
    assert!(error.to_string().contains("set ALIBABA_CLOUD_ACCESS_KEY_SECRET"), "{error}");
}

#[tokio::test]
async fn the_metadata_service_is_asked_as_the_vendors_library_asks() {
    for (name, role) in [("imds-v2-unknown-role", None), ("imds-v2-known-role", Some("vector-role"))] {
        let file = read("credentials.json");
        let vector = file["vectors"].as_array().unwrap().iter().find(|vector| vector["name"] == name).unwrap();
        // The library opens a session for each request; one session is enough.
        let mut steps: Vec<_> = vector["steps"].as_array().unwrap().clone();
        let mut sessions = 0;
        steps.retain(|step| {
            let opens = step["request"]["method"] == "PUT";
            sessions += usize::from(opens);
            !opens || sessions == 1
        });
        let script = Script::new(steps.iter().map(|step| (200, text(&step["answer"]["body_text"]).to_owned())));
        let provider = EcsRole::new(surroundings(&script, &[]), role.map(str::to_owned));
        let key = provider.fetch().await.unwrap();
        assert_eq!((key.id.as_str(), key.expires), ("STS.meta", Timestamp::parse_iso("2027-01-02T03:04:05Z")));
        let expected: Vec<String> = steps
            .iter()
            .map(|step| format!("{} {}", text(&step["request"]["method"]), text(&step["request"]["target"])))
            .collect();
        assert_eq!(script.lines(), expected, "{name}");
        assert_eq!(script.header(0, "x-aliyun-ecs-metadata-token-ttl-seconds").as_deref(), Some("21600"));
        for at in 1..steps.len() {
            assert_eq!(script.header(at, "x-aliyun-ecs-metadata-token").as_deref(), Some("TOKEN-1"));
            let sent = &script.seen()[at];
            assert_eq!(
                (sent.endpoint.to_string().as_str(), sent.draft.host.as_str()),
                ("http://100.100.100.200", "100.100.100.200")
            );
        }
        script.push(200, META);
        if role.is_some() {
            provider.fetch().await.unwrap();
            assert_eq!(script.lines().len(), steps.len() + 1, "the session is kept");
        }
    }
}

#[tokio::test]
async fn version_one_of_the_metadata_service_is_asked_unless_forbidden() {
    let script = answers(&[(404, "not found"), (200, META)]);
    let key = EcsRole::new(surroundings(&script, &[]), Some("r".into())).fetch().await.unwrap();
    assert_eq!(key.id, "STS.meta");
    assert_eq!(script.header(1, "x-aliyun-ecs-metadata-token"), None);

    // A session that is refused at the item: plainly, too.
    let script = answers(&[(200, "T"), (403, "forbidden"), (200, META)]);
    assert!(EcsRole::new(surroundings(&script, &[]), Some("r".into())).fetch().await.is_ok());

    let script = answers(&[(404, "not found"), (200, META)]);
    let forbidden = surroundings(&script, &[("ALIBABA_CLOUD_IMDSV1_DISABLED", "true")]);
    let error = EcsRole::new(forbidden, Some("r".into())).fetch().await.unwrap_err();
    assert_eq!(script.lines().len(), 1);
    assert!(error.to_string().contains("404"), "{error}");
}

#[tokio::test]
async fn a_session_of_the_metadata_service_that_ended_is_opened_anew() {
    let script = answers(&[(200, "T1"), (200, META), (401, ""), (200, "T2"), (200, META)]);
    let provider = EcsRole::new(surroundings(&script, &[]), Some("r".into()));
    provider.fetch().await.unwrap();
    provider.fetch().await.unwrap();
    assert_eq!(script.header(4, "x-aliyun-ecs-metadata-token").as_deref(), Some("T2"));
}

#[tokio::test]
async fn an_instance_without_a_role_is_told_what_to_do() {
    let script = answers(&[(200, "T"), (404, "not found")]);
    let error = EcsRole::new(surroundings(&script, &[]), None).fetch().await.unwrap_err();
    assert!(error.is_absent && error.to_string().contains("attach one"), "{error}");
    let script = answers(&[(200, "T"), (200, r#"{"Code":"Failed","AccessKeySecret":"hush-secret"}"#)]);
    let error = EcsRole::new(surroundings(&script, &[]), Some("r".into())).fetch().await.unwrap_err();
    assert!(error.to_string().contains("Failed") && !error.to_string().contains("hush"), "{error}");
}

#[tokio::test]
async fn a_credentials_uri_is_asked_as_it_stands() {
    let script = answers(&[(200, META)]);
    let url = Secret::new("http://127.0.0.1/cred?name=a+b");
    let key = Uri { url, surroundings: surroundings(&script, &[]) }.fetch().await.unwrap();
    assert_eq!(key.id, "STS.meta");
    assert_eq!(script.seen()[0].draft.path, "/cred?name=a+b");
    assert_eq!(script.seen()[0].draft.host, "127.0.0.1");
}

#[tokio::test]
async fn the_token_of_an_identity_provider_is_sent_in_the_body_and_read_anew() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("token");
    std::fs::write(&file, "eyJ.first\n").unwrap();
    let script = answers(&[(200, STS), (200, STS)]);
    let variables = [
        ("ALIBABA_CLOUD_ROLE_ARN", "acs:ram::1:role/r"),
        ("ALIBABA_CLOUD_OIDC_PROVIDER_ARN", "acs:ram::1:oidc-provider/p"),
        ("ALIBABA_CLOUD_OIDC_TOKEN_FILE", file.to_str().unwrap()),
        ("ALIBABA_CLOUD_ROLE_SESSION_NAME", "edge-1"),
        ("ALIBABA_CLOUD_STS_REGION", "cn-hangzhou"),
        ("ALIBABA_CLOUD_VPC_ENDPOINT_ENABLED", "true"),
    ];
    let provider = Oidc::of_environment(&surroundings(&script, &variables)).unwrap();
    assert_eq!(provider.fetch().await.unwrap().id, "STS.x");
    let sent = &script.seen()[0];
    assert_eq!(sent.endpoint.to_string(), "https://sts-vpc.cn-hangzhou.aliyuncs.com");
    assert_eq!(sent.draft.target(), "/");
    assert_eq!(sent.draft.headers.value("authorization"), None, "nothing is signed");
    let fields = form(&script.body(0));
    let value = |name: &str| fields.iter().find(|(other, _)| other == name).map(|(_, value)| value.as_str()).unwrap();
    assert_eq!(value("Action"), "AssumeRoleWithOIDC");
    assert_eq!(value("OIDCToken"), "eyJ.first");
    assert_eq!(value("RoleSessionName"), "edge-1");
    assert_eq!(value("DurationSeconds"), "3600");
    std::fs::write(&file, "eyJ.second").unwrap();
    provider.fetch().await.unwrap();
    assert!(script.body(1).contains("OIDCToken=eyJ.second"));
    assert!(Oidc::of_environment(&surroundings(&script, &variables[..2])).is_none());
}

#[tokio::test]
async fn a_role_is_taken_on_with_a_signed_request() {
    let script = answers(&[(200, STS)]);
    let role = Role {
        policy: Some(r#"{"Version": "1"}"#.into()),
        external_id: Some("e".into()),
        ..Role::new("acs:ram::1:role/r")
    };
    let source = Arc::new(AccessKey::new("id", "hush-secret").with_token("hush-token"));
    let provider = AssumeRole { source, role, surroundings: surroundings(&script, &[]) };
    assert_eq!(provider.fetch().await.unwrap().id, "STS.x");
    let authorization = script.header(0, "authorization").unwrap();
    assert!(
        authorization.starts_with("ACS3-HMAC-SHA256 Credential=id,SignedHeaders=content-type;host;"),
        "{authorization}"
    );
    assert_eq!(script.header(0, "x-acs-action").as_deref(), Some("AssumeRole"));
    assert_eq!(script.seen()[0].endpoint.to_string(), "https://sts.aliyuncs.com");
    let fields = form(&script.body(0));
    assert!(fields.contains(&("ExternalId".into(), "e".into())));
    assert!(fields.contains(&("Policy".into(), r#"{"Version": "1"}"#.into())));
    assert!(!format!("{provider:?} {:?}", script.seen()).contains("hush"));
}

#[tokio::test]
async fn a_refusal_of_sts_says_what_to_grant_and_shows_no_key() {
    let ask = async |status, body: &str| {
        let script = answers(&[(status, body)]);
        let source = Arc::new(AccessKey::new("id", "hush-secret").with_token("hush-token"));
        let role = Role::new("acs:ram::1:role/r");
        AssumeRole { source, role, surroundings: surroundings(&script, &[]) }.fetch().await.unwrap_err().to_string()
    };
    let text = ask(403, r#"{"RequestId":"R-1","Code":"NoPermission","Message":"You are not authorized."}"#).await;
    assert!(text.contains("NoPermission") && text.contains("R-1") && text.contains("grant sts:AssumeRole"), "{text}");
    let text = ask(400, r#"{"RequestId":"R-2","Code":"SignatureDoesNotMatch","Message":"server string to sign is: x-acs-security-token:hush-token"}"#).await;
    assert!(text.contains("SignatureDoesNotMatch") && !text.contains("hush"), "{text}");
    let text = ask(200, r#"{"Credentials":{"AccessKeyId":"i","AccessKeySecret":"hush","SecurityToken":"hush"}}"#).await;
    assert!(text.contains("how long") && !text.contains("hush"), "{text}");
    let text = ask(200, r#"{"Credentials":{"AccessKeySecret":"hush"#).await;
    assert!(!text.contains("hush"), "{text}");
    let text = ask(502, "<html>hush</html>").await;
    assert!(text.contains("502") && !text.contains("hush"), "{text}");
}

#[tokio::test]
async fn a_wrong_clock_is_corrected_by_sts() {
    let script = answers(&[]);
    let late = r#"{"RequestId":"R","Code":"InvalidTimeStamp.Expired","Message":"m"}"#;
    script.push_with(400, &[("date", "Fri, 02 Jan 2026 05:04:05 GMT")], late);
    script.push(200, STS);
    let source = Arc::new(AccessKey::new("id", "s"));
    let provider =
        AssumeRole { source, role: Role::new("acs:ram::1:role/r"), surroundings: surroundings(&script, &[]) };
    provider.fetch().await.unwrap();
    assert_eq!(script.header(0, "x-acs-date").as_deref(), Some("2026-01-02T03:04:05Z"));
    assert_eq!(script.header(1, "x-acs-date").as_deref(), Some("2026-01-02T05:04:05Z"));
    assert_ne!(script.header(0, "x-acs-signature-nonce"), script.header(1, "x-acs-signature-nonce"));
}

/// Asks a profile of a file of the command line.
async fn profile(script: &Arc<Script>, config: &str, name: &str) -> Result<AccessKey, CredentialError> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(".aliyun/config.json");
    write(&path, config);
    let home = folder.path().to_str().unwrap();
    let surroundings = surroundings(script, &[("HOME", home), ("ALIBABA_CLOUD_PROFILE", name)]);
    CliProfile { profile: None, path: None, surroundings }.fetch().await
}

#[tokio::test]
async fn every_mode_of_the_command_line_is_known() {
    let config = r#"{"current":"ak","profiles":[
      {"name":"ak","mode":"AK","access_key_id":"i","access_key_secret":"hush"},
      {"name":"sts","mode":"StsToken","access_key_id":"i","access_key_secret":"hush","sts_token":"hush"},
      {"name":"role","mode":"RamRoleArn","access_key_id":"i","access_key_secret":"hush","ram_role_arn":"acs:ram::1:role/r","ram_session_name":"edge","expired_seconds":900,"sts_region":"cn-beijing","unknown":1},
      {"name":"chain","mode":"ChainableRamRoleArn","source_profile":"role","ram_role_arn":"acs:ram::2:role/q"},
      {"name":"ring","mode":"ChainableRamRoleArn","source_profile":"ring","ram_role_arn":"acs:ram::2:role/q"},
      {"name":"ecs","mode":"EcsRamRole","ram_role_name":"r"},
      {"name":"ecs-role","mode":"RamRoleArnWithEcs","ram_role_name":"r","ram_role_arn":"acs:ram::1:role/r"},
      {"name":"sso","mode":"CloudSSO","cloud_sso_sign_in_url":"https://signin.example/some/login","cloud_sso_account_id":"1","cloud_sso_access_config":"ac","access_token":"hush","cloud_sso_access_token_expire":1767330000},
      {"name":"sso-ended","mode":"CloudSSO","cloud_sso_sign_in_url":"https://signin.example","access_token":"hush","cloud_sso_access_token_expire":1},
      {"name":"oauth","mode":"OAuth","oauth_site_type":"INTL","oauth_access_token":"hush","oauth_access_token_expire":1767330000},
      {"name":"oauth-kept","mode":"OAuth","access_key_id":"kept","access_key_secret":"hush","sts_token":"hush","sts_expiration":1767330000},
      {"name":"half","mode":"AK","access_key_id":"i"},
      {"name":"odd","mode":"Odd"}]}"#;
    let ask = async |list: &[(u16, &str)], name: &str| {
        let script = answers(list);
        let outcome = profile(&script, config, name).await;
        assert!(!format!("{outcome:?}").contains("hush"), "{name}");
        (outcome.map(|key| key.id), script)
    };
    assert_eq!(ask(&[], "ak").await.0, Ok("i".into()));
    assert_eq!(ask(&[], "").await.0, Ok("i".into()), "the current one");
    assert_eq!(ask(&[], "sts").await.0, Ok("i".into()));
    let (id, script) = ask(&[(200, STS)], "role").await;
    assert_eq!(id, Ok("STS.x".into()));
    assert_eq!(script.seen()[0].endpoint.to_string(), "https://sts.cn-beijing.aliyuncs.com");
    assert!(script.body(0).contains("RoleSessionName=edge&DurationSeconds=900"));
    let (id, script) = ask(&[(200, STS), (200, STS)], "chain").await;
    assert_eq!(id, Ok("STS.x".into()));
    assert!(
        script.header(1, "authorization").unwrap().contains("Credential=STS.x,"),
        "the first role takes on the second"
    );
    assert!(ask(&[], "ring").await.0.unwrap_err().to_string().contains("lead to each other"));
    assert_eq!(ask(&[(200, "T"), (200, META)], "ecs").await.0, Ok("STS.meta".into()));
    assert_eq!(ask(&[(200, "T"), (200, META), (200, STS)], "ecs-role").await.0, Ok("STS.x".into()));
    let granted = META.replace(r#""Code":"Success","#, "");
    let (id, script) = ask(&[(200, &format!(r#"{{"CloudCredential":{granted},"RequestId":"R"}}"#))], "sso").await;
    assert_eq!(id, Ok("STS.meta".into()));
    assert_eq!(script.lines(), ["POST /cloud-credentials"]);
    assert_eq!(script.seen()[0].endpoint.to_string(), "https://signin.example");
    assert_eq!(script.header(0, "authorization").as_deref(), Some("Bearer hush"));
    assert!(ask(&[], "sso-ended").await.0.unwrap_err().to_string().contains("log in again"));
    let traded = r#"{"requestId":"R","accessKeyId":"STS.o","accessKeySecret":"hush","securityToken":"hush","expiration":"2027-01-02T03:04:05Z"}"#;
    let (id, script) = ask(&[(200, traded)], "oauth").await;
    assert_eq!(id, Ok("STS.o".into()));
    assert_eq!(script.seen()[0].endpoint.to_string(), "https://oauth.alibabacloud.com");
    assert_eq!(ask(&[], "oauth-kept").await.0, Ok("kept".into()));
    for (name, part) in [("half", "no complete key"), ("odd", "`Odd`"), ("absent", "no profile `absent`")] {
        let error = ask(&[], name).await.0.unwrap_err();
        assert!(error.to_string().contains(part), "{error}");
    }
}

#[tokio::test]
async fn a_program_may_print_the_key() {
    let folder = tempfile::tempdir().unwrap();
    let printed = folder.path().join("printed.json");
    std::fs::write(&printed, r#"{"mode":"AK","access_key_id":"printed","access_key_secret":"hush"}"#).unwrap();
    let command = if cfg!(windows) { "cmd /C type" } else { "cat" };
    let path = printed.to_str().unwrap().replace('\\', "\\\\");
    let config = format!(r#"{{"profiles":[{{"name":"x","mode":"External","process_command":"{command} '{path}'"}}]}}"#);
    assert_eq!(profile(&answers(&[]), &config, "x").await.unwrap().id, "printed");
    let config = r#"{"profiles":[{"name":"x","mode":"External","process_command":"/nonexistent/program"}]}"#;
    assert!(profile(&answers(&[]), config, "x").await.unwrap_err().to_string().contains("cannot run"));
}

#[tokio::test]
async fn a_credentials_file_is_found_under_both_names() {
    for name in ["credentials", "credentials.ini"] {
        let folder = tempfile::tempdir().unwrap();
        write(
            &folder.path().join(".alibabacloud").join(name),
            "[default]\ntype = access_key\naccess_key_id = i # mine\naccess_key_secret = hush\n[role]\ntype=ram_role_arn\naccess_key_id=i\naccess_key_secret=hush\nrole_arn=acs:ram::1:role/r\nrole_session_name=edge\n[ecs]\ntype=ecs_ram_role\nrole_name=r\n[rsa]\ntype=rsa_key_pair\n[none]\na=b\n",
        );
        let home = folder.path().to_str().unwrap();
        let ask = async |list: &[(u16, &str)], profile: &str| {
            let script = answers(list);
            let surroundings = surroundings(&script, &[("HOME", home), ("ALIBABA_CLOUD_PROFILE", profile)]);
            IniProfile { profile: None, path: None, surroundings }.fetch().await.map(|key| key.id)
        };
        assert_eq!(ask(&[], "").await, Ok("i".into()));
        assert_eq!(ask(&[(200, STS)], "role").await, Ok("STS.x".into()));
        assert_eq!(ask(&[(200, "T"), (200, META)], "ecs").await, Ok("STS.meta".into()));
        for (profile, part) in [("rsa", "not supported"), ("none", "no type"), ("absent", "[absent]")] {
            let error = ask(&[], profile).await.unwrap_err().to_string();
            assert!(error.contains(part), "{error}");
        }
    }
}

#[cfg(unix)]
#[tokio::test]
async fn a_file_that_others_may_read_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("config.json");
    write(
        &path,
        r#"{"current":"a","profiles":[{"name":"a","mode":"AK","access_key_id":"i","access_key_secret":"s"}]}"#,
    );
    let provider =
        CliProfile { profile: None, path: Some(path.clone()), surroundings: surroundings(&answers(&[]), &[]) };
    for (bits, is_refused) in
        [(0o600, false), (0o400, false), (0o640, false), (0o644, true), (0o660, true), (0o602, true)]
    {
        mode(&path, bits);
        let outcome = provider.fetch().await;
        assert_eq!(outcome.is_err(), is_refused, "{bits:o}: {outcome:?}");
        if let Err(error) = outcome {
            assert!(error.to_string().contains("chmod 600"), "{error}");
        }
    }
}

#[tokio::test]
async fn the_chain_asks_in_the_order_of_the_vendors_libraries_and_remembers_who_answered() {
    let folder = tempfile::tempdir().unwrap();
    let home = folder.path().to_str().unwrap();
    let variables = [
        ("HOME", home),
        ("ALIBABA_CLOUD_ROLE_ARN", "acs:ram::1:role/r"),
        ("ALIBABA_CLOUD_OIDC_PROVIDER_ARN", "p"),
        ("ALIBABA_CLOUD_OIDC_TOKEN_FILE", "/nonexistent"),
        ("ALIBABA_CLOUD_CREDENTIALS_URI", "http://127.0.0.1:1/x"),
    ];
    let script = answers(&[(404, ""), (404, ""), (200, META), (200, META)]);
    let chain = chain(&surroundings(&script, &variables));
    let names: Vec<&str> = chain.names().collect();
    assert_eq!(names, ["environment", "OIDC", "aliyun CLI profile", "credentials file", "ECS role", "credentials URI"]);
    assert_eq!(chain.fetch().await.unwrap().id, "STS.meta");
    assert_eq!(chain.name(), "credentials URI");
    chain.fetch().await.unwrap();
    assert_eq!(script.lines().last().unwrap(), "GET /x");
    assert_eq!(script.lines().len(), 4, "the others are not asked again");
}

#[tokio::test]
async fn a_role_may_be_named_as_terraform_names_it() {
    let variables = [("HOME", "/nonexistent"), ("ALICLOUD_ECS_ROLE_NAME", "edge")];
    let script = answers(&[(200, "T"), (200, META)]);
    assert_eq!(chain(&surroundings(&script, &variables)).fetch().await.unwrap().id, "STS.meta");
    assert_eq!(script.lines()[1], "GET /latest/meta-data/ram/security-credentials/edge");
}

#[tokio::test]
async fn parts_of_the_chain_can_be_switched_off_and_all_complaints_are_told() {
    let variables = [
        ("HOME", "/nonexistent"),
        ("ALIBABA_CLOUD_CLI_PROFILE_DISABLED", "TRUE"),
        ("ALIBABA_CLOUD_ECS_METADATA_DISABLED", "true"),
    ];
    let chain = chain(&surroundings(&answers(&[]), &variables));
    assert_eq!(chain.names().collect::<Vec<_>>(), ["environment", "credentials file"]);
    let error = chain.fetch().await.unwrap_err().to_string();
    assert!(error.contains("ALIBABA_CLOUD_ACCESS_KEY_ID is not set") && error.contains("credentials"), "{error}");
    assert_eq!(chain.name(), "default chain", "a failure is not remembered");
}

/// A source that counts, and fails when it is told to.
#[derive(Debug)]
struct Source {
    asked: AtomicUsize,
    fails_from: AtomicUsize,
    life: u64,
    gate: tokio::sync::Semaphore,
}

impl Source {
    fn new(life: u64) -> Arc<Self> {
        Arc::new(Self {
            fails_from: AtomicUsize::new(usize::MAX),
            life,
            gate: tokio::sync::Semaphore::new(1000),
            asked: AtomicUsize::new(0),
        })
    }
}

impl Provider for Source {
    fn name(&self) -> &'static str {
        "source"
    }

    fn fetch(&self) -> Fetching<'_> {
        Box::pin(async {
            let at = self.asked.fetch_add(1, Ordering::SeqCst) + 1;
            self.gate.acquire().await.unwrap().forget();
            if at >= self.fails_from.load(Ordering::SeqCst) {
                return Err(CredentialError { source_name: "source".into(), is_absent: false, text: "away".into() });
            }
            let end = Timestamp::from_unix(TIME + self.life * at as u64);
            Ok(AccessKey::new(format!("key-{at}"), "hush").with_token("hush").with_end(Some(end)))
        })
    }
}

const TIME: u64 = 1_767_323_045;

/// Sets the clock to so many seconds behind the start.
fn pass(clock: &Clock, seconds: u64) {
    clock.correct(&Timestamp::from_unix(TIME + seconds).http());
}

async fn until(mut condition: impl FnMut() -> bool) {
    for _ in 0..1000 {
        if condition() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("it never came to pass");
}

#[tokio::test]
async fn a_key_is_renewed_behind_those_who_use_it() {
    let (source, clock) = (Source::new(3600), Clock::fixed(now()));
    let credentials = Credentials::of(source.clone(), clock.clone());
    assert_eq!(credentials.key().await.unwrap().id, "key-1");
    pass(&clock, 1799);
    assert_eq!(credentials.key().await.unwrap().id, "key-1");
    assert_eq!(source.asked.load(Ordering::SeqCst), 1);
    pass(&clock, 1801);
    assert_eq!(credentials.key().await.unwrap().id, "key-1", "the old one, without waiting");
    until(|| credentials.status().id.as_deref() == Some("key-2")).await;
    assert_eq!(credentials.key().await.unwrap().id, "key-2");
}

#[tokio::test]
async fn many_who_need_a_key_at_once_cause_one_request() {
    let source = Source::new(3600);
    source.gate.forget_permits(1000);
    let credentials = Credentials::of(source.clone(), Clock::fixed(now()));
    let tasks: Vec<_> = (0..50)
        .map(|_| {
            let credentials = credentials.clone();
            tokio::spawn(async move { credentials.key().await.unwrap().id })
        })
        .collect();
    until(|| source.asked.load(Ordering::SeqCst) == 1).await;
    source.gate.add_permits(1000);
    for task in tasks {
        assert_eq!(task.await.unwrap(), "key-1");
    }
    assert_eq!(source.asked.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn the_old_key_is_served_until_it_ends_and_then_the_failure_is_told() {
    let (source, clock) = (Source::new(3600), Clock::fixed(now()));
    let credentials = Credentials::of(source.clone(), clock.clone());
    credentials.key().await.unwrap();
    source.fails_from.store(2, Ordering::SeqCst);
    pass(&clock, 2000);
    assert_eq!(credentials.key().await.unwrap().id, "key-1");
    let before = tokio::time::Instant::now();
    until(|| credentials.status().failing.is_some()).await;
    assert_eq!(credentials.key().await.unwrap().id, "key-1");
    tokio::task::yield_now().await;
    let asked = source.asked.load(Ordering::SeqCst);
    let is_late = before.elapsed() > Duration::from_millis(400);
    assert!(asked == 2 || is_late, "a source that failed is left alone for a while: {asked}");
    pass(&clock, 3599);
    assert_eq!(credentials.key().await.unwrap().id, "key-1");
    pass(&clock, 3600);
    let error = credentials.key().await.unwrap_err();
    assert_eq!(error.to_string(), "no key from source: away");
    let (since, _) = credentials.status().failing.unwrap();
    assert_eq!(since.unix(), TIME + 2000);
    source.fails_from.store(usize::MAX, Ordering::SeqCst);
    let mut key = credentials.key().await;
    for _ in 0..500 {
        if key.is_ok() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
        key = credentials.key().await;
    }
    assert!(key.is_ok(), "and it comes back");
    assert_eq!(credentials.status().failing, None);
}

#[tokio::test]
async fn a_key_that_a_service_refused_is_not_served_again() {
    let source = Source::new(3600);
    let credentials = Credentials::of(source.clone(), Clock::fixed(now()));
    let first = credentials.key().await.unwrap();
    credentials.reject(&first);
    let second = credentials.key().await.unwrap();
    assert_eq!(second.id, "key-2");
    credentials.reject(&first);
    assert_eq!(credentials.key().await.unwrap().id, "key-2", "a late complaint about the first");
    assert!(!format!("{credentials:?} {:?} {first:?}", credentials.status()).contains("hush"));
}

#[tokio::test]
async fn a_source_that_is_away_at_the_start_is_an_error_and_not_a_wait() {
    let script = answers(&[]);
    script.push_error(Stage::Connect, false);
    script.push_error(Stage::Connect, false);
    let credentials = Credentials::new(EcsRole::new(surroundings(&script, &[]), Some("r".into())), Clock::fixed(now()));
    assert!(credentials.key().await.is_err());
    assert_eq!(credentials.status().source_name, "ECS role");
}
