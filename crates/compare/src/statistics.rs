//! Medians, percentiles and histograms.

use hdrhistogram::Histogram;

/// Converts a count or a time for arithmetic.
#[expect(
    clippy::cast_precision_loss,
    reason = "shown with three digits; exact up to 2⁵³, which is 104 days in ns"
)]
pub const fn as_f64(number: u64) -> f64 {
    number as f64
}

/// Returns the value in the middle, or the mean of the two; NaN of nothing.
pub fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    let half = sorted.len() / 2;
    match sorted.get(half) {
        None => f64::NAN,
        Some(&upper) if sorted.len() % 2 == 1 => upper,
        Some(&upper) => f64::midpoint(sorted[half - 1], upper),
    }
}

/// Returns the smallest sample that at least `percent` % of the samples do not exceed. `sorted` must be
/// in order; `None` of nothing.
pub fn percentile(sorted: &[u64], percent: u32) -> Option<u64> {
    let rank = (sorted.len() * percent as usize).div_ceil(100);
    sorted.get(rank.saturating_sub(1)).copied()
}

/// Longest time that is told apart from longer ones.
const HISTOGRAM_MAX_NS: u64 = 1 << 37;
/// Digits of a time that are kept.
const HISTOGRAM_DIGITS: u8 = 3;

/// Makes a histogram of the samples of all passes; `None` of nothing.
pub fn histogram<'a>(passes: impl Iterator<Item = &'a [u64]>) -> Option<Histogram<u64>> {
    let mut histogram = Histogram::new_with_bounds(1, HISTOGRAM_MAX_NS, HISTOGRAM_DIGITS).ok()?;
    for sample_ns in passes.flatten() {
        histogram.saturating_record(*sample_ns);
    }
    (!histogram.is_empty()).then_some(histogram)
}

/// The middle and the ends of some passes.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize)]
pub struct Spread {
    pub median: f64,
    pub min: f64,
    pub max: f64,
}

impl Spread {
    pub fn of(values: &[f64]) -> Self {
        Self {
            median: median(values),
            min: values.iter().copied().fold(f64::NAN, f64::min),
            max: values.iter().copied().fold(f64::NAN, f64::max),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_in_the_middle() {
        assert_eq!(median(&[3.0]).to_bits(), 3.0_f64.to_bits());
        assert_eq!(median(&[9.0, 1.0, 5.0]).to_bits(), 5.0_f64.to_bits());
        assert_eq!(median(&[9.0, 1.0, 5.0, 2.0]).to_bits(), 3.5_f64.to_bits());
        assert!(median(&[]).is_nan());
    }

    #[test]
    fn percentiles_are_samples_that_were_taken() {
        let samples: Vec<u64> = (1..=1000).collect();
        assert_eq!(percentile(&samples, 50), Some(500));
        assert_eq!(percentile(&samples, 99), Some(990));
        assert_eq!(percentile(&samples, 100), Some(1000));
        assert_eq!(percentile(&[7], 50), Some(7));
        assert_eq!(percentile(&[3, 7, 9], 99), Some(9));
        assert_eq!(percentile(&[], 50), None);
    }

    #[test]
    fn a_histogram_has_the_samples_of_all_passes_to_three_digits() {
        let passes: [Vec<u64>; 2] = [(1..=500).collect(), (501..=1000).collect()];
        let histogram = histogram(passes.iter().map(Vec::as_slice)).unwrap();
        assert_eq!(histogram.len(), 1000);
        assert_eq!(histogram.value_at_quantile(0.5), 500);
        assert_eq!(histogram.value_at_quantile(0.99), 990);
        assert_eq!(histogram.value_at_quantile(0.999), 999);
        assert_eq!(histogram.max(), 1000);
        assert!(super::histogram(std::iter::empty()).is_none());
        let long = super::histogram([&[u64::MAX][..]].into_iter()).unwrap();
        assert_eq!(long.len(), 1);
    }

    #[test]
    fn a_spread_has_both_ends() {
        let spread = Spread::of(&[2.0, 8.0, 4.0]);
        assert_eq!(
            format!("{spread:?}"),
            "Spread { median: 4.0, min: 2.0, max: 8.0 }"
        );
    }
}
