//! What is shown, and what the keys do to that.

use std::cmp::Ordering;

use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyEventKind, KeyModifiers};
use ratatui::widgets::TableState;

use super::watch::Watched;

/// Rows that a page key moves by.
const PAGE_ROWS: usize = 10;

/// Holds what the user has chosen.
#[derive(Debug, Default)]
pub struct View {
    /// What is shown.
    pub page: Page,
    /// What the channels are ordered by.
    pub order: Order,
    /// Whether they are in the reverse of that order.
    pub reversed: bool,
    /// Whether nothing is looked at until further notice.
    pub paused: bool,
    /// First line of a page that is longer than the screen.
    pub scroll: usize,
    /// Where the table stands.
    pub table: TableState,
    /// The channel that is selected; it may be gone.
    selected: Option<i32>,
    /// The page under the help.
    covered: Page,
}

/// Names a page.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub enum Page {
    /// All channels.
    #[default]
    Channels,
    /// The channel that is selected.
    Details,
    /// The keys, and what the columns mean.
    Help,
}

/// Names what the channels can be ordered by.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// Their names, or keys.
    #[default]
    Name,
    /// Their conditions: what is well last.
    State,
    /// How full they are.
    Fill,
    /// Messages each second.
    Messages,
    /// Bytes each second.
    Bytes,
    /// Waits of both sides each second.
    Waits,
}

/// Says how it goes on after a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// As before.
    Stay,
    /// It is over.
    Quit,
}

impl Order {
    /// Returns it as a word.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Name => "name",
            Self::State => "state",
            Self::Fill => "fill",
            Self::Messages => "messages",
            Self::Bytes => "bytes",
            Self::Waits => "waits",
        }
    }

    const fn of_key(key: char) -> Option<Self> {
        match key {
            'n' => Some(Self::Name),
            's' => Some(Self::State),
            'f' => Some(Self::Fill),
            'm' => Some(Self::Messages),
            'b' => Some(Self::Bytes),
            'w' => Some(Self::Waits),
            _ => None,
        }
    }

    /// Compares two channels: names from A, all else from the most on, to which somebody should look first.
    fn compare(self, one: &Watched, other: &Watched) -> Ordering {
        let most = |number: fn(&Watched) -> f64| number(other).total_cmp(&number(one));
        let by = match self {
            Self::Name => Ordering::Equal,
            Self::State => {
                let condition = |watched: &Watched| {
                    let condition = watched.diagnosis.condition;
                    (condition.is_well(), condition.word())
                };
                condition(one).cmp(&condition(other))
            }
            Self::Fill => most(|watched| watched.series.fullness()),
            Self::Messages => most(|watched| watched.series.through().0),
            Self::Bytes => most(|watched| watched.series.through().1),
            Self::Waits => most(|watched| watched.series.sleeps()),
        };
        by.then_with(|| one.title.cmp(&other.title))
            .then_with(|| one.id().cmp(&other.id()))
    }
}

impl View {
    /// Returns the channels in the order that was chosen.
    pub fn ordered<'a>(&self, channels: &'a [Watched]) -> Vec<&'a Watched> {
        let mut ordered: Vec<&Watched> = channels.iter().collect();
        ordered.sort_by(|one, other| {
            let ordering = self.order.compare(one, other);
            if self.reversed {
                ordering.reverse()
            } else {
                ordering
            }
        });
        ordered
    }

    /// Returns the channel that is selected, unless it is gone.
    pub fn selected<'a>(&self, channels: &'a [Watched]) -> Option<&'a Watched> {
        channels
            .iter()
            .find(|watched| Some(watched.id()) == self.selected)
    }

    /// Keeps the selection on its channel wherever that stands now; when it is gone, on the one that
    /// stands in its place.
    pub fn settle(&mut self, ordered: &[&Watched]) {
        let place = |id| ordered.iter().position(|watched| Some(watched.id()) == id);
        let last = ordered.len().checked_sub(1);
        let stood = self.table.selected().unwrap_or(0);
        let index = place(self.selected).or_else(|| last.map(|last| stood.min(last)));
        self.table.select(index);
        self.selected = index.and_then(|index| ordered.get(index).map(|watched| watched.id()));
    }

    /// Does what a key is for.
    pub fn press(&mut self, key: KeyEvent, channels: &[Watched]) -> Next {
        if key.kind == KeyEventKind::Release {
            return Next::Stay;
        }
        let control = key.modifiers.contains(KeyModifiers::CONTROL);
        match key.code {
            KeyCode::Char('c') if control => return Next::Quit,
            _ if control => {}
            KeyCode::Char('q') => return Next::Quit,
            KeyCode::Esc if self.page == Page::Channels => return Next::Quit,
            KeyCode::Char(' ' | 'p') => self.paused = !self.paused,
            KeyCode::Char('?' | 'h') if self.page == Page::Help => self.open(self.covered),
            KeyCode::Char('?' | 'h') => {
                self.covered = self.page;
                self.open(Page::Help);
            }
            KeyCode::Esc | KeyCode::Left | KeyCode::Backspace => self.back(),
            code if self.page == Page::Channels => self.press_in_table(code, channels),
            code => self.scroll = moved(code, self.scroll).unwrap_or(self.scroll),
        }
        Next::Stay
    }

    fn press_in_table(&mut self, code: KeyCode, channels: &[Watched]) {
        match code {
            KeyCode::Enter | KeyCode::Right if self.selected(channels).is_some() => {
                self.open(Page::Details);
            }
            KeyCode::Char('r') => self.reversed = !self.reversed,
            KeyCode::Char(key) if Order::of_key(key).is_some() => {
                self.order = Order::of_key(key).unwrap_or_default();
                self.reversed = false;
            }
            code => self.select(code, channels),
        }
    }

    fn select(&mut self, code: KeyCode, channels: &[Watched]) {
        let ordered = self.ordered(channels);
        let Some(index) = moved(code, self.table.selected().unwrap_or(0)) else {
            return;
        };
        let chosen = ordered.get(index).or(ordered.last());
        self.selected = chosen.map(|watched| watched.id());
    }

    fn open(&mut self, page: Page) {
        self.page = page;
        self.scroll = 0;
    }

    fn back(&mut self) {
        let under = match self.page {
            Page::Help => self.covered,
            Page::Channels | Page::Details => Page::Channels,
        };
        self.open(under);
    }
}

/// Returns where a key leads from a line; none when it leads nowhere.
const fn moved(code: KeyCode, line: usize) -> Option<usize> {
    match code {
        KeyCode::Up | KeyCode::Char('k') => Some(line.saturating_sub(1)),
        KeyCode::Down | KeyCode::Char('j') => Some(line.saturating_add(1)),
        KeyCode::PageUp => Some(line.saturating_sub(PAGE_ROWS)),
        KeyCode::PageDown => Some(line.saturating_add(PAGE_ROWS)),
        KeyCode::Home => Some(0),
        KeyCode::End => Some(usize::MAX),
        _ => None,
    }
}
