//! Goal: looking never disturbs, fits where it is looked at, and finds a channel by whatever it is called.
//! Method: what the kernel keeps of the semaphores before and after, lines of many widths, all addresses.

mod common;

use common::{FULL, Place, json, semring, semring_with, stdout, wait_until};
use sysv_ipc::{Segment, SemaphoreSet};

/// All that an operation on a semaphore would change.
fn traces(set: SemaphoreSet) -> (Vec<u16>, Vec<i32>, i64, i64) {
    let stat = set.stat().unwrap();
    let last = (0..5).map(|index| set.last_pid(index).unwrap()).collect();
    (
        set.values().unwrap(),
        last,
        stat.operated_at_s,
        stat.changed_at_s,
    )
}

#[test]
fn looking_leaves_no_trace_on_the_semaphores() {
    let place = Place::new("no-trace");
    let (writer, reader) = place.start_idle();
    // Roles that are held and roles that are free.
    for _ in 0..2 {
        let before = traces(place.set());
        for options in [&[][..], &["--json"]] {
            stdout(&place.show(options));
            stdout(&semring(&[&["list", "--all"], options].concat()));
        }
        assert_eq!(traces(place.set()), before);
        assert!(place.set().waiting_for_units(FULL).unwrap() <= 1);
        writer.signal(nix::sys::signal::Signal::SIGKILL);
        wait_until("both are gone", || {
            place.listed().unwrap()["condition"] == "stale"
        });
    }
    drop(reader);
}

/// Everything that is mapped is mapped for reading: no call but these is made on the objects.
#[test]
fn only_reading_calls_are_made() {
    let place = Place::new("calls");
    place.start("writer", "--count 1 --no-linger").end();
    if !common::can_trace() {
        return;
    }
    let log = place.folder.path().join("calls");
    let mut command = std::process::Command::new("strace");
    command.args(["-f", "-e", "trace=%ipc", "-o"]).arg(&log);
    command
        .arg(common::beside("semring"))
        .args(["show", &place.name]);
    stdout(&common::run(&mut command).unwrap());
    let calls = std::fs::read_to_string(&log).unwrap();
    let calls: Vec<&str> = calls
        .lines()
        .filter_map(|line| Some(line.split_once(' ')?.1.trim()))
        .filter(|call| !call.starts_with("+++"))
        .collect();
    assert!(
        calls.iter().any(|call| call.starts_with("shmat(")),
        "{calls:?}"
    );
    for call in calls {
        let reads = [
            "IPC_STAT",
            "GETALL",
            "GETVAL",
            "GETPID",
            "GETNCNT",
            "GETZCNT",
            "SHM_RDONLY",
        ];
        let harmless = call.starts_with("shmdt(") || reads.iter().any(|word| call.contains(word));
        assert!(harmless, "{call}");
    }
}

#[test]
fn a_terminals_width_is_kept() {
    let place = Place::new("width");
    let _writer = place.start_alone();
    for width in ["40", "80", "100", "120", "200"] {
        let text = stdout(&semring_with(&["list"], &[("COLUMNS", width)]));
        let limit = width.parse::<usize>().unwrap();
        for line in text.lines().filter(|line| !line.contains('`')) {
            assert!(line.chars().count() <= limit, "{width}: {line}");
        }
        let shown = semring_with(&["show", &place.name], &[("COLUMNS", width)]);
        for line in stdout(&shown).lines().filter(|line| !line.contains('`')) {
            let fits = line.chars().count() <= limit.max(80);
            assert!(fits, "{width}: {line}");
        }
        // What has no column has its place below.
        for word in ["strict", "0600", "64 × 64 KiB", "writer"] {
            assert!(text.contains(word), "{word} at {width}: {text}");
        }
    }
    let text = stdout(&semring(&["list"]));
    let head = text.lines().next().unwrap();
    assert!(
        head.starts_with("CHANNEL") && head.ends_with("SET"),
        "{head}"
    );
}

#[test]
fn colour_is_for_terminals_and_can_be_refused() {
    let coloured = |environment: &[(&str, &str)]| {
        stdout(&semring_with(&["list", "--all"], environment)).contains('\x1b')
    };
    let _place = Place::new("colour");
    assert!(!coloured(&[]));
    let lone = SemaphoreSet::create(semring::Key::PRIVATE, 1, semring::Mode::OWNER).unwrap();
    let forced = coloured(&[("CLICOLOR_FORCE", "1")]);
    let refused = coloured(&[("CLICOLOR_FORCE", "1"), ("NO_COLOR", "1")]);
    lone.remove().unwrap();
    assert!(forced && !refused);
}

#[test]
fn a_channel_is_found_by_name_owner_key_and_identifier() {
    let place = Place::new("address");
    let _writer = place.start_alone();
    let user = nix::unistd::geteuid().to_string();
    let (owned, key) = (format!("{user}/{}", place.name), place.key.to_string());
    let (segment, set) = (
        place.segment().id().to_string(),
        place.set().id().to_string(),
    );
    for arguments in [
        &["show", &place.name, "--json"][..],
        &["show", &owned, "--json"],
        &["show", "--key", &key, "--json"],
        &["show", &segment, "--json"],
        &["show", &set, "--json"],
    ] {
        let shown = json(arguments);
        // Another test's channel may have the same number for its other object.
        let ids = [shown["segment"].to_string(), shown["set"].to_string()];
        assert!(shown["channel"] == place.name || ids.contains(&arguments[1].to_owned()));
    }
    let file = place.folder.path().join("key");
    std::fs::write(&file, "").unwrap();
    let path = file.to_str().unwrap();
    let writer = std::process::Command::new(common::beside("writer"))
        .args(["--path", path, "--demo", "--count", "1", "--no-linger"])
        .output()
        .unwrap();
    assert!(writer.status.success(), "{writer:?}");
    let shown = json(&["show", "--path", path, "--json"]);
    let key: semring::Key = shown["key"].as_str().unwrap().parse().unwrap();
    assert_eq!(
        (&shown["channel"], &shown["stale"]),
        (&serde_json::Value::Null, &true.into())
    );
    assert!(
        shown["diagnosis"]
            .as_str()
            .unwrap()
            .contains(&format!("reader --key {key}"))
    );
    Segment::open(key, semring::Mode::OWNER)
        .unwrap()
        .remove()
        .unwrap();
    SemaphoreSet::open(key, semring::Mode::OWNER)
        .unwrap()
        .remove()
        .unwrap();
    for (arguments, code) in [(&["show", "a/b/c"][..], 1), (&["show", "--key", "no"], 2)] {
        assert_eq!(
            semring(arguments).status.code(),
            Some(code),
            "{arguments:?}"
        );
    }
}

/// As in a container: the channel is there, and is not seen.
#[test]
fn another_ipc_namespace_is_named() {
    let place = Place::new("namespace");
    let _writer = place.start_alone();
    let apart = |arguments: &[&str]| {
        let mut command = std::process::Command::new("unshare");
        command.arg("--ipc").arg(env!("CARGO_BIN_EXE_semring"));
        common::run(command.args(arguments))
    };
    let listed = match apart(&["list"]) {
        Ok(listed) if listed.status.success() => stdout(&listed),
        other => return common::skip(&format!("no namespace of its own: {other:?}")),
    };
    let note = "this is an IPC namespace of its own, as a container has";
    assert!(
        listed.starts_with("There is no channel") && listed.contains(note),
        "{listed}"
    );
    let shown = String::from_utf8(apart(&["show", &place.name]).unwrap().stderr).unwrap();
    assert!(
        shown.contains("is not there") && shown.contains(note),
        "{shown}"
    );
}

#[test]
fn what_is_no_channel_is_named_with_all() {
    let _place = Place::new("foreign");
    let segment = Segment::create(semring::Key::PRIVATE, 8192, semring::Mode::OWNER).unwrap();
    segment.attach().unwrap().write(0, b"PGSQL").unwrap();
    let create = |count| SemaphoreSet::create(semring::Key::PRIVATE, count, semring::Mode::OWNER);
    let (set, doctors) = (create(3).unwrap(), create(5).unwrap());
    let (all, without) = (
        json(&["list", "--all", "--json"]),
        json(&["list", "--json"]),
    );
    let text = stdout(&semring(&["list", "--all"]));
    segment.remove().unwrap();
    set.remove().unwrap();
    doctors.remove().unwrap();
    let evidence = |kind: &str, id: i32| {
        let mut objects = all["foreign"].as_array().unwrap().iter();
        let object = objects.find(|object| object["kind"] == kind && object["id"] == id);
        object.unwrap()["evidence"].as_str().unwrap().to_owned()
    };
    assert!(evidence("segment", segment.id()).starts_with("it starts with \"PGSQL"));
    assert_eq!(evidence("semaphore set", set.id()), "3 semaphores");
    let perhaps = evidence("semaphore set", doctors.id());
    assert!(
        perhaps.contains("perhaps of a `semring doctor`"),
        "{perhaps}"
    );
    assert!(text.contains("it starts with \"PGSQL"), "{text}");
    assert!(without.get("foreign").is_none());
}

#[test]
fn two_hundred_channels_are_listed() {
    let place = Place::new("many");
    let channels: Vec<_> = (0..200)
        .map(|number| {
            let address = semring::Address::named(&format!("{}-{number:03}", place.name)).unwrap();
            let channel = semring::Channel::new(address).slots(1).slot_bytes(1);
            (channel.producer().unwrap(), channel)
        })
        .collect();
    let listed = json(&["list", "--json"])["channels"].take();
    for (producer, channel) in channels {
        drop(producer);
        channel.remove().unwrap();
    }
    let ours = |entry: &&serde_json::Value| {
        let name = entry["channel"].as_str().unwrap_or_default();
        name.starts_with(&place.name) && entry["condition"] == "no consumer"
    };
    assert_eq!(listed.as_array().unwrap().iter().filter(ours).count(), 200);
}
