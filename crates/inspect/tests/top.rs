//! Goal: `semring top` shows what happens while it happens, obeys its keys, gives the terminal back however
//! it ends, and disturbs nobody. Method: the program in a real terminal (tmux), of which the screen is
//! read; its system calls (strace).

mod common;

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Output};
use std::thread;
use std::time::{Duration, Instant};

use common::{Place, Running, WATCHDOG, beside, can_trace, semring, skip, state, wait_until};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// A terminal with `semring top` in it, and a shell that says how that ended. Ended when dropped.
struct Terminal {
    folder: PathBuf,
}

impl Terminal {
    /// Starts `top` behind `prefix`, once the terminal is there; `None` on a machine without tmux.
    fn start(
        place: &Place,
        (columns, rows): (u16, u16),
        prefix: &str,
        options: &str,
    ) -> Option<Self> {
        let folder = place.folder.path().to_owned();
        let terminal = Self { folder };
        let folder = terminal.folder.display();
        let program = beside("semring");
        let script = format!(
            "stty -g >{folder}/before; {prefix} {} top {options}; echo \"exit code $?.\"; \
             stty -g >{folder}/after; exec sleep 1000",
            program.display()
        );
        let size = ["-x", &columns.to_string(), "-y", &rows.to_string()].map(str::to_owned);
        let mut command = terminal.command(&["-f", "/dev/null", "new-session", "-d"]);
        match command.args(size).arg(script).output() {
            Ok(output) if output.status.success() => {}
            Ok(output) => panic!("{output:?}"),
            Err(error) => {
                skip(&format!("no tmux: {error}"));
                return None;
            }
        }
        terminal.wait_for("top", |screen| screen.contains("semring top ·"));
        Some(terminal)
    }

    /// A command to the server of this terminal, which is nobody else's.
    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new("tmux");
        command.arg("-u").arg("-S").arg(self.folder.join("tmux"));
        command.args(arguments);
        command
    }

    fn tmux(&self, arguments: &[&str]) -> String {
        let Output { status, stdout, .. } = self.command(arguments).output().unwrap();
        assert!(status.success(), "{arguments:?}");
        String::from_utf8(stdout).unwrap()
    }

    fn screen(&self) -> String {
        self.tmux(&["capture-pane", "-p"])
    }

    fn press(&self, key: &str) {
        self.tmux(&["send-keys", key]);
    }

    /// Waits until the screen is as wanted, and returns it.
    #[track_caller]
    fn wait_for(&self, what: &str, mut is_so: impl FnMut(&str) -> bool) -> String {
        let deadline = Instant::now() + WATCHDOG;
        loop {
            let screen = self.screen();
            if is_so(&screen) {
                return screen;
            }
            assert!(
                Instant::now() < deadline,
                "waited in vain until {what}:\n{screen}"
            );
            thread::sleep(Duration::from_millis(20));
        }
    }

    /// Waits until a row is as wanted, which is found by what stands in it, and returns it.
    #[track_caller]
    fn wait_for_row(&self, mark: &str, what: &str, mut is_so: impl FnMut(&str) -> bool) -> String {
        let screen = self.wait_for(what, |screen| row(screen, mark).is_some_and(&mut is_so));
        row(&screen, mark).unwrap().to_owned()
    }

    /// Selects a channel of the first page by its name, which stands below the table then.
    fn select(&self, place: &Place) {
        let mut before = String::new();
        self.wait_for("the channel is selected", |screen| {
            let is_selected = screen.contains(&format!("\n{}: ", place.name));
            if !is_selected {
                // At the end nothing changes, and it begins again.
                self.press(if screen == before { "Home" } else { "Down" });
                screen.clone_into(&mut before);
            }
            is_selected
        });
    }

    /// Number of the process that the shell runs.
    fn pid(&self) -> Pid {
        let shell = self.tmux(&["display-message", "-p", "#{pane_pid}"]);
        let shell = shell.trim();
        let children = fs::read_to_string(format!("/proc/{shell}/task/{shell}/children")).unwrap();
        Pid::from_raw(children.trim().parse().unwrap())
    }

    /// Waits for the end of `top`, and checks that the terminal is as before.
    #[track_caller]
    fn assert_given_back(&self, code: i32) {
        let after = self.folder.join("after");
        wait_until("top has ended", || {
            fs::read_to_string(&after).is_ok_and(|text| !text.is_empty())
        });
        let said = format!("exit code {code}.");
        let screen = self.wait_for("its exit code", |screen| screen.contains("exit code"));
        assert!(screen.contains(&said), "{said} {screen}");
        assert!(!screen.contains("semring top ·"), "{screen}");
        let state = self.tmux(&["display-message", "-p", "#{alternate_on} #{cursor_flag}"]);
        assert_eq!(state.trim(), "0 1", "another page, or no cursor");
        let before = fs::read_to_string(self.folder.join("before")).unwrap();
        assert_eq!(fs::read_to_string(after).unwrap(), before);
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _ = self.command(&["kill-server"]).output();
    }
}

const USUAL: (u16, u16) = (80, 24);
/// So wide that there is room for the names of channels and programs.
const WIDE: (u16, u16) = (150, 24);

/// The line of the table in which a process or a channel stands.
fn row<'a>(screen: &'a str, mark: &str) -> Option<&'a str> {
    let is_mark = |word: &str| word.trim_end_matches(',') == mark;
    let mut rows = screen.lines().skip(3);
    rows.find(|line| line.split_whitespace().any(is_mark))
}

/// A pair that exchanges messages without end.
fn start_busy(place: &Place) -> (Running, Running) {
    let writer = place.start("writer", "/dev/zero");
    let reader = place.start("reader", "-o /dev/null");
    wait_until("messages flow", || {
        let listed = place.listed();
        listed.is_some_and(|listed| listed["header"]["head"].as_u64() > Some(1))
    });
    (writer, reader)
}

/// The two columns with what goes through a channel each second, which are the first two numbers that
/// stand at the right of their columns.
fn rates(row: &str) -> [String; 2] {
    let cells: Vec<char> = row.chars().collect();
    [41..46, 47..52].map(|range| {
        let cell: String = cells[range].iter().collect();
        cell.trim().to_owned()
    })
}

#[test]
fn a_running_pair_has_its_row_with_rates() {
    let place = Place::new("top-row");
    let (writer, reader) = start_busy(&place);
    let (writer, reader) = (writer.pid().to_string(), reader.pid().to_string());
    let Some(terminal) = Terminal::start(&place, USUAL, "", "--interval 200ms") else {
        return;
    };
    let row = terminal.wait_for_row(&writer, "its rates", |row| {
        !rates(row).iter().any(|rate| rate == "0") && row.contains(['▁', '▄', '█'])
    });
    assert!(row.contains(&reader), "{row}");
    assert!(row.contains("strict"), "{row}");
    let screen = terminal.screen();
    assert!(
        screen.lines().all(|line| line.chars().count() <= 80),
        "{screen}"
    );

    terminal.select(&place);
    terminal.press("Enter");
    let words = [&place.name, &format!("writer {writer}"), "spurious permits"];
    terminal.wait_for("details", |screen| {
        words.iter().all(|words| screen.contains(*words))
    });
    terminal.press("End");
    terminal.wait_for("the last lines", |screen| screen.contains("descriptors"));
    terminal.press("?");
    terminal.wait_for("help", |screen| screen.contains("reverse the order"));
    terminal.press("?");
    terminal.wait_for("details again", |screen| screen.contains("Sides"));
    terminal.press("Left");
    terminal.wait_for_row(&writer, "all channels again", |_| true);
}

#[test]
fn rows_come_and_go_with_their_channels() {
    let place = Place::new("comes");
    let other = Place::new("goes");
    let Some(terminal) = Terminal::start(&place, WIDE, "", "--interval 100ms") else {
        return;
    };
    assert_eq!(row(&terminal.screen(), &other.name), None);
    let (writer, reader) = other.start_idle();
    terminal.wait_for_row(&other.name, "it is there", |row| row.contains("idle"));
    reader.stop();
    terminal.wait_for_row(&other.name, "it is stopped", |row| {
        row.contains(&format!("reader {}, stopped", reader.pid()))
    });
    reader.kill();
    writer.kill();
    terminal.wait_for_row(&other.name, "it is stale", |row| {
        row.contains("stale") && row.contains("gone (died)")
    });
    terminal.select(&other);
    terminal.press("Enter");
    terminal.wait_for("details", |screen| screen.contains("Sides"));
    let name = other.name.clone();
    drop(other);
    terminal.wait_for("it is gone", |screen| {
        screen.contains("This channel is gone.")
    });
    terminal.press("Escape");
    let screen = terminal.wait_for("the table", |screen| screen.contains("Enter details"));
    assert_eq!(row(&screen, &name), None);
}

#[test]
fn keys_sort_and_pause() {
    let quiet = Place::new("a-quiet");
    let busy = Place::new("b-busy");
    let (quiet_writer, _quiet_reader) = quiet.start_idle();
    let (busy_writer, _busy_reader) = start_busy(&busy);
    let pids = [quiet_writer.pid(), busy_writer.pid()].map(|pid| pid.to_string());
    let Some(terminal) = Terminal::start(&quiet, USUAL, "", "--interval 200ms") else {
        return;
    };
    let in_order = |screen: &str, first: usize| {
        let place = |pid: &str| {
            let row = row(screen, pid)?;
            screen.lines().position(|line| line == row)
        };
        let [first, second] = [place(&pids[first]), place(&pids[1 - first])];
        first.is_some() && second.is_some() && first < second
    };
    for (key, order, first) in [
        ("n", "by name", 0),
        ("m", "by messages", 1),
        ("r", "by messages, reversed", 0),
        ("b", "by bytes", 1),
        ("s", "by state", 1),
        ("n", "by name", 0),
        ("r", "by name, reversed", 1),
    ] {
        terminal.press(key);
        terminal.wait_for(order, |screen| {
            let title = screen.lines().next().unwrap_or_default();
            title.trim_end().ends_with(order) && in_order(screen, first)
        });
    }

    terminal.press("Space");
    let mut before = String::new();
    let paused = terminal.wait_for("a pause", |screen| {
        let is_all_drawn = screen == before;
        screen.clone_into(&mut before);
        is_all_drawn && screen.contains("PAUSED")
    });
    let late = Place::new("late");
    let late_writer = late.start("writer", "--interval 1h");
    wait_until("the late one is there", || late.listed().is_some());
    // Longer than a survey takes to come. On a slow machine this sees less, and never too much.
    thread::sleep(Duration::from_millis(1500));
    assert_eq!(terminal.screen(), paused);
    terminal.press("Space");
    terminal.wait_for_row(&late_writer.pid().to_string(), "it goes on", |_| true);
}

#[test]
fn a_terminal_may_change_its_size() {
    let place = Place::new("resize");
    let (writer, _reader) = place.start_idle();
    let pid = writer.pid().to_string();
    let Some(terminal) = Terminal::start(&place, USUAL, "", "--interval 1h") else {
        return;
    };
    terminal.wait_for_row(&pid, "it is there", |_| true);
    let resize = |columns, rows| terminal.tmux(&["resize-window", "-x", columns, "-y", rows]);
    resize("150", "40");
    terminal.wait_for("room for the program's name", |screen| {
        screen.contains(&format!("writer {pid}"))
    });
    for (page, words) in [("Left", "CHANNEL"), ("Enter", "Sides"), ("?", "Keys")] {
        terminal.press(page);
        for (columns, rows) in [("20", "5"), ("3", "2")] {
            resize("80", "24");
            terminal.wait_for(words, |screen| screen.contains(words));
            resize(columns, rows);
            // The line with the keys is always the last.
            terminal.wait_for("so little", |screen| {
                let lines: Vec<&str> = screen.lines().collect();
                lines.len().to_string() == rows && lines.last().unwrap().starts_with("q q")
            });
        }
    }
    resize("80", "24");
    terminal.press("q");
    terminal.assert_given_back(0);
}

/// A signal that comes while another event is read may be passed over: here it never comes.
#[test]
fn a_change_of_size_is_seen_without_its_signal() {
    let place = Place::new("resize-quiet");
    let (writer, _reader) = place.start_idle();
    let pid = writer.pid().to_string();
    let prefix = "env --block-signal=WINCH";
    let Some(terminal) = Terminal::start(&place, USUAL, prefix, "--interval 1h") else {
        return;
    };
    terminal.wait_for_row(&pid, "it is there", |_| true);
    terminal.tmux(&["resize-window", "-x", "150", "-y", "40"]);
    terminal.wait_for("room for the program's name", |screen| {
        screen.contains(&format!("writer {pid}"))
    });
}

#[test]
fn the_terminal_is_given_back_however_it_ends() {
    type End = fn(&Terminal);
    let ends: [(End, i32); 6] = [
        (|terminal| terminal.press("q"), 0),
        (|terminal| terminal.press("Escape"), 0),
        (|terminal| terminal.press("C-c"), 0),
        (
            |terminal| kill(terminal.pid(), Signal::SIGINT).unwrap(),
            130,
        ),
        (
            |terminal| kill(terminal.pid(), Signal::SIGTERM).unwrap(),
            143,
        ),
        (
            |terminal| kill(terminal.pid(), Signal::SIGHUP).unwrap(),
            129,
        ),
    ];
    for (end, code) in ends {
        let place = Place::new("ends");
        let Some(terminal) = Terminal::start(&place, USUAL, "", "--interval 1h") else {
            return;
        };
        end(&terminal);
        terminal.assert_given_back(code);
    }
}

#[test]
fn it_ends_with_its_terminal() {
    // As `nohup` does: the terminal says it by SIGHUP, and nobody hears that.
    let deaf = "sh -c 'trap \"\" HUP; exec \"$0\" \"$@\"'";
    for (prefix, pauses) in [("", false), (deaf, false), (deaf, true)] {
        let place = Place::new("hang-up");
        let Some(terminal) = Terminal::start(&place, USUAL, prefix, "") else {
            return;
        };
        if pauses {
            terminal.press("Space");
            terminal.wait_for("a pause", |screen| screen.contains("PAUSED"));
        }
        let pid = terminal.pid().as_raw().try_into().unwrap();
        assert!(state(pid).is_some_and(|state| state != "Z"));
        drop(terminal);
        // Whoever is to wait for it then need not.
        wait_until("it has ended", || {
            state(pid).is_none_or(|state| state == "Z")
        });
    }
}

#[test]
fn without_a_terminal_it_names_list() {
    let output = semring(&["top"]);
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    let words = String::from_utf8(output.stderr).unwrap();
    assert!(
        words.contains("terminal") && words.contains("`semring list`"),
        "{words}"
    );
    assert!(output.stdout.is_empty());
}

/// A system call as strace writes it: its time in seconds, and the call.
fn call(line: &str) -> Option<(f64, &str)> {
    let (_, rest) = line.trim().split_once(' ')?;
    let (time, call) = rest.trim().split_once(' ')?;
    Some((time.parse().ok()?, call))
}

#[test]
fn looking_disturbs_nobody() {
    let place = Place::new("disturbs");
    let (_writer, _reader) = start_busy(&place);
    let log = place.folder.path().join("calls");
    if !can_trace() {
        return;
    }
    let strace = format!("strace -f -ttt -e trace=%ipc -o {}", log.display());
    let Some(terminal) = Terminal::start(&place, USUAL, &strace, "--interval 100ms") else {
        return;
    };
    terminal.select(&place);
    // The page that has most to tell.
    terminal.press("Enter");
    let attaches = format!("shmat({}, ", place.segment().id());
    let asks = format!("semctl({}, ", place.set().id());
    wait_until("it has looked often", || {
        let calls = fs::read_to_string(&log).unwrap_or_default();
        let of = |name: &str| calls.lines().filter(|line| line.contains(name)).count();
        of(&attaches) > 30 && of(&asks) > 2 * 3
    });
    terminal.press("q");
    terminal.assert_given_back(0);

    let calls = fs::read_to_string(&log).unwrap();
    let calls: Vec<(f64, &str)> = calls.lines().filter_map(call).collect();
    // One that was removed a moment ago is not attached.
    let done = |name: &str| {
        let is_done = |call: &str| call.starts_with(name) && !call.contains(" = -1 ");
        calls.iter().filter(|(_, call)| is_done(call)).count()
    };
    assert!(
        !calls.iter().any(|(_, call)| call.contains("op(")),
        "{calls:?}"
    );
    assert_eq!(done("shmat("), done("shmdt("), "something stays attached");
    for (_, call) in &calls {
        let is_read_only = !call.starts_with("shmat(") || call.contains("SHM_RDONLY");
        assert!(is_read_only, "{call}");
    }
    let asked: Vec<&(f64, &str)> = calls
        .iter()
        .filter(|(_, call)| call.starts_with(&asks))
        .collect();
    let reads = [
        "GETALL", "GETVAL", "GETPID", "GETNCNT", "GETZCNT", "IPC_STAT",
    ];
    for (_, call) in &asked {
        assert!(reads.iter().any(|read| call.contains(read)), "{call}");
    }
    // Once a second at most, however slow the machine is: it can only be more seldom.
    let is_value = |call: &str| call.contains("GETALL") || call.contains("GETVAL");
    let values: Vec<f64> = asked
        .iter()
        .filter(|(_, call)| is_value(call))
        .map(|(at, _)| *at)
        .collect();
    let span_s = values.last().unwrap() - values[0];
    let surveys = f64::from(u32::try_from(values.len()).unwrap());
    assert!(surveys - 1.0 <= span_s + 0.5, "{surveys} in {span_s} s");
    // With the values the processes that hold roles, and nothing else.
    assert!(asked.len() <= 4 * values.len(), "{asked:?}");
}
