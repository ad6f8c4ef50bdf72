//! Now against then.

use std::collections::BTreeSet;
use std::fmt;

use comfy_table::{CellAlignment, Table, presets};

use super::baseline::Baseline;
use super::count;

/// Above this a function has become slower. Counts repeat to within a thousandth, whatever the machine does meanwhile:
/// all that is left is where memory lies. A smaller tolerance would report what the compiler makes of changes elsewhere;
/// a larger one would hide three more instructions in the parser, which takes 128.
const TOLERANCE: f64 = 0.02;

/// One case, then and now; `None`: it was or is not there.
struct Line<'b> {
    case: &'b str,
    then: Option<f64>,
    now: Option<f64>,
}

/// All cases.
pub(super) struct Report<'b>(Vec<Line<'b>>);

impl<'b> Report<'b> {
    pub(super) fn new(then: &'b Baseline, now: &'b Baseline) -> Self {
        let (then, now) = (&then.instructions, &now.instructions);
        let cases: BTreeSet<_> = then.keys().chain(now.keys()).collect();
        let line = |case: &'b String| Line {
            case,
            then: then.get(case).copied(),
            now: now.get(case).copied(),
        };
        Self(cases.into_iter().map(line).collect())
    }

    /// What is not to land, and what to do about it.
    pub(super) fn complaints(&self) -> Vec<String> {
        self.0.iter().filter_map(Line::complaint).collect()
    }
}

impl Line<'_> {
    /// Growth, 0.02 for two per cent.
    fn change(&self) -> Option<f64> {
        Some(self.now? / self.then? - 1.0)
    }

    fn is_slower(&self) -> bool {
        self.change().is_some_and(|change| change > TOLERANCE)
    }

    fn verdict(&self) -> &'static str {
        match self.change() {
            None if self.then.is_none() => "new: record it",
            None => "gone: record it",
            Some(_) if self.is_slower() => "slower",
            Some(change) if change < -TOLERANCE => "better: record it",
            Some(_) => "",
        }
    }

    fn complaint(&self) -> Option<String> {
        let case = self.case;
        let record = "`cargo xtask instructions --record`";
        if self.then.is_none() || self.now.is_none() {
            return Some(format!("{case} is only in one of bench and its baseline: {record}"));
        }
        let slower = || {
            let percent = self.change().unwrap_or_default() * 100.0;
            let profile = count::profile(case).unwrap_or_default();
            format!(
                "{case} takes {percent:.1} % more instructions, more than {:.0} %: see \
                 `callgrind_annotate {}` for where, or, if that is the price of something wanted, {record} and \
                 say so in the commit",
                TOLERANCE * 100.0,
                profile.display()
            )
        };
        self.is_slower().then(slower)
    }
}

impl fmt::Display for Report<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut table = Table::new();
        table.load_preset(presets::NOTHING);
        table.set_header(["instructions an operation", "baseline", "now", "change", ""]);
        let number = |n: Option<f64>| n.map_or_else(|| "–".to_owned(), |n| format!("{n:.1}"));
        for line in &self.0 {
            let change = line.change().map(|change| format!("{:+.1} %", change * 100.0));
            table.add_row([
                line.case.to_owned(),
                number(line.then),
                number(line.now),
                change.unwrap_or_default(),
                line.verdict().to_owned(),
            ]);
        }
        for column in table.column_iter_mut().skip(1).take(3) {
            column.set_cell_alignment(CellAlignment::Right);
        }
        write!(f, "{table}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(counts: &[(&str, f64)]) -> Baseline {
        let instructions = counts.iter().map(|(case, n)| ((*case).to_owned(), *n)).collect();
        Baseline { instructions, ..Baseline::default() }
    }

    #[test]
    fn only_what_is_slower_fails() {
        let then = counts(&[("a", 100.0), ("b", 100.0), ("c", 100.0)]);
        let now = counts(&[("a", 102.1), ("b", 101.9), ("c", 50.0)]);
        let complaints = Report::new(&then, &now).complaints();
        assert_eq!(complaints.len(), 1, "{complaints:?}");
        assert!(complaints[0].starts_with("a takes 2.1 % more"), "{complaints:?}");
    }

    #[test]
    fn a_case_without_its_counterpart_fails() {
        let (none, one) = (counts(&[]), counts(&[("a", 1.0)]));
        assert_eq!(Report::new(&one, &none).complaints().len(), 1);
        assert_eq!(Report::new(&none, &one).complaints().len(), 1);
    }

    #[test]
    fn the_table_says_what_changed() {
        let (then, now) = (counts(&[("parse", 100.0)]), counts(&[("parse", 90.0), ("join", 7.0)]));
        let table = Report::new(&then, &now).to_string();
        assert!(table.contains("-10.0 %") && table.contains("better: record it"), "{table}");
        assert!(table.contains("new: record it"), "{table}");
    }
}
