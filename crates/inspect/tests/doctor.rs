//! Goal: what is wrong with a machine or its kernel is named with its remedy, what is right passes, and
//! nothing is left behind. Method: the real program, in IPC namespaces of its own whose limits are made
//! bad, and on kernels that a preloaded library makes bad.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;
use tempfile::TempDir;

/// Longest time for a script, in seconds, as timeout(1) takes it.
const WATCHDOG: &str = "120";

/// Says past the test harness's capture that a test could not run, and why.
fn skip(reason: &str) {
    let test = std::thread::current().name().unwrap_or("?").to_owned();
    let _ = writeln!(std::io::stderr(), "SKIPPED: {test}: {reason}");
}

/// Runs a script in an IPC namespace of its own, where `semring` is the program. None, said as
/// skipped, where that cannot be done.
fn in_own_namespace(script: &str) -> Option<Output> {
    // Where it may, root may still not set the limits of one: in a container.
    let limit = "/proc/sys/kernel/shmmni";
    let tried = Command::new("unshare")
        .args(["--ipc", "sh", "-c", &format!("cat {limit} > {limit}")])
        .output();
    let refusal = match tried {
        Ok(output) if output.status.success() => None,
        Ok(output) => Some(String::from_utf8_lossy(&output.stderr).into_owned()),
        Err(error) => Some(error.to_string()),
    };
    if let Some(refusal) = refusal {
        skip(&format!("no IPC namespace of its own: {}", refusal.trim()));
        return None;
    }
    let folder = Path::new(env!("CARGO_BIN_EXE_semring")).parent().unwrap();
    let path = format!("{}:{}", folder.display(), std::env::var("PATH").unwrap());
    let output = Command::new("timeout")
        .args([WATCHDOG, "unshare", "--ipc", "bash", "-c", script])
        .env("PATH", path)
        .output()
        .unwrap();
    assert_ne!(output.status.code(), Some(124), "hangs: {output:?}");
    Some(output)
}

/// What `semring doctor --json` said, and its exit code.
struct Answer {
    checks: Vec<Value>,
    stderr: String,
    exit: Option<i32>,
}

/// Has the doctor look, after `before`, in a namespace of its own.
fn doctor(before: &str) -> Option<Answer> {
    let output = in_own_namespace(&format!("{before}\nsemring doctor --json"))?;
    let stderr = String::from_utf8(output.stderr).unwrap();
    let found: Value = serde_json::from_slice(&output.stdout).expect(&stderr);
    let count = |key| usize::try_from(found[key].as_u64().unwrap()).unwrap();
    let answer = Answer {
        checks: found["checks"].as_array().unwrap().clone(),
        stderr,
        exit: output.status.code(),
    };
    assert_eq!(count("failed"), answer.failed().len());
    assert_eq!(
        count("passed") + count("warned") + count("failed"),
        answer.checks.len()
    );
    assert_eq!(answer.exit, Some(i32::from(count("failed") > 0)));
    Some(answer)
}

impl Answer {
    fn failed(&self) -> Vec<&str> {
        let failed = |check: &&Value| check["outcome"] == "fail";
        let failed = self.checks.iter().filter(failed);
        failed
            .map(|check| check["name"].as_str().unwrap())
            .collect()
    }

    fn check(&self, name: &str) -> &Value {
        self.checks
            .iter()
            .find(|check| check["name"] == name)
            .unwrap()
    }

    fn text(&self, name: &str, field: &str) -> &str {
        self.check(name)[field].as_str().unwrap_or_default()
    }
}

/// The names of all checks of the kernel that need semaphore operations.
const OPERATING: [&str; 8] = [
    "several operations",
    "death notice",
    "undo and fork",
    "undo and threads",
    "leaving in order",
    "time limit",
    "ceiling",
    "removed set",
];

#[test]
fn all_is_well_here() {
    let Some(answer) = doctor("") else { return };
    assert_eq!(answer.failed(), [""; 0], "{:?}", answer.checks);
    assert_eq!(answer.stderr, "");
    for check in &answer.checks {
        if check["area"] == "kernel" {
            assert_eq!(check["outcome"], "pass", "{check}");
        }
        assert_eq!(
            check["remedy"].is_null(),
            check["outcome"] == "pass",
            "{check}"
        );
    }
}

#[test]
fn nothing_is_left_of_a_doctor_that_was_killed() {
    let script = r#"
        objects() { tail -qn +2 /proc/sysvipc/sem /proc/sysvipc/shm; }
        for try in {1..50}; do
            semring doctor >/dev/null & doctor=$!
            # Stopped again and again: so it neither begins a check nor ends one while that is looked for.
            while kill -STOP $doctor; do
                until grep -q '^State:.[TZ]' /proc/$doctor/status; do :; done
                read child </proc/$doctor/task/$doctor/children
                if [ "$child" ] && [ "$(objects)" ] &&
                    tr '\0' ' ' </proc/$child/cmdline | grep -qE -- '--(set|segment)=[0-9]'; then
                    kill -KILL $doctor
                    wait $doctor
                    for look in {1..600}; do
                        [ "$(objects)" ] || exec echo "nothing is left"
                        sleep 0.1
                    done
                    objects
                    exit 1
                fi
                grep -q '^State:.Z' /proc/$doctor/status && break
                kill -CONT $doctor
            done
            wait $doctor
        done
        echo "it was never met in the middle of a check""#;
    let Some(output) = in_own_namespace(script) else {
        return;
    };
    let told = String::from_utf8_lossy(&output.stdout);
    assert_eq!(told, "nothing is left\n", "{output:?}");
}

#[test]
fn a_limit_that_is_too_low_is_named_and_its_remedy_mends_it() {
    for (limit, value, name, words) in [
        ("sem", "4 32000 500 128", "kernel.sem", "4 semaphores"),
        ("sem", "250 32000 3 128", "kernel.sem", "3 operations"),
        ("sem", "250 32000 500 0", "kernel.sem", "0 of 0 sets"),
        ("sem", "250 4 500 128", "kernel.sem", "0 of 4 semaphores"),
        ("shmmax", "100000", "kernel.shmmax", "100000 bytes"),
        ("shmall", "1000", "kernel.shmall", "3.91 MiB"),
        ("shmmni", "0", "kernel.shmmni", "0 of 0 segments"),
        (
            "shm_rmid_forced",
            "1",
            "kernel.shm_rmid_forced",
            "1: a segment",
        ),
    ] {
        let set = format!("echo {value} > /proc/sys/kernel/{limit}");
        let Some(answer) = doctor(&set) else { return };
        assert!(
            answer.failed().contains(&name),
            "{set}: {:?}",
            answer.failed()
        );
        let found = answer.text(name, "found");
        assert!(found.contains(words), "{set}: {found}");
        assert!(answer.stderr.contains(name), "{}", answer.stderr);

        let remedy = answer.text(name, "remedy");
        let (_, command) = remedy.split_once("sudo ").expect(remedy);
        let command = command.split(", or").next().unwrap();
        let mended = doctor(&format!("{set}; {command} > /dev/null")).unwrap();
        assert_eq!(mended.failed(), [""; 0], "{command}: {:?}", mended.checks);
    }
}

#[test]
fn a_limit_that_is_nearly_used_up_is_a_warning_and_then_a_failure() {
    let Some(answer) = doctor(
        "echo 10 > /proc/sys/kernel/shmmni; echo 250 32000 500 10 > /proc/sys/kernel/sem
         for object in {1..9}; do ipcmk -M 4096 -S 1 > /dev/null; done",
    ) else {
        return;
    };
    for name in ["kernel.shmmni", "kernel.sem"] {
        assert_eq!(answer.text(name, "outcome"), "warn");
        assert!(answer.text(name, "found").contains("9 of 10"));
        assert!(answer.text(name, "remedy").contains("ipcrm"));
    }
    let full = "echo 10 > /proc/sys/kernel/shmmni
                for object in {1..10}; do ipcmk -M 4096 > /dev/null; done";
    let answer = doctor(full).unwrap();
    assert_eq!(answer.text("kernel.shmmni", "outcome"), "fail");
    let untried = answer.text("removed segment", "found");
    assert_eq!(untried, "not tried: shmget was refused (ENOSPC)");
    let remedy = answer.text("removed segment", "remedy");
    assert_eq!(remedy, "mend what failed above first");
    assert_eq!(answer.text("removed set", "outcome"), "pass");
}

#[test]
fn segments_that_do_not_stay_are_seen_to_go() {
    let forced = "echo 1 > /proc/sys/kernel/shm_rmid_forced";
    let Some(answer) = doctor(forced) else { return };
    assert_eq!(
        answer.failed(),
        ["kernel.shm_rmid_forced", "unattached segment"]
    );
}

#[test]
fn a_namespace_that_is_not_the_machines_is_told() {
    let Some(answer) = doctor("") else { return };
    let found = answer.text("IPC namespace", "found");
    let own = fs::read_link("/proc/self/ns/ipc").unwrap();
    assert!(found.starts_with("ipc:["), "{found}");
    assert!(!found.contains(own.to_str().unwrap()), "{found} is ours");
    assert_eq!(answer.text("IPC namespace", "outcome"), "warn");
}

/// A library that makes the kernel bad, or none, said as skipped, without a C compiler.
fn bad_kernel(folder: &TempDir) -> Option<PathBuf> {
    let library = folder.path().join("kernel.so");
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/kernel.c");
    let mut compiler = Command::new("cc");
    compiler.args(["-shared", "-fPIC", "-o"]).arg(&library);
    match compiler.arg(source).status() {
        Ok(status) => assert!(status.success()),
        Err(error) => {
            skip(&format!("no C compiler to make a bad kernel with: {error}"));
            return None;
        }
    }
    Some(library)
}

#[test]
fn a_kernel_without_what_the_protocol_rests_on_fails() {
    let folder = TempDir::new().unwrap();
    let Some(library) = bad_kernel(&folder) else {
        return;
    };
    for (defect, failing, words) in [
        (
            "does-nothing",
            &OPERATING[..],
            "[0, 0, 0, 0, 0] in place of",
        ),
        ("no-undo", &["death notice", "undo and fork"], "woke nobody"),
        (
            "one-by-one",
            &["several operations"],
            "[0, 1, 1, 0, 0] in place of",
        ),
    ] {
        let preload = format!("export DEFECT={defect} LD_PRELOAD={}", library.display());
        let Some(answer) = doctor(&preload) else {
            return;
        };
        assert_eq!(answer.failed(), failing, "{defect}: {:?}", answer.checks);
        let found = answer.text(failing[0], "found");
        assert!(found.contains(words), "{defect}: {found}");
        for name in failing {
            assert!(answer.text(name, "remedy").contains("outside the sandbox"));
        }
    }
}

#[test]
fn an_interrupted_check_leaves_nothing() {
    let folder = TempDir::new().unwrap();
    let Some(library) = bad_kernel(&folder) else {
        return;
    };
    // Without undo, the death notice is waited for in vain, for seconds.
    let script = format!(
        "DEFECT=no-undo LD_PRELOAD={} semring doctor > {output} & doctor=$!
         until grep -qs 'several operations' {output}; do sleep 0.01; done
         until ipcs -s | grep -q 600; do sleep 0.01; done
         kill -TERM $doctor; wait $doctor; echo $?; ipcs -m -s | grep -c 600; ipcs | grep 600",
        library.display(),
        output = folder.path().join("output").display(),
    );
    let Some(output) = in_own_namespace(&script) else {
        return;
    };
    let said = String::from_utf8(output.stdout).unwrap();
    assert_eq!(said, "143\n0\n");
    let complaint = String::from_utf8(output.stderr).unwrap();
    assert!(complaint.contains("interrupted by SIGTERM"), "{complaint}");
}

#[test]
fn people_read_lines_with_remedies_and_a_sum() {
    let script =
        "echo 1 > /proc/sys/kernel/shm_rmid_forced; semring doctor; ipcs -m -s | grep -c 600";
    let Some(output) = in_own_namespace(script) else {
        return;
    };
    let said = String::from_utf8(output.stdout).unwrap();
    for words in [
        "This machine\n  pass  kernel.sem              0 of 32000 sets",
        "\n  FAIL  kernel.shm_rmid_forced  1: a segment",
        "→ sudo sysctl --write kernel.shm_rmid_forced=0\n",
        "\n  pass  death notice            SIGKILL detached memory",
        "1 warn, 2 fail\n0\n",
    ] {
        assert!(said.contains(words), "{words:?} in {said}");
    }
    assert!(!said.contains('\u{1b}'), "colours in a pipe: {said}");
    let complaint = String::from_utf8(output.stderr).unwrap();
    assert_eq!(
        complaint,
        "semring: 2 checks failed: kernel.shm_rmid_forced, unattached segment\n"
    );
}
