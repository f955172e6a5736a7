//! Budgets of length: files, functions, argument lists. Tests are not counted.

use std::path::Path;

use anyhow::{Context, Result, bail};
use syn::spanned::Spanned;
use syn::visit::{self, Visit};

use crate::source;

const FILE_LINES: usize = 600;
const FUNCTION_LINES: usize = 80;
const ARGUMENTS: usize = 6;

#[derive(Default)]
struct Tally {
    /// Lines of each file and of each function, for the medians.
    files: Vec<usize>,
    functions: Vec<usize>,
    complaints: Vec<String>,
}

/// Measures every crate and `xtask` itself; fails when a hard budget is exceeded.
pub(crate) fn run() -> Result<()> {
    let root = crate::root()?;
    let mut tally = Tally::default();
    let mut folders: Vec<_> =
        std::fs::read_dir(root.join("crates"))?.filter_map(|entry| Some(entry.ok()?.path())).collect();
    folders.push(root.join("xtask"));
    folders.sort();
    for folder in folders {
        for path in source::rust_files(&folder.join("src"))? {
            if !source::is_test_file(path.strip_prefix(&root).unwrap_or(&path)) {
                measure(&root, &path, &mut tally)?;
            }
        }
    }
    let (file_count, function_count) = (tally.files.len(), tally.functions.len());
    println!(
        "sizes: {file_count} files, median {}, longest {}; {function_count} functions, median {}, longest {}",
        median(&mut tally.files),
        tally.files.last().unwrap_or(&0),
        median(&mut tally.functions),
        tally.functions.last().unwrap_or(&0),
    );
    if tally.complaints.is_empty() {
        return Ok(());
    }
    for complaint in &tally.complaints {
        eprintln!("{complaint}");
    }
    bail!("{} over budget", tally.complaints.len())
}

fn measure(root: &Path, path: &Path, tally: &mut Tally) -> Result<()> {
    let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    let file = syn::parse_file(&text).with_context(|| format!("{} is not Rust", path.display()))?;
    let name = path.strip_prefix(root).unwrap_or(path).display().to_string();
    let mut ruler = Ruler { name, test_lines: 0, tally };
    ruler.visit_file(&file);
    let lines = text.lines().count().saturating_sub(ruler.test_lines);
    if lines > FILE_LINES {
        let complaint = format!("{}:1: {lines} lines, {FILE_LINES} allowed: split it by noun", ruler.name);
        ruler.tally.complaints.push(complaint);
    }
    tally.files.push(lines);
    Ok(())
}

struct Ruler<'a> {
    name: String,
    test_lines: usize,
    tally: &'a mut Tally,
}

impl Ruler<'_> {
    fn function(&mut self, signature: &syn::Signature, block: &syn::Block) {
        let first = signature.span().start().line;
        let lines = block.span().end().line + 1 - first;
        self.tally.functions.push(lines);
        let name = &signature.ident;
        if lines > FUNCTION_LINES {
            self.complain(first, &format!("`{name}` has {lines} lines, {FUNCTION_LINES} allowed: name its steps"));
        }
        self.arguments(signature);
    }

    /// `self` is not counted: it is the place the function stands in, not something its caller must remember.
    fn arguments(&mut self, signature: &syn::Signature) {
        let count = signature.inputs.iter().filter(|input| matches!(input, syn::FnArg::Typed(_))).count();
        if count > ARGUMENTS {
            let first = signature.span().start().line;
            let text = format!(
                "`{}` takes {count} arguments, {ARGUMENTS} allowed: what belongs together is a struct",
                signature.ident
            );
            self.complain(first, &text);
        }
    }

    fn complain(&mut self, line: usize, text: &str) {
        self.tally.complaints.push(format!("{}:{line}: {text}", self.name));
    }

    fn is_test(&mut self, attributes: &[syn::Attribute], span: proc_macro2::Span) -> bool {
        let test = attributes.iter().any(is_cfg_test);
        if test {
            self.test_lines += span.end().line + 1 - span.start().line;
        }
        test
    }
}

impl<'ast> Visit<'ast> for Ruler<'_> {
    fn visit_item_mod(&mut self, item: &'ast syn::ItemMod) {
        if !self.is_test(&item.attrs, item.span()) {
            visit::visit_item_mod(self, item);
        }
    }

    fn visit_item_fn(&mut self, item: &'ast syn::ItemFn) {
        if !self.is_test(&item.attrs, item.span()) {
            self.function(&item.sig, &item.block);
            visit::visit_item_fn(self, item);
        }
    }

    fn visit_impl_item_fn(&mut self, item: &'ast syn::ImplItemFn) {
        self.function(&item.sig, &item.block);
        visit::visit_impl_item_fn(self, item);
    }

    fn visit_trait_item_fn(&mut self, item: &'ast syn::TraitItemFn) {
        match &item.default {
            Some(block) => self.function(&item.sig, block),
            None => self.arguments(&item.sig),
        }
        visit::visit_trait_item_fn(self, item);
    }
}

fn is_cfg_test(attribute: &syn::Attribute) -> bool {
    attribute.path().is_ident("cfg")
        && attribute.meta.require_list().is_ok_and(|list| {
            let text: String = list.tokens.to_string().split_whitespace().collect();
            text == "test" || text.starts_with("all(test,")
        })
}

fn median(values: &mut [usize]) -> usize {
    values.sort_unstable();
    values.get(values.len() / 2).copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    fn complaints(text: &str) -> Vec<String> {
        let mut tally = Tally::default();
        let file = syn::parse_file(text).unwrap();
        Ruler { name: "x.rs".to_owned(), test_lines: 0, tally: &mut tally }.visit_file(&file);
        tally.complaints
    }

    #[test]
    fn a_long_function_is_named_with_its_line() {
        let body = "let x = 1;\n".repeat(90);
        let found = complaints(&format!("\n\nfn slow() {{\n{body}}}\n"));
        assert_eq!(found, ["x.rs:3: `slow` has 92 lines, 80 allowed: name its steps"]);
    }

    #[test]
    fn self_is_not_an_argument() {
        assert!(complaints("impl X { fn f(&self, a: u8, b: u8, c: u8, d: u8, e: u8, f: u8) {} }").is_empty());
        assert_eq!(complaints("trait X { fn f(a: u8, b: u8, c: u8, d: u8, e: u8, f: u8, g: u8); }").len(), 1);
    }

    #[test]
    fn tests_may_be_long() {
        let body = "let x = 1;\n".repeat(90);
        assert!(complaints(&format!("#[cfg(test)]\nmod tests {{ fn slow() {{\n{body}}} }}")).is_empty());
    }
}
