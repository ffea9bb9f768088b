//! What is not for us, or not as it was asked for, is refused with its own sentence and exit code 5,
//! and nothing of it is changed or removed. Each test sets such a situation up with real objects,
//! runs both programs, and compares the objects before and after.

mod common;

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::Command;

use semring::{Address, Key, Mode};
use sysv_ipc::{Segment, SemaphoreSet};

use common::{
    FULL, Place, assert_same, copy_program, program_with, pseudo_random, reader, skip, writer,
};

/// The user `nobody`.
const OTHER_USER: u32 = 65534;
const SMALL: &str = "--slots 4 --slot-size 64";
/// Bytes of a segment with that geometry: header, descriptors, slots.
const SMALL_BYTES: usize = 4096 + 4096 + 4 * 64;

/// Leaves a channel with three messages for a later reader.
fn leftover(test: &str, arguments: &str) -> (Place, Vec<u8>) {
    let place = Place::new(test);
    let data = pseudo_random(3 * 64);
    let input = place.file("input", &data);
    let arguments = format!("--no-linger {SMALL} {arguments}");
    place
        .run(&mut place.writer_of(&input, &arguments))
        .assert_code(0);
    (place, data)
}

/// A process that sends a file, without waiting for its reader.
fn sender(place: &Place, arguments: &str) -> Command {
    let input = place.file("more", b"more");
    place.writer_of(&input, &format!("--no-linger --timeout 60s {arguments}"))
}

/// A process that receives into its standard output, and does not wait for a channel for ever.
fn receiver(place: &Place, arguments: &str) -> Command {
    place.reader(&format!("-o - --wait 60s {arguments}"))
}

/// Runs a command that is to be refused, and checks that it has left everything as it was.
#[track_caller]
fn assert_refused(place: &Place, command: &mut Command, words: &[&str]) {
    let look = |place: &Place| {
        let segment = place.segment().map(|segment| (segment, place.content()));
        (segment, place.set().map(|set| (set, set.values().unwrap())))
    };
    let before = look(place);
    let ended = place.run(command);
    ended.assert_error(5, words);
    assert!(!ended.text().contains("Attached"), "{}", ended.text());
    assert!(look(place) == before, "changed by {command:?}");
}

/// Reads what is left over, which removes it.
#[track_caller]
fn assert_still_whole(place: &Place, data: &[u8], arguments: &str) {
    let reader = place.run(&mut place.reader(&format!("-o - {arguments}")));
    reader.assert_code(0);
    assert_same(&reader.stdout, data);
    place.assert_nothing_left();
}

#[test]
fn a_second_writer_is_told_who_the_first_is() {
    let place = Place::new("second-writer");
    let mut writer = place.start(&mut place.writer("--interval 10ms"));
    writer.wait_for("[P1] Wrote: counter=1");
    for _ in 0..3 {
        let second = place.run(&mut place.writer("--timeout 60s"));
        let holder = format!("producer role held by PID {} since ", writer.pid());
        second.assert_error(5, &["writer: cannot attach as producer", &holder]);
    }
    let reader = place.run(&mut place.reader(""));
    writer.end().assert_code(0);
    reader.assert_code(0);
    assert!(reader.text().contains("Total messages read: 5\n"));
    place.assert_nothing_left();
}

#[test]
fn a_second_reader_is_told_who_the_first_is() {
    let place = Place::new("second-reader");
    let first = place.start(&mut place.reader(SMALL));
    place.wait_until_blocked(FULL);
    for arguments in ["", SMALL] {
        let second = place.run(&mut place.reader(arguments));
        let holder = format!("consumer role held by PID {} since ", first.pid());
        second.assert_error(5, &["reader: cannot attach as consumer", &holder]);
    }
    place.run(&mut place.writer("--interval 0")).assert_code(0);
    let first = first.end();
    first.assert_code(0);
    assert!(first.text().contains("Total messages read: 5\n"));
    place.assert_nothing_left();
}

#[test]
fn another_geometry_is_refused() {
    let (place, data) = leftover("geometry", "");
    let slots = ["slot count 4, you asked for 8", "ask for the same"];
    assert_refused(&place, &mut sender(&place, "--slots 8"), &slots);
    assert_refused(&place, &mut receiver(&place, "--slots 8"), &slots);
    let bytes = ["slot size 64, you asked for 4096", "ask for the same"];
    assert_refused(&place, &mut sender(&place, "--slot-size 4KiB"), &bytes);
    assert_refused(&place, &mut receiver(&place, "--slot-size 4KiB"), &bytes);
    let sync = ["sync strict, you asked for adaptive", "ask for the same"];
    assert_refused(&place, &mut sender(&place, "--sync adaptive"), &sync);
    assert_refused(&place, &mut receiver(&place, "--sync adaptive"), &sync);
    assert_still_whole(&place, &data, SMALL);
}

#[test]
fn another_framing_is_refused() {
    let (place, data) = leftover("framing-raw", "");
    let words = ["it has framing raw, you asked for demo"];
    assert_refused(&place, &mut place.writer("--timeout 60s"), &words);
    assert_refused(&place, &mut place.reader("--wait 60s"), &words);
    assert_still_whole(&place, &data, "");

    let place = Place::new("framing-demo");
    let demo = "--count 1 --no-linger";
    place.run(&mut place.writer(demo)).assert_code(0);
    let words = ["it has framing demo, you asked for raw"];
    assert_refused(&place, &mut sender(&place, ""), &words);
    assert_refused(&place, &mut receiver(&place, ""), &words);
    place.run(&mut place.reader("")).assert_code(0);
    place.assert_nothing_left();
}

#[test]
fn a_wider_mode_is_refused_unless_it_is_asked_for() {
    let (place, data) = leftover("mode", "--mode 0666");
    let words = [
        "has mode 0666, which is wider than 0600",
        "pass `--mode 0666`",
    ];
    assert_refused(&place, &mut sender(&place, "--mode 0600"), &words);
    assert_refused(&place, &mut sender(&place, ""), &words);
    assert_refused(&place, &mut receiver(&place, ""), &words);
    let words = ["has mode 0666, which is wider than 0660"];
    assert_refused(&place, &mut receiver(&place, "--mode 0660"), &words);
    assert_still_whole(&place, &data, "--mode 0666");
}

#[test]
fn a_segment_of_another_program_is_left_alone() {
    let cases = [
        (108, b"".as_slice(), "it has 108 bytes"),
        (8192, b"another program's".as_slice(), "another "),
        (8192, b"", "starts with \"\\x00"),
        (SMALL_BYTES, b"", "starts with \"\\x00"),
    ];
    for (bytes, content, evidence) in cases {
        let place = Place::new("foreign-segment");
        let segment = Segment::create(place.key, bytes, Mode::OWNER).unwrap();
        place.scribble(0, content);
        let words = [
            "the segment with this key belongs to another program",
            evidence,
        ];
        assert_refused(&place, &mut sender(&place, SMALL), &words);
        assert_refused(&place, &mut receiver(&place, SMALL), &words);
        assert_refused(&place, &mut receiver(&place, ""), &words);
        assert_eq!((place.segment(), place.set()), (Some(segment), None));
    }
}

#[test]
fn a_semaphore_set_of_another_program_is_left_alone() {
    let place = Place::new("foreign-set");
    let set = SemaphoreSet::create(place.key, 1, Mode::OWNER).unwrap();
    set.set_value(0, 7).unwrap();
    let words = [
        "the semaphore set with this key belongs to another program",
        "it has 1 semaphores, a channel's has 5",
    ];
    assert_refused(&place, &mut sender(&place, ""), &words);
    assert_refused(&place, &mut receiver(&place, ""), &words);
    assert_refused(&place, &mut receiver(&place, SMALL), &words);
    assert_eq!((place.segment(), place.set()), (None, Some(set)));
}

/// Copies the writer to where everybody may run it, to run it as another user on the place's key.
fn as_another_user(place: &Place, arguments: &str) -> Option<Command> {
    if fs::metadata("/proc/self").unwrap().uid() != 0 {
        skip("only root can make objects of another user");
        return None;
    }
    let copy = place.path("writer");
    fs::set_permissions(place.path(""), fs::Permissions::from_mode(0o755)).unwrap();
    copy_program(writer(), &copy);
    let mut command = program_with(&copy, arguments);
    command.uid(OTHER_USER).gid(OTHER_USER);
    if let Err(error) = program_as_other(&copy).status() {
        skip(&format!(
            "another user cannot run {}: {error}",
            copy.display()
        ));
        return None;
    }
    Some(command)
}

fn program_as_other(program: &Path) -> Command {
    let mut command = program_with(program, "--version");
    command.uid(OTHER_USER).gid(OTHER_USER);
    command.stdout(std::process::Stdio::null());
    command
}

#[test]
fn what_another_user_made_is_not_trusted() {
    let place = Place::new("foreign-owner");
    let key = format!("--key {}", place.key);
    let arguments = format!("{key} --mode 0666 --no-linger --count 1");
    let Some(mut squatter) = as_another_user(&place, &arguments) else {
        return;
    };
    place.run(&mut squatter).assert_code(0);
    let both = [
        program_with(writer(), &format!("{key} --mode 0666 --timeout 60s")),
        program_with(reader(), &format!("{key} --mode 0666 --wait 60s")),
    ];
    let refused = |made: &str| {
        for mut command in both.iter().map(copy) {
            assert_refused(&place, &mut command, &[made, "use another channel"]);
        }
    };
    refused("the semaphore set was made by user 65534 and belongs to user 65534, not to user 0");
    // A squatter can give away what it has made, and keeps its rights.
    let (segment, set) = (place.segment().unwrap(), place.set().unwrap());
    set.set_permissions(0, 0, Mode::OWNER).unwrap();
    refused("the semaphore set was made by user 65534 and belongs to user 0, not to user 0");
    set.remove().unwrap();
    refused("the segment was made by user 65534 and belongs to user 65534, not to user 0");
    SemaphoreSet::create(place.key, 5, Mode::OWNER).unwrap();
    segment.set_permissions(0, 0, Mode::OWNER).unwrap();
    refused("the segment was made by user 65534 and belongs to user 0, not to user 0");
}

fn copy(command: &Command) -> Command {
    let mut copy = Command::new(command.get_program());
    copy.args(command.get_args())
        .stdin(std::process::Stdio::null());
    copy
}

#[test]
fn another_users_channel_is_used_when_it_is_named_as_such() {
    let place = Place::new("named-owner");
    let address = Address::named_by(OTHER_USER, &place.name).unwrap();
    let place = place.with_key(address.key());
    let arguments = format!("--channel {} --no-linger --count 1", place.name);
    let Some(mut owner) = as_another_user(&place, &arguments) else {
        return;
    };
    // What is not there is not made for somebody else.
    let theirs = format!("--channel {OTHER_USER}/{}", place.name);
    let reader_of_theirs = program_with(reader(), &format!("{theirs} --wait 300ms --slots 2"));
    place
        .run(&mut copy(&reader_of_theirs))
        .assert_error(4, &["there is no such channel"]);
    place.assert_nothing_left();

    place.run(&mut owner).assert_code(0);
    place
        .run(&mut program_with(reader(), &theirs))
        .assert_code(0);
    place.assert_nothing_left();
}

#[test]
fn what_is_closed_to_us_is_refused() {
    let (place, data) = leftover("closed-to-others", "");
    let arguments = format!("--channel 0/{} --timeout 60s", place.name);
    let Some(mut other) = as_another_user(&place, &arguments) else {
        return;
    };
    let words = [
        "the semaphore set is closed to this user",
        "it belongs to user 0, and its mode 0600 gives this user no access",
        "or use another channel",
    ];
    assert_refused(&place, &mut other, &words);
    assert_still_whole(&place, &data, "");
}

#[test]
fn a_replaced_key_file_is_noticed() {
    const KEY_INODE: usize = 104;
    let place = Place::new("key-file");
    let file = place.file("key", b"");
    let key = Key::from_path(&file, 65.try_into().unwrap()).unwrap();
    let place = place.with_key(key);
    let arguments = format!("--path {} --no-linger --count 1", file.display());
    place
        .run(&mut program_with(writer(), &arguments))
        .assert_code(0);
    let inode = place.content()[KEY_INODE..KEY_INODE + 8].to_vec();
    place.scribble(KEY_INODE, &[0xff; 8]);
    let words = ["the key file is not the one it was made with"];
    assert_refused(&place, &mut program_with(writer(), &arguments), &words);
    let receive = format!("--path {} --wait 60s", file.display());
    assert_refused(&place, &mut program_with(reader(), &receive), &words);
    place.scribble(KEY_INODE, &inode);
    place
        .run(&mut program_with(reader(), &receive))
        .assert_code(0);
    place.assert_nothing_left();
}

#[test]
fn a_number_leads_to_a_channel_of_any_name() {
    let (place, data) = leftover("by-number", "");
    let arguments = format!("-o - --key {}", place.key);
    let reader = place.run(&mut program_with(reader(), &arguments));
    reader.assert_code(0);
    assert_same(&reader.stdout, &data);
    place.assert_nothing_left();
}

#[test]
fn what_cannot_be_an_address_is_refused() {
    let cases = [
        (
            ["--channel", "no-such-user/b"],
            "there is no user \"no-such-user\"; a channel is NAME, or USER/NAME",
        ),
        (
            ["--path", "/missing/file"],
            "cannot make a key of /missing/file: ftok of the path failed: no such file; name one that exists",
        ),
    ];
    let place = Place::new("addresses");
    for (arguments, words) in cases {
        for program in [writer(), reader()] {
            let ended = place.run(program_with(program, "--quiet").args(arguments));
            ended.assert_error(1, &[words]);
        }
    }
}

/// What the words alone show to be impossible is a mistake on the command line, and nothing is begun.
#[test]
fn what_cannot_be_meant_is_a_mistake() {
    let long = "x".repeat(189);
    let no_name = "cannot be the name of a channel";
    let no_key = "\"0x\" is not a key: give 1 to 8 hexadecimal digits";
    let no_mode = "\"8\" is not a mode: give octal digits from 0 to 0777";
    let closed = "does not let its owner read and write; give 0600";
    let power = "slots are not possible: use a power of two from 1 to 16384";
    let bounds = "bytes is not possible: use 1 to 4294963200 bytes";
    let place = Place::new("mistakes");
    for (option, value, words) in [
        ("--channel", "", no_name),
        ("--channel", &long, no_name),
        ("--channel", "0/", no_name),
        ("--channel", "0/a/b", no_name),
        ("--channel", "no-such-user/", no_name),
        ("--key", "0x", no_key),
        ("--key", "0", "key 0 is IPC_PRIVATE"),
        ("--mode", "8", no_mode),
        ("--mode", "0", closed),
        ("--mode", "0066", closed),
        ("--slots", "many", "write a whole number"),
        ("--slots", "0", power),
        ("--slots", "3", ", for instance 2 or 4"),
        ("--slots", "32768", power),
        ("--slot-size", "0", bounds),
        ("--slot-size", "5GiB", bounds),
        ("--project", "0", "'--project <N>'"),
    ] {
        for program in [writer(), reader()] {
            let mut command = program_with(program, "");
            let ended = place.run(command.arg(format!("{option}={value}")));
            ended.assert_code(2);
            assert!(ended.stderr.contains(words), "{:?}", ended.stderr);
            assert_eq!(ended.text(), "", "it had begun");
        }
    }
}

/// What a creator leaves that was killed before it had written the header.
fn half_made(test: &str, bytes: usize, content: &[u8]) -> Place {
    let place = Place::new(test);
    SemaphoreSet::create(place.key, 5, Mode::OWNER).unwrap();
    Segment::create(place.key, bytes, Mode::OWNER).unwrap();
    place.scribble(0, content);
    place
}

#[test]
fn a_half_made_channel_is_finished_by_the_next_writer() {
    let mut unfinished = vec![0xab; SMALL_BYTES];
    unfinished[..8].copy_from_slice(b"semring?");
    for (bytes, content) in [
        (SMALL_BYTES, [].as_slice()),
        (8192, &[]),
        (1 << 20, &[]),
        (SMALL_BYTES, &unfinished),
        (8192, &unfinished[..8192]),
    ] {
        let place = half_made("half-made", bytes, content);
        // Without a geometry a reader makes nothing, so it waits on.
        place
            .run(&mut place.reader("-o - --wait 100ms"))
            .assert_error(4, &["there is no such channel"]);
        place.run(&mut sender(&place, SMALL)).assert_code(0);
        assert_eq!(place.content().len(), SMALL_BYTES);
        assert_still_whole(&place, b"more", "");

        let place = half_made("half-made-reader", bytes, content);
        let reader = place.start(&mut place.reader(&format!("-o - {SMALL}")));
        place.wait_until_blocked(FULL);
        place.run(&mut sender(&place, "")).assert_code(0);
        let reader = reader.end();
        reader.assert_code(0);
        assert_same(&reader.stdout, b"more");
        place.assert_nothing_left();
    }
}
