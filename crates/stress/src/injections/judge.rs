//! What must be true after a play, whatever failed in it.

use anyhow::{Result, bail, ensure};
use semring::Role;

use super::follow::Follow;
use super::play::Kind;
use super::player::Ended;
use super::trial::Trial;

const SIGABRT: i32 = 6;
const SIGKILL: i32 = 9;
const SIGTERM: i32 = 15;

/// Fails when something must not be.
pub fn judge(trial: &Trial<'_>) -> Result<()> {
    for (index, ended) in trial.ended.iter().enumerate() {
        let judged = judge_end(trial, ended, index);
        judged.map_err(|error| error.context(describe(trial)))?;
    }
    let judged = judge_objects(trial).and_then(|()| judge_content(trial));
    judged.map_err(|error| error.context(describe(trial)))
}

fn describe(trial: &Trial<'_>) -> String {
    let line = trial
        .trace
        .injected
        .as_deref()
        .unwrap_or("(no call failed)");
    let ends = trial.ended.iter().map(|ended| {
        let victim = if ended.victim { ", the victim" } else { "" };
        format!(
            "\n    {}{victim}: {}, stderr {:?}",
            ended.role, ended.status, ended.stderr
        )
    });
    format!("{line}{}", ends.collect::<String>())
}

/// Says whether an answer cannot be true, so that what follows from it is no fault: that there was no
/// unit, or no room for one more, on a semaphore of which nobody knows that better.
fn may_time_out(trial: &Trial<'_>) -> bool {
    trial
        .injection
        .is_some_and(|injection| matches!(injection.what, "EAGAIN" | "ERANGE"))
}

/// Says whether the kernel denied a removal that we are entitled to, or said that it had been done.
fn removal_failed(trial: &Trial<'_>) -> bool {
    trial
        .trace
        .injected
        .as_ref()
        .is_some_and(|line| line.contains("IPC_RMID"))
}

fn judge_end(trial: &Trial<'_>, ended: &Ended, index: usize) -> Result<()> {
    let stderr = &ended.stderr;
    let panicked = stderr.contains("panicked") || ended.code() == Some(101);
    ensure!(
        !panicked && ended.signal() != Some(SIGABRT),
        "PANIC of the {}",
        ended.role
    );
    if let Some(signal) = ended.signal() {
        let sent = trial.injection.map(|injection| injection.what);
        let meant = matches!(
            (sent, signal),
            (Some("SIGKILL"), SIGKILL) | (Some("SIGTERM"), SIGTERM)
        );
        ensure!(
            ended.victim && meant,
            "SIGNAL {signal} ended the {}",
            ended.role
        );
        return Ok(());
    }
    let Some(code) = ended.code() else {
        bail!("no exit code")
    };
    let interrupted = trial
        .injection
        .is_some_and(|injection| injection.what == "EINTR");
    ensure!(
        code == 0 || !interrupted,
        "EXIT CODE {code} of the {} after EINTR",
        ended.role
    );
    let flag = trial.play.kind == Kind::Flag;
    let terminated = trial
        .injection
        .is_some_and(|injection| injection.what == "SIGTERM");
    let possible = match code {
        0 => true,
        4 => may_time_out(trial),
        1 | 5 => ended.victim,
        // Of a successor that came too early, and of the peer.
        3 => !flag,
        // The flag's writer removes its segment even when it fails.
        6 => ended.victim || flag,
        143 => ended.victim && terminated,
        _ => false,
    };
    ensure!(possible, "EXIT CODE {code} of the {}", ended.role);
    let last = index + 1 == trial.ended.len();
    ensure!(
        code == 0 || !last || index < 2 || may_time_out(trial),
        "STUCK: the {} that came last failed",
        ended.role
    );
    let silent = trial
        .trace
        .injected
        .as_ref()
        .is_some_and(|line| line.starts_with("write(2,"));
    if code != 0 && code < 128 && !(ended.victim && silent) {
        judge_sentence(ended, flag)?;
    }
    Ok(())
}

/// One sentence, beside those that only say what is waited for, and it starts with the program's name.
fn judge_sentence(ended: &Ended, flag: bool) -> Result<()> {
    let said: Vec<&str> = ended
        .stderr
        .lines()
        .filter(|line| !line.contains("waiting for "))
        .collect();
    let name = match (flag, ended.role) {
        (false, Role::Producer) => "writer: ",
        (false, Role::Consumer) => "reader: ",
        (true, Role::Producer) => "flag-writer: ",
        (true, Role::Consumer) => "flag-reader: ",
    };
    let sentence = said
        .last()
        .is_some_and(|line| line.starts_with(name) && line.len() > name.len() + 10);
    ensure!(
        sentence,
        "SILENT: the {} does not say what failed",
        ended.role
    );
    // The flag's programs also note what they took over, or found removed.
    ensure!(
        flag || said.len() == 1,
        "WORDY: the {} says more than one sentence",
        ended.role
    );
    Ok(())
}

fn judge_objects(trial: &Trial<'_>) -> Result<()> {
    let at_the_end = trial.place.objects();
    ensure!(
        at_the_end.is_empty(),
        "LEAK: {} at the end",
        at_the_end.join(" and ")
    );
    if trial.left.is_empty() || removal_failed(trial) {
        return Ok(());
    }
    // Victim and peer had ended, or one of them waited for a successor, which found what was left.
    let first: Vec<&Ended> = trial.ended.iter().take(2).collect();
    let killed = first.iter().any(|ended| ended.signal().is_some());
    let key = trial.place.key().to_string();
    let named = |ended: &&Ended| {
        let words = |object: &String| ended.stderr.contains(object.as_str());
        ended.stderr.contains(&key) || trial.left.iter().any(words)
    };
    let waited = trial.ended.len() > 2
        && trial
            .ended
            .iter()
            .skip(1)
            .any(|ended| ended.number == 0 && !ended.victim);
    ensure!(
        killed || waited || first.iter().any(named),
        "LEAK: {} left without a word",
        trial.left.join(" and ")
    );
    Ok(())
}

/// What was received is what was sent, in order, to its end where both were done.
fn judge_content(trial: &Trial<'_>) -> Result<()> {
    let [first, second] = &trial.inputs;
    let writer = |number: usize| {
        let mut writers = trial
            .ended
            .iter()
            .filter(|ended| ended.role == Role::Producer);
        writers.find(move |ended| ended.number == number)
    };
    let again = trial.play.message_bytes();
    let whole = writer(0).is_some_and(|ended| trial.is_done(ended));
    let least = if whole {
        first.len()
    } else {
        (trial.sent * again).min(first.len())
    };
    let second = if writer(1).is_some() {
        second.as_slice()
    } else {
        &[]
    };
    let mut follow = Follow::new(first, second, least, again);
    let flag = trial.play.kind == Kind::Flag;
    for reader in trial
        .ended
        .iter()
        .filter(|ended| ended.role == Role::Consumer)
    {
        let received = reader.received.len();
        ensure!(
            follow.read(&reader.received),
            "LOSS: {received} bytes received do not follow"
        );
        // A flag cannot tell an end from a failure.
        let ended = flag || !trial.is_done(reader) || follow.at_end();
        ensure!(ended, "LOSS: {received} bytes received are taken for all");
        follow.next_reader();
    }
    Ok(())
}
