//! Compares what a command has printed with what a document shows of it.

const ANYTHING: &str = "...";
/// Blanks before each line of a text that is broken to fit.
const INDENT: usize = 2;

/// Tells whether lines are as shown: `...` in a line stands for anything, and a line of only `...`
/// for any number of lines. Where an indented text is broken does not matter, since that depends on how
/// long the numbers in it are.
pub fn is_as_shown(shown: &[String], printed: &[&str]) -> bool {
    let shown: Vec<&str> = shown.iter().map(String::as_str).collect();
    matches(&shown, printed) || matches(&joined(&shown), &joined(printed))
}

/// Makes one line of those that follow each other with the same indent.
fn joined(lines: &[&str]) -> Vec<String> {
    let mut whole: Vec<String> = Vec::new();
    let mut before = 0;
    for line in lines {
        let text = line.trim_start();
        let indent = line.len() - text.len();
        match whole.last_mut() {
            Some(last) if indent >= INDENT && indent == before => {
                last.push(' ');
                last.push_str(text);
            }
            _ => whole.push((*line).to_owned()),
        }
        before = indent;
    }
    whole
}

fn matches<Line: AsRef<str>>(shown: &[Line], printed: &[Line]) -> bool {
    let Some((first, rest)) = shown.split_first() else {
        return printed.is_empty();
    };
    let first = first.as_ref();
    if first.trim() == ANYTHING {
        return (0..=printed.len()).any(|skipped| matches(rest, &printed[skipped..]));
    }
    printed
        .split_first()
        .is_some_and(|(line, others)| line_matches(first, line.as_ref()) && matches(rest, others))
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
        is_as_shown(&shown, printed)
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

    let printed = ["a:", "  it is 4711", "  that waits", "    b"];
    assert!(is_as_shown(
        &["a:", "  it is ... that", "  waits", "    b"],
        &printed
    ));
    assert!(is_as_shown(&["a:", "  ...", "  waits", "    b"], &printed));
    assert!(!is_as_shown(
        &["a:", "  it is ... waits", "    b"],
        &["a:", "  it is", "    b"]
    ));
    assert!(!is_as_shown(&["a:", "  it is ... that waits b"], &printed));
    assert!(!is_as_shown(&["a: it"], &["a:", "  it"]));
}
