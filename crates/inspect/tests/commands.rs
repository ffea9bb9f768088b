//! Goal: a command that a program recommends can be copied into a shell as it stands, whatever the channel
//! is called. Method: for names that a shell or a command line could take for something else, the commands
//! are read from what is printed and given to `sh`.

mod common;

use std::process::{Command, Output};

use common::{Place, beside, semring, stdout};

/// How names begin.
const STARTS: [&str; 10] = [
    "",
    "-x",
    "--force ",
    "two words ",
    "Mary's ",
    "$HOME $(false) ",
    "a`false`b",
    "*;&|<>#~\\\"!",
    "Aufträge 注文 ",
    "ord\u{202e}ers\u{200b}",
];

impl Place {
    /// Leaves three messages that nobody has read.
    fn leave_messages(&self) {
        let mut writer = Command::new(beside("writer"));
        writer.arg(format!("--channel={}", self.name));
        writer.args(["--demo", "--count", "3", "--interval", "0", "--no-linger"]);
        stdout(&writer.output().unwrap());
    }

    /// Gives a command to a shell that finds the programs.
    fn shell(&self, command: &str) -> Output {
        let mut shell = Command::new("sh");
        shell.args(["-c", command]).current_dir(&self.folder);
        let path = std::env::var("PATH").unwrap();
        let programs = beside("writer");
        let programs = programs.parent().unwrap().display();
        common::run(shell.env("PATH", format!("{programs}:{path}"))).unwrap()
    }
}

/// Reads the command that begins so from a sentence with commands between backticks.
#[track_caller]
fn command<'a>(sentence: &'a str, start: &str) -> &'a str {
    let mut commands = sentence.split('`').skip(1).step_by(2);
    let found = commands.find(|command| command.starts_with(start));
    found.unwrap_or_else(|| panic!("no {start:?} in {sentence}"))
}

#[test]
fn what_is_recommended_can_be_run() {
    for start in STARTS {
        let place = Place::called(start, "recommended");
        place.leave_messages();
        let listed = place.listed().unwrap();
        let diagnosis = listed["diagnosis"].as_str().unwrap();
        let give_up = command(diagnosis, "semring clean --force ");
        let key = place.key.to_string();
        let kept = semring(&["clean", "--dry-run", "--key", &key]);
        let kept = String::from_utf8(kept.stdout).unwrap();
        assert_eq!(command(&kept, "semring clean "), give_up);

        let text = stdout(&place.shell(command(diagnosis, "reader ")));
        assert!(text.contains("Total messages read: 3"), "{start:?}: {text}");
        assert!(place.listed().is_none());

        place.leave_messages();
        let answered = give_up.replacen("--force", "--force --yes", 1);
        let text = stdout(&place.shell(&answered));
        assert!(text.contains("1 removed, 0 kept."), "{start:?}: {text}");
        assert!(place.listed().is_none());
    }
}

#[test]
fn what_a_waiting_program_names_can_be_run() {
    // Each waits for more than two seconds until it says for what.
    for start in [STARTS[1], STARTS[5], STARTS[9]] {
        let place = Place::called(start, "waiting");
        let waited = |program: &str, options: &str| {
            let mut command = Command::new(beside(program));
            command.arg(format!("--channel={}", place.name));
            let output = command.args(options.split_whitespace()).output().unwrap();
            assert_eq!(output.status.code(), Some(4), "{output:?}");
            String::from_utf8(output.stderr).unwrap()
        };
        let notice = waited("reader", "--wait 1100ms");
        let named = command(&notice, "writer ");
        let told = place.shell(&format!("{named} --count 1 --interval 0 --no-linger"));
        assert!(told.status.success(), "{start:?}: {told:?}");
        let notice = waited("writer", "--demo --count 2 --interval 0 --timeout 1100ms");
        let told = place.shell(command(&notice, "reader "));
        let text = String::from_utf8(told.stdout).unwrap();
        assert_eq!(text.matches("Read: ").count(), 2, "{start:?}: {text}");
    }
}

/// A line of the table is wide enough for nothing, and a command in it is whole all the same.
#[test]
fn a_command_is_never_broken_into_lines() {
    let place = Place::called("a `b` c d e ", "unbroken");
    place.leave_messages();
    let listed = place.listed().unwrap();
    let give_up = command(listed["diagnosis"].as_str().unwrap(), "semring clean ");
    let narrow = common::semring_with(&["list"], &[("COLUMNS", "40")]);
    let text = stdout(&narrow);
    assert!(text.contains(&format!("`{give_up}`")), "{text}");
    drop(semring(&["clean", "--force", "--yes", "--", &place.name]));
}
