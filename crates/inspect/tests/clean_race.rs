//! Goal: nothing that `clean` removes was in use, however near the removal comes to an attach or a close.
//! Method: two processes come and go in 1,000 rounds and more, of which every other ends as death does,
//! while `semring clean` runs 1,000 times and more, and until it has removed the channel often enough. Every
//! message has its number: none may be missing, and nobody may find the channel removed under them. What comes
//! too seldom for that is forced: `semring clean` is stopped at the call after which it must look again (strace).

mod common;

use std::fs::File;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use common::{Place, beside, skip, wait_until};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use semring::{Address, Channel, Consumer, Mode, Producer, RecvError, SendError};
use sysv_ipc::{Operation, SemaphoreSet};

/// How often a producer comes and goes at least.
const ROUNDS: u64 = 1000;
/// How often `semring clean` runs at least, and how often it removes the channel.
const RUNS: u64 = 1000;
const REMOVALS: u64 = 250;
/// Runs of `semring clean` at a time.
const CLEANERS: usize = 2;
/// Environment variables that tell the two processes where to meet, and which file ends their rounds.
const CHANNEL: &str = "SEMRING_TEST_CHANNEL";
const STOP: &str = "SEMRING_TEST_STOP";
/// The semaphore that is the SETUP lock.
const SETUP: u16 = 4;
/// What stands in the last message in place of its number.
const LAST: u64 = u64::MAX;

fn channel() -> Option<Channel> {
    let name = std::env::var(CHANNEL).ok()?;
    let channel = Channel::new(Address::named(&name).unwrap());
    Some(channel.slots(4).slot_bytes(64))
}

/// Chooses a number below `limit`.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % limit
    }

    /// Sleeps, or not, up to a number of microseconds.
    fn pause(&mut self, limit_us: u64) {
        if self.roll(3) > 0 {
            thread::sleep(Duration::from_micros(self.roll(limit_us)));
        }
    }
}

/// Sends one message. The consumer may be gone, and the ring full: then the next one gets it.
fn send(producer: &mut Producer, number: u64) {
    loop {
        match producer.send(&number.to_ne_bytes()) {
            Ok(()) => return,
            Err(SendError::Closed | SendError::PeerLost) => thread::yield_now(),
            Err(error) => panic!("message {number}: {error}"),
        }
    }
}

#[test]
#[ignore = "one of the processes that the last test starts"]
fn the_producer() {
    let Some(channel) = channel() else { return };
    let stop = std::env::var_os(STOP).unwrap();
    let (mut dice, mut number, mut round) = (Dice(0x9e37_79b9), 0, 0);
    while round < ROUNDS || !std::path::Path::new(&stop).exists() {
        let mut producer = channel.producer().unwrap();
        dice.pause(1000);
        for _ in 0..dice.roll(4) {
            send(&mut producer, number);
            number += 1;
        }
        round += 1;
        if dice.roll(2) == 0 {
            producer.close().unwrap();
        }
        dice.pause(1500);
    }
    let mut producer = channel.producer().unwrap();
    send(&mut producer, LAST);
    producer.close().unwrap();
    eprintln!("{round} rounds, {number} messages");
}

#[test]
#[ignore = "one of the processes that the last test starts"]
fn the_consumer() {
    let Some(channel) = channel() else { return };
    let (mut dice, mut next) = (Dice(0x7f4a_7c15), 0);
    loop {
        let consumer = channel.consumer().unwrap();
        if receive(consumer, &mut next, &mut dice) {
            return;
        }
        dice.pause(1500);
    }
}

/// Takes messages until the stream ends or a message more than it likes; true after the last one.
fn receive(mut consumer: Consumer, next: &mut u64, dice: &mut Dice) -> bool {
    for _ in 0..dice.roll(8) {
        let message = match consumer.recv() {
            Ok(Some(message)) => message,
            Ok(None) | Err(RecvError::PeerLost) => break,
            Err(error) => panic!("in place of message {next}: {error}"),
        };
        let number = u64::from_ne_bytes(message.as_ref().try_into().unwrap());
        drop(message);
        if number == LAST {
            consumer.close().unwrap();
            return true;
        }
        assert_eq!(number, *next, "messages are lost");
        *next += 1;
    }
    if dice.roll(2) == 0 {
        consumer.close().unwrap();
    }
    false
}

/// One of the two processes; killed when dropped.
struct Side {
    child: Mutex<Child>,
    /// What it says.
    log: PathBuf,
}

impl Side {
    fn start(test: &str, place: &Place) -> Self {
        let log = place.folder.path().join(test);
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["--exact", test, "--ignored", "--nocapture"]);
        command.env(CHANNEL, &place.name);
        command.env(STOP, place.folder.path().join("stop"));
        command.stdin(Stdio::null()).stdout(Stdio::null());
        command.stderr(File::create(&log).unwrap());
        let child = Mutex::new(command.spawn().unwrap());
        Self { child, log }
    }

    fn has_ended(&self) -> bool {
        let mut child = self.child.lock().unwrap();
        child.try_wait().unwrap().is_some()
    }

    /// Tells how it ended, if it has, and what it has said.
    fn end(&self) -> (Option<bool>, String) {
        let mut child = self.child.lock().unwrap();
        let ended = child.try_wait().unwrap().map(|status| status.success());
        (ended, std::fs::read_to_string(&self.log).unwrap())
    }
}

impl Drop for Side {
    fn drop(&mut self) {
        let mut child = self.child.lock().unwrap();
        let _ = child.kill();
        let _ = child.wait();
    }
}

/// Runs `semring clean` once; tells whether it removed the channel. Whatever it says, it must not fail.
fn clean(place: &Place) -> bool {
    let mut command = Command::new(env!("CARGO_BIN_EXE_semring"));
    let output = command.args(["clean", &place.name]).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(
        matches!(output.status.code(), Some(0 | 5)),
        "{text}{output:?}"
    );
    text.contains(": removed: ")
}

#[test]
fn nothing_that_is_removed_was_in_use() {
    let place = Place::new("race");
    let (runs, removals) = (AtomicU64::new(0), AtomicU64::new(0));
    let sides = [
        Side::start("the_producer", &place),
        Side::start("the_consumer", &place),
    ];
    let enough = || {
        runs.load(Ordering::Relaxed) >= RUNS && removals.load(Ordering::Relaxed) >= REMOVALS
            || sides.iter().any(Side::has_ended)
    };
    thread::scope(|scope| {
        for _ in 0..CLEANERS {
            scope.spawn(|| {
                while !enough() {
                    runs.fetch_add(1, Ordering::Relaxed);
                    removals.fetch_add(u64::from(clean(&place)), Ordering::Relaxed);
                }
            });
        }
    });
    std::fs::write(place.folder.path().join("stop"), "").unwrap();
    let failed = |side: &Side| side.end().0 == Some(false);
    wait_until("both have ended, or one has failed", || {
        sides.iter().all(Side::has_ended) || sides.iter().any(failed)
    });
    let told: Vec<_> = sides.iter().map(Side::end).collect();
    let all_well = told.iter().all(|(ended, _)| *ended == Some(true));
    let told: String = told.into_iter().map(|(_, text)| text).collect();
    assert!(all_well, "{runs:?} runs, {removals:?} removals: {told}");
    println!("{runs:?} runs, {removals:?} removals, {told}");
}

/// Starts `semring clean`, which stops itself when it has taken its first lock; nothing, said loudly, where
/// that cannot be done.
fn start_clean_that_stops(place: &Place) -> Option<Child> {
    let calls = "semop,semtimedop";
    let mut command = Command::new("strace");
    command.args(["-qq", "-o", "/dev/null"]);
    command.args(["-e", &format!("trace={calls}")]);
    command.args(["-e", &format!("inject={calls}:signal=SIGSTOP:when=1")]);
    command
        .arg(beside("semring"))
        .args(["clean", place.name.as_str()]);
    match command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn() {
        Ok(child) => Some(child),
        Err(error) => {
            skip(&format!("no strace: {error}"));
            None
        }
    }
}

/// Who removes a set and makes another one under the lock of the first is not removed with it.
#[test]
fn a_lock_of_a_set_that_was_exchanged_is_worth_nothing() {
    let place = Place::new("exchanged");
    let channel = Channel::new(Address::named(&place.name).unwrap());
    drop(channel.producer().unwrap());
    let Some(mut strace) = start_clean_that_stops(&place) else {
        return;
    };
    let (id, locked) = (strace.id(), place.set());
    // The signal was sent before the call was made: whoever has the lock does nothing more.
    wait_until("it has the lock, or has ended", || {
        strace.try_wait().unwrap().is_some() || locked.value(SETUP) == Ok(1)
    });
    if let Some(status) = strace.try_wait().unwrap() {
        return skip(&format!("strace cannot trace: {status}"));
    }
    let children = std::fs::read_to_string(format!("/proc/{id}/task/{id}/children")).unwrap();
    locked.remove().unwrap();
    let new = SemaphoreSet::create(place.key, 5, Mode::OWNER).unwrap();
    new.operate(&[Operation::add(SETUP, 1)]).unwrap();
    kill(
        Pid::from_raw(children.trim().parse().unwrap()),
        Signal::SIGCONT,
    )
    .unwrap();
    let output = strace.wait_with_output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let busy = format!("PID {} is attaching or leaving", std::process::id());
    assert!(text.contains(&busy), "{text}");
    assert_eq!((place.set(), new.value(SETUP)), (new, Ok(1)));
    place.segment();
}
