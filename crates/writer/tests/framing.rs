//! Goal: what of the input is a message, and that it arrives as one. Method: every framing through both
//! programs, from and to files and pipes, whoever comes first, for small and usual rings; inputs that do
//! not fit; ends that disagree.

mod common;

use std::fs;
use std::process::Stdio;

use common::{FULL, HEAD, Place, Random, TAIL, assert_same, pseudo_random};

const MIB: usize = 1 << 20;
const LONGEST: usize = 4000;

/// Lines of 0 to `LONGEST` bytes of any value; the last one without a newline.
fn lines(bytes: usize) -> Vec<u8> {
    let mut random = Random::new(11);
    let mut text = pseudo_random(bytes);
    let mut end = 0;
    while end < bytes {
        // Many short ones, some empty, few long.
        let length = [0, 1, 55, 56, 57, 80, 1000, LONGEST - 1];
        end += length[usize::try_from(random.below(8)).unwrap()];
        if let Some(byte) = text.get_mut(end) {
            *byte = b'\n';
        }
        end += 1;
    }
    text.push(b'x');
    text
}

/// Frames of 0 to `LONGEST` bytes, each after its length.
fn frames(bytes: usize) -> Vec<u8> {
    let mut random = Random::new(13);
    let payload = pseudo_random(LONGEST);
    let mut data = Vec::new();
    while data.len() < bytes {
        let lengths = [0, 1, 4, 56, 57, 300, LONGEST];
        let length = lengths[usize::try_from(random.below(7)).unwrap()];
        data.extend(u32::try_from(length).unwrap().to_be_bytes());
        data.extend(&payload[..length]);
    }
    data
}

/// Counts the messages that an input makes.
fn count(framing: &str, data: &[u8]) -> usize {
    match framing {
        "lines" => data.split_inclusive(|&byte| byte == b'\n').count(),
        "length" => {
            let mut rest = data;
            let mut count = 0;
            while let Some((length, after)) = rest.split_first_chunk() {
                rest = &after[u32::from_be_bytes(*length) as usize..];
                count += 1;
            }
            count
        }
        _ => unreachable!(),
    }
}

/// Sends `data` from a file or a pipe to a file or a pipe, either side first.
#[track_caller]
fn transfer(framing: &str, slots: u32, data: &[u8], pipes: bool, reader_first: bool) {
    let place = Place::new("framing");
    let geometry = format!("--slots {slots} --slot-size {LONGEST}");
    let (writer_options, reader_options) = if reader_first {
        (String::new(), geometry + " --framing " + framing)
    } else {
        (geometry, String::new())
    };
    let start_writer = || {
        let options = format!("--framing {framing} {writer_options}");
        if pipes {
            let mut writer = place.start(place.writer(&options).stdin(Stdio::piped()));
            writer.feed(data.to_vec());
            writer
        } else {
            place.start(&mut place.writer_of(&place.file("input", data), &options))
        }
    };
    let output = place.path(if pipes { "-" } else { "output" });
    let start_reader = || {
        let mut command = place.reader(&reader_options);
        place.start(command.arg("-o").arg(if pipes {
            "-".as_ref()
        } else {
            output.as_path()
        }))
    };
    let (writer, reader) = if reader_first {
        let reader = start_reader();
        place.wait_until_blocked(FULL);
        (start_writer(), reader)
    } else {
        let writer = start_writer();
        place.wait_for_tail(usize::from(!data.is_empty()));
        (writer, start_reader())
    };
    let (writer, reader) = (writer.end(), reader.end());
    writer.assert_code(0);
    reader.assert_code(0);
    let arrived = if pipes {
        reader.stdout.clone()
    } else {
        fs::read(&output).unwrap()
    };
    assert_same(&arrived, data);
    if framing != "raw" {
        let words = format!(" {} message", count(framing, data));
        for ended in [&writer, &reader] {
            assert!(
                ended.stderr.contains(&words),
                "{words:?} in {:?}",
                ended.stderr
            );
        }
    }
    assert!(!place.path("output.semring").exists());
    place.assert_nothing_left();
}

/// Every framing and way, with little data; the ring of 64 slots also with much.
#[track_caller]
fn transfer_every_way(framing: &str, make: fn(usize) -> Vec<u8>) {
    for slots in [2, 64] {
        for pipes in [false, true] {
            for reader_first in [false, true] {
                let data = make(if slots == 2 { 50_000 } else { MIB });
                transfer(framing, slots, &data, pipes, reader_first);
                transfer(framing, slots, b"", pipes, reader_first);
            }
        }
    }
}

#[test]
fn chunks_every_way() {
    transfer_every_way("raw", pseudo_random);
}

#[test]
fn lines_every_way() {
    transfer_every_way("lines", lines);
}

#[test]
fn frames_every_way() {
    transfer_every_way("length", frames);
}

#[test]
fn small_inputs_of_lines() {
    for text in ["\n", "\n\n\n", "x", "x\n", "\nx", "a\n\nb", "\0\n\0"] {
        transfer("lines", 2, text.as_bytes(), true, false);
    }
}

#[test]
fn small_inputs_of_frames() {
    for data in [
        &[0, 0, 0, 0][..],
        &[0, 0, 0, 1, 7],
        &[0, 0, 0, 0, 0, 0, 0, 0],
    ] {
        transfer("length", 2, data, false, true);
    }
}

#[test]
#[ignore = "moves 3 GiB of lines: a minute, and 4 GiB of disk"]
fn three_gibibytes_of_lines_in_little_memory() {
    lines_in_little_memory(3 << 30);
}

#[test]
fn lines_in_little_memory_for_a_short_while() {
    lines_in_little_memory(64 * MIB);
}

/// Resident memory of both programs: the segment, and less than 16 MiB.
fn lines_in_little_memory(bytes: usize) {
    let place = Place::new("memory");
    let input = place.path("input");
    let block = lines(16 * MIB - 1);
    let mut file = fs::File::create(&input).unwrap();
    for _ in 0..bytes.div_ceil(block.len()) {
        std::io::Write::write_all(&mut file, &block).unwrap();
    }
    let output = place.path("output");
    let segment_kib = 64 * 64 + 8;
    let writer = place.start(&mut place.writer_of(&input, "--framing lines --json"));
    let reader = place.start(&mut place.reader_into(&output, "--json"));
    let mut peak_kib = [0; 2];
    common::wait_until_within("both end", common::LONG, || {
        let pids = [writer.pid(), reader.pid()];
        let peaks = pids.map(common::peak_memory_kib);
        for (peak, now) in peak_kib.iter_mut().zip(peaks) {
            *peak = now.unwrap_or(*peak);
        }
        peaks == [None, None]
    });
    for ended in [writer.end(), reader.end()] {
        ended.assert_code(0);
        println!("{}", ended.text());
    }
    println!("peak of writer and reader: {peak_kib:?} KiB, segment {segment_kib} KiB");
    assert!(
        peak_kib
            .iter()
            .all(|&peak| peak > 0 && peak < segment_kib + 16 * 1024)
    );
    let same = std::process::Command::new("cmp")
        .arg(&input)
        .arg(&output)
        .status();
    assert!(same.unwrap().success());
    place.assert_nothing_left();
}

/// What is too long is named, with what to do; all before it arrives.
#[track_caller]
fn too_long(framing: &str, good: &[u8], bad: &[u8], words: &[&str]) {
    let place = Place::new("too-long");
    let data = [good, bad].concat();
    let reader = place.start(&mut place.reader(&format!(
        "-o - --slots 4 --slot-size 100 --framing {framing}"
    )));
    place.wait_until_blocked(FULL);
    let writer = place
        .run(&mut place.writer_of(&place.file("input", &data), &format!("--framing {framing}")));
    writer.assert_error(1, words);
    let reader = reader.end();
    reader.assert_error(3, &["interrupted before the end of its stream"]);
    assert_same(&reader.stdout, good);
    place.assert_nothing_left();
}

#[test]
fn a_line_that_does_not_fit() {
    // The last of the good ones just fits.
    let good = [&b"fits\n".repeat(199)[..], &[b'x'; 99], b"\n"].concat();
    let words = [
        "line 201 has 101 bytes with its newline, a slot only 100",
        "--slot-size 101",
    ];
    too_long(
        "lines",
        &good,
        &[&[b'x'; 100][..], b"\nmore\n"].concat(),
        &words,
    );
    let words = ["line 201 has 1000000 bytes", "--slot-size 1000000"];
    too_long("lines", &good, &vec![b'x'; 1_000_000], &words);
    too_long(
        "lines",
        &good,
        &[&vec![b'x'; 999_999][..], b"\nmore\n"].concat(),
        &words,
    );
}

#[test]
fn a_frame_that_does_not_fit_or_is_cut_short() {
    let good = [&[0, 0, 0, 3][..], b"abc"].concat().repeat(50);
    let words = ["frame 51 has 101 bytes, a slot only 100", "--slot-size 101"];
    too_long(
        "length",
        &good,
        &[&[0, 0, 0, 101][..], &[1; 101]].concat(),
        &words,
    );
    // What is no frames at all has most often a huge one first.
    let words = ["frame 51 has 1751477356 bytes", "--slot-size 1751477356"];
    too_long("length", &good, b"hello world", &words);
    let words = ["frame 51 is cut short: 6 bytes of 104, its length included"];
    too_long("length", &good, &[0, 0, 0, 100, 1, 2], &words);
    let words = ["frame 51 is cut short: 2 bytes of 4"];
    too_long("length", &good, &[0, 0], &words);
}

#[test]
fn a_framing_that_differs_is_refused() {
    let place = Place::new("differs");
    let input = place.file("input", b"a\nb\n");
    place
        .run(&mut place.writer_of(&input, "--framing lines --no-linger"))
        .assert_code(0);
    let words = [
        "it has framing lines, you asked for raw: pass `--framing lines`, or `--channel` with another name",
    ];
    let other = place.run(&mut place.writer_of(&input, ""));
    other.assert_error(5, &words);
    let other = place.run(&mut place.reader("-o - --framing raw"));
    other.assert_error(5, &words);
    let other = place.run(&mut place.reader(""));
    other.assert_error(
        5,
        &["it has framing lines, you asked for demo: run `reader -o FILE`"],
    );
    let other = place.run(&mut place.writer("--demo"));
    other.assert_error(
        5,
        &["it has framing lines, you asked for demo: run `writer FILE`"],
    );
    assert_eq!((place.position(TAIL), place.position(HEAD)), (2, 0));
    let reader = place.run(&mut place.reader("-o - --framing lines"));
    reader.assert_code(0);
    assert_same(&reader.stdout, b"a\nb\n");
    place.assert_nothing_left();
}

/// `echo x | writer` just works.
#[test]
fn a_word_through_a_pipe() {
    let place = Place::new("word");
    let mut writer = place.start(place.writer("").stdin(Stdio::piped()));
    writer.feed(b"x\n".to_vec());
    let reader = place.run(&mut place.reader("-o -"));
    reader.assert_code(0);
    assert_eq!(reader.stdout, b"x\n");
    writer.end().assert_code(0);
    place.assert_nothing_left();
}

#[test]
fn the_demonstrations_messages_are_no_data() {
    let place = Place::new("demo-as-data");
    place
        .run(&mut place.writer("--demo --count 1 --no-linger"))
        .assert_code(0);
    let words = [
        "it has framing demo, you asked for raw, lines or length",
        "run `reader` without `-o`",
    ];
    place.run(&mut place.reader("-o -")).assert_error(5, &words);
    let words = [
        "it has framing demo, you asked for raw",
        "run `writer --demo`",
    ];
    let input = place.file("input", b"x");
    place
        .run(&mut place.writer_of(&input, ""))
        .assert_error(5, &words);
    place.run(&mut place.reader("")).assert_code(0);
    place.assert_nothing_left();
}
