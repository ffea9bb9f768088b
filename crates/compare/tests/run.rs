//! Whole runs of the program, as short as they can be. What they measure is not looked at: other
//! things run on a machine that tests.

use std::fs;
use std::process::{Child, Command, Output, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use semring::Address;
use serde_json::Value;
use sysv_ipc::{MessageQueue, Mode, Segment, SemaphoreSet};

const TRANSPORTS: [&str; 20] = [
    "flag-sleep",
    "flag-spin",
    "flag-backoff",
    "semaphores-single",
    "semaphores",
    "semaphores-credits",
    "semaphores-copy",
    "semaphores-batches",
    "control",
    "adaptive",
    "adaptive-batches",
    "adaptive-roomy",
    "adaptive-copy",
    "futex-ring",
    "futex-ring-roomy",
    "pipe",
    "unix-stream",
    "unix-seqpacket",
    "sysv-queue",
    "posix-queue",
];
/// Those of which nothing is measured but streams.
const FOR_STREAMS: [&str; 5] = [
    "semaphores-batches",
    "adaptive-batches",
    "adaptive-roomy",
    "adaptive-copy",
    "futex-ring-roomy",
];
/// More passes than any run here makes.
const MOST_PASSES: u32 = 1000;
/// What can be filled in on a page, and what then stands there when the spinning flag and the adaptive channel
/// were measured.
const FILLED: [(&str, &str); 7] = [
    ("machine", "every byte written and checked"),
    ("summary", "| flag, spinning | "),
    ("summary", "](plots/flag.svg)"),
    ("methods", "| shared memory | fastest | adaptive | "),
    (
        "aims",
        "| adaptive, 64 B: beside the spinning flag | at least 4.00 × | ",
    ),
    ("pictures", "](plots/throughput.svg)"),
    ("results", "### Throughput, messages of 64 B"),
];

/// A name for the channels of one test.
fn run_name(test: &str) -> String {
    format!("compare-test-{test}-{}", std::process::id())
}

fn compare(run: &str, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_compare"));
    command
        .args(["--run", run, "--repetitions", "1", "--retries", "0"])
        .args(["--seconds", "0.01", "--idle", "0.02", "--pause", "0.001"])
        .args(arguments)
        .stdin(Stdio::null());
    command
}

fn output(command: &mut Command) -> Output {
    command.output().expect("the program starts")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).expect("UTF-8")
}

/// Looks for every object that a run of this name may have made.
fn assert_nothing_left(run: &str) {
    let any = Mode::from_bits(0);
    for pass in 0..MOST_PASSES {
        for direction in ["forth", "back"] {
            let name = format!("{run}.{pass}.{direction}");
            let key = Address::named(&name).unwrap().key();
            assert!(Segment::open(key, any).is_err(), "segment of {name}");
            assert!(SemaphoreSet::open(key, any).is_err(), "set of {name}");
            assert!(MessageQueue::open(key, any).is_err(), "queue of {name}");
            assert!(!std::env::temp_dir().join(&name).exists(), "file {name}");
        }
    }
}

#[test]
fn a_run_has_every_row_and_every_sample_and_leaves_nothing() {
    let run = run_name("whole");
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("results.json");
    let json = file.to_str().unwrap();
    let page = folder.path().join("results.md");
    let mut command = compare(&run, &["--json", json, "--commit", "abc1234"]);
    let plots = folder.path().join("plots");
    command.arg("--plots").arg(&plots);
    let output = output(command.arg("--markdown").arg(page));
    let (table, errors) = (text(&output.stdout), text(&output.stderr));
    assert!(output.status.success(), "{errors}");
    assert_nothing_left(&run);

    for (title, count) in [
        ("flag, sleeping", 4),
        ("semaphores, 16 credits", 4),
        ("semaphores, batches of 64", 1),
        ("adaptive", 4),
        ("POSIX message queue", 4),
        ("null call", 1),
        ("memcpy, one core, 64 B", 1),
        ("bare semop, round trip", 1),
        ("fill into slots, one core, 64 B", 1),
        ("attach and close", 1),
    ] {
        let rows = table.lines().filter(|line| line.starts_with("  "));
        let rows = rows.filter(|line| line.contains(&format!("{title}  ")));
        assert_eq!(rows.count(), count, "{title}\n{table}");
    }
    for words in [
        "throughput, messages of 64 B",
        "round trip, messages of 64 B",
        "one way to a reader that has waited 1 ms",
        "CPU time of a reader that waits 20",
        "commit abc1234",
        "Noise floor",
    ] {
        assert!(table.contains(words), "{words}\n{table}");
    }
    let markdown = fs::read_to_string(folder.path().join("results.md")).unwrap();
    assert!(markdown.contains("\n| futex ring | "), "{markdown}");
    let none = plots.join("slots.svg");
    assert!(!none.exists(), "a picture of what was not measured");
    for picture in ["flag.svg", "throughput.svg", "round-trip.svg", "cpu.svg"] {
        let picture = fs::read_to_string(plots.join(picture)).unwrap();
        let picture = picture.trim();
        assert!(picture.starts_with("<svg") && picture.ends_with("</svg>"));
        assert!(picture.contains("semaphores, 64 slots") && picture.contains("abc1234"));
        assert!(
            !picture.contains("again"),
            "the control is no transport of its own"
        );
    }
    assert!(!errors.contains('\x1b'), "no colours into a pipe: {errors}");

    let results: Value = serde_json::from_slice(&fs::read(&file).unwrap()).unwrap();
    assert_eq!(results["machine"]["commit"], "abc1234");
    assert!(results["machine"]["cpu_model"].is_string());
    let passes = results["passes"].as_array().unwrap();
    let rows = results["rows"].as_array().unwrap();
    for measure in ["throughput", "round-trip", "wake-up", "idle-cpu"] {
        for transport in TRANSPORTS {
            let is_this =
                |entry: &&Value| entry["measure"] == measure && entry["subject"] == transport;
            let expected =
                usize::from(measure == "throughput" || !FOR_STREAMS.contains(&transport));
            let found = rows.iter().filter(is_this).count();
            assert_eq!(found, expected, "{measure} {transport}");
            if found > 0 {
                let pass = passes.iter().find(is_this).expect("a pass");
                check_pass(pass, measure);
            }
        }
    }
}

fn check_pass(pass: &Value, measure: &str) {
    assert!(pass["elapsed_ns"].as_u64().unwrap() > 0, "{pass}");
    if ["round-trip", "wake-up"].contains(&measure) {
        let samples = pass["samples_ns"].as_array().unwrap();
        assert_eq!(Some(samples.len() as u64), pass["count"].as_u64());
    }
}

#[test]
fn rings_of_other_sizes_and_streams_of_other_lengths_are_measured_where_asked_for() {
    let run = run_name("series");
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("results.json");
    let transports = "semaphores,adaptive,adaptive-batches,futex-ring,pipe";
    let arguments = ["--slots", "1,16384", "--messages", "10,1000"];
    let mut command = compare(
        &run,
        &[&arguments[..], &["--transports", transports]].concat(),
    );
    let output = output(command.arg("--json").arg(&file));
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert_nothing_left(&run);
    let table = text(&output.stdout);
    for (title, lines) in [
        ("messages/s by number of slots", 4),
        ("time for each message by length of the stream", 4),
        ("before the first message", 4),
    ] {
        let section = table.split("\n\n").find(|text| text.starts_with(title));
        let section = section.unwrap_or_else(|| panic!("no {title}:\n{table}"));
        // Behind the title and the head.
        assert_eq!(section.lines().skip(2).count(), lines, "{section}");
    }

    let results: Value = serde_json::from_slice(&fs::read(&file).unwrap()).unwrap();
    let passes = results["passes"].as_array().unwrap();
    let of = |measure: &str, key: &str, value: u64| {
        let passes = passes.iter().filter(|pass| pass["measure"] == measure);
        let passes = passes.filter(|pass| pass[key].as_u64() == Some(value));
        let mut names: Vec<&str> = passes.filter_map(|pass| pass["subject"].as_str()).collect();
        names.sort_unstable();
        names.join(" ")
    };
    let rings = "adaptive adaptive-batches futex-ring semaphores";
    assert_eq!(of("by-slots", "slots", 1), rings);
    assert_eq!(of("by-slots", "slots", 16384), rings);
    assert_eq!(of("by-messages", "count", 10), "adaptive adaptive-batches");
    assert_eq!(
        of("by-messages", "count", 1000),
        "adaptive adaptive-batches"
    );
    assert_eq!(
        of("set-up", "slots", 0),
        "attach create first-round prefault"
    );
}

#[test]
fn an_earlier_run_gives_the_same_tables_again_and_fills_pages() {
    let run = run_name("again");
    let folder = tempfile::tempdir().unwrap();
    let (file, page) = (folder.path().join("r.json"), folder.path().join("page.md"));
    let mut command = compare(&run, &["--transports", "flag-spin,adaptive", "--json"]);
    let first = output(command.arg(&file));
    assert!(first.status.success(), "{}", text(&first.stderr));

    let again = |markdown: &str| {
        fs::write(&page, markdown).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_compare"));
        let command = command
            .arg("--from")
            .arg(&file)
            .arg("--markdown")
            .arg(&page);
        let output = output(command.arg("--plots").arg(folder.path().join("plots")));
        (output, fs::read_to_string(&page).unwrap())
    };
    let marks =
        FILLED.map(|(part, _)| format!("<!-- compare: {part} -->\nold\n<!-- compare: end -->\n"));
    let (second, page) = again(&format!("kept\n{}", marks.concat()));
    assert_eq!(text(&second.stdout), text(&first.stdout));
    assert!(page.starts_with("kept\n<!-- compare: machine -->\n"));
    for (part, words) in FILLED {
        let (_, filled) = page.split_once(&format!("compare: {part} -->")).unwrap();
        let (filled, _) = filled.split_once("<!-- compare: end -->").unwrap();
        assert!(filled.contains(words), "{part}: {filled}");
        assert!(!filled.contains("old"), "{part}: {filled}");
    }

    let (third, page) = again("<!-- compare: nonsense -->\n<!-- compare: end -->\n");
    let errors = text(&third.stderr);
    assert_eq!(third.status.code(), Some(1), "{errors}");
    assert!(
        errors.contains("page.md") && errors.contains("nonsense"),
        "{errors}"
    );
    assert!(page.contains("nonsense"), "the page stays as it was");

    fs::write(&file, "{\"format\": 2}").unwrap();
    let (fourth, _) = again("");
    assert_eq!(fourth.status.code(), Some(1));
    assert!(text(&fourth.stderr).contains("no file of `compare --json`"));
}

#[test]
fn both_processes_may_share_a_cpu_or_go_where_they_like() {
    for (placement, words) in [("--same-cpu", "both processes on"), ("--unpinned", "CPU")] {
        let run = run_name(placement);
        let transports = ["--transports", "semaphores,futex-ring,pipe"];
        let output = output(compare(&run, &transports).arg(placement));
        let table = text(&output.stdout);
        assert!(output.status.success(), "{}", text(&output.stderr));
        assert!(table.contains(words), "{table}");
        assert_nothing_left(&run);
    }
}

#[test]
fn every_size_is_carried() {
    let all_but_sleeping = TRANSPORTS[1..].join(",");
    let run = run_name("sizes");
    let arguments = ["--size", "1,57,1KiB,4099,128KiB"];
    let arguments = [&arguments[..], &["--transports", &all_but_sleeping]].concat();
    let output = output(&mut compare(&run, &arguments));
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert_nothing_left(&run);
}

#[test]
fn a_damaged_byte_is_noticed_whatever_the_transport() {
    for transport in TRANSPORTS {
        let run = run_name(&format!("damage-{transport}"));
        let arguments = ["--corrupt", "--transports", transport];
        let output = output(&mut compare(&run, &arguments));
        let errors = text(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{transport}: {errors}");
        assert!(errors.contains("payload check failed"), "{errors}");
        assert!(errors.contains(transport), "{errors}");
        assert!(output.stdout.is_empty(), "no table of wrong figures");
        assert_nothing_left(&run);
    }
}

/// Starts a run whose idle reader waits for a minute, and waits until it does.
fn start_idle_run(run: &str, transport: &str) -> Child {
    let arguments = ["--transports", transport, "--idle", "60"];
    let mut command = compare(run, &arguments);
    let command = command.stdout(Stdio::null()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let deadline = Instant::now() + Duration::from_secs(60);
    while !is_idle(&child, run, transport) {
        let ended = child.try_wait().unwrap();
        assert!(ended.is_none(), "ended by itself: {ended:?}");
        assert!(Instant::now() < deadline, "no reader is idle");
        thread::sleep(Duration::from_millis(5));
    }
    child
}

/// Tells whether the reader of this transport waits for its message, on the channel of its pass.
fn is_idle(child: &Child, run: &str, transport: &str) -> bool {
    let Some((_, plan)) = side(child, "consumer") else {
        return false;
    };
    let task = &plan["task"];
    let is_meant = task["measure"] == "idle-cpu" && task["subject"] == transport;
    is_meant && has_channel(run)
}

/// Finds one of the two processes of the pass that runs: its PID and its plan.
fn side(child: &Child, role: &str) -> Option<(String, Value)> {
    let pid = child.id();
    let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).ok()?;
    children.split_whitespace().find_map(|pid| {
        let command_line = fs::read(format!("/proc/{pid}/cmdline")).ok()?;
        let plan = command_line.split(|&byte| byte == 0).nth(2)?;
        let plan: Value = serde_json::from_slice(plan).ok()?;
        (plan["role"] == role).then(|| (pid.to_owned(), plan))
    })
}

/// Tells whether some channel of this run is there.
fn has_channel(run: &str) -> bool {
    (0..MOST_PASSES).any(|pass| {
        let name = format!("{run}.{pass}.forth");
        let key = Address::named(&name).unwrap().key();
        Segment::open(key, Mode::from_bits(0)).is_ok()
    })
}

fn kill(signal: &str, pid: &str) {
    let status = Command::new("kill").args([signal, pid]).status();
    assert!(status.unwrap().success(), "kill {signal} {pid}");
}

#[test]
fn a_signal_ends_it_and_leaves_nothing() {
    let run = run_name("signal");
    let child = start_idle_run(&run, "semaphores");
    kill("-TERM", &child.id().to_string());
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(143), "{}", text(&output.stderr));
    assert_nothing_left(&run);
}

#[test]
fn a_side_that_dies_ends_it_though_a_flag_does_not_notice() {
    let run = run_name("death");
    let child = start_idle_run(&run, "flag-spin");
    let (producer, _) = side(&child, "producer").expect("two sides");
    kill("-KILL", &producer);
    let output = child.wait_with_output().unwrap();
    let errors = text(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{errors}");
    assert!(
        errors.contains("the producer ended with signal: 9"),
        "{errors}"
    );
    assert_nothing_left(&run);
}

#[test]
fn what_is_left_behind_is_a_failure() {
    let run = run_name("left");
    // One way only, so nobody uses this key; but it is one of the run's.
    let key = Address::named(&format!("{run}.2.back")).unwrap().key();
    SemaphoreSet::create(key, 1, Mode::OWNER).unwrap();
    let output = output(&mut compare(&run, &["--transports", "flag-spin"]));
    let errors = text(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{errors}");
    assert!(errors.contains("left behind"), "{errors}");
    assert!(errors.contains("semaphore set"), "{errors}");
    assert!(errors.contains(&key.to_string()), "{errors}");
    assert_nothing_left(&run);
}

#[test]
fn mistakes_on_the_command_line_are_refused() {
    for arguments in [
        &["--size", "0"][..],
        &["--transports", "pigeons"],
        &["--quick", "--seconds", "1"],
        &["--quick", "--full"],
        &["--same-cpu", "--unpinned"],
        &["--slots", "48"],
        &["--messages", "0"],
    ] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_compare"));
        assert_eq!(output(command.args(arguments)).status.code(), Some(2));
    }
}

#[test]
fn engines_of_others_need_the_program_that_has_them() {
    let wanted = ["--transports", "iceoryx2-poll"];
    for (peers, words) in [
        (&[][..], "iceoryx2-poll needs --peers"),
        (&["--peers", "true"], "built without iceoryx2-poll"),
        (&["--peers", "false"], "exit status: 1"),
        (&["--peers", "/nowhere"], "cannot start /nowhere"),
    ] {
        let output = output(compare(&run_name("peers"), &wanted).args(peers));
        let errors = text(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{errors}");
        assert!(errors.contains(words), "{errors}");
    }
}
