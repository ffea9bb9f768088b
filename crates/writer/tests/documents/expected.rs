//! Compares what a command has printed with what a document shows of it.

const ANYTHING: &str = "...";

/// Tells whether lines are as shown: `...` in a line stands for anything, and a line of only `...`
/// for any number of lines.
pub fn matches(shown: &[String], printed: &[&str]) -> bool {
    let Some((first, rest)) = shown.split_first() else {
        return printed.is_empty();
    };
    if first.trim() == ANYTHING {
        return (0..=printed.len()).any(|skipped| matches(rest, &printed[skipped..]));
    }
    printed
        .split_first()
        .is_some_and(|(line, others)| line_matches(first, line) && matches(rest, others))
}

fn line_matches(shown: &str, line: &str) -> bool {
    let Some((start, rest)) = shown.split_once(ANYTHING) else {
        return shown == line;
    };
    line.strip_prefix(start).is_some_and(|left| {
        let ends = left.char_indices().map(|(index, _)| index);
        ends.chain([left.len()])
            .any(|end| line_matches(rest, &left[end..]))
    })
}

#[test]
fn dots_stand_for_anything() {
    let is_as_shown = |shown: &[&str], printed: &[&str]| {
        let shown: Vec<String> = shown.iter().map(|&line| line.to_owned()).collect();
        matches(&shown, printed)
    };
    assert!(is_as_shown(&[], &[]));
    assert!(is_as_shown(
        &["key 0x...f, 5 of ..."],
        &["key 0x12f, 5 of µs"]
    ));
    assert!(is_as_shown(&["a", "...", "b"], &["a", "x", "b", "b"]));
    assert!(is_as_shown(&["...", "b"], &["b"]));
    assert!(!is_as_shown(&["a"], &["a", "b"]));
    assert!(!is_as_shown(&["a", "b"], &["a"]));
    assert!(!is_as_shown(&["a...c"], &["a b"]));
    assert!(!is_as_shown(&["...", "b"], &["b", "c"]));
}
