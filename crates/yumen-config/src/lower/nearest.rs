//! The word somebody meant: a remedy for names that do not exist.

/// Edits between two words; a swap of neighbours counts as one.
fn distance(a: &str, b: &str) -> usize {
    let a: Vec<char> = a.chars().collect();
    let b: Vec<char> = b.chars().collect();
    let mut rows: [Vec<usize>; 3] = [vec![0; b.len() + 1], (0..=b.len()).collect(), vec![0; b.len() + 1]];
    for i in 1..=a.len() {
        rows.rotate_left(1);
        rows[1] = vec![i; b.len() + 1];
        // After the turn: rows[0] is the row before, rows[2] the one before that.
        let [before, now, older] = &mut rows;
        for j in 1..=b.len() {
            let cost = usize::from(a[i - 1] != b[j - 1]);
            let mut best = (before[j] + 1).min(now[j - 1] + 1).min(before[j - 1] + cost);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                best = best.min(older[j - 2] + 1);
            }
            now[j] = best;
        }
    }
    rows[1].last().copied().unwrap_or(0)
}

/// The nearest word, when one is near enough to be what was meant.
pub(super) fn word<'w>(wrong: &str, words: impl Iterator<Item = &'w str>) -> Option<&'w str> {
    if wrong.len() > 64 {
        return None;
    }
    let wrong = wrong.to_ascii_lowercase();
    let near = (wrong.chars().count() / 3).max(1);
    // Words that differ more in length are farther than that anyway; this spares most of the work on many names.
    let words = words.filter(|w| w.len().abs_diff(wrong.len()) <= near * 4);
    words.map(|w| (distance(&wrong, &w.to_ascii_lowercase()), w)).filter(|(d, _)| *d <= near).min().map(|(_, w)| w)
}

/// A help line: the nearest word, or all of them.
pub(super) fn among<'w>(wrong: &str, words: impl Iterator<Item = &'w str> + Clone) -> String {
    if let Some(word) = word(wrong, words.clone()) {
        return format!("did you mean `{word}`?");
    }
    let mut all: Vec<String> = words.map(|w| format!("`{w}`")).collect();
    if all.is_empty() {
        return "there is none".to_owned();
    }
    let more = all.len().saturating_sub(24);
    all.truncate(24);
    let tail = if more > 0 { format!(" and {more} more") } else { String::new() };
    format!("possible here: {}{tail}", all.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances() {
        assert_eq!(distance("", "abc"), 3);
        assert_eq!(distance("listner", "listener"), 1);
        assert_eq!(distance("bnid", "bind"), 1);
        assert_eq!(distance("kitten", "sitting"), 3);
        assert_eq!(distance("abc", ""), 3);
    }

    #[test]
    fn nearest_word() {
        assert_eq!(word("timeout", ["timeouts", "tls"].into_iter()), Some("timeouts"));
        assert_eq!(word("zzz", ["timeouts", "tls"].into_iter()), None);
    }
}
