//! A program in C on the other side, in both roles.

mod common;

use std::path::{Path, PathBuf};
use std::process::Command;

use common::{Place, Running, assert_lines, text};

const COUNT: usize = 20;
/// The first is slow by design, so it gets fewer messages.
const STRATEGIES: [(&str, usize); 4] = [
    ("sleep", 3),
    ("yield", COUNT),
    ("spin", COUNT),
    ("backoff", COUNT),
];

/// Compiles the C side; without a compiler says so and gives nothing.
fn compile(folder: &Path) -> Option<PathBuf> {
    let program = folder.join("peer");
    let source = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/peer.c");
    let mut compiler = Command::new("cc");
    compiler.args(["-std=c11", "-O2", "-Wall", "-Wextra", "-Werror", "-o"]);
    match compiler.arg(&program).arg(source).output() {
        Ok(output) => {
            let errors = String::from_utf8_lossy(&output.stderr);
            assert!(output.status.success(), "{errors}");
            Some(program)
        }
        Err(error) => {
            // Past the harness, which shows the output of failed tests only.
            let line = format!("SKIPPED: no C compiler (cc: {error})\n");
            std::io::Write::write_all(&mut std::io::stderr(), line.as_bytes()).unwrap();
            None
        }
    }
}

fn peer(program: &Path, role: &str, place: &Place, count: usize) -> Running {
    let mut command = Command::new(program);
    Running::start(command.args([role, &place.key.to_string(), &count.to_string()]))
}

#[test]
fn our_reader_reads_what_a_c_program_writes() {
    let folder = tempfile::tempdir().unwrap();
    let Some(program) = compile(folder.path()) else {
        return;
    };
    for (strategy, count) in STRATEGIES {
        let place = Place::new();
        let reader = place.reader(&format!("--count {count} --strategy {strategy}"));
        peer(&program, "writer", &place, count).end().assert_code(0);
        let reader = reader.end();
        reader.assert_code(0);
        let expected: Vec<_> = (1..=count)
            .map(|counter| {
                format!("[P2] Read: counter={counter}, message=\"Message #{counter} in C\"")
            })
            .collect();
        assert_lines(&reader.lines("[P2] Read: "), &expected, strategy);
        place.assert_nothing_left();
    }
}

#[test]
fn a_c_program_reads_what_our_writer_writes() {
    let folder = tempfile::tempdir().unwrap();
    let Some(program) = compile(folder.path()) else {
        return;
    };
    for (strategy, count) in STRATEGIES {
        let place = Place::new();
        let reader = peer(&program, "reader", &place, count);
        let writer = place.writer(&format!("--count {count} --strategy {strategy}"));
        let pid = writer.pid();
        writer.end().assert_code(0);
        let reader = reader.end();
        reader.assert_code(0);
        let expected: Vec<_> = (1..=count)
            .map(|counter| format!("{counter} {}", text(counter, pid)))
            .collect();
        assert_lines(&reader.lines(""), &expected, strategy);
        place.assert_nothing_left();
    }
}
