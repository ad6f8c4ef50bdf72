//! What is written into docs/PERFORMANCE.md.

use std::collections::BTreeMap;
use std::fs;

use anyhow::{Context, Result};

use super::results::{Measured, Results};
use super::table::{further, is_there, not_run, ratio, value};
use super::{machine, plot};
use crate::workspace;

const FILE: &str = "docs/PERFORMANCE.md";
/// Where its pictures are, from the top of the checkout.
const PLOTS: &str = "bench/plots";
const BEGIN: &str = "<!-- Written by `cargo xtask bench --record` from bench/results. -->";
const END: &str = "<!-- Until here. -->";

/// Writes tables and plots: of each scenario what was measured last.
pub(super) fn write() -> Result<()> {
    let kept = Results::kept()?;
    let mut latest: BTreeMap<&str, (&Results, &Measured)> = BTreeMap::new();
    for results in &kept {
        latest.extend(results.scenarios.iter().map(|one| (&*one.name, (results, one))));
    }
    let plots = workspace::top().join(PLOTS);
    fs::create_dir_all(&plots)?;
    let mut text = String::new();
    let mut told = None;
    for (results, scenario) in latest.into_values() {
        let place = place(results);
        if told.as_ref() != Some(&place) {
            text += &format!("\n{place}\n");
            told = Some(place);
        }
        let file = format!("{}.svg", scenario.name);
        plot::draw(scenario, &plots.join(&file))?;
        text += &section(scenario, &file);
    }
    let path = workspace::top().join(FILE);
    let page = fs::read_to_string(&path).context(FILE)?;
    fs::write(path, replaced(&page, &text)?).context(FILE)?;
    eprintln!("xtask: {FILE} and {} are written", plots.display());
    Ok(())
}

fn place(results: &Results) -> String {
    let machine::Machine { cpu, cores, kernel, rustc } = &results.machine;
    let changed = if results.changed { " with changes" } else { "" };
    format!(
        "Measured {} at commit {}{changed} on {cpu}, {cores} cores, Linux {kernel}, {rustc}:",
        results.date, results.commit
    )
}

/// One scenario: what it is, the table, the picture, what was not run.
fn section(scenario: &Measured, plot: &str) -> String {
    let points = || scenario.points.iter();
    let varies = &scenario.varies;
    let heads: String = points().map(|point| format!(" {} {varies} | × |", point.at)).collect();
    let rule: String = points().map(|_| "---:|---:|").collect();
    let mut text = format!(
        "\n#### {}\n\n{}, in {}.\n\n| |{heads}\n|---|{rule}\n",
        scenario.name, scenario.what, scenario.unit
    );
    for state in scenario.states.iter().filter(|state| is_there(scenario, state)) {
        let cells: String = points()
            .map(|point| format!(" {} | {} |", value(point, state), ratio(point, state)))
            .collect();
        text += &format!("| {}: {} |{cells}\n", state.name, state.what);
    }
    text.extend(further(scenario).map(|(head, rows)| below(head, rows)));
    text += &format!("\n![{}](../{PLOTS}/{plot})\n", scenario.what);
    for state in scenario.states.iter().filter_map(not_run) {
        text += &format!("\n{state}\n");
    }
    text
}

/// A further table.
fn below(head: Vec<String>, rows: Vec<Vec<String>>) -> String {
    let rule = "---:|".repeat(head.len() - 1);
    let line = |cells: Vec<String>| format!("| {} |\n", cells.join(" | "));
    let rows: String = rows.into_iter().map(line).collect();
    format!("\n{}|---|{rule}\n{rows}", line(head))
}

/// The page with `text` between the marks.
fn replaced(page: &str, text: &str) -> Result<String> {
    let (before, rest) = page.split_once(BEGIN).with_context(|| format!("{FILE}: no {BEGIN}"))?;
    let (_, after) = rest.split_once(END).with_context(|| format!("{FILE}: no {END}"))?;
    Ok([before, BEGIN, "\n", text, "\n", END, after].concat())
}

#[cfg(test)]
mod tests {
    use super::super::beside::tests::accompanied;
    use super::super::table::tests::sample;
    use super::*;

    #[test]
    fn only_what_is_between_the_marks_is_replaced() {
        let page = format!("head\n{BEGIN}\nold\n{END}\ntail\n");
        let written = replaced(&page, "new\n").unwrap();
        assert_eq!(written, format!("head\n{BEGIN}\nnew\n\n{END}\ntail\n"));
        assert!(replaced("no marks", "new").is_err());
    }

    #[test]
    fn the_page_has_the_marks() {
        let page = fs::read_to_string(workspace::top().join(FILE)).unwrap();
        replaced(&page, "").unwrap();
    }

    #[test]
    fn a_section_has_what_was_measured_beside() {
        let text = section(&accompanied(), "x.svg");
        for part in ["|  | Gbit/s | lost |", "| ours, 1 flows | 3.46 | – |"] {
            assert!(text.contains(part), "{part} is not in\n{text}");
        }
        assert!(!text.contains("77.7") && !section(&sample(), "x.svg").contains("lost"));
    }

    #[test]
    fn a_section_has_every_state_and_what_was_not_run() {
        let text = section(&sample(), "x.svg");
        for part in ["| ours: what ours is | 20.0 ±10 % |  | 20.0", "| 6.17 |", "apt it", "x.svg"]
        {
            assert!(text.contains(part), "{part} is not in\n{text}");
        }
    }
}
