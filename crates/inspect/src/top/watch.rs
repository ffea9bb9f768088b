//! Looking again and again: at the segments as often as asked, at everything else once a second.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use anyhow::Result;
use semring::observe::Observation;
use semring_cli::printable;

use super::series::Series;
use crate::diagnosis::Diagnosis;
use crate::names::{name_of, title_of};
use crate::survey::{Channel, Survey};
use crate::words::Users;

/// How often to ask at most for the values of semaphores: it throws the kernel into a slow mode for the
/// whole set, whose users pay for it.
const SURVEY_EVERY: Duration = Duration::from_secs(1);

/// Holds what is known of all channels.
#[derive(Debug)]
pub struct Watch {
    /// How often to look.
    pub interval: Duration,
    /// When to look next.
    pub due: Instant,
    /// The channels, as of the last survey.
    pub channels: Vec<Watched>,
    /// Names of users.
    pub users: Users,
    survey_due: Instant,
}

/// Holds what is known of one channel.
#[derive(Debug)]
pub struct Watched {
    /// What it is, and who has the roles, as of the last survey.
    pub channel: Channel,
    /// What it is called; safe for a terminal.
    pub title: String,
    /// What is the matter with it, as of the last survey.
    pub diagnosis: Diagnosis,
    /// What it did, up to the last look.
    pub series: Series,
}

impl Watched {
    /// Returns what tells it from all others: a channel that is made anew has a new segment.
    pub const fn id(&self) -> i32 {
        self.channel.segment.segment.id()
    }
}

impl Watch {
    /// Looks for the first time.
    ///
    /// # Errors
    ///
    /// Those of [`Survey::take`].
    pub fn begin(interval: Duration) -> Result<Self> {
        let now = Instant::now();
        let mut watch = Self {
            interval,
            due: now,
            channels: Vec::new(),
            users: Users::default(),
            survey_due: now,
        };
        watch.look()?;
        Ok(watch)
    }

    /// Tells whether it is time to look.
    pub fn is_due(&self) -> bool {
        self.due <= Instant::now()
    }

    /// Looks: takes a survey if it is time for one, and a sample of each channel.
    ///
    /// # Errors
    ///
    /// Those of [`Survey::take`].
    pub fn look(&mut self) -> Result<()> {
        if self.survey_due <= Instant::now() {
            self.survey()?;
            self.survey_due = Instant::now() + SURVEY_EVERY;
        }
        for watched in &mut self.channels {
            // One that is removed meanwhile is missed by the next survey.
            let seen = Observation::take(watched.channel.segment.segment);
            if let Ok(Observation::Channel(seen)) = seen {
                watched.series.add(Instant::now(), &seen);
            }
        }
        // Counted from the end, lest the next survey come a moment too soon and be put off.
        self.due = Instant::now() + self.interval;
        Ok(())
    }

    fn survey(&mut self) -> Result<()> {
        let survey = Survey::take()?;
        let before = self.channels.drain(..);
        let mut before: HashMap<i32, Series> = before
            .map(|watched| (watched.id(), watched.series))
            .collect();
        for channel in survey.channels {
            let name = name_of(&channel, &mut self.users);
            let series = before.remove(&channel.segment.segment.id());
            self.channels.push(Watched {
                title: printable(&title_of(&channel, &mut self.users)),
                diagnosis: Diagnosis::of(&channel, name.as_deref()),
                series: series.unwrap_or_default(),
                channel,
            });
        }
        Ok(())
    }
}
