//! Passwords that KMS keeps, against the cloud of the tests of `yumen-alibaba`.

use serde_json::{Value, json};

use crate::cloud::FakeCloud;
use crate::gateway::{Gateway, origin, until, yumen};

const FIRST: &str = "ada:$2y$05$qmcmmeeV5tsFCzoYwgIg6ukZEyD.spveTX1T2mCus.h0kRfIYciOy";
const SECOND: &str = "ada:$2y$05$O6uU0OPQZsGTE387XhwnEe4qW/bGu7ump8kWZhru3XHB5xmzjr8qu";
const EVE: &str = "eve:$2y$05$buUT/ZiS3Ri/HPK8gRs0IuVM2Go6RRsgHxgzjwn9Vr4CBouw6BXDi";

impl FakeCloud {
    fn keep(&self, current: &str, previous: &str) {
        self.set(&json!({"secrets": {"edge/staff": {"ACSCurrent": current, "ACSPrevious": previous}}}));
    }
}

fn start(cloud: &FakeCloud) -> Gateway {
    let (kms, site) = (cloud.addr, origin("site"));
    let eve = EVE.replace('$', "$$");
    Gateway::start(&format!(
        "alibaba:\n  default:\n    region: cn-hangzhou\n    keys: {{access_key_id: ak, access_key_secret: ak-secret}}\n    \
         endpoints: {{kms: 'http://{kms}'}}\n\
         listeners: {{web: {{bind: '{{listen}}'}}}}\n\
         upstreams: {{site: {{endpoints: ['{site}']}}}}\n\
         middlewares: {{staff: {{basic_auth: {{users: ['${{kms:edge/staff#lines}}', '{eve}']}}}}}}\n\
         routes:\n  open: {{upstream: site}}\n  staff: {{match: {{path: {{prefix: /staff}}}}, middlewares: [staff], upstream: site}}\n"
    ))
}

fn status(gateway: &Gateway, login: &str) -> u16 {
    let answer = gateway.curl(&["-u", login], "/staff");
    answer.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or_default()
}

fn duty(gateway: &Gateway) -> Value {
    let file = gateway.file();
    let output = yumen(&["status", "-c", &file.to_string_lossy(), "--format", "json"]);
    let status: Value = serde_json::from_slice(&output.stdout).unwrap();
    let duties = status["duties"].as_array().cloned().unwrap_or_default();
    duties.into_iter().find(|duty| duty["kind"] == "secret").unwrap_or_default()
}

fn lines(lines: &str) -> String {
    json!({"lines": lines}).to_string()
}

#[test]
fn passwords_that_kms_keeps_are_missed_learned_rotated_and_outlive_it() {
    let cloud = FakeCloud::start();
    let gateway = start(&cloud);
    // Nobody of the secret gets in before it was read; the rest of the gateway serves, and so does who stands behind it.
    until("the duty fails", || Some(duty(&gateway)).filter(|duty| duty["state"] == "failing"));
    assert_eq!((status(&gateway, "ada:first-pass"), status(&gateway, "eve:break-glass")), (503, 200));
    assert!(gateway.curl(&[], "/").starts_with("HTTP/1.1 200"));
    assert!(gateway.curl(&[], "/staff").starts_with("HTTP/1.1 401"));

    cloud.keep(&lines(FIRST), "");
    until("the first password", || Some(()).filter(|()| status(&gateway, "ada:first-pass") == 200));
    assert_eq!(status(&gateway, "ada:second-pass"), 401);
    let duty_now = duty(&gateway);
    assert_eq!((&duty_now["name"], &duty_now["state"]), (&json!("default/edge/staff#lines"), &json!("well")));

    // Who comes with the new password makes us look; the old one is over then, although it was found right before.
    cloud.keep(&lines(SECOND), &lines(FIRST));
    until("the second password", || Some(()).filter(|()| status(&gateway, "ada:second-pass") == 200));
    assert_eq!(status(&gateway, "ada:first-pass"), 401);

    // A version that cannot be used is told, and the one before goes on.
    cloud.keep("ada:plain-pass", &lines(SECOND));
    until("the duty fails again", || {
        status(&gateway, "ada:plain-pass");
        Some(duty(&gateway)).filter(|duty| duty["state"] == "failing")
    });
    assert_eq!(status(&gateway, "ada:second-pass"), 200);

    drop(cloud);
    assert_eq!(status(&gateway, "ada:second-pass"), 200);
    let told = gateway.said() + &duty(&gateway).to_string();
    for secret in ["$2y$05$", "pass\"", "ada", "ak-secret", "plain-pass"] {
        assert!(!told.contains(secret), "{secret} in {told}");
    }
}
