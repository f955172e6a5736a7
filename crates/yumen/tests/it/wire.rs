//! The scripts of `tests/wire`: exact bytes on both sides of the built program. The language is described in its README.

mod stage;

use stage::Stage;
use yumen_test::Flow;

/// One test for each file.
macro_rules! flows {
    ($($name:ident)*) => {
        $(#[test]
        fn $name() {
            play(stringify!($name));
        })*

        const FILES: &[&str] = &[$(stringify!($name)),*];
    };
}

flows! {
    absolute
    answer
    bodiless
    chunk
    coding
    connection
    forwarded
    forwarded_off
    forwarded_standard
    forwarded_trusted
    hop
    host
    interim
    length
    limit
    lines
    reset
    target
    tcp
    tcp_reset
    trailer
    undrained
    upgrade
}

#[test]
fn every_script_is_played() {
    let scripts = std::fs::read_dir(stage::folder()).unwrap().map(|entry| entry.unwrap().path());
    let mut names: Vec<_> = scripts.filter(|path| path.extension().is_some_and(|e| e == "flow")).collect();
    names.sort();
    let mut listed: Vec<_> = FILES.iter().map(|name| stage::folder().join(format!("{name}.flow"))).collect();
    listed.sort();
    assert_eq!(names, listed, "each script stands once in the list of wire.rs");
}

fn play(name: &str) {
    let path = stage::folder().join(format!("{name}.flow"));
    let text = std::fs::read_to_string(&path).unwrap();
    let read = |listener: &str| {
        Flow::parse(&text.replace("{listener}", listener)).unwrap_or_else(|e| panic!("{name}.flow: {e}"))
    };
    // The address is known once the configuration runs.
    let mut stage = Stage::open(&read("").config);
    let flow = read(&stage.listen().to_string());
    let only = std::env::var("YUMEN_WIRE_CASE").unwrap_or_default();
    for case in flow.cases.iter().filter(|case| case.title.contains(&only)) {
        stage.play(case);
    }
    let failed = stage.close();
    assert!(failed.is_empty(), "{} cases of {name}.flow failed\n\n{}", failed.len(), failed.join("\n"));
}
