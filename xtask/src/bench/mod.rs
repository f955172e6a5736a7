//! `cargo xtask bench`: Yumen beside nginx, HAProxy, Caddy and nghttpx, in one run, on one machine, against the same origins.
//!
//! Figures of different runs must not be compared: a machine has moods. Within a run the rounds are interleaved, every
//! product is pinned to the same core, and the median of the rounds counts. CPU is that of the whole process tree, from
//! `/proc`. All traffic stays on loopback; Linux only.

mod rows;

mod proxies;

mod newer;

mod held;

mod echo;

mod h2load;

mod h3load;

mod load;

mod process;

mod report;

use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};

use process::{Server, free_ports, output, words};
use proxies::{Product, Site};
use report::Report;
use rows::{Bench, Pace, ROWS};

const USAGE: &str = "\
usage: cargo xtask bench [OPTIONS]

  --quick           fewer and shorter rounds: a glance, not a result
  --only ROW,…      these rows only
  --json FILE       write every sample there as well
  --readme          put the table into README.md
  --yumen PATH      the program under test (default target/release/yumen)
  --cores N         cores and workers for each proxy (default 1)
  --rounds N        rounds per row (default 5, with --quick 2)
  --access-log      write access logs to files where the product can (HAProxy cannot: it logs to syslog)
  --no-access-log   no access logs (default)

rows:
";

struct Options {
    quick: bool,
    only: Vec<String>,
    json: Option<PathBuf>,
    readme: bool,
    yumen: PathBuf,
    cores: usize,
    rounds: Option<usize>,
    access_log: bool,
}

/// Runs the benchmark; prints its table on the output stream and its progress on the error stream.
pub(crate) fn run(arguments: &[String]) -> Result<()> {
    if arguments.iter().any(|word| word == "--help" || word == "-h") {
        println!("{USAGE}{}", rows_help());
        return Ok(());
    }
    let options = parse(arguments)?;
    let folder = tempfile::Builder::new().prefix("yumen-bench-").tempdir().context("cannot create a folder")?;
    let site = prepare(&options, folder.path().to_path_buf())?;
    let mut report = Report::default();
    let products = entrants(&site, &mut report);
    ensure!(!products.is_empty(), "none of the products is installed");
    facts(&site, &options, &products, &mut report);
    let _origin: Server = proxies::start_origin(&site)?;
    let _newer = start_newer_origins(&site, &mut report);
    let mut bench = Bench { site: &site, pace: pace(&options), products, only: options.only, report };
    bench.run()?;
    print!("{}", bench.report.table());
    if options.readme {
        let path = crate::root()?.join("README.md");
        let text = std::fs::read_to_string(&path).context("cannot read README.md")?;
        let text = report::with_table(&text, &bench.report.markdown()).context("README.md has no place for figures")?;
        std::fs::write(&path, text).context("cannot write README.md")?;
    }
    if let Some(path) = options.json {
        let text = serde_json::to_string_pretty(&bench.report.json())?;
        std::fs::write(&path, text + "\n").with_context(|| format!("cannot write {}", path.display()))?;
    }
    Ok(())
}

fn rows_help() -> String {
    ROWS.iter().map(|(name, text)| format!("  {name:<12} {text}\n")).collect()
}

fn parse(arguments: &[String]) -> Result<Options> {
    let yumen = crate::root()?.join("target/release/yumen");
    let mut options = Options {
        quick: false,
        only: Vec::new(),
        json: None,
        readme: false,
        yumen,
        cores: 1,
        rounds: None,
        access_log: false,
    };
    let mut words = arguments.iter();
    while let Some(word) = words.next() {
        let mut value = || words.next().with_context(|| format!("{word} needs a value"));
        match word.as_str() {
            "--quick" => options.quick = true,
            "--access-log" => options.access_log = true,
            "--no-access-log" => options.access_log = false,
            "--only" => options.only = value()?.split(',').map(str::to_owned).collect(),
            "--readme" => options.readme = true,
            "--json" => options.json = Some(value()?.into()),
            "--yumen" => options.yumen = value()?.into(),
            "--cores" => options.cores = value()?.parse().context("--cores needs a number")?,
            "--rounds" => options.rounds = Some(value()?.parse().context("--rounds needs a number")?),
            other => bail!("bench does not know `{other}`\n\n{USAGE}{}", rows_help()),
        }
    }
    for name in &options.only {
        ensure!(ROWS.iter().any(|(row, _)| row == name), "there is no row `{name}`; rows:\n{}", rows_help());
    }
    Ok(options)
}

fn pace(options: &Options) -> Pace {
    let (rounds, seconds, relayed, held, reloads, limit) =
        if options.quick { (2, 1, 256 << 20, 250, 10, 300) } else { (5, 2, 1 << 30, 1_000, 50, 1200) };
    let deadline = Instant::now() + Duration::from_secs(limit);
    Pace { rounds: options.rounds.unwrap_or(rounds).max(1), seconds, relayed, held, reloads, deadline }
}

/// Divides the cores, pins this process to the load's share, and makes what all products need.
fn prepare(options: &Options, folder: PathBuf) -> Result<Site> {
    let total = std::thread::available_parallelism().map_or(1, usize::from);
    ensure!(
        options.cores >= 1 && options.cores <= total.saturating_sub(1).max(1),
        "--cores must leave one of {total} to the load"
    );
    let list = |cores: Vec<usize>| cores.iter().map(usize::to_string).collect::<Vec<_>>().join(",");
    let proxy_cores = if total == 1 { "0".to_owned() } else { list((1..=options.cores).collect()) };
    let load_cores = list((0..total).filter(|core| *core == 0 || *core > options.cores).collect());
    let own = std::process::id().to_string();
    for program in ["setpriv", "taskset", "prlimit", "wrk", "nginx", "openssl"] {
        ensure!(
            crate::ci::is_installed(program),
            "{program} is missing: `apt-get install util-linux wrk nginx openssl`"
        );
    }
    output(&words(["taskset", "-a", "-p", "-c", &load_cores, &own]), Duration::from_secs(5))?;
    output(&words(["prlimit", "--pid", &own, "--nofile=16384:"]), Duration::from_secs(5))
        .context("cannot allow 16384 open files: raise the hard limit (`ulimit -Hn`)")?;
    proxies::write_certificate(&folder)?;
    let [h2, grpc] = free_ports()?;
    let site = Site {
        yumen: options.yumen.clone(),
        load_cores,
        proxy_cores,
        workers: options.cores,
        access_log: options.access_log,
        origin: free_ports()?,
        raw: load::start_raw_server()?,
        newer: newer::Origins { h2, grpc, websocket: echo::start_websocket_server()?, udp: echo::start_udp_server()? },
        folder,
    };
    Ok(site)
}

/// The origins of HTTP/2 and gRPC; none, and no such rows, where nghttp2's programs are missing.
fn start_newer_origins(site: &Site, report: &mut Report) -> Vec<Server> {
    if ["h2load", "nghttpd"].iter().any(|program| !crate::ci::is_installed(program)) {
        report.problem("no h2load or nghttpd: `apt-get install nghttp2-client nghttp2-server`".to_owned());
        return Vec::new();
    }
    let both = [newer::start_h2_origin(site), newer::start_grpc_origin(site)];
    both.into_iter().filter_map(|origin| origin.map_err(|error| report.problem(format!("{error:#}"))).ok()).collect()
}

/// The products that can take part; the others are named with the reason.
fn entrants(site: &Site, report: &mut Report) -> Vec<Product> {
    let mut present = Vec::new();
    for product in Product::ALL {
        match product.absence(site) {
            Some(reason) => report.problem(format!("{} left out: {reason}", product.name())),
            None => present.push(product),
        }
    }
    for product in present.iter().filter(|product| product.is_classic() && !product.has_relay()) {
        report.problem(format!("{} has no TCP relay here", product.name()));
    }
    present
}

/// What a reader needs to judge the figures.
fn facts(site: &Site, options: &Options, products: &[Product], report: &mut Report) {
    let first = |command: &[String]| {
        let text = output(command, Duration::from_secs(10)).unwrap_or_default();
        text.lines().next().unwrap_or_default().trim().to_owned()
    };
    report.fact("date", first(&words(["date", "-u", "+%Y-%m-%d %H:%M UTC"])));
    report.fact("kernel", first(&words(["uname", "-sr"])));
    let cpuinfo = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model =
        cpuinfo.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": ").map(|(_, name)| name));
    report.fact("cpu", model.unwrap_or("unknown"));
    report.fact("load before", std::fs::read_to_string("/proc/loadavg").unwrap_or_default().trim());
    report.fact("cores", format!("proxy {}; load and origin {}", site.proxy_cores, site.load_cores));
    let log = if options.access_log { "to a file; off for HAProxy, which logs to syslog only" } else { "off for all" };
    report.fact("access log", log);
    for product in products {
        report.fact(product.name(), first(&product.version(site)));
    }
    if options.quick {
        report.fact("quick", true);
    }
    // A debug build would make every figure of ours meaningless.
    if site.yumen.components().any(|part| part.as_os_str() == "debug") {
        report.problem("the program under test is a debug build".to_owned());
    }
}
