//! Scripts of both sides of the gateway in one file. The language is described in `crates/yumen/tests/wire/README.md`.

use crate::pattern::Pattern;

/// One file: a configuration and cases that run on it.
#[derive(Debug)]
pub struct Flow {
    /// The configuration as text.
    pub config: Config,
    /// The cases in the order of the file.
    pub cases: Vec<Case>,
}

/// Where the configuration stands.
#[derive(Debug, PartialEq, Eq)]
pub enum Config {
    /// In a file of this name.
    Named(String),
    /// In the script itself.
    Text(String),
}

/// One case.
#[derive(Debug)]
pub struct Case {
    /// What it shows.
    pub title: String,
    /// Where it begins.
    pub line: usize,
    /// What happens, in order, each with its line.
    pub steps: Vec<(usize, Step)>,
    /// What the access log must hold afterwards, in order. `None` only while it is being read.
    pub log: Option<Vec<Entry>>,
}

/// Who acts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Who {
    /// The client.
    Client,
    /// The origin.
    Origin,
}

/// One step.
#[derive(Debug, PartialEq, Eq)]
pub enum Step {
    /// Somebody sends bytes to the gateway.
    Send(Who, Vec<u8>),
    /// Somebody must get these bytes from the gateway.
    Get(Who, Pattern),
    /// Somebody does or sees something that is not bytes.
    Do(Who, What),
}

/// What is not bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    /// Ends its sending side.
    Ends,
    /// Resets the connection.
    Resets,
    /// Must see the end of what the gateway sends, with no byte before it.
    Closed,
    /// Must see the connection break, with no byte before it: what came is not all.
    Cut,
    /// Goes on with a new connection.
    New,
}

/// A line of the access log, as far as a script names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The status the client got; 0 for none.
    pub status: u16,
    /// The reason code; none when all went well.
    pub reason: Option<String>,
}

impl Flow {
    /// Reads a script.
    ///
    /// # Errors
    /// The first mistake, with its line.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut reader = Reader::default();
        for (number, line) in (1..).zip(text.lines()) {
            reader.line(number, line).map_err(|e| format!("line {number}: {e}"))?;
        }
        reader.finish()
    }
}

#[derive(Default)]
struct Reader {
    config: Option<Config>,
    cases: Vec<Case>,
    /// The last line was one of bytes of the same kind: the next one goes on.
    joins: bool,
}

impl Reader {
    fn line(&mut self, number: usize, line: &str) -> Result<(), String> {
        let joins = std::mem::take(&mut self.joins);
        if line.trim().is_empty() || line.starts_with('#') {
            return Ok(());
        }
        if let Some(title) = line.strip_prefix("== ") {
            let title = title.trim().to_owned();
            if self.cases.iter().any(|case| case.title == title) {
                return Err("there is a case of that title already".to_owned());
            }
            self.cases.push(Case { title, line: number, steps: Vec::new(), log: None });
            return Ok(());
        }
        let Some(case) = self.cases.last_mut() else { return self.config_line(line) };
        let (who, sends, text) = match line.split_once(' ').unwrap_or((line, "")) {
            (">", text) => (Who::Client, true, text),
            ("<", text) => (Who::Client, false, text),
            ("<<", text) => (Who::Origin, true, text),
            (">>", text) => (Who::Origin, false, text),
            _ => return word(case, number, line),
        };
        let pattern = Pattern::parse(text)?;
        self.joins = true;
        match (case.steps.last_mut(), sends) {
            (Some((_, Step::Send(last, bytes))), true) if joins && *last == who => bytes.extend(pattern.into_bytes()?),
            (Some((_, Step::Get(last, before))), false) if joins && *last == who => before.extend(pattern),
            (_, true) => case.steps.push((number, Step::Send(who, pattern.into_bytes()?))),
            (_, false) => case.steps.push((number, Step::Get(who, pattern))),
        }
        Ok(())
    }

    fn config_line(&mut self, line: &str) -> Result<(), String> {
        if let (Some(Config::Text(text)), Some(inner)) = (&mut self.config, line.strip_prefix("    ")) {
            text.push_str(inner);
            text.push('\n');
            return Ok(());
        }
        match (line.strip_prefix("config"), &self.config) {
            (Some(""), None) => self.config = Some(Config::Text(String::new())),
            (Some(name), None) if name.starts_with(' ') => self.config = Some(Config::Named(name.trim().to_owned())),
            _ => return Err("expected `config NAME`, `config` with an indented text, or `== TITLE`".to_owned()),
        }
        Ok(())
    }

    fn finish(self) -> Result<Flow, String> {
        let config = self.config.ok_or("no `config`")?;
        match self.cases.iter().find(|case| case.log.is_none()) {
            Some(case) => Err(format!("line {}: the case ends without a `log` or `refused` line", case.line)),
            None if self.cases.is_empty() => Err("no case".to_owned()),
            None => Ok(Flow { config, cases: self.cases }),
        }
    }
}

/// A line that is not bytes.
fn word(case: &mut Case, number: usize, line: &str) -> Result<(), String> {
    let words: Vec<&str> = line.split_whitespace().collect();
    let entry = |status: &str, reason: Option<&&str>| {
        let status = status.parse().map_err(|_| format!("{status} is no status"))?;
        Ok::<_, String>(Entry { status, reason: reason.map(|r| (*r).to_owned()) })
    };
    match *words {
        ["log", "none"] => case.log = Some(Vec::new()),
        ["log", status, ref reason @ ..] if reason.len() < 2 => {
            case.log.get_or_insert_default().push(entry(status, reason.first())?);
        }
        ["refused", status, reason] => {
            let entry = entry(status, Some(&reason))?;
            case.steps.push((number, Step::Get(Who::Client, refusal(entry.status, reason)?)));
            case.steps.push((number, Step::Do(Who::Client, What::Closed)));
            case.log.get_or_insert_default().push(entry);
        }
        [who @ ("client" | "origin"), what] => {
            let who = if who == "client" { Who::Client } else { Who::Origin };
            let what = match what {
                "ends" => What::Ends,
                "resets" => What::Resets,
                "closed" => What::Closed,
                "cut" => What::Cut,
                "new" => What::New,
                _ => return Err(format!("a {} does not `{what}`", words[0])),
            };
            case.steps.push((number, Step::Do(who, what)));
        }
        _ => return Err(format!("`{line}` is neither bytes nor a word of the language")),
    }
    Ok(())
}

/// The gateway's own answer to what it refuses, with which it ends the connection.
fn refusal(status: u16, reason: &str) -> Result<Pattern, String> {
    let phrase = match status {
        400 => "Bad Request",
        413 => "Content Too Large",
        414 => "URI Too Long",
        417 => "Expectation Failed",
        431 => "Request Header Fields Too Large",
        501 => "Not Implemented",
        502 => "Bad Gateway",
        505 => "HTTP Version Not Supported",
        _ => return Err(format!("write the answer out: no phrase is known for {status}")),
    };
    let body = format!("{status} {phrase}\\nreason: {reason}\\n");
    let length = body.len() - 2; // two escapes of two characters
    Pattern::parse(&format!(
        "HTTP/1.1 {status} {phrase}\\r\\nContent-Type: text/plain; charset=utf-8\\r\\nDate: {{date}}\\r\\n\
         Content-Length: {length}\\r\\nConnection: close\\r\\n\\r\\n{body}"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_one_kind_are_joined_and_others_part_them() {
        let flow =
            Flow::parse("config x\n\n== a\n> 1\\r\\n\n> 2\n\n> 3\n>> 4\n>> 5\norigin closed\n< 6\nlog 200\n").unwrap();
        assert_eq!(flow.config, Config::Named("x".into()));
        let steps: Vec<_> = flow.cases[0].steps.iter().map(|(_, step)| step).collect();
        let text = |text| Pattern::parse(text).unwrap();
        assert_eq!(
            steps,
            [
                &Step::Send(Who::Client, b"1\r\n2".to_vec()),
                &Step::Send(Who::Client, b"3".to_vec()),
                &Step::Get(Who::Origin, text("45")),
                &Step::Do(Who::Origin, What::Closed),
                &Step::Get(Who::Client, text("6")),
            ]
        );
    }

    #[test]
    fn configuration_may_stand_in_the_file() {
        let flow = Flow::parse("# comment\nconfig\n    a:\n      b: 1\n== t\n> x\nrefused 400 bare_cr\n").unwrap();
        assert_eq!(flow.config, Config::Text("a:\n  b: 1\n".into()));
        let entry = Entry { status: 400, reason: Some("bare_cr".into()) };
        assert_eq!(flow.cases[0].log, Some(vec![entry]));
    }

    #[test]
    fn mistakes_are_named_with_their_line() {
        for (text, mistake) in [
            ("== a\n", "no `config`"),
            ("config x\n== a\n> 1\n", "line 2: the case ends without"),
            ("config x\n== a\nclient sings\n", "line 3: a client does not `sings`"),
            ("config x\n== a\nlog 200\n== a\n", "line 4: there is a case of that title"),
            ("config x\nwhat\n", "line 2: expected `config NAME`"),
            ("config x\n== a\n> {date}\n", "line 3: {date} and"),
        ] {
            let found = Flow::parse(text).unwrap_err();
            assert!(found.contains(mistake), "{found}");
        }
    }
}
