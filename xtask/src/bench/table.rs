//! What is printed.

use comfy_table::{CellAlignment, Table, presets};

use super::figures::Figures;
use super::results::{Measured, Point, Told};
use super::{beside, distribution};

/// A scenario as text.
pub(super) fn of(scenario: &Measured) -> String {
    let states = scenario.states.iter().filter(|state| is_there(scenario, state));
    let row = |state: &Told| {
        let first = vec![state.name.clone()];
        let points =
            scenario.points.iter().flat_map(|point| [value(point, state), ratio(point, state)]);
        first.into_iter().chain(points).collect()
    };
    let first = (header(scenario), states.map(row).collect());
    let tables = [first].into_iter().chain(further(scenario)).map(drawn);
    let missing = scenario.states.iter().filter_map(|state| Some(format!("\n{}", not_run(state)?)));
    let head = format!("{}: {}, {}", scenario.name, scenario.what, scenario.unit);
    [head].into_iter().chain(tables).chain(missing).collect()
}

/// Names of the columns, and the rows.
type Cells = (Vec<String>, Vec<Vec<String>>);

/// The tables below that of the values: distributions, and what else is to be shown.
pub(super) fn further(scenario: &Measured) -> impl Iterator<Item = Cells> {
    let times = distribution::is_there(scenario)
        .then(|| (distribution::head(), distribution::rows(scenario)));
    let others =
        beside::is_there(scenario).then(|| (beside::head(scenario), beside::rows(scenario)));
    times.into_iter().chain(others)
}

fn drawn((head, rows): Cells) -> String {
    let mut table = Table::new();
    table.load_preset(presets::UTF8_FULL_CONDENSED).set_header(head);
    table.add_rows(rows);
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    format!("\n{table}")
}

fn header(scenario: &Measured) -> Vec<String> {
    let point = |point: &Point| [format!("{} {}", point.at, scenario.varies), "×".to_owned()];
    let points = scenario.points.iter().flat_map(point);
    std::iter::once(String::new()).chain(points).collect()
}

/// Whether anything was measured of a state.
pub(super) fn is_there(scenario: &Measured, state: &Told) -> bool {
    scenario.points.iter().any(|point| point.values.contains_key(&state.name))
}

/// Why there is nothing of it.
pub(super) fn not_run(state: &Told) -> Option<String> {
    let why = state.missing.as_ref().or(state.failed.as_ref())?;
    Some(format!("not run: {}: {why}", state.name))
}

/// Median and spread.
pub(super) fn value(point: &Point, state: &Told) -> String {
    let text = |one: &Figures| format!("{} ±{:.0} %", number(one.median), one.spread() * 50.0);
    point.values.get(&state.name).map_or_else(|| "–".to_owned(), text)
}

/// How many times as good the first state is.
pub(super) fn ratio(point: &Point, state: &Told) -> String {
    point.ratios.get(&state.name).map_or_else(String::new, |one| format!("{:.2}", one.median))
}

/// Three digits that say something.
pub(super) fn number(number: f64) -> String {
    match number {
        n if n < 10.0 => format!("{n:.2}"),
        n if n < 100.0 => format!("{n:.1}"),
        n => format!("{n:.0}"),
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::super::scenario::Better;
    use super::*;

    pub(crate) fn sample() -> Measured {
        let told = |name: &str, missing: Option<&str>| Told {
            name: name.into(),
            what: format!("what {name} is"),
            missing: missing.map(Into::into),
            failed: None,
        };
        let figures = |median: f64| Figures::of(vec![median * 0.9, median, median * 1.1]).unwrap();
        let point = |at: u64| Point {
            at,
            values: [("ours".into(), figures(20.0)), ("theirs".into(), figures(123.4))].into(),
            ratios: [("theirs".into(), figures(6.17))].into(),
            ..Point::default()
        };
        Measured {
            name: "engine-sample".into(),
            what: "a sample".into(),
            unit: "ns/packet".into(),
            better: Better::Less,
            varies: "flows".into(),
            states: vec![told("ours", None), told("theirs", None), told("dpdk", Some("apt it"))],
            points: vec![point(1), point(512)],
            beside: Vec::new(),
        }
    }

    #[test]
    fn what_was_measured_beside_has_a_table_of_its_own() {
        let table = of(&beside::tests::accompanied());
        assert!(table.contains("3.46") && table.contains("lost"), "{table}");
        assert!(!table.contains("77.7") && !of(&sample()).contains("lost"), "{table}");
    }

    #[test]
    fn a_table_has_medians_spreads_ratios_and_what_was_not_run() {
        let table = of(&sample());
        for part in ["20.0 ±10 %", "123 ±10 %", "6.17", "512 flows", "not run: dpdk: apt it"] {
            assert!(table.contains(part), "{part} is not in\n{table}");
        }
    }
}
