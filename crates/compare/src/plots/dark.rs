//! The same picture on dark paper, for readers whose pages are dark: the browser chooses.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use plotters::style::RGBColor;

use super::canvas::{FAINT, GRID, INK, PAPER};

/// How far a colour is moved towards white, so that it stands out from dark paper as it did from white.
const LIGHTER: f64 = 0.42;

/// Adds to a picture what its colours are on dark paper.
pub fn also(picture: &str) -> String {
    let mut rules = String::new();
    for colour in colours(picture) {
        let (from, to) = (hex(colour), hex(on_dark(colour)));
        for attribute in ["fill", "stroke"] {
            // Writing to a String cannot fail.
            let _ = write!(rules, "[{attribute}=\"{from}\"]{{{attribute}:{to}}}");
        }
    }
    let style = format!("<style>@media (prefers-color-scheme:dark){{{rules}}}</style>");
    match picture.split_once('>') {
        Some((tag, rest)) => format!("{tag}>\n{style}{rest}"),
        None => picture.to_owned(),
    }
}

/// Finds the colours of a picture.
fn colours(picture: &str) -> BTreeSet<(u8, u8, u8)> {
    let numbers = picture.split('#').skip(1).filter_map(|rest| rest.get(..6));
    let numbers = numbers.filter_map(|digits| u32::from_str_radix(digits, 16).ok());
    let colours = numbers.map(|number| {
        let [_, red, green, blue] = number.to_be_bytes();
        (red, green, blue)
    });
    colours.collect()
}

fn on_dark(colour: (u8, u8, u8)) -> (u8, u8, u8) {
    let named = [
        (PAPER, (13, 17, 23)),
        (INK, (230, 237, 243)),
        (FAINT, (157, 167, 179)),
        (GRID, (48, 54, 61)),
    ];
    let is_this = |&&(RGBColor(red, green, blue), _): &&(RGBColor, _)| colour == (red, green, blue);
    if let Some((_, dark)) = named.iter().find(is_this) {
        return *dark;
    }
    let lighter = |part: u8| {
        let part = f64::from(part);
        super::canvas::rounded(part + (255.0 - part) * LIGHTER)
            .try_into()
            .unwrap_or(u8::MAX)
    };
    let (red, green, blue) = colour;
    (lighter(red), lighter(green), lighter(blue))
}

fn hex((red, green, blue): (u8, u8, u8)) -> String {
    format!("#{red:02X}{green:02X}{blue:02X}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_colour_has_one_for_dark_paper_and_the_picture_stays() {
        let picture =
            "<svg width=\"1\">\n<rect fill=\"#FFFFFF\"/><path stroke=\"#102030\"/>\n</svg>";
        let both = also(picture);
        assert!(both.starts_with("<svg width=\"1\">\n<style>@media (prefers-color-scheme:dark)"));
        assert!(both.contains("[fill=\"#FFFFFF\"]{fill:#0D1117}"), "{both}");
        assert!(
            both.contains("[stroke=\"#102030\"]{stroke:#747E87}"),
            "{both}"
        );
        assert!(both.ends_with("<rect fill=\"#FFFFFF\"/><path stroke=\"#102030\"/>\n</svg>"));
    }
}
