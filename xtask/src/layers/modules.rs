//! Order inside a crate: a module uses only what its root file lists below it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use proc_macro2::{TokenStream, TokenTree};

use super::Complaint;
use crate::source;

/// The modules of a crate in the order its root file lists them, and what the root re-exports from each.
struct Order {
    modules: Vec<String>,
    /// Name visible as `crate::Name` -> the module it comes from.
    reexported: BTreeMap<String, String>,
}

/// One use of a module by another.
#[derive(PartialEq)]
struct Import {
    file: PathBuf,
    line: usize,
    from: String,
    to: String,
}

/// Checks the modules listed in `root_file`; `paths` are the files of the crate.
pub(super) fn check(root_file: &Path, paths: &[PathBuf], complaints: &mut Vec<Complaint>) -> Result<()> {
    let order = read_order(root_file)?;
    let folder = root_file.parent().context("a root file stands in a folder")?;
    let mut allowed = Allowances::default();
    allowed.read(root_file)?;
    let mut imports = Vec::new();
    for path in paths {
        let relative = path.strip_prefix(folder).unwrap_or(path);
        let module =
            relative.iter().next().map(|first| Path::new(first).with_extension("").to_string_lossy().into_owned());
        let Some(module) = module.filter(|name| order.modules.contains(name)) else { continue };
        if source::is_test_file(relative) {
            continue;
        }
        allowed.read(path)?;
        let search = Search { order: &order, module: &module, file: path, imports: &mut imports };
        search.start(source::tokens(path)?, depth(relative));
    }
    let graph: BTreeSet<(String, String)> =
        imports.iter().map(|import| (import.from.clone(), import.to.clone())).collect();
    for import in imports {
        if place(&order, &import.to) > place(&order, &import.from) || allowed.permits(&import.from, &import.to) {
            continue;
        }
        let remedy = remedy(&order, &graph, &import);
        let text = format!(
            "`{}` uses `{}`, which {} lists above it: {remedy}",
            import.from,
            import.to,
            root_file_name(root_file)
        );
        complaints.push(Complaint { file: import.file, line: import.line, text });
    }
    allowed.complain_of_unused(complaints);
    Ok(())
}

fn root_file_name(path: &Path) -> String {
    path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}

fn place(order: &Order, module: &str) -> usize {
    order.modules.iter().position(|name| name == module).unwrap_or(usize::MAX)
}

/// How many `super::` lead from a file's own module to the crate root.
fn depth(relative: &Path) -> usize {
    let parts = relative.iter().count();
    if relative.file_stem().is_some_and(|stem| stem == "mod") { parts - 1 } else { parts }
}

/// A better order when there is one, else the two ends of the ring.
fn remedy(order: &Order, graph: &BTreeSet<(String, String)>, import: &Import) -> String {
    if reaches(graph, &import.to, &import.from) {
        return format!(
            "the two need each other; move what both use into a module below, or write `// layers: allow {} -> {}: reason`",
            import.from, import.to
        );
    }
    match sorted(order, graph) {
        Some(better) => format!("list the modules as {}", better.join(", ")),
        None => format!("list `{}` further down", import.to),
    }
}

fn reaches(graph: &BTreeSet<(String, String)>, from: &str, to: &str) -> bool {
    let mut seen = BTreeSet::new();
    let mut open = vec![from];
    while let Some(here) = open.pop() {
        if here == to {
            return true;
        }
        if seen.insert(here) {
            open.extend(graph.iter().filter(|(start, _)| start == here).map(|(_, end)| end.as_str()));
        }
    }
    false
}

/// The modules so that each stands above what it uses, as near to the present order as that allows; `None` for a ring.
fn sorted(order: &Order, graph: &BTreeSet<(String, String)>) -> Option<Vec<String>> {
    let mut left = order.modules.clone();
    let mut result = Vec::new();
    while !left.is_empty() {
        let free = left
            .iter()
            .position(|name| !graph.iter().any(|(from, to)| to == name && from != name && left.contains(from)))?;
        result.push(left.remove(free));
    }
    Some(result)
}

fn read_order(root_file: &Path) -> Result<Order> {
    let text = std::fs::read_to_string(root_file).with_context(|| format!("cannot read {}", root_file.display()))?;
    let file = syn::parse_file(&text).with_context(|| format!("{} is not Rust", root_file.display()))?;
    let mut order = Order { modules: Vec::new(), reexported: BTreeMap::new() };
    for item in &file.items {
        match item {
            syn::Item::Mod(module) => order.modules.push(module.ident.to_string()),
            syn::Item::Use(import) => note_reexport(&import.tree, &mut order.reexported),
            _ => {}
        }
    }
    Ok(order)
}

/// `use module::{A, b::C as D}` makes `A` and `D` names of the root that come from `module`.
fn note_reexport(tree: &syn::UseTree, names: &mut BTreeMap<String, String>) {
    let syn::UseTree::Path(path) = tree else { return };
    if matches!(path.ident.to_string().as_str(), "crate" | "self") {
        return note_reexport(&path.tree, names);
    }
    let module = path.ident.to_string();
    let mut open = vec![&*path.tree];
    while let Some(tree) = open.pop() {
        match tree {
            syn::UseTree::Path(path) => open.push(&path.tree),
            syn::UseTree::Group(group) => open.extend(&group.items),
            syn::UseTree::Name(name) => {
                names.insert(name.ident.to_string(), module.clone());
            }
            syn::UseTree::Rename(name) => {
                names.insert(name.rename.to_string(), module.clone());
            }
            syn::UseTree::Glob(_) => {}
        }
    }
}

struct Search<'a> {
    order: &'a Order,
    module: &'a str,
    file: &'a Path,
    imports: &'a mut Vec<Import>,
}

impl Search<'_> {
    fn start(mut self, stream: TokenStream, depth: usize) {
        self.walk(stream, depth);
    }

    /// `depth` is the number of `super::` that lead to the crate root from here.
    fn walk(&mut self, stream: TokenStream, depth: usize) {
        let tokens = source::without_tests(stream);
        let mut at = 0;
        while at < tokens.len() {
            match &tokens[at] {
                TokenTree::Group(group) => {
                    let inline = at >= 2 && is_word(&tokens[at - 2], "mod");
                    self.walk(group.stream(), depth + usize::from(inline));
                }
                TokenTree::Ident(ident) if *ident == "crate" => self.names_after(&tokens[at + 1..]),
                TokenTree::Ident(ident) if *ident == "super" => {
                    let steps = supers(&tokens[at..]);
                    if steps == depth {
                        self.names_after(&tokens[at + 1 + 3 * (steps - 1)..]);
                    }
                    at += 3 * (steps - 1);
                }
                _ => {}
            }
            at += 1;
        }
    }

    /// `tokens` follow `crate`: `::name…` or `::{name…, name…}`.
    fn names_after(&mut self, tokens: &[TokenTree]) {
        let [TokenTree::Punct(a), TokenTree::Punct(b), next, ..] = tokens else { return };
        if a.as_char() != ':' || b.as_char() != ':' {
            return;
        }
        match next {
            TokenTree::Ident(ident) => self.name(&ident.to_string(), ident.span().start().line),
            TokenTree::Group(group) => {
                let mut is_first = true;
                for token in group.stream() {
                    match token {
                        TokenTree::Ident(ident) if is_first => {
                            self.name(&ident.to_string(), ident.span().start().line);
                            is_first = false;
                        }
                        TokenTree::Punct(punct) if punct.as_char() == ',' => is_first = true,
                        _ => {}
                    }
                }
            }
            _ => {}
        }
    }

    fn name(&mut self, name: &str, line: usize) {
        let listed = self.order.modules.iter().find(|module| *module == name);
        let Some(to) = listed.or_else(|| self.order.reexported.get(name)) else { return };
        if to != self.module && self.order.modules.contains(to) {
            let import = Import { file: self.file.to_path_buf(), line, from: self.module.to_owned(), to: to.clone() };
            if !self.imports.contains(&import) {
                self.imports.push(import);
            }
        }
    }
}

fn is_word(token: &TokenTree, word: &str) -> bool {
    matches!(token, TokenTree::Ident(ident) if *ident == word)
}

/// How many `super` stand in a row at the start of `tokens`, as `super::super`.
fn supers(tokens: &[TokenTree]) -> usize {
    let mut count = 0;
    while tokens.get(3 * count).is_some_and(|token| is_word(token, "super")) {
        count += 1;
    }
    count
}

/// `// layers: allow x -> y: reason`
#[derive(Default)]
struct Allowances {
    list: Vec<Allowance>,
}

struct Allowance {
    file: PathBuf,
    line: usize,
    from: String,
    to: String,
    has_reason: bool,
    used: bool,
}

impl Allowances {
    fn read(&mut self, path: &Path) -> Result<()> {
        let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
        for (index, line) in text.lines().enumerate() {
            let Some(rest) = line.trim_start().strip_prefix("// layers: allow ") else { continue };
            let (edge, reason) = rest.split_once(':').unwrap_or((rest, ""));
            let (from, to) = edge.split_once("->").unwrap_or((edge, ""));
            self.list.push(Allowance {
                file: path.to_path_buf(),
                line: index + 1,
                from: from.trim().to_owned(),
                to: to.trim().to_owned(),
                has_reason: !reason.trim().is_empty(),
                used: false,
            });
        }
        Ok(())
    }

    fn permits(&mut self, from: &str, to: &str) -> bool {
        let mut permitted = false;
        for allowance in self.list.iter_mut().filter(|entry| entry.from == from && entry.to == to) {
            allowance.used = true;
            permitted = allowance.has_reason;
        }
        permitted
    }

    fn complain_of_unused(self, complaints: &mut Vec<Complaint>) {
        for allowance in self.list {
            let text = match (allowance.used, allowance.has_reason) {
                (true, true) => continue,
                (false, _) => {
                    format!("nothing needs `layers: allow {} -> {}`: remove it", allowance.from, allowance.to)
                }
                (true, false) => "an allowance needs its reason: `// layers: allow x -> y: reason`".to_owned(),
            };
            complaints.push(Complaint { file: allowance.file, line: allowance.line, text });
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    /// Writes a crate of `files` and returns `file:line text` of every complaint.
    fn judged(files: &[(&str, &str)]) -> Vec<String> {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in files {
            let path = folder.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        let paths = source::rust_files(folder.path()).unwrap();
        let mut complaints = Vec::new();
        check(&folder.path().join("lib.rs"), &paths, &mut complaints).unwrap();
        let name = |path: &Path| path.strip_prefix(folder.path()).unwrap().display().to_string();
        complaints.iter().map(|it| format!("{}:{} {}", name(&it.file), it.line, it.text)).collect()
    }

    #[test]
    fn a_module_may_use_what_is_listed_below_it() {
        assert!(
            judged(&[("lib.rs", "mod top; mod bottom;"), ("top.rs", "use crate::bottom::X;"), ("bottom.rs", "")])
                .is_empty()
        );
    }

    #[test]
    fn using_upwards_names_the_line_and_a_better_order() {
        let found = judged(&[("lib.rs", "mod a; mod b;"), ("a.rs", ""), ("b.rs", "\nfn f() { log!(crate::a::X) }")]);
        assert_eq!(found, ["b.rs:2 `b` uses `a`, which lib.rs lists above it: list the modules as b, a"]);
    }

    #[test]
    fn reexports_groups_and_super_are_seen_through() {
        let lib = "mod a; mod b; pub use a::{X, y::Z as W};";
        let found = judged(&[
            ("lib.rs", lib),
            ("a.rs", ""),
            ("b/mod.rs", "use crate::{W, b};\nuse super::a;"),
            ("b/c.rs", "use super::super::X;"),
        ]);
        let places: Vec<_> = found.iter().map(|text| text.split(' ').next().unwrap().replace('\\', "/")).collect();
        assert_eq!(places, ["b/c.rs:1", "b/mod.rs:1", "b/mod.rs:2"]);
    }

    #[test]
    fn tests_may_use_anything() {
        let b = "#[cfg(test)] mod tests { use crate::a; }";
        assert!(
            judged(&[("lib.rs", "mod a; mod b;"), ("a.rs", ""), ("b.rs", b), ("b/tests.rs", "use crate::a;")])
                .is_empty()
        );
    }

    #[test]
    fn an_allowance_needs_a_reason_and_a_use() {
        let with = |text: &str| judged(&[("lib.rs", "mod a; mod b;"), ("a.rs", ""), ("b.rs", text)]);
        assert!(with("// layers: allow b -> a: the ring is the point\nuse crate::a;").is_empty());
        assert_eq!(with("// layers: allow b -> a\nuse crate::a;").len(), 2);
        assert_eq!(with("// layers: allow b -> a: was needed once\n").len(), 1);
    }
}
