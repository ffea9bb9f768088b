//! The screen: a title, one of the pages, the keys.

use std::cmp::min;

use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::Line;
use ratatui::widgets::{Paragraph, Sparkline};
use semring::Role;
use semring::observe::{Holders, SEMAPHORE_NAMES, Snapshot};

use super::series::short_rate;
use super::table;
use super::view::{Page, View};
use super::watch::{Watch, Watched};
use crate::output::wrapped;
use crate::survey::Set;
use crate::words::{Users, counted};
use crate::{ring, show};

/// For what somebody should look at.
pub const ALARM: Style = Style::new().fg(Color::Yellow);
const HEAD: Style = Style::new().add_modifier(Modifier::BOLD);
const FAINT: Style = Style::new().add_modifier(Modifier::DIM);

/// Lines of the picture of the fill, and levels of each line.
const PICTURE_ROWS: u16 = 3;
const LEVELS: u32 = 8;
/// Lines for what is the matter with the channel that is selected.
const MATTER_ROWS: u16 = 3;

const KEYS: &str = "q quit · ? help · space pause · Enter details · n s f m b w sort · r reverse";
const KEYS_OF_A_PAGE: &str = "q quit · Esc back · ? help · space pause · ↑ ↓ scroll";

const HELP: &str = "\
Keys
  q, Ctrl-C        quit; Esc goes back, and quits from the first page
  ↑ ↓ PgUp PgDn    select a channel, or scroll
  Enter, →         all about the channel that is selected
  space, p         pause: nothing is looked at until you press it again
  n s f m b w      order by name, state, fill, messages, bytes, waits
  r                reverse the order
  ?, h             this page

Columns
  STATE            what is the matter; the sentence below the table says it of
                   the selected channel, with the remedy; stale: nobody's
  FILL             how full the ring was at the last looks, the latest right
  MSGS, BYTES      each second, in or out of the ring, whichever is more
  PROCESS          who has the role; died: without a word; gone: left in order
  WAITS            how often each second this side fell asleep

Looking never disturbs: segments are attached for reading only and let go at
once, and semaphores are read once a second at most, whatever the interval.";

/// Draws the screen.
pub fn draw(frame: &mut Frame<'_>, watch: &mut Watch, view: &mut View) {
    let rows = [
        Constraint::Length(1),
        Constraint::Min(0),
        Constraint::Length(1),
    ];
    let [top, page, bottom] = frame.area().layout(&Layout::vertical(rows));
    frame.render_widget(Line::styled(title(watch, view), HEAD), top);
    let keys = if view.page == Page::Channels {
        KEYS
    } else {
        KEYS_OF_A_PAGE
    };
    frame.render_widget(Line::styled(keys, FAINT), bottom);
    match view.page {
        Page::Channels => channels(frame, page, &watch.channels, view),
        Page::Details => match view.selected(&watch.channels) {
            Some(watched) => details(frame, page, watched, &mut watch.users, &mut view.scroll),
            None => frame.render_widget("This channel is gone.", page),
        },
        Page::Help => {
            let lines = HELP.lines().map(Line::from).collect();
            scrolled(frame, page, lines, &mut view.scroll);
        }
    }
}

fn title(watch: &Watch, view: &View) -> String {
    let channels = counted(watch.channels.len() as u64, "channel");
    let interval = humantime::format_duration(watch.interval);
    let order = view.order.word();
    let reversed = if view.reversed { ", reversed" } else { "" };
    let paused = if view.paused { " · PAUSED" } else { "" };
    format!("semring top · {channels} · every {interval} · by {order}{reversed}{paused}")
}

/// Draws all channels, and below them what is the matter with the one that is selected.
fn channels(frame: &mut Frame<'_>, area: Rect, channels: &[Watched], view: &mut View) {
    let rows = [Constraint::Min(0), Constraint::Length(MATTER_ROWS)];
    let [all, below] = area.layout(&Layout::vertical(rows));
    table::draw(frame, all, channels, view);
    if let Some(watched) = view.selected(channels) {
        frame.render_widget(Paragraph::new(matter(watched, below)), below);
    }
}

fn matter(watched: &Watched, area: Rect) -> Vec<Line<'static>> {
    let diagnosis = &watched.diagnosis;
    let style = if diagnosis.condition.is_well() {
        FAINT
    } else {
        ALARM
    };
    let text = format!("{}: {}", watched.title, diagnosis.sentence);
    let lines = wrapped(&text, "", Some(area.width.into())).into_iter();
    lines.map(|line| Line::styled(line, style)).collect()
}

/// Draws all about one channel.
fn details(
    frame: &mut Frame<'_>,
    area: Rect,
    watched: &Watched,
    users: &mut Users,
    scroll: &mut usize,
) {
    let matter = matter(watched, area);
    let matter_rows = u16::try_from(matter.len()).unwrap_or(MATTER_ROWS);
    let rows = [
        Constraint::Length(matter_rows),
        Constraint::Length(PICTURE_ROWS),
        Constraint::Min(0),
    ];
    let [above, picture, below] = area.layout(&Layout::vertical(rows));
    frame.render_widget(Paragraph::new(matter), above);
    let levels = u32::from(PICTURE_ROWS) * LEVELS;
    let fill = watched.series.fill(picture.width.into(), levels);
    let fill = Sparkline::default()
        .data(fill.map(|level| level.map(u64::from)))
        .absent_value_symbol(" ")
        .max(levels.into());
    frame.render_widget(fill, picture);
    scrolled(frame, below, all_about(watched, users), scroll);
}

/// Tells what `semring show` tells, but for the semaphores: of them the values of the last survey, since
/// asking for more would slow the channel down.
fn all_about(watched: &Watched, users: &mut Users) -> Vec<Line<'static>> {
    let channel = &watched.channel;
    let mut lines = Vec::new();
    if let Some(snapshot) = channel.snapshot() {
        lines.extend(part("Each second", rates(watched)));
        lines.extend(part("Sides", show::sides(channel, snapshot, users)));
        lines.extend(part("Ring", drawing(snapshot)));
    }
    lines.extend(part("Objects", show::objects(channel, users)));
    if let Set::Values(_, Holders { values, .. }) = &channel.set {
        let named = SEMAPHORE_NAMES.iter().zip(values);
        let named: Vec<String> = named
            .map(|(name, value)| format!("{name} {value}"))
            .collect();
        lines.extend(part("Semaphores", vec![format!("  {}", named.join(" · "))]));
    }
    if let Some(snapshot) = channel.snapshot() {
        lines.extend(part("Segment", show::map(snapshot)));
    }
    lines
}

fn rates(watched: &Watched) -> Vec<String> {
    let side = |role| {
        let rates = watched.series.rates(role);
        format!(
            "  {role}  {} messages, {} bytes, {} waits",
            short_rate(rates.messages),
            short_rate(rates.bytes),
            short_rate(rates.sleeps)
        )
    };
    [Role::Producer, Role::Consumer].map(side).to_vec()
}

fn drawing(snapshot: &Snapshot) -> Vec<String> {
    let fill = format!("{}, {}", ring::bar(snapshot), ring::legend(snapshot));
    let lines = std::iter::once(fill).chain(ring::drawing(snapshot));
    lines.map(|line| format!("  {line}")).collect()
}

fn part(head: &'static str, lines: Vec<String>) -> impl Iterator<Item = Line<'static>> {
    let plain = |line: String| anstream::adapter::strip_str(&line).to_string().into();
    std::iter::once(Line::styled(head, HEAD))
        .chain(lines.into_iter().map(plain))
        .chain(std::iter::once("".into()))
}

/// Draws lines from `scroll` on, which is kept within them.
fn scrolled(frame: &mut Frame<'_>, area: Rect, lines: Vec<Line<'_>>, scroll: &mut usize) {
    *scroll = min(*scroll, lines.len().saturating_sub(area.height.into()));
    let seen: Vec<Line<'_>> = lines.into_iter().skip(*scroll).collect();
    frame.render_widget(Paragraph::new(seen), area);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said_fits_into_80_columns() {
        for line in HELP.lines().chain([KEYS, KEYS_OF_A_PAGE]) {
            assert!(line.chars().count() <= 80, "{line}");
        }
    }
}
