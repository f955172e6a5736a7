//! Golden files, the examples, the generated pages, and that no input can break the reading.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs, unreachable_pub, reason = "tests")]

#[path = "../../../fuzz/src/config.rs"]
mod fuzz;
#[path = "smoke/mod.rs"]
mod smoke;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use proptest::prelude::*;
use yumen_config::config::{Config, MiddlewareKind};
use yumen_config::{Change, check_files, diff, load, parse_str, quick, reference_markdown, render, schema, show};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn updating() -> bool {
    std::env::var_os("UPDATE").is_some()
}

fn kept_true(path: &Path, now: &str) {
    if updating() {
        std::fs::write(path, now).unwrap();
    }
    let was = std::fs::read_to_string(path).unwrap_or_default().replace("\r\n", "\n");
    assert!(was == now, "{} is out of date; run the test with UPDATE=1", path.display());
}

fn env(name: &str) -> Option<String> {
    match name {
        "PORT" => Some("8080".to_owned()),
        "EMPTY" => Some(String::new()),
        "SECRET" => Some("hunter2{hunter2}".to_owned()),
        // What would be a second address, an option and a section if it were read as YAML.
        "INJECT" => Some("127.0.0.1:80\"], x: [1]\nadmin: off".to_owned()),
        _ => None,
    }
}

/// What a configuration says, one line per part; what every configuration of these tests has is left out.
fn shown(config: &Config) -> String {
    let plain =
        "listeners: {web: {bind: \":80\"}}\nroutes: {r: {upstream: u}}\nupstreams: {u: {endpoints: [\"h:1\"]}}\n";
    let plain = lines(&parse_str("plain", plain, &env).unwrap().config);
    let all = lines(config);
    let kept: String = all.iter().filter(|line| !plain.contains(line)).map(|line| format!("{line}\n")).collect();
    if kept.is_empty() { "accepted: nothing but the plain parts\n".to_owned() } else { kept }
}

fn lines(config: &Config) -> Vec<String> {
    let mut out = vec![
        format!("{:?}", config.runtime),
        format!("{:?}", config.admin),
        format!("{:?}", config.log),
        format!("state_dir {:?}", config.state_dir),
    ];
    out.extend(config.listeners.values().map(|l| format!("{l:?}")));
    out.extend(config.routes.iter().map(|r| format!("{r:?}")));
    out.extend(config.middlewares.values().map(|m| format!("{m:?}")));
    out.extend(config.upstreams.values().map(|u| format!("{u:?}")));
    // One line for each section; kinds of which there is none are not told.
    out.push(format!("{:?}", config.cloud));
    out
}

#[test]
fn golden() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    let mut files: Vec<_> = std::fs::read_dir(folder).unwrap().map(|e| e.unwrap().path()).collect();
    files.retain(|f| f.extension().is_some_and(|e| e == "test"));
    files.sort();
    assert!(!files.is_empty());
    for file in files {
        let all = std::fs::read_to_string(&file).unwrap().replace("\r\n", "\n");
        let input = all.split_once("----\n").map_or(all.as_str(), |(input, _)| input);
        let out = match parse_str("test.yaml", input, &env) {
            Ok(loaded) => render(&loaded.warnings) + &shown(&loaded.config),
            Err(complaints) => render(&complaints),
        };
        // The inputs have this word only where it is a secret.
        assert!(!out.contains("hunter"), "{} shows a secret: {out}", file.display());
        kept_true(&file, &format!("{input}----\n{out}"));
    }
}

#[test]
fn examples_are_accepted_without_warnings() {
    for name in ["reverse-proxy", "tls", "tcp", "full"] {
        let path = root().join(format!("examples/{name}.yaml"));
        let loaded = load(&path, &env).unwrap_or_else(|e| panic!("{name}: {}", render(&e)));
        assert!(loaded.warnings.is_empty(), "{name}: {}", render(&loaded.warnings));
        assert_eq!(loaded.files.first(), Some(&path));
    }
}

#[test]
fn the_full_example_has_every_key() {
    let text = std::fs::read_to_string(root().join("examples/full.yaml")).unwrap();
    let schema = schema();
    let defs = schema["$defs"].as_object().unwrap().values().chain([&schema]);
    let keys = defs.flat_map(|d| d["properties"].as_object().unwrap().keys());
    let missing: Vec<_> = keys.filter(|k| !text.contains(&format!("{k}:"))).collect();
    assert!(missing.is_empty(), "{missing:?}");
}

#[test]
fn tens_of_thousands_of_complaints_take_no_minutes() {
    let routes: String =
        (0..50_000).map(|i| format!("  r{i}: {{hosts: h{i}.example.com, upstream: gone}}\n")).collect();
    let text = format!("listeners: {{web: {{bind: \":1\"}}}}\nroutes:\n{routes}");
    assert_eq!(parse_str("big", &text, &env).unwrap_err().len(), 50_000);
    // Programs write all on one line; each complaint shows a piece of it.
    let line = format!("{{listeners: {{web: {{bind: \":1\"}}}}, routes: {{{}}}}}", routes.replace('\n', ","));
    let found = parse_str("big", &line, &env).unwrap_err();
    assert!(found.len() == 50_000 && found.iter().all(|d| d.span.text.len() <= 400), "{}", found.len());
}

/// What many routes cost; to be run alone and optimized: `cargo test -p yumen-config --profile bench-quick -- --ignored`.
#[test]
#[ignore = "a measurement"]
#[allow(clippy::disallowed_methods, reason = "a measurement")]
fn measure_many_routes() {
    let resident = || {
        let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
        let line = |name: &str| status.lines().find_map(|l| l.strip_prefix(name).map(|l| l.trim().to_owned()));
        format!("resident {}, at most {}", line("VmRSS:").unwrap_or_default(), line("VmHWM:").unwrap_or_default())
    };
    for count in [10_000, 100_000] {
        let routes: String = (0..count)
            .map(|i| format!("  r{i}:\n    hosts: [h{i}.example.com]\n    match: {{ path: {{ prefix: /v{} }} }}\n    upstream: u{}\n", i % 7, i % 100))
            .collect();
        let upstreams: String =
            (0..100).map(|i| format!("  u{i}: {{ endpoints: [\"127.0.0.1:{}\"] }}\n", 3000 + i)).collect();
        let text = format!("listeners: {{ web: {{ bind: \":1\" }} }}\nroutes:\n{routes}upstreams:\n{upstreams}");
        eprintln!("{count} routes, {} KiB of text; before: {}", text.len() >> 10, resident());
        let mut best = std::time::Duration::MAX;
        let mut kept = None;
        for _ in 0..5 {
            let begun = std::time::Instant::now();
            kept = Some(parse_str("t", &text, &env).unwrap_or_else(|e| panic!("{}", render(&e))));
            best = best.min(begun.elapsed());
        }
        eprintln!("  read in {best:?}; {}", resident());
        assert_eq!(kept.map(|l| l.config.routes.len()), Some(count));
    }
}

#[test]
fn generated_pages_are_true() {
    let guide = root().join("docs/guide");
    kept_true(&guide.join("reference.md"), &reference_markdown());
    kept_true(&guide.join("schema.json"), &format!("{}\n", serde_json::to_string_pretty(&schema()).unwrap()));
}

#[test]
fn includes_are_read_once_and_paths_are_relative_to_their_file() {
    let folder = tempfile::tempdir().unwrap();
    let main = folder.path().join("main.yaml");
    std::fs::create_dir(folder.path().join("d")).unwrap();
    std::fs::write(&main, "include: [\"d/*.yaml\", main.yaml]\nlisteners: {web: {bind: \":1\"}}\n").unwrap();
    let part = "routes: {a: {upstream: a}}\nupstreams: {a: {endpoints: \"https://h\", tls: {ca: ca.pem}}}\n";
    std::fs::write(folder.path().join("d/a.yaml"), part).unwrap();
    let loaded = load(&main, &env).unwrap_or_else(|e| panic!("{}", render(&e)));
    assert_eq!(loaded.files.len(), 2);
    let upstream = loaded.config.upstreams.get("a").unwrap();
    assert_eq!(upstream.tls.ca.as_deref(), Some(folder.path().join("d/ca.pem").as_path()));
}

#[test]
fn quick_takes_addresses_and_nothing_else() {
    let loaded = quick(":8080", &["http://127.0.0.1:3000".to_owned()]).unwrap();
    assert_eq!(loaded.config.routes.len(), 1);
    assert!(quick(":8080", &["x\"]\nadmin: off".to_owned()]).is_err());
    assert!(quick("${PORT}", &["h:1".to_owned()]).is_err());
}

#[test]
fn differences_name_their_parts() {
    let a = quick(":8080", &["h:1".to_owned()]).unwrap().config;
    let b = quick(":8080", &["h:2".to_owned()]).unwrap().config;
    assert!(diff(&a, &a).is_empty());
    let changes = diff(&a, &b);
    assert_eq!(changes.count(Change::Changed), 1);
    assert!(changes.to_string().contains("~ upstream endpoints: changed endpoints\n"));
    assert!(changes.to_string().contains("  listener proxy: kept (socket stays)\n"));
    let other = quick(":8081", &["h:1".to_owned()]).unwrap().config;
    let moved = diff(&a, &other);
    assert!(
        moved.to_string().contains("~ listener proxy: changed bind (opens [::]:8081; closes [::]:8080)\n"),
        "{moved}"
    );
    assert_eq!(moved.to_json()["parts"][0]["socket_stays"], false);
    let mut stricter = a.clone();
    let listener = Arc::make_mut(stricter.listeners.values_mut().next().unwrap());
    listener.limits.fields = 10;
    listener.default_status = 410;
    let said = diff(&a, &stricter).to_string();
    assert!(said.contains("~ listener proxy: changed limits.fields, default_status (socket stays)\n"), "{said}");
}

#[test]
fn a_difference_in_any_section_names_its_key_and_never_its_value() {
    let read =
        |text: &str| parse_str("t", text, &|_| Some("hunter2".to_owned())).unwrap_or_else(|e| panic!("{}", render(&e)));
    let plain = read(
        "listeners: {a: {bind: [\":1\", \":2\"]}, b: {bind: \":3\"}}\nroutes: {r: {upstream: u}, s: {upstream: u, hosts: h}}\n\
         upstreams: {u: {endpoints: \"https://h\"}}\nmiddlewares: {m: {headers: {request: {set: {x: y}}}}}\n",
    );
    let other = read(
        "listeners: {a: {bind: [\":1\", \":4\"], access: {deny: 10.0.0.0/8}, forwarded: {via: off}}, c: {bind: \":3\", timeouts: {idle: 1s}}}\n\
         routes: {r: {upstream: u, match: {methods: GET}, timeouts: {head: 1s}, retry: {idle_race: false}}, q: {upstream: u, hosts: h}}\n\
         upstreams: {u: {endpoints: \"https://h\", pool: {idle: 1}, tls: {sni: x}, dns: {max: 1m}, timeouts: {connect: 1s}}}\n\
         middlewares: {m: {headers: {request: {set: {x: \"${SECRET}\"}}}}}\n\
         admin: off\nruntime: {workers: 3}\nlog: {level: debug, access: {output: /x, rotate: {keep: 1}}}\nstate_dir: /y\n",
    );
    let said = diff(&plain.config, &other.config).to_string();
    let expected = "~ listener a: changed bind, forwarded.via, access.deny (opens [::]:4; closes [::]:2)\n\
                    - listener b: removed\n+ listener c: added\n+ route q: added\n\
                    ~ route r: changed listeners, match.methods, timeouts.head, retry.idle_race\n- route s: removed\n\
                    ~ middleware m: changed kind\n\
                    ~ upstream u: changed pool.idle, timeouts.connect, tls.sni, dns.max\n\
                    ~ section runtime: changed workers\n- section admin: removed\n\
                    ~ section log: changed level, access.output, access.rotate.keep\n~ section state_dir: changed\n\
                    2 added, 3 removed, 7 changed, 0 kept";
    assert_eq!(said, expected);
    let json = diff(&plain.config, &other.config).to_json();
    assert!(!json.to_string().contains("hunter2") && json["parts"][0]["opens"][0] == "[::]:4", "{json}");
    // The other way round.
    let back = diff(&other.config, &plain.config).to_string();
    assert!(back.contains("+ section admin: added\n") && back.contains("+ listener b: added\n"), "{back}");
}

#[test]
fn files_are_read_and_hosts_are_looked_for_in_certificates() {
    let folder = tempfile::tempdir().unwrap();
    let made =
        rcgen::generate_simple_self_signed(vec!["a.example.com".to_owned(), "*.example.org".to_owned()]).unwrap();
    std::fs::write(folder.path().join("a.pem"), made.cert.pem()).unwrap();
    std::fs::write(folder.path().join("a.key"), made.signing_key.serialize_pem()).unwrap();
    std::fs::write(folder.path().join("empty"), "").unwrap();
    let main = folder.path().join("main.yaml");
    let said = |certificates: &str| {
        let text = format!(
            "listeners: {{web: {{bind: \":1\", tls: {{certificates: {certificates}}}}}}}\nupstreams: {{u: {{endpoints: \"h:1\"}}}}\n\
             routes: {{r: {{upstream: u, hosts: [a.example.com, b.example.com, \"*.example.org\", x.y.example.org]}}}}\n"
        );
        std::fs::write(&main, text).unwrap();
        let found = check_files(&load(&main, &env).unwrap_or_else(|e| panic!("{}", render(&e))));
        found.into_iter().map(|d| (d.code, d.span.line, d.message)).collect::<Vec<_>>()
    };
    let bare = said("[{cert: a.pem, key: a.key}]");
    let [("host_without_certificate", 1, message)] = &bare[..] else { panic!("{bare:?}") };
    assert!(message.ends_with("is good for `b.example.com`, `x.y.example.org`"), "{message}");
    let codes = |found: Vec<(&'static str, u32, String)>| found.into_iter().map(|d| d.0).collect::<Vec<_>>();
    assert_eq!(codes(said("[{cert: empty, key: empty}]")), ["not_pem", "not_pem"]);
    assert_eq!(codes(said("[{cert: gone, key: a.key}]")), ["cannot_read"]);
    assert_eq!(codes(said("[{cert: a.key, key: a.pem}]")), ["not_pem", "not_pem"]);
}

#[test]
fn password_files_are_read_and_a_wrong_line_is_named_but_not_shown() {
    let folder = tempfile::tempdir().unwrap();
    let main = folder.path().join("main.yaml");
    let text = "listeners: {web: {bind: \":1\"}}\nupstreams: {u: {endpoints: \"h:1\"}}\n\
                routes: {r: {upstream: u, middlewares: [{basic_auth: {file: pw, users: [\"${file:own}\"]}}]}}\n";
    std::fs::write(&main, text).unwrap();
    std::fs::write(folder.path().join("own"), "bob:$2y$05$x\n").unwrap();
    let said = |passwords: &str| {
        std::fs::write(folder.path().join("pw"), passwords).unwrap();
        render(&check_files(&load(&main, &env).unwrap_or_else(|e| panic!("{}", render(&e)))))
    };
    assert_eq!(said("# people\n\neve:$argon2id$x\n"), "");
    let wrong = said("eve:$2y$05$x\ntom:hunter2\nann:hunter3\n");
    assert!(wrong.contains("line 2 of") && wrong.contains("(and 1 more)") && !wrong.contains("hunter"), "{wrong}");
    assert!(wrong.contains("main.yaml:3:61"), "{wrong}");
    assert!(said("# nobody\n").starts_with("warning[no_effect]"));
    std::fs::remove_file(folder.path().join("own")).unwrap();
    assert!(said("eve:$2y$05$x\n").contains("cannot_read"));
}

/// The examples with a few pieces cut out, doubled or swapped: nearly right, which is where mistakes hide.
fn mutated(text: &str, cuts: &[(u8, prop::sample::Index, prop::sample::Index)]) -> String {
    let mut text: Vec<char> = text.chars().collect();
    for (kind, a, b) in cuts {
        if text.is_empty() {
            break;
        }
        let (a, b) = (a.index(text.len()), b.index(text.len()));
        match kind % 4 {
            0 => drop(text.drain(a..(a + b % 16).min(text.len()))),
            1 => {
                let piece: Vec<char> = text[a..(a + b % 32).min(text.len())].to_vec();
                text.splice(b..b, piece);
            }
            2 => text.swap(a, b),
            _ => text.insert(a, ['\t', '\u{0}', '{', '*', '&', '$', ':', '\u{2028}'][b % 8]),
        }
    }
    text.into_iter().collect()
}

proptest! {
    #[test]
    fn no_damage_to_an_example_breaks_the_reading(
        example in prop::sample::select(vec!["full", "tls", "tcp", "reverse-proxy"]),
        cuts in proptest::collection::vec(any::<(u8, prop::sample::Index, prop::sample::Index)>(), 1..8),
    ) {
        let text = std::fs::read_to_string(root().join(format!("examples/{example}.yaml"))).unwrap();
        if let Err(complaints) = parse_str("any", &mutated(&text, &cuts), &env) {
            let _text = render(&complaints);
        }
    }

    #[test]
    fn an_escaped_text_means_itself(text in "[ -~äß→]{0,40}") {
        let quoted = serde_json::Value::from(text.replace('$', "$$")).to_string();
        let yaml = format!(
            "listeners: {{web: {{bind: \":1\"}}}}\nroutes: {{r: {{middlewares: [{{respond: {{body: {quoted}}}}}]}}}}\n"
        );
        let loaded = parse_str("any", &yaml, &env).unwrap_or_else(|e| panic!("{}", render(&e)));
        let MiddlewareKind::Respond { body, .. } = &loaded.config.routes[0].middlewares[0].kind else { unreachable!() };
        prop_assert_eq!(&**body, &text);
    }

    #[test]
    fn no_bytes_break_the_reading(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        let _result = parse_str("any", &String::from_utf8_lossy(&bytes), &env);
    }

    #[test]
    fn no_yaml_breaks_the_reading(
        words in proptest::collection::vec(
            prop::sample::select(vec![
                "listeners", "routes", "web", "bind", ":8080", ": ", "\n", "  ", "- ", "[", "]", "{", "}", ", ", "&a ",
                "*a", "match", "path", "prefix", "${PORT}", "${", "$$", "\"", "upstreams", "endpoints", "é", "off", "~",
            ]),
            0..60,
        )
    ) {
        let _result = parse_str("any", &words.concat(), &env);
    }
}

/// A value as it would be written in a file: a dollar sign begins a reference there.
fn as_file(value: serde_json::Value) -> serde_json::Value {
    match value {
        // A reference to a secret is meant as one.
        serde_json::Value::String(text) if !text.starts_with("${file:") && !text.starts_with("${kms:") => {
            text.replace('$', "$$").into()
        }
        serde_json::Value::Array(all) => all.into_iter().map(as_file).collect(),
        serde_json::Value::Object(all) => {
            serde_json::Value::Object(all.into_iter().map(|(k, v)| (k, as_file(v))).collect())
        }
        other => other,
    }
}

#[test]
fn a_shown_configuration_reads_as_the_same_again() {
    for name in ["full", "reverse-proxy", "tcp", "tls"] {
        let loaded = load(&root().join(format!("examples/{name}.yaml")), &env).map_err(|d| render(&d)).unwrap();
        let text = as_file(show(&loaded.config)).to_string();
        let again = parse_str("shown", &text, &env).map_err(|d| render(&d)).unwrap().config;
        assert_eq!(lines(&again), lines(&loaded.config), "{name}: {text}");
    }
}

#[test]
fn a_shown_configuration_hides_secrets() {
    let text = "listeners: {web: {bind: \":80\"}}
routes:
  r:
    match: {headers: {x-api-key: open-sesame-1, x-kind: app}}
    middlewares:
      - basic_auth: {users: [\"ann:$$2y$$05$$NlIpCKtqNnBrVAOeqiGLB.lxsW5DAJ8h2DBc5NbdFkBaxaPAFaCu2\"]}
      - headers: {request: {set: {Authorization: Bearer open-sesame-2, X-Plain: seen, X-Given: \"a ${PORT}\"}}}
    upstream: u
upstreams: {u: {endpoints: [\"h:1\"]}}
";
    let config = parse_str("t", text, &env).map_err(|d| render(&d)).unwrap().config;
    let shown = show(&config).to_string();
    assert!(!shown.contains("open-sesame") && !shown.contains("$2y$") && !shown.contains("8080"), "{shown}");
    assert!(shown.contains("seen") && shown.contains("x-kind") && shown.contains("app"), "{shown}");
}
