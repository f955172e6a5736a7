//! The reference page and the JSON Schema, made of the tables that the section reader uses.

use std::fmt::Write as _;

use serde_json::{Map, Value, json};

use crate::keys::{Kind, ROOT, Table};

/// The JSON Schema (draft 2020-12) of a configuration file.
pub fn schema() -> Value {
    let mut defs = Map::new();
    for table in tables() {
        defs.insert(anchor(table.name), section_schema(table));
    }
    let root = json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Yumen configuration",
    });
    let (Value::Object(mut root), Value::Object(body)) = (root, section_schema(&ROOT)) else { return Value::Null };
    root.extend(body);
    root.insert("$defs".to_owned(), Value::Object(defs));
    Value::Object(root)
}

/// The reference of every key as Markdown.
pub fn reference_markdown() -> String {
    let mut out = String::from(
        "# Configuration reference\n\nGenerated from the tables that read a configuration; `UPDATE=1 cargo test -p \
         yumen-config` rewrites it.\n\nDurations are written `500ms`, `5s`, `1h30m`; sizes `512`, `8KiB`, `10MiB`. \
         `${NAME}` and `${NAME:-default}` are replaced from the environment, `$$` is a dollar sign, and secrets take \
         `${file:PATH}` as the whole value, those of `users` of basic_auth also `${kms:NAME}` and `${kms:ACCOUNT/NAME}`. \
         Relative paths are relative to their file. A list where absence means everything is never empty.\n\n\
         What a variable holds is not shown by any complaint, and nothing is of the `users` of basic_auth. Addresses, hosts, \
         paths and names that were understood are shown wherever they come from: keep no secret in one. Free text that a \
         variable had a part in, such as the value of a header, is hidden in explanations too.\n",
    );
    for table in std::iter::once(&ROOT).chain(tables()) {
        // Writing to a string cannot fail.
        _ = write!(out, "\n## {}\n\n{}\n", table.name, table.doc);
        if table.keys.is_empty() {
            continue;
        }
        out.push_str("\n| key | value | default | meaning |\n| --- | --- | --- | --- |\n");
        for key in table.keys {
            let default = match key.default {
                "" => String::new(),
                "required" => "**required**".to_owned(),
                text => format!("`{text}`"),
            };
            let (kind, doc) = (describe(&key.kind).replace('|', "\\|"), key.doc.replace('|', "\\|"));
            _ = writeln!(out, "| `{}` | {kind} | {default} | {doc} |", key.name);
        }
    }
    out
}

/// Every section below the top, each once, in the order of the text.
fn tables() -> Vec<&'static Table> {
    let mut all = Vec::new();
    collect(&ROOT, &mut all);
    all
}

fn collect(table: &'static Table, all: &mut Vec<&'static Table>) {
    for key in table.keys {
        let mut found = Vec::new();
        sections(&key.kind, &mut found);
        for inner in found {
            if !all.iter().any(|t| t.name == inner.name) {
                all.push(inner);
                collect(inner, all);
            }
        }
    }
}

fn sections(kind: &'static Kind, found: &mut Vec<&'static Table>) {
    match kind {
        Kind::Section(table) => found.push(table),
        Kind::OrOff(inner) | Kind::List(inner) | Kind::Map(inner) => sections(inner, found),
        Kind::Either(kinds) => kinds.iter().for_each(|k| sections(k, found)),
        _ => {}
    }
}

fn anchor(name: &str) -> String {
    name.replace(' ', "-")
}

fn describe(kind: &Kind) -> String {
    match kind {
        Kind::Text => "text".to_owned(),
        Kind::Bool => "`true` or `false`".to_owned(),
        Kind::Number => "number".to_owned(),
        Kind::Duration => "duration".to_owned(),
        Kind::Size => "size".to_owned(),
        Kind::Rate => "size per second".to_owned(),
        Kind::Percent => "percentage".to_owned(),
        Kind::Path => "path".to_owned(),
        Kind::Address => "address".to_owned(),
        Kind::Network => "network".to_owned(),
        Kind::Host => "host".to_owned(),
        Kind::Regex => "regular expression".to_owned(),
        Kind::Secret => "secret".to_owned(),
        Kind::OneOf(words) => words.iter().map(|w| format!("`{w}`")).collect::<Vec<_>>().join(", "),
        Kind::OrOff(inner) => format!("`off` or {}", describe(inner)),
        Kind::List(inner) => format!("one or a list of: {}", describe(inner)),
        Kind::Map(inner) => format!("map of name to {}", describe(inner)),
        Kind::Either(kinds) => kinds.iter().map(describe).collect::<Vec<_>>().join(" or "),
        Kind::Section(table) => format!("[{}](#{})", table.name, anchor(table.name)),
    }
}

fn section_schema(table: &Table) -> Value {
    let mut properties = Map::new();
    let mut required = Vec::new();
    for key in table.keys {
        let mut doc = key.doc.to_owned();
        match key.default {
            "" => {}
            "required" => required.push(key.name),
            text => _ = write!(doc, " Default: {text}."),
        }
        let kind = schema_of(&key.kind);
        properties.insert(key.name.to_owned(), json!({ "description": doc, "anyOf": [kind] }));
    }
    json!({
        "type": "object",
        "description": table.doc,
        "properties": properties,
        "required": required,
        "additionalProperties": false,
    })
}

fn schema_of(kind: &Kind) -> Value {
    // A reference to the environment can stand for any single value.
    let or_env = |other: Value| json!({ "anyOf": [other, { "type": "string", "pattern": "\\$\\{" }] });
    match kind {
        Kind::Bool => or_env(json!({ "type": "boolean" })),
        Kind::Number => or_env(json!({ "type": "integer", "minimum": 0 })),
        Kind::Duration => or_env(json!({ "type": "string", "pattern": "^([0-9]+(ms|s|m|h|d))+$" })),
        Kind::Size => or_env(json!({ "anyOf": [
            { "type": "integer", "minimum": 0 },
            { "type": "string", "pattern": "^[0-9]+ ?(B|kB|KB|MB|GB|KiB|MiB|GiB)?$" },
        ] })),
        Kind::Rate => or_env(json!({ "type": "string", "pattern": "^[0-9]+ ?(B|kB|KB|MB|GB|KiB|MiB|GiB)/s$" })),
        Kind::Percent => or_env(json!({ "anyOf": [
            { "type": "integer", "minimum": 0, "maximum": 100 },
            { "type": "string", "pattern": "^[0-9]{1,3}%?$" },
        ] })),
        Kind::OneOf(words) => {
            // `1.2` and `true` are written without quotes too.
            let mut values: Vec<Value> = words.iter().map(|w| json!(w)).collect();
            values.extend(words.iter().filter_map(|w| w.parse::<bool>().ok()).map(Value::from));
            values.extend(words.iter().filter_map(|w| w.parse::<f64>().ok()).map(Value::from));
            or_env(json!({ "enum": values }))
        }
        Kind::OrOff(inner) => json!({ "anyOf": [{ "enum": ["off", "none"] }, schema_of(inner)] }),
        Kind::List(inner) => {
            let one = schema_of(inner);
            json!({ "anyOf": [one, { "type": "array", "items": one }] })
        }
        Kind::Map(inner) => json!({ "type": "object", "additionalProperties": schema_of(inner) }),
        Kind::Either(kinds) => json!({ "anyOf": kinds.iter().map(schema_of).collect::<Vec<_>>() }),
        Kind::Section(table) => json!({ "$ref": format!("#/$defs/{}", anchor(table.name)) }),
        Kind::Text => json!({ "type": ["string", "number", "boolean"] }),
        Kind::Path | Kind::Address | Kind::Network | Kind::Host | Kind::Regex | Kind::Secret => {
            json!({ "type": "string" })
        }
    }
}
