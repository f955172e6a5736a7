//! Every vector: the canonical form, the string to sign, the signature; and from the parameters to the whole header where
//! the library that made the vector signs what this crate signs.

use std::time::Duration;

use serde_json::Value;
use yumen_alibaba::sign::{acs3, acs4, canonical_request, oss4, roa1, rpc1, sha256_hex, sls1, sls4, v4::Scope};
use yumen_alibaba::{AccessKey, Draft, Operation, Stamp, Timestamp, encode};

use crate::vector::{draft, form, pairs, read, text, vectors};

const NOW: u64 = 1_767_323_045;

fn now() -> Timestamp {
    Timestamp::from_unix(NOW)
}

fn name(vector: &Value) -> &str {
    text(&vector["name"])
}

#[test]
fn every_acs3_vector_is_reproduced() {
    let mut seen = 0;
    for (vector, key) in vectors("acs3-hmac-sha256.json") {
        let (Some(key), expected) = (key, &vector["expected"]) else { continue };
        let draft = if vector["request"].is_null() { documented(&vector) } else { draft(&vector) };
        let signed: Vec<&str> = text(&expected["signed_headers"]).split(';').collect();
        let canonical = canonical_request(&draft, &signed, &sha256_hex(&draft.body));
        assert_eq!(canonical, text(&expected["canonical_request"]), "{}", name(&vector));
        let to_sign = acs3::string_to_sign(&canonical);
        assert_eq!(to_sign, text(&expected["string_to_sign"]), "{}", name(&vector));
        assert_eq!(acs3::signature(&key, &to_sign), text(&expected["signature"]), "{}", name(&vector));
        seen += 1;
    }
    assert_eq!(seen, 25);
}

/// A worked example of the documentation, which tells the parts and not the request.
fn documented(vector: &Value) -> Draft {
    let input = &vector["input"];
    let mut draft = Draft::new("POST", "", text(&input["path"]));
    for (name, value) in input["query"].as_object().unwrap() {
        draft.query.push((name.clone(), text(value).to_owned()));
    }
    for (name, value) in input["headers"].as_object().unwrap() {
        match name.as_str() {
            "host" => draft.host = text(value).to_owned(),
            name => draft.headers.set(name, text(value)),
        }
    }
    draft
}

#[test]
fn from_parameters_to_authorization_acs3_is_that_of_the_node_library() {
    let mut seen = 0;
    for (vector, key) in vectors("acs3-hmac-sha256.json") {
        let name = name(&vector);
        if !name.starts_with("node-") && name != "documented-run-instances" {
            continue;
        }
        let (key, expected) = (key.unwrap(), text(&vector["expected"]["authorization"]));
        let (draft, operation) = match &vector["request"] {
            Value::Null => (documented(&vector), Operation { version: "2014-05-26", action: "RunInstances" }),
            _ => {
                let operation =
                    Operation { version: text(&vector["input"]["version"]), action: text(&vector["input"]["action"]) };
                (draft(&vector), operation)
            }
        };
        let date = Timestamp::parse_iso(draft.headers.value("x-acs-date").unwrap()).unwrap();
        let nonce = draft.headers.value("x-acs-signature-nonce").unwrap().to_owned();
        let mut ours = Draft::new(draft.method, draft.host.clone(), draft.path.clone());
        ours.query = draft.query.clone();
        ours.body = draft.body.clone();
        for kept in ["content-type", "x-acs-credentials-provider"] {
            if let Some(value) = draft.headers.value(kept) {
                ours.headers.set(kept, value);
            }
        }
        acs3::sign(&mut ours, &key, &operation, &Stamp { time: date, nonce });
        assert_eq!(ours.headers.value("authorization"), Some(expected), "{name}");
        seen += 1;
    }
    assert_eq!(seen, 4);
}

#[test]
fn every_acs4_vector_is_reproduced() {
    for (vector, key) in vectors("acs4-hmac-sha256.json") {
        let (key, expected) = (key.unwrap(), &vector["expected"]);
        let draft = draft(&vector);
        let scope = Scope { time: now(), region: "cn-hangzhou", product: "Kms" };
        assert_eq!(scope.text(), text(&expected["scope"]));
        assert_eq!(encode::hex(&scope.signing_key(key.secret.reveal())), text(&expected["signing_key_hex"]));
        let signed: Vec<&str> = text(&expected["signed_headers"]).split(';').collect();
        assert_eq!(acs3::signed_headers(&draft), signed);
        let canonical = canonical_request(&draft, &signed, &sha256_hex(&draft.body));
        assert_eq!(canonical, text(&expected["canonical_request"]));
        let to_sign = acs4::string_to_sign(&canonical);
        assert_eq!(to_sign, text(&expected["string_to_sign"]));
        assert_eq!(acs4::signature(&key, &scope, &to_sign), text(&expected["signature"]));
        let stamp = Stamp { time: now(), nonce: draft.headers.value("x-acs-signature-nonce").unwrap().to_owned() };
        let mut again = draft.clone();
        let operation = Operation { version: "2016-01-20", action: "GetSecretValue" };
        acs4::sign(&mut again, &key, &operation, &stamp, ("cn-hangzhou", "Kms"));
        assert_eq!(again.headers.value("authorization"), Some(text(&expected["authorization"])));
    }
}

#[test]
fn every_rpc_vector_is_reproduced() {
    let all = vectors("rpc-v1.json");
    assert_eq!(all.len(), 15);
    for (vector, key) in all {
        let (key, expected) = (key.unwrap(), &vector["expected"]);
        let (method, parameters) = rpc_parameters(&vector);
        let to_sign = rpc1::string_to_sign(method, &parameters);
        assert_eq!(to_sign, text(&expected["string_to_sign"]), "{}", name(&vector));
        assert_eq!(rpc1::signature(&key, &to_sign), text(&expected["signature"]), "{}", name(&vector));
    }
}

/// All parameters but the signature.
fn rpc_parameters(vector: &Value) -> (&str, Vec<(String, String)>) {
    let request = &vector["request"];
    if request.is_null() {
        let input = &vector["input"];
        let list = input["all_parameters"].as_object().unwrap();
        let pairs = list.iter().map(|(name, value)| (name.clone(), text(value).to_owned())).collect();
        return (input["method"].as_str().unwrap_or("GET"), pairs);
    }
    let mut parameters = pairs(&request["query"]);
    let is_form = pairs(&request["headers"])
        .iter()
        .any(|(name, value)| name.eq_ignore_ascii_case("content-type") && value.starts_with("application/x-www-form"));
    if is_form {
        // What stands in both places counts once.
        let form = form(text(&request["body_text"]));
        parameters.extend(form.into_iter().filter(|pair| !pairs(&request["query"]).contains(pair)));
    }
    parameters.retain(|(name, _)| name != "Signature");
    (text(&request["method"]), parameters)
}

#[test]
fn from_parameters_to_form_the_rpc_signature_is_that_of_the_tea_library() {
    let mut seen = 0;
    for (vector, key) in vectors("rpc-v1.json") {
        if !name(&vector).starts_with("tea-") {
            continue;
        }
        let (method, mut parameters) = rpc_parameters(&vector);
        let value =
            |name: &str| parameters.iter().find(|(other, _)| other == name).map(|(_, value)| value.clone()).unwrap();
        let (nonce, version, action, format) =
            (value("SignatureNonce"), value("Version"), value("Action"), value("Format"));
        let common = ["Action", "Version", "Format", "AccessKeyId", "Timestamp", "SecurityToken"];
        parameters.retain(|(name, _)| !name.starts_with("Signature") && !common.contains(&name.as_str()));
        let mut draft = Draft::new(crate::vector::method(method), "h", "/");
        let operation = Operation { version: &version, action: &action };
        rpc1::sign(&mut draft, &key.unwrap(), &operation, &Stamp { time: now(), nonce }, &parameters);
        let sent = form(std::str::from_utf8(&draft.body).unwrap());
        let signature = &sent.last().unwrap().1;
        if format == "JSON" {
            assert_eq!(signature, text(&vector["expected"]["signature"]), "{}", name(&vector));
            seen += 1;
        } else {
            // This library spells the format another way; what is compared is the rest.
            let mut theirs = rpc_parameters(&vector).1;
            let mut ours: Vec<_> = sent.iter().filter(|(name, _)| name != "Signature").cloned().collect();
            ours.iter_mut().filter(|(name, _)| name == "Format").for_each(|(_, value)| value.clone_from(&format));
            theirs.sort();
            ours.sort();
            assert_eq!(ours, theirs, "{}", name(&vector));
            seen += 1;
        }
    }
    assert_eq!(seen, 2);
}

#[test]
fn every_roa_vector_is_reproduced() {
    let all = vectors("roa-v1.json");
    assert_eq!(all.len(), 7);
    for (vector, key) in all {
        let (key, expected) = (key.unwrap(), &vector["expected"]);
        let draft = draft(&vector);
        let to_sign = roa1::string_to_sign(&draft);
        assert_eq!(to_sign, text(&expected["string_to_sign"]), "{}", name(&vector));
        assert_eq!(roa1::signature(&key, &to_sign), text(&expected["signature"]), "{}", name(&vector));
        if draft.query.iter().any(|(_, value)| value.is_empty()) || !name(&vector).starts_with("tea-") {
            continue;
        }
        let action = draft.headers.value("x-acs-action").unwrap().to_owned();
        let version = draft.headers.value("x-acs-version").unwrap().to_owned();
        let nonce = draft.headers.value("x-acs-signature-nonce").unwrap().to_owned();
        let mut again = draft.clone();
        roa1::sign(&mut again, &key, &Operation { version: &version, action: &action }, &Stamp { time: now(), nonce });
        if draft.headers.value("content-md5") == again.headers.value("content-md5")
            && draft.headers.value("x-acs-accesskey-id").is_none()
        {
            assert_eq!(
                again.headers.value("authorization"),
                Some(text(&expected["authorization"])),
                "{}",
                name(&vector)
            );
        }
    }
}

#[test]
fn every_oss_vector_is_reproduced() {
    let all = vectors("oss-v4.json");
    assert_eq!(all.len(), 10);
    for (vector, key) in all {
        let (key, expected, input) = (key.unwrap(), &vector["expected"], &vector["input"]);
        let mut draft = draft(&vector);
        draft.query.retain(|(name, _)| name != "x-oss-signature");
        let resource =
            oss4::Resource { region: text(&input["region"]), bucket: text(&input["bucket"]), key: text(&input["key"]) };
        let wanted: Vec<&str> = input["additional_headers"].as_array().into_iter().flatten().map(text).collect();
        let additional = oss4::additional_headers(&draft, &wanted);
        let canonical = oss4::canonical_request(&draft, &resource.canonical(), &additional);
        assert_eq!(canonical, text(&expected["canonical_request"]), "{}", name(&vector));
        let scope = Scope { time: now(), region: resource.region, product: "oss" };
        assert_eq!(scope.text(), text(&expected["scope"]));
        let to_sign = oss4::string_to_sign(&scope, &canonical);
        assert_eq!(to_sign, text(&expected["string_to_sign"]), "{}", name(&vector));
        assert_eq!(oss4::signature(&key, &scope, &to_sign), text(&expected["signature"]), "{}", name(&vector));
        oss_end_to_end(&vector, &key, &resource, draft, &wanted);
    }
}

/// From the parts to the whole request: the header, or the signature in the URL.
fn oss_end_to_end(vector: &Value, key: &AccessKey, resource: &oss4::Resource<'_>, mut draft: Draft, wanted: &[&str]) {
    let expected = &vector["expected"];
    if vector["input"]["presigned"] == true {
        let life = Duration::from_secs(vector["input"]["expires"].as_u64().unwrap());
        draft.query.retain(|(name, _)| !name.starts_with("x-oss-"));
        oss4::presign(&mut draft, key, resource, now(), life);
        let signature = draft.query.last().unwrap();
        assert_eq!((signature.0.as_str(), signature.1.as_str()), ("x-oss-signature", text(&expected["signature"])));
        return;
    }
    oss4::sign(&mut draft, key, resource, now(), wanted);
    let authorization = draft.headers.value("authorization").unwrap();
    // One of the libraries writes a space behind each comma; the service takes both.
    assert_eq!(authorization, text(&expected["authorization"]).replace(", ", ","), "{}", name(vector));
}

#[test]
fn every_vector_of_the_log_service_is_reproduced() {
    let all = vectors("sls.json");
    assert_eq!(all.len(), 3);
    for (vector, key) in all {
        let (key, expected) = (key.unwrap(), &vector["expected"]);
        let mut draft = draft(&vector);
        if vector["input"]["version"] == "v4" {
            let signed = sls4::signed_headers(&draft);
            let canonical = canonical_request(&draft, &signed, &sha256_hex(&draft.body));
            assert_eq!(canonical, text(&expected["canonical_request"]));
            let scope = Scope { time: now(), region: "cn-hangzhou", product: "sls" };
            assert_eq!(encode::hex(&scope.signing_key(key.secret.reveal())), text(&expected["signing_key_hex"]));
            let to_sign = sls4::string_to_sign(&scope, &canonical);
            assert_eq!(to_sign, text(&expected["string_to_sign"]));
            assert_eq!(sls4::signature(&key, &scope, &to_sign), text(&expected["signature"]));
            sls4::sign(&mut draft, &key, "cn-hangzhou", now());
        } else {
            // The library adds x-log-date after it signed.
            draft.headers.remove("x-log-date");
            let to_sign = sls1::string_to_sign(&draft);
            assert_eq!(to_sign, text(&expected["string_to_sign"]), "{}", name(&vector));
            assert_eq!(sls1::signature(&key, &to_sign), text(&expected["signature"]), "{}", name(&vector));
            sls1::sign(&mut draft, &key, now());
        }
        assert_eq!(draft.headers.value("authorization"), Some(text(&expected["authorization"])), "{}", name(&vector));
    }
}

#[test]
fn the_vectors_are_of_the_time_that_the_tests_assume() {
    for file in ["acs3-hmac-sha256.json", "rpc-v1.json", "roa-v1.json", "oss-v4.json", "sls.json"] {
        let clock = read(file)["clock"].clone();
        assert_eq!(clock["unix"], NOW);
        assert_eq!(text(&clock["iso"]), now().iso());
        assert_eq!(text(&clock["compact"]), now().compact());
        assert_eq!(text(&clock["http_date"]), now().http());
    }
}
