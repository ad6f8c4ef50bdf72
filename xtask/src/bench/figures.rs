//! Medians, spreads, ratios.

use serde::{Deserialize, Serialize};

/// What repeated measurements say.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Figures {
    pub(super) median: f64,
    pub(super) least: f64,
    pub(super) most: f64,
    /// In the order in which they were measured.
    pub(super) all: Vec<f64>,
}

impl Figures {
    /// Of at least one measurement.
    pub(super) fn of(all: Vec<f64>) -> Option<Self> {
        let mut sorted = all.clone();
        sorted.sort_by(f64::total_cmp);
        let (least, most) = (*sorted.first()?, *sorted.last()?);
        let (middle, odd) = (sorted.len() / 2, sorted.len() % 2 == 1);
        let median =
            if odd { sorted[middle] } else { f64::midpoint(sorted[middle - 1], sorted[middle]) };
        Some(Self { median, least, most, all })
    }

    /// How far apart least and most lie, as a part of the median.
    pub(super) fn spread(&self) -> f64 {
        (self.most - self.least) / self.median
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_in_the_middle() {
        assert_eq!(Figures::of(vec![9.0, 1.0, 2.0]).unwrap().median, 2.0);
        let even = Figures::of(vec![4.0, 1.0, 2.0, 9.0]).unwrap();
        assert_eq!((even.median, even.least, even.most), (3.0, 1.0, 9.0));
        assert_eq!(even.spread(), 8.0 / 3.0);
        assert_eq!(even.all, [4.0, 1.0, 2.0, 9.0]);
        assert_eq!(Figures::of(Vec::new()), None);
    }
}
