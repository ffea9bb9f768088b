//! How many semaphore calls an exchange costs, counted by the library in real processes and, where
//! `strace` is at hand, by the kernel's own interface: this executable runs itself as producer and
//! as consumer. An exchange that need not wait is one try and one post on each side; one that must
//! wait adds at most a test of the peer's role and the sleep.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::Duration;

use semring::{Address, Calls, Channel, Key, Mode};
use sysv_ipc::{Segment, SemaphoreSet};

/// Tells this executable which part to play in the test named `part`.
const PART: &str = "SEMRING_TEST_PART";
const WATCHDOG: Duration = Duration::from_secs(100);
/// The words with which a part says what it has counted.
const COUNTED: &str = "COUNTED";

/// A channel that no other test uses; removes what is left of it.
struct Place {
    name: String,
    key: Key,
}

impl Place {
    fn new(test: &str) -> Self {
        let name = format!("calls-{}-{test}", std::process::id());
        let key = Address::named(&name).unwrap().key();
        Self { name, key }
    }

    fn is_gone(&self) -> bool {
        let any = Mode::from_bits(0);
        Segment::open(self.key, any).is_err() && SemaphoreSet::open(self.key, any).is_err()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let any = Mode::from_bits(0);
        if let Ok(segment) = Segment::open(self.key, any) {
            let _ = segment.remove();
        }
        if let Ok(set) = SemaphoreSet::open(self.key, any) {
            let _ = set.remove();
        }
    }
}

/// Plays a part when this executable was started to, else does nothing.
#[test]
fn part() {
    let Ok(part) = std::env::var(PART) else {
        return;
    };
    let words: Vec<&str> = part.split_whitespace().collect();
    let [role, name, slots, messages] = words[..] else {
        panic!("{part:?}");
    };
    let channel = Channel::new(Address::named(name).unwrap())
        .slots(slots.parse().unwrap())
        .slot_bytes(64);
    let messages = messages.parse().unwrap();
    match role {
        "producer" => produce(&channel, messages),
        "consumer" => consume(&channel, messages),
        _ => panic!("{part:?}"),
    }
}

/// Says that it has attached, and waits until it is told to go on.
fn ready() {
    println!("\nREADY");
    let _ = std::io::stdin().read_line(&mut String::new()).unwrap();
}

fn counted(calls: Calls) {
    let Calls {
        tries,
        refused,
        sleeps,
        posts,
        tests,
        ..
    } = calls;
    println!("\n{COUNTED} {tries} {refused} {sleeps} {posts} {tests}");
    assert_eq!(calls.around_exchanges(), tries + sleeps + posts + tests);
}

fn produce(channel: &Channel, messages: u32) {
    let mut producer = channel.producer().unwrap();
    ready();
    for number in 0..messages {
        producer.send(&number.to_ne_bytes()).unwrap();
    }
    counted(producer.calls());
    ready();
    producer.close().unwrap();
}

fn consume(channel: &Channel, messages: u32) {
    let mut consumer = channel.consumer().unwrap();
    ready();
    for number in 0..messages {
        let message = consumer.recv().unwrap().unwrap();
        assert_eq!(*message, number.to_ne_bytes());
        message.release().unwrap();
    }
    counted(consumer.calls());
    ready();
    consumer.close().unwrap();
}

/// A part that another process plays; killed when dropped.
struct Part {
    child: Child,
    lines: Receiver<String>,
}

impl Part {
    /// Starts a part, under another program such as `strace` if there is a `prefix`.
    fn start(prefix: &[String], role: &str, place: &Place, slots: u32, messages: u32) -> Self {
        let this = std::env::current_exe().unwrap();
        let mut command = match prefix {
            [] => Command::new(this),
            [program, arguments @ ..] => {
                let mut command = Command::new(program);
                command.args(arguments).arg(this);
                command
            }
        };
        command.args(["--exact", "part", "--nocapture", "--test-threads=1"]);
        command.env(PART, format!("{role} {} {slots} {messages}", place.name));
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let lines = lines_of(child.stdout.take().unwrap());
        let part = Self { child, lines };
        part.wait_for("READY");
        part
    }

    /// Waits for a line that starts with a word, and returns the rest of it.
    #[track_caller]
    fn wait_for(&self, word: &str) -> String {
        loop {
            let line = self.lines.recv_timeout(WATCHDOG).unwrap();
            if let Some(rest) = line.strip_prefix(word) {
                return rest.to_owned();
            }
        }
    }

    fn go_on(&mut self) {
        self.child.stdin.as_mut().unwrap().write_all(b"\n").unwrap();
    }

    /// What it has counted: tries, refused, sleeps, posts, tests.
    #[track_caller]
    fn counted(&self) -> Count {
        let numbers: Vec<u64> = self
            .wait_for(COUNTED)
            .split_whitespace()
            .map(|number| number.parse().unwrap())
            .collect();
        let [tries, refused, sleeps, posts, tests] = numbers[..] else {
            panic!("{numbers:?}");
        };
        Count {
            tries,
            refused,
            sleeps,
            posts,
            tests,
        }
    }

    /// Lets it leave the channel, and waits for its end.
    #[track_caller]
    fn end(mut self) {
        self.go_on();
        self.wait_for("test result: ok. 1 passed");
        assert!(self.child.wait().unwrap().success());
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        // Has ended already, except after a failure.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn lines_of(pipe: ChildStdout) -> Receiver<String> {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        for line in BufReader::new(pipe).lines().map_while(Result::ok) {
            if sender.send(line).is_err() {
                break;
            }
        }
    });
    receiver
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Count {
    tries: u64,
    refused: u64,
    sleeps: u64,
    posts: u64,
    tests: u64,
}

impl Count {
    fn around_exchanges(self) -> u64 {
        self.tries + self.sleeps + self.posts + self.tests
    }
}

#[test]
fn an_exchange_that_need_not_wait_is_one_try_and_one_post() {
    let place = Place::new("no-wait");
    let mut producer = Part::start(&[], "producer", &place, 64, 64);
    producer.go_on();
    let sent = producer.counted();
    let mut consumer = Part::start(&[], "consumer", &place, 64, 64);
    consumer.go_on();
    let received = consumer.counted();
    let expected = Count {
        tries: 64,
        refused: 0,
        sleeps: 0,
        posts: 64,
        tests: 0,
    };
    assert_eq!((sent, received), (expected, expected));
    producer.end();
    consumer.end();
}

/// Streams messages between two processes and returns what both have counted.
#[track_caller]
fn stream(prefixes: [&[String]; 2], test: &str, slots: u32, messages: u32) -> [Count; 2] {
    let place = Place::new(test);
    // In this order, so that attaching and leaving take the same calls each time.
    let mut consumer = Part::start(prefixes[1], "consumer", &place, slots, messages);
    let mut producer = Part::start(prefixes[0], "producer", &place, slots, messages);
    consumer.go_on();
    producer.go_on();
    let counts = [producer.counted(), consumer.counted()];
    producer.end();
    consumer.end();
    assert!(!place.is_gone(), "no end of stream was seen, so it stays");
    counts
}

#[test]
fn an_exchange_that_must_wait_adds_a_test_and_a_sleep_at_most() {
    for slots in [1, 2, 64] {
        let messages = 2000;
        let counts = stream([&[], &[]], &format!("wait-{slots}"), slots, messages);
        println!("{slots} slots, {messages} messages: {counts:?}");
        let messages = u64::from(messages);
        for count in counts {
            assert_eq!(count.posts, messages, "{count:?}");
            // Each unit was taken by a try or a sleep, at the latest after a worthless one or two.
            let taken = count.tries - count.refused + count.sleeps;
            assert!((messages..=messages + 2).contains(&taken), "{count:?}");
            assert!(count.tests <= count.sleeps + 2, "{count:?}");
            let calls = count.around_exchanges();
            assert!(
                (2 * messages..=4 * messages + 8).contains(&calls),
                "{count:?}"
            );
        }
    }
}

/// Adds up the calls in the table that `strace -c` has written.
fn calls_in(table: &Path) -> u64 {
    let text = std::fs::read_to_string(table).unwrap();
    text.lines()
        .filter(|line| line.ends_with(" semop") || line.ends_with(" semtimedop"))
        .map(|line| {
            line.split_whitespace()
                .nth(3)
                .unwrap()
                .parse::<u64>()
                .unwrap()
        })
        .sum()
}

fn strace(table: &Path) -> Vec<String> {
    let words = ["strace", "-f", "-c", "-e", "trace=semop,semtimedop", "-o"];
    let mut prefix: Vec<String> = words.map(str::to_owned).into();
    prefix.push(table.display().to_string());
    prefix
}

fn can_trace() -> bool {
    Command::new("strace")
        .args(["-o", "/dev/null", "true"])
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}

/// Streams messages with both processes traced; returns for each side what the library counted
/// around exchanges, and what `strace` counted in all.
fn traced(slots: u32, messages: u32) -> [(u64, u64); 2] {
    let table = |side: &str| -> PathBuf {
        let file = format!("semring-{}-{slots}-{messages}-{side}", std::process::id());
        std::env::temp_dir().join(file)
    };
    let tables = [table("producer"), table("consumer")];
    let [producer, consumer] = [strace(&tables[0]), strace(&tables[1])];
    let name = format!("traced-{slots}-{messages}");
    let counts = stream([&producer, &consumer], &name, slots, messages);
    [0, 1].map(|side| {
        let all = calls_in(&tables[side]);
        let _ = std::fs::remove_file(&tables[side]);
        (counts[side].around_exchanges(), all)
    })
}

#[test]
fn the_library_counts_what_the_kernel_is_asked() {
    if !can_trace() {
        let _ = writeln!(
            std::io::stderr(),
            "SKIPPED: `strace` is not installed or may not trace"
        );
        return;
    }
    for slots in [1, 64] {
        let (short, long) = (traced(slots, 1000), traced(slots, 2000));
        for side in [0, 1] {
            let [(short, short_all), (long, long_all)] = [short[side], long[side]];
            println!("{slots} slots: {short} of {short_all}, {long} of {long_all}");
            // What is beyond the exchanges is attaching and leaving, the same each time.
            assert_eq!(short_all - short, long_all - long);
            assert!(long_all - long <= 16);
        }
    }
}
