//! Distributions of times: how many are below which, in percent and µs.
//!
//! Among the numbers of a state they are called `p50`, `p99.9` and so on, and the longest `p100`.

use anyhow::{Context, Result};
use serde_json::Value;

use super::results::{Measured, Point};
use super::scenario::{Numbers, VALUE};
use super::table::number;

/// Percentiles that tables show.
const SHOWN: [&str; 5] = ["p50", "p90", "p99", "p99.9", "p100"];

/// What `sluice-bench ping` tells. Compared is the time that half of the answers take.
pub(super) fn numbers(told: &Value) -> Result<Numbers> {
    let longest = told["latency"]["max_ns"].as_f64().context("no request was answered")?;
    let pairs = told["distribution"].as_array().into_iter().flatten();
    let pairs = pairs.filter_map(|pair| Some((pair[0].as_f64()? * 100.0, pair[1].as_f64()?)));
    // Shares come as fractions, and 0.999 times 100 is not quite 99.9.
    let name = |percent: f64| format!("p{}", (percent * 10.0).round() / 10.0);
    let times = pairs.chain([(100.0, longest)]);
    let mut numbers: Numbers = times.map(|(share, ns)| (name(share), ns / 1e3)).collect();
    let half = *numbers.get("p50").context("half is not told")?;
    numbers.insert(VALUE.to_owned(), half);
    for name in ["sent", "lost"] {
        numbers.insert(name.to_owned(), told[name].as_f64().context("a count")?);
    }
    Ok(numbers)
}

/// Percent and µs of a state, growing; nothing where it is no distribution that was measured.
pub(super) fn of(point: &Point, state: &str) -> Vec<(f64, f64)> {
    let named = point.also.get(state).into_iter().flatten();
    let percent = |name: &String| name.strip_prefix('p')?.parse::<f64>().ok();
    let mut all: Vec<_> = named.filter_map(|(name, time)| Some((percent(name)?, *time))).collect();
    all.sort_by(|one, other| one.0.total_cmp(&other.0));
    all
}

/// Whether a scenario has any.
pub(super) fn is_there(scenario: &Measured) -> bool {
    let mut points = scenario.points.iter();
    points.any(|point| point.also.keys().any(|state| !of(point, state).is_empty()))
}

/// A row for each state at each point: who and where, and the percentiles of [`head`].
pub(super) fn rows(scenario: &Measured) -> Vec<Vec<String>> {
    let of_point = |point: &Point| -> Vec<Vec<String>> {
        let states =
            scenario.states.iter().filter_map(|state| point.also.get_key_value(&state.name));
        let row = |(state, also): (&String, &Numbers)| {
            let cells =
                SHOWN.map(|name| also.get(name).map_or_else(String::new, |time| number(*time)));
            let first = format!("{state}, {} {}", point.at, scenario.varies);
            [first].into_iter().chain(cells).collect()
        };
        states.map(row).collect()
    };
    scenario.points.iter().flat_map(of_point).collect()
}

/// Names of the columns.
pub(super) fn head() -> Vec<String> {
    let percent = |name: &&str| match *name {
        "p100" => "longest".to_owned(),
        name => format!("{} %", &name[1..]),
    };
    [String::new()].into_iter().chain(SHOWN.iter().map(percent)).collect()
}

#[cfg(test)]
pub(super) mod tests {
    use serde_json::json;

    use super::super::table::tests::sample;
    use super::*;

    /// The sample, with a distribution of one state at its first point.
    pub(crate) fn distributed() -> Measured {
        let mut scenario = sample();
        let told = json!({"sent": 9, "lost": 1, "latency": {"max_ns": 9000},
            "distribution": [[0.5, 2000], [0.9, 3000], [0.99, 4500], [0.999, 8000]]});
        scenario.points[0].also = [("ours".to_owned(), numbers(&told).unwrap())].into();
        scenario
    }

    #[test]
    fn what_was_told_is_shown_in_microseconds() {
        let scenario = distributed();
        let point = &scenario.points[0];
        assert_eq!((point.also["ours"][VALUE], point.also["ours"]["lost"]), (2.0, 1.0));
        assert_eq!(of(point, "ours")[3..], [(99.9, 8.0), (100.0, 9.0)]);
        assert!(is_there(&scenario) && !is_there(&sample()));
        let rows = rows(&scenario);
        assert_eq!(rows, [["ours, 1 flows", "2.00", "3.00", "4.50", "8.00", "9.00"]]);
        assert_eq!(head().len(), rows[0].len());
        assert!(numbers(&json!({"sent": 3, "lost": 3})).is_err());
    }
}
