//! `semring top`: all channels, live.
//!
//! Looking changes nothing. Fill, rates and waits come from the segments, each attached for reading only
//! and detached again at every look: an attachment that stayed would keep a removed segment alive, and
//! make `semring clean` take its channel for one in use. Who has the roles comes from the semaphores,
//! which are read once a second at most, since that slows the kernel down.

mod pages;
mod screen;
mod series;
mod table;
mod view;
mod watch;

use std::io::{self, IsTerminal as _};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use clap::CommandFactory as _;
use clap::error::ErrorKind;
use ratatui::crossterm::event::{self, Event};
use semring_cli::Signals;

use crate::arguments::{Arguments, Top};
use screen::Screen;
use view::{Next, View};
use watch::Watch;

/// How soon a signal is heard, and seen that the terminal is gone.
const HEARING: Duration = Duration::from_millis(100);

/// Shows the channels until a key or a signal ends it, and gives the terminal back as it was.
///
/// # Errors
///
/// When the terminal cannot be used, or `/proc/sysvipc` not be read;
/// [`Interrupted`](semring_cli::Interrupted) by a signal. Ends the program with exit code 2 when standard
/// output is no terminal.
pub fn run(what: &Top) -> Result<()> {
    if !io::stdout().is_terminal() {
        let message = "`top` needs a terminal, and standard output is none: use `semring list`, or \
                       `semring list --json`, which tell the same once";
        Arguments::command()
            .error(ErrorKind::InvalidValue, message)
            .exit();
    }
    let signals = Signals::take()?;
    let mut watch = Watch::begin(what.interval)?;
    let mut view = View::default();
    let mut screen = Screen::open()?;
    let events = listen()?;
    loop {
        if !view.paused && watch.is_due() {
            watch.look()?;
        }
        screen.draw(|frame| pages::draw(frame, &mut watch, &mut view))?;
        let due = (!view.paused).then_some(watch.due);
        if let Some(Event::Key(key)) = wait(&screen, &events, &signals, due)?
            && view.press(key, &watch.channels) == Next::Quit
        {
            return Ok(());
        }
    }
}

/// Reads keys, and what else happens to the terminal, in a thread: when the terminal is closed under it,
/// reading never returns and heeds no time limit (<https://github.com/crossterm-rs/crossterm/issues/793>).
fn listen() -> Result<Receiver<io::Result<Event>>> {
    let (sender, events) = mpsc::channel();
    let listen = move || {
        while sender.send(event::read()).is_ok() {}
    };
    thread::Builder::new()
        .name("keys".into())
        .spawn(listen)
        .context("cannot start the thread that reads keys")?;
    Ok(events)
}

/// Waits until something happens to the terminal, a change of its size included, or until a time has come.
/// Fails with the terminal.
fn wait(
    screen: &Screen,
    events: &Receiver<io::Result<Event>>,
    signals: &Signals,
    until: Option<Instant>,
) -> Result<Option<Event>> {
    loop {
        signals.check()?;
        if screen::is_gone() {
            bail!("the terminal was closed");
        }
        let left = until.map_or(HEARING, |until| {
            until.saturating_duration_since(Instant::now())
        });
        match events.recv_timeout(left.min(HEARING)) {
            Ok(event) => return event.map(Some).context("cannot read from the terminal"),
            Err(_) if left.is_zero() || screen.is_resized() => return Ok(None),
            Err(_) => {}
        }
    }
}
