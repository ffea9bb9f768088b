//! The page with a row for each channel.

use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Modifier, Style};
use ratatui::text::{Line, Text};
use ratatui::widgets::{Cell, Row, Table};
use semring::Role;
use semring::observe::State;

use super::pages::ALARM;
use super::series::short_rate;
use super::view::{Order, View};
use super::watch::Watched;
use crate::process::Process;
use crate::sides::owner;
use crate::survey::{Channel, Holder, status};
use crate::words::shorten;

const HEAD: Style = Style::new().add_modifier(Modifier::BOLD);
const SELECTED: Style = Style::new().add_modifier(Modifier::REVERSED);

/// Heads over two columns, by the first: what goes through, and of each side its process and waits.
const PAIRS: [(usize, &str); 3] = [(4, "PER SECOND"), (6, "PRODUCER"), (8, "CONSUMER")];

/// Widths of the columns that have more room in a wider terminal; as here they fill 80 together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Widths {
    name: u16,
    fill: u16,
    process: u16,
}

impl Widths {
    const NARROW: Self = Self {
        name: 10,
        fill: 8,
        process: 7,
    };
    const SCREEN: u16 = 80;
    /// Of a name, as in `semring list`.
    const NAME: u16 = 24;
    /// Of "writer 4194304, stopped", with room for a longer name.
    const PROCESS: u16 = 26;

    /// Shares the width of a screen out: to the processes, so that they are named, then to the names
    /// of the channels, then to the past.
    fn share(screen: u16) -> Self {
        let mut left = screen.saturating_sub(Self::SCREEN);
        let mut widths = Self::NARROW;
        let more = Self::PROCESS - widths.process;
        if left >= 2 * more {
            widths.process += more;
            left -= 2 * more;
        }
        let more = left.min(Self::NAME - widths.name);
        widths.name += more;
        widths.fill += left - more;
        widths
    }

    fn columns(self) -> [Constraint; 10] {
        const CONDITION: u16 = 11;
        const SYNC: u16 = 8;
        const RATE: u16 = 5;
        [
            self.name,
            CONDITION,
            SYNC,
            self.fill,
            RATE,
            RATE,
            self.process,
            RATE,
            self.process,
            RATE,
        ]
        .map(Constraint::Length)
    }
}

/// Draws it.
pub fn draw(frame: &mut Frame<'_>, area: Rect, channels: &[Watched], view: &mut View) {
    let ordered = view.ordered(channels);
    view.settle(&ordered);
    let [heads, below] = area.layout(&Layout::vertical([
        Constraint::Length(1),
        Constraint::Min(0),
    ]));
    if ordered.is_empty() {
        let none = "There is no channel; `writer` makes one.";
        frame.render_widget(Line::from(none), below);
        return;
    }
    let widths = Widths::share(area.width);
    let columns = widths.columns();
    let places = heads.layout_vec(&Layout::horizontal(columns).spacing(1));
    for (first, head) in PAIRS {
        let place = places[first].union(places[first + 1]);
        frame.render_widget(Line::styled(head, HEAD), place);
    }
    let rows = ordered.iter().map(|watched| row(watched, widths));
    let table = Table::new(rows, columns)
        .header(heads_of(view.order))
        .row_highlight_style(SELECTED);
    frame.render_stateful_widget(table, below, &mut view.table);
}

fn heads_of(order: Order) -> Row<'static> {
    const HEADS: [(&str, Option<Order>); 10] = [
        ("CHANNEL", Some(Order::Name)),
        ("STATE", Some(Order::State)),
        ("MODE", None),
        ("FILL", Some(Order::Fill)),
        ("MSGS", Some(Order::Messages)),
        ("BYTES", Some(Order::Bytes)),
        ("PROCESS", None),
        ("WAITS", Some(Order::Waits)),
        ("PROCESS", None),
        ("WAITS", Some(Order::Waits)),
    ];
    let cells = HEADS.map(|(head, by)| {
        let style = if by == Some(order) {
            HEAD.add_modifier(Modifier::UNDERLINED)
        } else {
            HEAD
        };
        let is_rate = matches!(head, "MSGS" | "BYTES" | "WAITS");
        let text = Text::styled(head, style);
        Cell::from(if is_rate { text.right_aligned() } else { text })
    });
    Row::new(cells)
}

fn row(watched: &Watched, widths: Widths) -> Row<'static> {
    let series = &watched.series;
    let (messages, bytes) = series.through();
    let condition = watched.diagnosis.condition;
    let sync = watched.channel.snapshot().map(|found| found.sync);
    let waits = |role| number(series.rates(role).sleeps);
    let process = |role| process(&watched.channel, role, widths);
    let state = Cell::from(condition.word());
    Row::new([
        Cell::from(shorten(&watched.title, widths.name.into())),
        if condition.is_well() {
            state
        } else {
            state.style(ALARM)
        },
        Cell::from(sync.map_or_else(|| "-".to_owned(), |sync| sync.to_string())),
        Cell::from(series.sparkline(widths.fill.into())),
        number(messages),
        number(bytes),
        process(Role::Producer),
        waits(Role::Producer),
        process(Role::Consumer),
        waits(Role::Consumer),
    ])
}

fn number(rate: f64) -> Cell<'static> {
    Cell::from(Text::from(short_rate(rate)).right_aligned())
}

/// Says who has a role: in words where there is room, else by its number.
fn process(channel: &Channel, role: Role, widths: Widths) -> Cell<'static> {
    let holder = channel.holder(role);
    let is_stopped = holder.process().is_some_and(Process::is_stopped);
    let text = if widths.process > Widths::NARROW.process {
        owner(channel, role)
    } else if is_stopped {
        "stopped".to_owned()
    } else {
        number_of(channel, role)
    };
    let cell = Cell::from(text);
    if holder.is_held() && !is_stopped {
        cell
    } else {
        cell.style(ALARM)
    }
}

/// Says who has a role, in seven characters.
fn number_of(channel: &Channel, role: Role) -> String {
    match channel.holder(role) {
        Holder::Held(pid, _) => pid.to_string(),
        Holder::Said(process) => process.pid.to_string(),
        Holder::Unknown => "unknown".to_owned(),
        Holder::Nobody => match channel.snapshot().map(|found| status(found, role).state) {
            Some(State::Attached) => "died".to_owned(),
            Some(State::Closed | State::Interrupted) => "gone".to_owned(),
            Some(State::Never) | None => "none".to_owned(),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn total(widths: Widths) -> u16 {
        let columns = widths.columns();
        let gaps = u16::try_from(columns.len()).unwrap() - 1;
        let width = |column: &Constraint| match column {
            Constraint::Length(width) => *width,
            other => panic!("{other}"),
        };
        columns.iter().map(width).sum::<u16>() + gaps
    }

    #[test]
    fn the_columns_fill_the_screen() {
        assert_eq!(Widths::share(40), Widths::NARROW);
        for screen in [80, 81, 117, 118, 120, 200, u16::MAX] {
            assert_eq!(total(Widths::share(screen)), screen);
        }
        assert_eq!(Widths::share(118).process, Widths::PROCESS);
    }
}
