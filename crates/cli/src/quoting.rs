//! Texts of unknown origin, made fit for a terminal and for a shell.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;

/// Writes a text that may hold anything so that it does nothing to a terminal: what is not to be seen
/// is written as an escape.
///
/// ```
/// assert_eq!(semring_cli::printable("ord\u{1b}[2Jers"), "ord\\u{1b}[2Jers");
/// ```
#[must_use]
pub fn printable(text: &str) -> String {
    let escape = |c: char| -> String {
        if is_unseen(c) {
            c.escape_unicode().collect()
        } else {
            c.into()
        }
    };
    text.chars().map(escape).collect()
}

/// Tells whether a character is not to be seen, or changes how others are shown: controls, directions,
/// joiners, no-break marks.
fn is_unseen(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{ad}' | '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

/// Writes a text, of whatever bytes, as one word of a command for `sh`, in which nothing harms a terminal and
/// no backtick ends the command before its time. Only of a text that ends with a line feed the end is lost.
///
/// ```
/// assert_eq!(semring_cli::word("Mary's orders"), r"'Mary'\''s orders'");
/// assert_eq!(semring_cli::word("a`b"), r#""$(printf %b 'a\0140b')""#);
/// ```
#[must_use]
pub fn word(text: impl AsRef<OsStr>) -> String {
    let text = text.as_ref();
    let is_plain = |c: char| c.is_alphanumeric() || "-_./:@%+,".contains(c);
    let needs_no_escape = |text: &&str| !text.contains(|c| is_unseen(c) || c == '`');
    match text.to_str().filter(needs_no_escape) {
        Some(text) if !text.is_empty() && text.chars().all(is_plain) => text.to_owned(),
        Some(text) => format!("'{}'", text.replace('\'', r"'\''")),
        None => escaped(text.as_bytes()),
    }
}

fn escaped(bytes: &[u8]) -> String {
    let byte = |byte: u8| {
        if byte.is_ascii_alphanumeric() {
            char::from(byte).to_string()
        } else {
            format!(r"\0{byte:03o}")
        }
    };
    let bytes: String = bytes.iter().copied().map(byte).collect();
    format!("\"$(printf %b '{bytes}')\"")
}

/// Writes the option by which `writer` and `reader` are told a channel's name: `--channel orders`.
#[must_use]
pub fn channel_option(name: &str) -> String {
    option("--channel", name)
}

/// Writes an option with a value, also one that looks like an option: `--path /tmp`, `--path=-x`.
pub(crate) fn option(name: &str, value: impl AsRef<OsStr>) -> String {
    let value = value.as_ref();
    let gap = if value.as_bytes().starts_with(b"-") {
        '='
    } else {
        ' '
    };
    format!("{name}{gap}{}", word(value))
}

/// Writes a channel's name as the last argument of a command of `semring`, also one that looks like an
/// option: `orders`, `-- -x`.
#[must_use]
pub fn operand(name: &str) -> String {
    let end_of_options = if name.starts_with('-') { "-- " } else { "" };
    format!("{end_of_options}{}", word(name))
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    /// What any channel may be called, and what the shell could make of it.
    const NAMES: [&str; 16] = [
        "orders",
        "-x",
        "--force",
        "-",
        "two words",
        "Mary's",
        "$HOME",
        "$(echo no)",
        "a`echo no`b",
        "a;b&c|d<e>f",
        "*",
        "~",
        "a\\b!\"c\"",
        "#%s\\n",
        "Aufträge 注文",
        "ord\u{202e}ers\u{200b}",
    ];

    #[test]
    fn a_shell_takes_each_name_for_what_it_is() {
        for name in NAMES {
            let script = format!("printf '<%s>' {} x", word(name));
            let told = Command::new("sh").args(["-c", &script]).output().unwrap();
            assert!(told.status.success(), "{script}: {told:?}");
            let told = String::from_utf8(told.stdout).unwrap();
            assert_eq!(told, format!("<{name}><x>"), "{script}");
        }
        assert_eq!(word(""), "''");
        let bytes = OsStr::from_bytes(b"\xff \x80");
        let script = format!("printf %s {}", word(bytes));
        let told = Command::new("sh").args(["-c", &script]).output().unwrap();
        assert_eq!(told.stdout, bytes.as_bytes());
    }

    #[test]
    fn a_command_is_harmless_to_see() {
        for name in NAMES {
            let written = word(name);
            assert!(!written.contains('`'), "{written}");
            assert_eq!(printable(&written), written);
        }
    }

    #[test]
    fn a_text_does_nothing_to_a_terminal() {
        assert_eq!(
            printable("ord\u{1b}[2Jers\n\u{202e}"),
            "ord\\u{1b}[2Jers\\u{a}\\u{202e}"
        );
        assert_eq!(printable("Aufträge 注文"), "Aufträge 注文");
    }

    #[test]
    fn a_name_is_no_option() {
        assert_eq!(channel_option("orders"), "--channel orders");
        assert_eq!(channel_option("-x y"), "--channel='-x y'");
        assert_eq!(operand("alice/orders"), "alice/orders");
        assert_eq!(operand("-x"), "-- -x");
    }
}
