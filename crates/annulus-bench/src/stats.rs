//! What a few rounds say, and what they do not.
//!
//! Owns: medians, spread, ratios round by round, their scatter, and the noise band. Pure.
//!
//! Rounds are compared pair by pair, because what disturbs a machine for seconds disturbs both of a
//! pair. The band is what the same program shows against itself; a ratio inside it means nothing,
//! and neither does one that is nearer to 1 than its rounds are to each other.

/// The middle value; of an even number, the mean of the two in the middle. NaN of none.
pub fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    match sorted.len() {
        0 => f64::NAN,
        n if n % 2 == 1 => sorted[n / 2],
        n => f64::midpoint(sorted[n / 2 - 1], sorted[n / 2]),
    }
}

/// Half the distance from the least to the greatest, as a share of the median.
pub fn spread(values: &[f64]) -> f64 {
    let least = values.iter().copied().fold(f64::INFINITY, f64::min);
    let greatest = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    (greatest - least) / 2.0 / median(values)
}

/// The median of the ratios of each round.
pub fn ratio(these: &[f64], those: &[f64]) -> f64 {
    median(&ratios(these, those))
}

/// How far the ratio of the middle round is from the median of the ratios.
pub fn scatter(these: &[f64], those: &[f64]) -> f64 {
    let ratios = ratios(these, those);
    let middle = median(&ratios);
    let distances: Vec<f64> = ratios.iter().map(|ratio| (ratio - middle).abs()).collect();
    median(&distances)
}

/// The noise band: how far from 1 the same program is from itself, over the medians and in the
/// middle round, whichever is more.
pub fn band(once: &[f64], again: &[f64]) -> f64 {
    let rounds: Vec<f64> = ratios(once, again).iter().map(|ratio| (ratio - 1.0).abs()).collect();
    let medians = (median(once) / median(again) - 1.0).abs();
    medians.max(median(&rounds))
}

/// Whether a ratio tells anything.
pub fn is_same(ratio: f64, band: f64) -> bool {
    (ratio - 1.0).abs() <= band
}

fn ratios(these: &[f64], those: &[f64]) -> Vec<f64> {
    these.iter().zip(those).map(|(a, b)| a / b).collect()
}

#[cfg(test)]
mod tests;
