//! `yumen alibaba policy`: what a configuration needs to be allowed.

use serde_json::{Value, json};

use crate::gateway::{text, yumen};

fn policy(config: &str) -> String {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("yumen.yaml");
    let listeners = "listeners: {web: {bind: ':80', default_status: 404}}\n";
    std::fs::write(&file, format!("{listeners}{config}")).unwrap();
    let output = yumen(&["alibaba", "policy", "-c", &file.to_string_lossy()]);
    assert!(output.status.success(), "{}", text(&output));
    text(&output)
}

fn json_of(config: &str) -> Value {
    serde_json::from_str(&policy(config)).unwrap()
}

#[test]
fn the_policy_of_one_account_stands_alone_and_allows_what_the_sections_need() {
    let told = json_of(
        "alibaba: {default: {region: cn-hangzhou}}\n\
         middlewares: {staff: {basic_auth: {users: ['${kms:edge/staff#lines}', '${kms:edge/staff#more}']}}}\n\
         upstreams: {site: {discover: {server_group: {kind: alb, id: sgp-1}}}}\n\
         routes: {all: {middlewares: [staff], upstream: site}}\n\
         nat_gateways: {out: {gateway: ngw-1, egress: [192.0.2.1]}}\n\
         dynamic_dns: {home: {names: [www.example.com], zone: example.com, source: {interface: eth0}}}\n\
         log_outputs: {cloud: {sls: {project: edge, store: access}}}\n",
    );
    let statements = told["Statement"].as_array().unwrap();
    let of = |action: &str| {
        let has = |s: &&Value| s["Action"].as_array().is_some_and(|all| all.contains(&json!(action)));
        statements.iter().find(has).map(|s| s["Resource"].clone()).unwrap_or_default()
    };
    assert_eq!(of("kms:GetSecretValue"), json!(["acs:kms:cn-hangzhou:*:secret/edge/staff"]));
    assert_eq!(of("alb:ListServerGroupServers"), json!(["acs:alb:cn-hangzhou:*:servergroup/sgp-1"]));
    assert_eq!(of("alidns:UpdateDomainRecord"), json!(["acs:alidns:*:*:domain/example.com"]));
    assert_eq!(of("vpc:DescribeSnatTableEntries"), json!(["*"]));
    assert_eq!(of("log:PostLogStoreLogs"), json!(["acs:log:cn-hangzhou:*:project/edge/logstore/access"]));
    // What nothing asked for is not allowed.
    for action in ["vpc:CreateSnatEntry", "alb:AddServersToServerGroup", "ga:ListAccelerators"] {
        assert_eq!(of(action), Value::Null, "{action}");
    }
}

#[test]
fn each_role_gets_its_own_policy_and_who_takes_it_on_may_do_that_alone() {
    let told = json_of(
        "alibaba:\n  default: {region: cn-beijing, assume_role: {arn: 'acs:ram::1234567890:role/gateway'}}\n  \
         idle: {region: cn-beijing}\n\
         dns_providers: {ali: {alidns: {account: default}}}\n\
         authorities: {le: {directory: letsencrypt-staging}}\n\
         certificates: {www: {names: ['*.example.com'], dns_provider: ali}}\n",
    );
    let expected = json!({
        "default: the keys": {"Version": "1", "Statement": [
            {"Effect": "Allow", "Action": ["sts:AssumeRole"], "Resource": ["acs:ram::1234567890:role/gateway"]},
        ]},
        "default: acs:ram::1234567890:role/gateway": {"Version": "1", "Statement": [
            {"Effect": "Allow", "Action": ["alidns:DescribeDomains"], "Resource": ["acs:alidns:*:1234567890:domain/*"]},
            {"Effect": "Allow", "Action": ["alidns:AddDomainRecord", "alidns:DescribeSubDomainRecords",
                "alidns:DescribeDomainRecords", "alidns:DescribeDomainInfo", "alidns:DeleteDomainRecord"],
                "Resource": ["acs:alidns:*:1234567890:domain/example.com"]},
        ]},
    });
    assert_eq!(told, expected);
}

#[test]
fn a_configuration_without_the_cloud_needs_nothing() {
    assert_eq!(policy(""), "this configuration needs no permission in Alibaba Cloud\n");
}
