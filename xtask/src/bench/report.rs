//! The figures of a run: samples in, medians out, as a table for people and as JSON.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::proxies::Product;

/// One line of the table.
struct Figure {
    row: String,
    name: &'static str,
    unit: &'static str,
    samples: BTreeMap<&'static str, Vec<f64>>,
}

/// All figures of a run, in the order they were first noted.
#[derive(Default)]
pub(crate) struct Report {
    figures: Vec<Figure>,
    problems: Vec<String>,
    facts: Map<String, Value>,
}

impl Report {
    /// Adds a sample of figure `name` of `row`; the table shows the median of its samples.
    pub(crate) fn note(
        &mut self,
        row: &str,
        (name, unit): (&'static str, &'static str),
        product: Product,
        sample: f64,
    ) {
        let at = self.figures.iter().position(|figure| figure.row == row && figure.name == name).unwrap_or_else(|| {
            self.figures.push(Figure { row: row.to_owned(), name, unit, samples: BTreeMap::new() });
            self.figures.len() - 1
        });
        if let Some(figure) = self.figures.get_mut(at) {
            figure.samples.entry(product.name()).or_default().push(sample);
        }
    }

    /// Something that did not work, or that a reader of the figures has to know.
    pub(crate) fn problem(&mut self, text: String) {
        eprintln!("bench: {text}");
        if !self.problems.contains(&text) {
            self.problems.push(text);
        }
    }

    /// Something true of the whole run: versions, machine, options.
    pub(crate) fn fact(&mut self, name: &str, value: impl Into<Value>) {
        self.facts.insert(name.to_owned(), value.into());
    }

    pub(crate) fn table(&self) -> String {
        let mut text = String::new();
        for (name, value) in &self.facts {
            let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            line(&mut text, &format!("{name}: {value}"));
        }
        let names = Product::ALL.map(Product::name);
        let heads: String = names.iter().map(|name| format!("{name:>10}")).collect();
        line(&mut text, &format!("\n{:<16}{:<24}{:<8}{heads}  yumen/best of the others", "row", "figure", "unit"));
        for figure in &self.figures {
            let cells: String = names.iter().map(|name| cell(figure.median(name))).collect();
            let ratio = figure.ratio().map(|ratio| format!("  {ratio:.2}")).unwrap_or_default();
            line(&mut text, &format!("{:<16}{:<24}{:<8}{cells}{ratio}", figure.row, figure.name, figure.unit));
        }
        for problem in &self.problems {
            line(&mut text, &format!("note: {problem}"));
        }
        text
    }

    /// The table as README.md has it: costs and tails, and of the rates only the first.
    pub(crate) fn markdown(&self) -> String {
        let names = Product::ALL.map(Product::name);
        let mut text = String::new();
        line(&mut text, &format!("| row | unit | {} | ratio |", names.join(" | ")));
        line(&mut text, &format!("|{}", " --- |".repeat(names.len() + 3)));
        for figure in self.figures.iter().filter(|figure| figure.is_told()) {
            let cells: String = names.iter().map(|name| format!(" {} |", cell(figure.median(name)).trim())).collect();
            let ratio = figure.ratio().map(|ratio| format!("{ratio:.2}")).unwrap_or_default();
            line(&mut text, &format!("| {}: {} | {} |{cells} {ratio} |", figure.row, figure.name, figure.unit));
        }
        text
    }

    pub(crate) fn json(&self) -> Value {
        let figures: Vec<Value> = self.figures.iter().map(Figure::json).collect();
        json!({ "facts": self.facts, "figures": figures, "notes": self.problems })
    }
}

/// Where README.md has its table.
const BEGIN: &str = "<!-- figures -->\n";
const END: &str = "<!-- end of figures -->\n";

/// `text` with `table` between the two marks; `None` when it has no such marks.
pub(crate) fn with_table(text: &str, table: &str) -> Option<String> {
    let (before, rest) = text.split_once(BEGIN)?;
    let (_, after) = rest.split_once(END)?;
    Some([before, BEGIN, table, END, after].concat())
}

impl Figure {
    fn is_told(&self) -> bool {
        match self.name {
            "p50" | "answered requests" => false,
            "rate" => matches!(self.row.as_str(), "small" | "udp"),
            _ => true,
        }
    }

    fn median(&self, product: &str) -> Option<f64> {
        median(self.samples.get(product)?)
    }

    /// Yumen's median over the best of the others'; rates are better when higher, all else when lower.
    fn ratio(&self) -> Option<f64> {
        if self.unit == "count" {
            return None;
        }
        let yumen = self.median("yumen")?;
        let others = self.samples.keys().filter(|name| **name != "yumen").filter_map(|name| self.median(name));
        let higher = self.unit.ends_with("/s");
        let best = others.reduce(|a, b| if higher { a.max(b) } else { a.min(b) })?;
        (best > 0.0).then_some(yumen / best)
    }

    fn json(&self) -> Value {
        let products: Map<String, Value> = self
            .samples
            .iter()
            .map(|(product, samples)| ((*product).to_owned(), json!({ "median": median(samples), "samples": samples })))
            .collect();
        json!({ "row": self.row, "figure": self.name, "unit": self.unit, "products": products })
    }
}

fn line(text: &mut String, content: &str) {
    text.push_str(content.trim_end());
    text.push('\n');
}

fn cell(value: Option<f64>) -> String {
    match value {
        None => format!("{:>10}", "-"),
        Some(value) if value.abs() >= 1000.0 => format!("{value:>10.0}"),
        Some(value) if value.abs() >= 10.0 => format!("{value:>10.1}"),
        Some(value) => format!("{value:>10.3}"),
    }
}

fn median(samples: &[f64]) -> Option<f64> {
    let mut sorted = samples.to_vec();
    sorted.sort_by(f64::total_cmp);
    let upper = *sorted.get(sorted.len() / 2)?;
    if sorted.len() % 2 == 1 {
        return Some(upper);
    }
    sorted.get(sorted.len() / 2 - 1).map(|lower| f64::midpoint(*lower, upper))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_of_an_even_count_lies_between() {
        assert_eq!(median(&[]), None);
        assert_eq!(median(&[3.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median(&[4.0, 1.0, 2.0, 3.0]), Some(2.5));
    }

    #[test]
    fn ratios_are_against_the_best_of_the_others() {
        let mut report = Report::default();
        for (product, value) in
            [(Product::Yumen, 9.0), (Product::Nginx, 10.0), (Product::Haproxy, 12.0), (Product::Caddy, 11.0)]
        {
            report.note("small", ("cpu", "us"), product, value);
            report.note("small", ("rate", "req/s"), product, value);
        }
        let ratios: Vec<_> = report.figures.iter().map(Figure::ratio).collect();
        assert_eq!(ratios, [Some(0.9), Some(0.75)]);
    }

    #[test]
    fn table_takes_the_place_of_the_old_one() {
        let text = format!("a\n{BEGIN}old\n{END}z\n");
        assert_eq!(with_table(&text, "new\n"), Some(format!("a\n{BEGIN}new\n{END}z\n")));
        assert_eq!(with_table("no place", "new"), None);
    }
}
