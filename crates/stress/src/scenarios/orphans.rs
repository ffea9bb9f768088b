//! Forked children that outlive their parent: they hold nothing back, and cannot touch the segment.

use std::fs::File;
use std::os::unix::fs::FileExt as _;

use anyhow::{Context as _, Result, ensure};
use nix::sys::prctl;
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::waitpid;
use nix::unistd::Pid;
use semring::{Mode, Role};
use sysv_ipc::{Segment, SemaphoreSet};

use crate::campaign::{Campaign, Run};
use crate::ledger::{Number, Phase};
use crate::pair::{ENDLESS, Pair};
use crate::shape::{DISTURBED, ROLES, Shape, Victim, peer};
use crate::side::{Child, Extra};

pub fn run(campaign: &mut Campaign) {
    let orphans = campaign.plan.orphans;
    for role in ROLES {
        campaign.row(&format!("child outlives {role}"), |run| {
            // Children of children become ours when their parent dies, so that they can be waited for.
            prctl::set_child_subreaper(true).context("PR_SET_CHILD_SUBREAPER")?;
            while run.total.events < orphans {
                let shape = DISTURBED[run.rng.usize(..DISTURBED.len())];
                stream(shape, role, run).with_context(|| shape.to_string())?;
                run.show(run.total.events, orphans, "children");
            }
            Ok(())
        });
    }
}

/// A child that its parent has forked; dropping it ends it.
struct Orphan(Pid);

impl Drop for Orphan {
    fn drop(&mut self) {
        let _ = kill(self.0, Signal::SIGKILL);
        let _ = waitpid(self.0, None);
    }
}

fn stream(shape: Shape, role: Role, run: &mut Run<'_>) -> Result<()> {
    let mut pair = Pair::new(shape, ENDLESS, &mut run.rng)?;
    let child = if run.rng.bool() {
        Child::Keeps
    } else {
        Child::LetsGo
    };
    let forks = Extra {
        forks: Some(child),
        ..Extra::default()
    };
    pair.spawn(role, forks)?;
    pair.spawn(peer(role), Extra::default())?;
    pair.wait_until(|pair| {
        let forked = pair.ledger.get(Number::Orphan)? != 0;
        Ok(forked && pair.ledger.get(Number::Delivered)? > 0)
    })?;
    let orphan = Orphan(Pid::from_raw(i32::try_from(
        pair.ledger.get(Number::Orphan)?,
    )?));
    let address = pair.ledger.get(Number::MappedAt)?;
    ensure!(
        !is_free(&pair, role)?,
        "a child has given the role of its {role} back"
    );
    // The parent shows that the look itself works.
    ensure!(
        can_touch(pair.pid(role)?, address)?,
        "the {role} itself has no segment at {address:#x}"
    );
    ensure!(
        !can_touch(orphan.0, address)?,
        "a forked child has the segment of its {role} mapped"
    );
    pair.kill(Victim::from(role))?;
    ensure!(
        is_free(&pair, role)?,
        "the role of a dead {role} is still held while its child lives"
    );
    pair.wait_until(|pair| Ok(pair.ledger.get(Number::Losses)? > 0))?;
    let attached = Segment::open(pair.key(), Mode::OWNER)?.stat()?.attached;
    ensure!(attached == 1, "{attached} are attached beside an orphan");
    pair.start(&mut run.rng)?;
    pair.wait_until(|pair| pair.ledger.has_reached(role, Phase::Attached))?;
    pair.finish_soon(ENDLESS)?;
    pair.judge()?;
    ensure!(
        kill(orphan.0, None).is_ok(),
        "the orphan has not lived long enough to show anything"
    );
    run.total += pair.outcome;
    run.total.events += 1;
    Ok(())
}

fn is_free(pair: &Pair, role: Role) -> Result<bool> {
    let lock = match role {
        Role::Producer => 2,
        Role::Consumer => 3,
    };
    let set = SemaphoreSet::open(pair.key(), Mode::OWNER)?;
    Ok(set.value(lock)? == 0)
}

/// Tells whether a process has anything mapped at an address.
fn can_touch(pid: Pid, address: u64) -> Result<bool> {
    let memory = File::open(format!("/proc/{pid}/mem")).context("the memory of a child")?;
    Ok(memory.read_at(&mut [0], address).is_ok())
}
