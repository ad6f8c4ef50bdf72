//! The text of the file, and what has been found wrong with it so far.

use std::cell::RefCell;
use std::ops::Range;

use super::error::Problem;

/// The text of the file, to show what a problem is about, and the problems.
pub(super) struct Source<'t> {
    text: &'t str,
    problems: RefCell<Vec<(usize, Problem)>>,
}

impl<'t> Source<'t> {
    pub(super) fn new(text: &'t str) -> Self {
        Self { text, problems: RefCell::default() }
    }

    /// Notes a problem with what stands at `span`; an empty span has no value to show.
    pub(super) fn note(&self, span: Range<usize>, key: String, value: bool, message: String) {
        let line = 1 + self.text[..span.start].bytes().filter(|&byte| byte == b'\n').count();
        let value = value.then(|| one_line(&self.text[span.clone()]));
        self.problems.borrow_mut().push((span.start, Problem { line, key, value, message }));
    }

    /// All problems in the order of the file.
    pub(super) fn into_problems(self) -> Vec<Problem> {
        let mut problems = self.problems.into_inner();
        problems.sort_by_key(|&(at, _)| at);
        problems.into_iter().map(|(_, problem)| problem).collect()
    }
}

/// A value as it is written, cut to a length that leaves a message readable.
fn one_line(written: &str) -> String {
    const LONGEST: usize = 60;
    let line = written.lines().next().unwrap_or_default();
    match line.char_indices().nth(LONGEST) {
        Some((cut, _)) => format!("{}…", &line[..cut]),
        None => line.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_value_is_cut_at_a_character() {
        let long = "ä".repeat(100);
        assert_eq!(one_line(&long).chars().count(), 61);
        assert_eq!(one_line("[\n1,\n2]"), "[");
    }
}
