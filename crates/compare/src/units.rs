//! Numbers for people: three digits and a unit.

use crate::statistics::as_f64;

const RATES: &[(f64, &str)] = &[(1e9, " G"), (1e6, " M"), (1e3, " k"), (1.0, "")];
const TIMES: &[(f64, &str)] = &[(1e9, " s"), (1e6, " ms"), (1e3, " µs"), (1.0, " ns")];

/// Below this a ratio is written as one over something.
const SMALL_RATIO: f64 = 0.1;

/// Writes messages in a second: `7.92 M`, `883 k`, `9.98`.
pub fn rate(value: f64) -> String {
    scaled(value, RATES)
}

/// Writes a time in nanoseconds: `140 ns`, `55.7 µs`, `1.00 s`.
pub fn time(value_ns: f64) -> String {
    scaled(value_ns, TIMES)
}

/// Writes a time in nanoseconds that somebody has chosen: `1 s`, `100 ms`, `2.50 s`.
pub fn setting(value_ns: u64) -> String {
    time(as_f64(value_ns)).replace(".00 ", " ")
}

/// Writes bytes in a second: `1.60 GB/s`.
pub fn bandwidth(value: f64) -> String {
    let text = scaled(value, RATES);
    let unit = if text.contains(' ') { "B/s" } else { " B/s" };
    format!("{text}{unit}")
}

/// Writes a power of ten of bytes in a second on a scale: `10 GB/s`.
pub fn bandwidth_mark(value: f64) -> String {
    bandwidth(value).replace(".00", "").replace(".0 ", " ")
}

/// Writes a power of ten of messages in a second on a scale: `10 M`.
pub fn rate_mark(value: f64) -> String {
    rate(value).replace(".00", "").replace(".0", "")
}

/// Writes a power of ten of nanoseconds on a scale: `10 µs`.
pub fn time_mark(value_ns: f64) -> String {
    time(value_ns).replace(".00 ", " ").replace(".0 ", " ")
}

/// Writes the length of a message: `64 B`, `4 KiB`, `1000 B`.
pub fn bytes(value: usize) -> String {
    match value {
        mebi if mebi > 0 && mebi.is_multiple_of(1 << 20) => format!("{} MiB", mebi >> 20),
        kibi if kibi > 0 && kibi.is_multiple_of(1 << 10) => format!("{} KiB", kibi >> 10),
        bytes => format!("{bytes} B"),
    }
}

/// Writes a part of a whole: `87 %`, `0.42 %`.
pub fn part(value: f64) -> String {
    let percent = value * 100.0;
    match percent {
        9.5.. => format!("{percent:.0} %"),
        0.95.. => format!("{percent:.1} %"),
        0.005.. => format!("{percent:.2} %"),
        _ => "0 %".into(),
    }
}

/// Writes a number that somebody has chosen: `1,000,000`.
pub fn count(value: u64) -> String {
    let digits = value.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Writes how many there are of something: `1 pass`, `5 passes`.
pub fn plural(value: u64, one: &str, many: &str) -> String {
    format!("{} {}", count(value), if value == 1 { one } else { many })
}

/// Writes how many there are of something for each message: `1.00`, `0.02`, `0`.
pub fn each(value: f64) -> String {
    if value < 0.005 {
        "0".into()
    } else {
        three_digits(value)
    }
}

/// Writes a ratio: `25.1 k`, `1.00`, `0.42`, and `1/790 k` where it is small.
pub fn ratio(value: f64) -> String {
    if value < SMALL_RATIO {
        format!("1/{}", scaled(1.0 / value, RATES))
    } else {
        scaled(value, RATES)
    }
}

fn scaled(value: f64, units: &[(f64, &str)]) -> String {
    // 999.5 would be written as 1000 of the smaller unit.
    let unit = units.iter().find(|(scale, _)| value >= scale * 0.9995);
    let &(scale, name) = unit.or(units.last()).unwrap_or(&(1.0, ""));
    format!("{}{name}", three_digits(value / scale))
}

fn three_digits(value: f64) -> String {
    match value {
        99.95.. => format!("{value:.0}"),
        9.995.. => format!("{value:.1}"),
        0.0 => "0".into(),
        _ => format!("{value:.2}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_digits_and_the_right_unit() {
        for (value, text) in [
            (7_923_000.0, "7.92 M"),
            (883_000.0, "883 k"),
            (999_600.0, "1.00 M"),
            (99.96, "100"),
            (9.98, "9.98"),
            (0.25, "0.25"),
            (0.0, "0"),
        ] {
            assert_eq!(rate(value), text);
        }
        assert_eq!(time(140.4), "140 ns");
        assert_eq!(time(55_710.0), "55.7 µs");
        assert_eq!(time(999_900_000.0), "1.00 s");
        assert_eq!(setting(1_000_000_000), "1 s");
        assert_eq!(setting(2_500_000_000), "2.50 s");
    }

    #[test]
    fn marks_are_round() {
        assert_eq!(bandwidth_mark(1e10), "10 GB/s");
        assert_eq!(bandwidth_mark(1e9), "1 GB/s");
        assert_eq!(
            [rate_mark(1e7), rate_mark(1e6), rate_mark(10.0)],
            ["10 M", "1 M", "10"]
        );
        assert_eq!([time_mark(1e4), time_mark(100.0)], ["10 µs", "100 ns"]);
    }

    #[test]
    fn bytes_and_parts() {
        assert_eq!(bandwidth(1_600_000_000.0), "1.60 GB/s");
        assert_eq!(bandwidth(7.5), "7.50 B/s");
        assert_eq!(
            ["64 B", "1000 B"],
            [bytes(64), bytes(1000)].map(|text| text)
        );
        assert_eq!(
            ["4 KiB", "4 MiB"],
            [bytes(4096), bytes(4 << 20)].map(|text| text)
        );
        assert_eq!([part(0.87), part(0.042)], ["87 %", "4.2 %"]);
        assert_eq!([part(0.0042), part(0.0)], ["0.42 %", "0 %"]);
        assert_eq!([each(1.0), each(0.02), each(0.0)], ["1.00", "0.02", "0"]);
    }

    #[test]
    fn long_counts_are_in_groups_of_three() {
        let texts = [7, 16_384, 1_000_000, 123_456].map(count);
        assert_eq!(plural(1, "pass", "passes"), "1 pass");
        assert_eq!(texts, ["7", "16,384", "1,000,000", "123,456"]);
    }

    #[test]
    fn small_ratios_are_one_over_something() {
        assert_eq!(ratio(1.0), "1.00");
        assert_eq!(ratio(0.42), "0.42");
        assert_eq!(ratio(0.01), "1/100");
        assert_eq!(ratio(1.0 / 790_000.0), "1/790 k");
        assert_eq!(ratio(25_100.0), "25.1 k");
    }
}
