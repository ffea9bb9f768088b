//! Paper, scales and words, which all pictures share.

use std::ops::RangeInclusive;

use anyhow::Result;
use plotters::coord::Shift;
use plotters::prelude::{
    Circle, DrawingArea, IntoDrawingArea as _, IntoFont as _, PathElement, Rectangle, SVGBackend,
    Text, WHITE,
};
use plotters::style::text_anchor::{HPos, Pos, VPos};
use plotters::style::{Color as _, FontStyle, RGBColor, TextStyle};

pub const PAPER: RGBColor = WHITE;
pub const INK: RGBColor = RGBColor(31, 41, 55);
pub const FAINT: RGBColor = RGBColor(107, 114, 128);
pub const GRID: RGBColor = RGBColor(229, 231, 235);
pub const WIDTH: i32 = 940;
/// Where pictures begin below title and subtitle.
pub const TOP: i32 = 84;
const MARGIN: i32 = 24;
/// Pixels that a letter of a label takes, about: nobody knows the reader's fonts.
const LETTER_WIDTH: f64 = 6.4;
pub const LABEL_HEIGHT: i32 = 15;
/// Pixels that a word on a scale takes, about.
const WORD_WIDTH: i32 = 40;

/// A point of the picture, in pixels.
pub type Point = (i32, i32);

/// A white sheet with a title.
pub struct Canvas<'a> {
    area: DrawingArea<SVGBackend<'a>, Shift>,
}

impl<'a> Canvas<'a> {
    pub fn new(target: &'a mut String, height: i32, title: &str, subtitle: &str) -> Result<Self> {
        let size = (u32::try_from(WIDTH)?, u32::try_from(height)?);
        let area = SVGBackend::with_string(target, size).into_drawing_area();
        area.fill(&WHITE)?;
        let canvas = Self { area };
        let style = ("sans-serif", 25, FontStyle::Bold).into_font().color(&INK);
        canvas.text(title, (MARGIN, 30), &style, Side::Right)?;
        let style = ("sans-serif", 15).into_font().color(&FAINT);
        canvas.text(subtitle, (MARGIN, 56), &style, Side::Right)?;
        Ok(canvas)
    }

    pub fn finish(self) -> Result<()> {
        Ok(self.area.present()?)
    }

    /// Writes a word beside a point.
    pub fn label(&self, text: &str, at: Point, colour: RGBColor, side: Side) -> Result<()> {
        let style = ("sans-serif", 15).into_font().color(&colour);
        self.text(text, at, &style, side)
    }

    /// Writes a word beside a point, on paper that covers what is below.
    pub fn label_over(&self, text: &str, at: Point, colour: RGBColor, side: Side) -> Result<()> {
        let [left, top, right, bottom] = text_box(text, at, side);
        let paper = WHITE.mix(0.85).filled();
        let paper = Rectangle::new([(left, top), (right, bottom)], paper);
        self.area.draw(&paper)?;
        self.label(text, at, colour, side)
    }

    /// Writes along the left edge, from bottom to top.
    pub fn label_upwards(&self, text: &str, at: Point) -> Result<()> {
        let font = ("sans-serif", 15).into_font();
        let font = font.transform(plotters::style::FontTransform::Rotate270);
        self.text(text, at, &font.color(&FAINT), Side::Centre)
    }

    fn text(&self, text: &str, at: Point, style: &TextStyle, side: Side) -> Result<()> {
        let anchor = match side {
            Side::Right => HPos::Left,
            Side::Left => HPos::Right,
            Side::Centre => HPos::Center,
        };
        let style = style.clone().pos(Pos::new(anchor, VPos::Center));
        Ok(self.area.draw(&Text::new(text.to_owned(), at, style))?)
    }

    pub fn line(&self, points: &[Point], colour: RGBColor, width: u32) -> Result<()> {
        let style = colour.stroke_width(width);
        Ok(self.area.draw(&PathElement::new(points.to_vec(), style))?)
    }

    /// Draws a straight line in dashes.
    pub fn dashes(&self, from: Point, to: Point, colour: RGBColor) -> Result<()> {
        let length = f64::from(to.0 - from.0).hypot(f64::from(to.1 - from.1));
        let along = |pixels: f64| {
            let part = (pixels / length).min(1.0);
            let between = |from: i32, to: i32| from + rounded(f64::from(to - from) * part);
            (between(from.0, to.0), between(from.1, to.1))
        };
        let mut done = 0.0;
        while done < length {
            self.line(&[along(done), along(done + 5.0)], colour, 1)?;
            done += 9.0;
        }
        Ok(())
    }

    pub fn dot(&self, at: Point, radius: i32, colour: RGBColor) -> Result<()> {
        // A rim of paper, so that lines and dots that meet stay apart.
        self.area
            .draw(&Circle::new(at, radius + 1, WHITE.filled()))?;
        Ok(self.area.draw(&Circle::new(at, radius, colour.filled()))?)
    }

    pub fn bar(&self, from: Point, to: Point, colour: RGBColor, opacity: f64) -> Result<()> {
        let style = colour.mix(opacity).filled();
        Ok(self.area.draw(&Rectangle::new([from, to], style))?)
    }

    /// Draws faint lines across, with a word each: `marks` are pixels from the top.
    pub fn rows(&self, marks: &[(i32, String)], left: i32, right: i32) -> Result<()> {
        for (y, text) in marks {
            self.line(&[(left, *y), (right, *y)], GRID, 1)?;
            self.label(text, (left - 8, *y), FAINT, Side::Left)?;
        }
        Ok(())
    }

    /// Draws faint lines upwards, with a word each below: `marks` are pixels from the left.
    pub fn columns(&self, marks: &[(i32, String)], top: i32, bottom: i32) -> Result<()> {
        for (index, (x, text)) in marks.iter().enumerate() {
            self.line(&[(*x, top), (*x, bottom)], GRID, 1)?;
            // Two words do not fit where two lines are close: the second stays.
            let next = marks.get(index + 1).map(|(next, _)| next - x);
            if next.is_some_and(|next| next < WORD_WIDTH) {
                continue;
            }
            self.label(text, (*x, bottom + 16), FAINT, Side::Centre)?;
        }
        Ok(())
    }
}

/// On which side of a point a word stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    Left,
    Right,
    Centre,
}

/// From figures to pixels, in equal steps for equal ratios.
#[derive(Debug, Clone, Copy)]
pub struct Scale {
    low: f64,
    high: f64,
    from: i32,
    to: i32,
}

impl Scale {
    /// Makes room for all values, and a little more; `from` and `to`: pixels of low and high.
    pub fn new(values: impl Iterator<Item = f64>, from: i32, to: i32) -> Self {
        let values: Vec<f64> = values.filter(|value| *value > 0.0).collect();
        let low = values.iter().copied().fold(f64::INFINITY, f64::min);
        let high = values.iter().copied().fold(0.0, f64::max);
        let (low, high) = if low <= high {
            (low, high)
        } else {
            (1.0, 10.0)
        };
        let (low, high) = (low / 1.6, high * 1.6);
        Self {
            low,
            high,
            from,
            to,
        }
    }

    pub fn at(self, value: f64) -> i32 {
        let part = (value / self.low).ln() / (self.high / self.low).ln();
        self.from + rounded(f64::from(self.to - self.from) * part)
    }

    /// Returns the powers of ten, with what stands beside them; every second where there are many.
    pub fn tens(self, unit: impl Fn(f64) -> String) -> Vec<(i32, String)> {
        let tens = self
            .exponents()
            .step_by(self.tens_apart())
            .map(|exponent| 10_f64.powi(exponent));
        tens.map(|ten| (self.at(ten), unit(ten))).collect()
    }

    /// Returns how many powers of ten there are from one of those that are shown to the next: 1 or 2.
    pub fn tens_apart(self) -> usize {
        let exponents = self.exponents();
        if exponents.end() - exponents.start() > 7 {
            2
        } else {
            1
        }
    }

    fn exponents(self) -> RangeInclusive<i32> {
        rounded(self.low.log10().ceil())..=rounded(self.high.log10().floor())
    }

    pub const fn ends(self) -> (f64, f64) {
        (self.low, self.high)
    }
}

/// Moves words that would stand on each other apart, up and down, in their order.
pub fn spread(wanted: &[i32], lowest: i32, highest: i32) -> Vec<i32> {
    let mut order: Vec<usize> = (0..wanted.len()).collect();
    order.sort_by_key(|&index| wanted[index]);
    let mut placed = wanted.to_vec();
    let mut next = lowest;
    for &index in &order {
        placed[index] = placed[index].max(next);
        next = placed[index] + LABEL_HEIGHT;
    }
    let mut next = highest;
    for &index in order.iter().rev() {
        placed[index] = placed[index].min(next);
        next = placed[index] - LABEL_HEIGHT;
    }
    placed
}

/// Finds places for words beside points, so that none stands on another, or on a point.
#[derive(Debug, Default)]
pub struct Places {
    taken: Vec<[i32; 4]>,
}

impl Places {
    /// Keeps words away from a point.
    pub fn avoid(&mut self, at: Point) {
        self.taken.push([at.0 - 6, at.1 - 6, at.0 + 6, at.1 + 6]);
    }

    /// Chooses a side and a height for a word beside a point: the first that is free, right before left,
    /// close before far.
    pub fn place(&mut self, at: Point, text: &str, right_end: i32) -> (Point, Side) {
        let candidates = (0..16).flat_map(|distance| [-distance, distance].map(|steps| steps * 6));
        let candidates = candidates.flat_map(|dy| [(10, dy, Side::Right), (-10, dy, Side::Left)]);
        let around = |(dx, dy, side): (i32, i32, Side)| {
            let point = (at.0 + dx, at.1 + dy);
            (text_box(text, point, side), point, side)
        };
        let mut choices = candidates.map(around);
        let free = choices.find(|([left, top, right, bottom], _, _)| {
            *right <= right_end
                && self.taken.iter().all(|taken| {
                    *left > taken[2] || *right < taken[0] || *top > taken[3] || *bottom < taken[1]
                })
        });
        let (taken, point, side) = free.unwrap_or_else(|| around((10, 0, Side::Right)));
        self.taken.push(taken);
        (point, side)
    }
}

/// Returns left, top, right and bottom of a word beside a point, about.
fn text_box(text: &str, at: Point, side: Side) -> [i32; 4] {
    let letters = u32::try_from(text.chars().count()).unwrap_or(u32::MAX);
    let width = rounded(f64::from(letters) * LETTER_WIDTH);
    let left = match side {
        Side::Right => at.0,
        Side::Left => at.0 - width,
        Side::Centre => at.0 - width / 2,
    };
    let (top, bottom) = (at.1 - LABEL_HEIGHT / 2, at.1 + LABEL_HEIGHT / 2);
    [left, top, left + width, bottom]
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "a float becomes the nearest integer there is; pixels are few"
)]
pub fn rounded(value: f64) -> i32 {
    value.round() as i32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_ratios_are_equally_far_apart() {
        let scale = Scale::new([1.0, 10_000.0].into_iter(), 500, 100);
        let steps = [1.0, 10.0, 100.0, 1000.0].map(|value| scale.at(value));
        assert!(
            steps
                .windows(2)
                .all(|pair| (pair[0] - pair[1] - 90).abs() < 3),
            "{steps:?}"
        );
        assert!(steps[0] < 500 && scale.at(10_000.0) > 100);
        assert_eq!(scale.tens(|ten| format!("{ten}")).len(), 5);
        // Of nothing, and of one value, there still is a scale.
        assert_eq!(Scale::new([].into_iter(), 0, 10).at(1.0) / 11, 0);
        assert_eq!(Scale::new([5.0].into_iter(), 0, 10).at(5.0), 5);
    }

    #[test]
    fn lines_are_as_far_apart_as_is_said_of_them() {
        for (high, apart) in [(1e3, 1), (1e6, 1), (1e9, 2)] {
            let scale = Scale::new([1.0, high].into_iter(), 0, 900);
            assert_eq!(scale.tens_apart(), apart);
            let tens = scale.tens(|ten| ten.to_string());
            let tens = tens.iter().map(|(_, ten)| ten.parse::<f64>().unwrap());
            let ratios: Vec<f64> = tens.clone().skip(1).zip(tens).map(|(b, a)| b / a).collect();
            let expected = if apart == 1 { 10.0 } else { 100.0 };
            assert!(
                ratios
                    .iter()
                    .all(|ratio| (ratio / expected - 1.0).abs() < 1e-9)
            );
        }
    }

    #[test]
    fn words_do_not_stand_on_each_other() {
        let apart = spread(&[100, 101, 300, 102], 0, 305);
        assert_eq!(apart, [100, 115, 300, 130]);
        assert_eq!(spread(&[300, 300], 0, 300), [285, 300]);

        let mut places = Places::default();
        let at = (100, 100);
        places.avoid(at);
        let first = places.place(at, "first", 900);
        assert_eq!(first, ((110, 100), Side::Right));
        assert_eq!(places.place(at, "second", 900).1, Side::Left);
        assert_ne!(places.place(at, "third", 900).0.1, 100);
        assert_eq!(places.place((890, 300), "at the edge", 900).1, Side::Left);
    }
}
