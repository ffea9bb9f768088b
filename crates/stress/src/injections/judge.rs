//! What must be true after a play, whatever failed in it.

use anyhow::{Result, ensure};
use semring::Role;

use super::follow::Follow;
use super::play::Kind;
use super::player::Ended;
use super::trace::Injection;
use super::trial::Trial;

const SIGABRT: i32 = 6;
const SIGKILL: i32 = 9;
const SIGTERM: i32 = 15;

/// Fails when something must not be.
pub fn judge(trial: &Trial<'_>) -> Result<()> {
    for ended in &trial.ended {
        let judged = judge_end(trial, ended);
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

/// Says whether the answer was untrue in a way that nobody can see through, and that keeps from somebody
/// what he waits for. The kernel says that only where it is so: no unit there, or no room for one more; no
/// set to give the SETUP lock back to, or to repair, which an attach tries again, though the peer has
/// taken the first try for a death; no segment to remove, which a flag's reader waits for.
fn may_time_out(trial: &Trial<'_>) -> bool {
    const UNLOCK_SETUP: &str = "{sem_num=4, sem_op=-1";
    const REPAIR: &str = "GETVAL";
    let untrue = is_injected(trial, "EAGAIN") || is_injected(trial, "ERANGE");
    let line = trial.trace.injected.as_deref().unwrap_or_default();
    untrue
        || line.contains(UNLOCK_SETUP)
        || line.contains(REPAIR)
        || trial.play.kind == Kind::Flag && removal_failed(trial)
}

/// Says whether the answer was untrue, so that what is there may be taken for gone, or for still in use:
/// a peer for dead, an object for one that somebody else removes.
fn is_untrue(trial: &Trial<'_>) -> bool {
    trial.injection.is_some_and(|Injection { call, what, .. }| {
        matches!(*what, "EAGAIN" | "EIDRM" | "EINVAL" | "ERANGE")
            && matches!(&**call, "semop" | "semctl" | "shmctl")
    })
}

fn is_injected(trial: &Trial<'_>, what: &str) -> bool {
    trial
        .injection
        .is_some_and(|injection| injection.what == what)
}

/// Says whether the kernel denied a removal that we are entitled to, or said that it had been done.
fn removal_failed(trial: &Trial<'_>) -> bool {
    trial
        .trace
        .injected
        .as_ref()
        .is_some_and(|line| line.contains("IPC_RMID"))
}

fn judge_end(trial: &Trial<'_>, ended: &Ended) -> Result<()> {
    let stderr = &ended.stderr;
    let line = trial.trace.injected.as_deref().unwrap_or_default();
    // The standard library's own call, for the seeds of its hash tables. Linux never fails it, and the
    // library has no way to go on if it did.
    if line.starts_with("getrandom") && line.contains("GRND_INSECURE") {
        return Ok(());
    }
    let panicked = stderr.contains("panicked") || ended.code() == Some(101);
    ensure!(
        !panicked && ended.signal() != Some(SIGABRT),
        "PANIC of the {}",
        ended.role
    );
    let victim = ended.victim;
    let flag = trial.play.kind == Kind::Flag;
    let possible = match (ended.code(), ended.signal()) {
        (None, Some(SIGKILL)) => victim && is_injected(trial, "SIGKILL"),
        (None, Some(SIGTERM)) | (Some(143), _) => victim && is_injected(trial, "SIGTERM"),
        (Some(0), _) => true,
        // A signal may only cost time.
        _ if is_injected(trial, "EINTR") => false,
        (Some(4), _) => may_time_out(trial),
        // Whoever comes after the two finds a channel that works.
        _ if ended.number > 0 => may_time_out(trial),
        (Some(1 | 5), _) => victim,
        // Only the victim's failure is a reason to take a side for lost.
        (Some(3), _) => !flag && (is_untrue(trial) || !victim && !victim_is_done(trial)),
        // A flag's writer removes its segment even when it fails.
        (Some(6), _) => victim || flag,
        _ => false,
    };
    ensure!(possible, "END of the {}: {}", ended.role, ended.status);
    let unheard = victim && line.starts_with("write(2,");
    if matches!(ended.code(), Some(1..=6)) && !unheard {
        judge_sentence(ended, flag)?;
    }
    Ok(())
}

fn victim_is_done(trial: &Trial<'_>) -> bool {
    trial.victim().is_some_and(|victim| trial.is_done(victim))
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
    if trial.left.is_empty() || is_untrue(trial) || removal_failed(trial) {
        return Ok(());
    }
    // Victim and peer had ended, or one of them waited for a successor, which found what was left.
    let mut first = trial.ended.iter().filter(|ended| ended.number == 0);
    let killed = first.clone().any(|ended| ended.signal().is_some());
    let key = trial.place.key().to_string();
    let named = |ended: &Ended| {
        let words = |object: &String| ended.stderr.contains(object.as_str());
        ended.stderr.contains(&key) || trial.left.iter().any(words)
    };
    ensure!(
        killed || trial.awaited || first.any(named),
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
