//! What Sluice tells of its waiting: how long coalescing held trains for their next packet.

use std::time::Duration;

use sluice_lab::Stats;

use super::scenario::{self, Numbers};

/// Of the one worker there is. Where nothing was held, there are no times.
pub(super) fn numbers(stats: &Stats) -> Numbers {
    let Some(held) = stats.held().first().copied() else { return Numbers::new() };
    let mut numbers = scenario::numbers([("held trains", held.trains as f64)]);
    if held.trains > 0 {
        let micros = |time: Duration| time.as_secs_f64() * 1e6;
        let times = [("held p50 µs", micros(held.p50)), ("held p99 µs", micros(held.p99))];
        numbers.extend(scenario::numbers(times));
    }
    numbers
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(held: &serde_json::Value) -> Numbers {
        numbers(&Stats(serde_json::json!({ "workers": [{ "held": held }] })))
    }

    #[test]
    fn times_are_told_where_something_was_held() {
        let held = serde_json::json!({ "count": 5, "p50_ns": 1_500, "p99_ns": 30_000 });
        let told_of = told(&held);
        assert_eq!((told_of["held trains"], told_of["held p50 µs"]), (5.0, 1.5));
        let nothing = told(&serde_json::json!({ "count": 0, "p50_ns": 0, "p99_ns": 0 }));
        assert_eq!(nothing, scenario::numbers([("held trains", 0.0)]));
        assert!(numbers(&Stats(serde_json::json!({ "workers": [] }))).is_empty());
    }
}
