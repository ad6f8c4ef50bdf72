//! The page of the rules: what each says, and which tests prove it.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use anyhow::{Result, bail};

use super::scan::Test;
use super::statement::{CHAPTERS, Rule, all};

/// How the page begins.
const HEAD: &str = "<!-- Written by `cargo xtask rules`. -->

# Rules

What the offload engine does, and the tests that prove it. A test names the rules it proves at the beginning of its
name: `g12_…`, or `s5_s6_…` for two. The coalescing rules are those of Linux 6.18; where a profile differs, it says so.
Reasons to release a train name the rule too: `sluice_common::reason::FlushReason`.
";

/// Which tests prove which rule.
pub(super) struct Proofs<'t>(BTreeMap<&'static str, Vec<&'t Test>>);

impl<'t> Proofs<'t> {
    /// Sorts the tests by the rules they name; fails where one names a rule there is not.
    pub(super) fn of(tests: &'t [Test]) -> Result<Self> {
        let mut proofs: BTreeMap<_, Vec<_>> = all().map(|rule| (rule.id, Vec::new())).collect();
        for test in tests {
            for id in test.rules() {
                let Some(of_rule) = proofs.get_mut(id.as_str()) else {
                    bail!("{}: {} names {id}, which is no rule", test.file.display(), test.name);
                };
                of_rule.push(test);
            }
        }
        Ok(Self(proofs))
    }

    /// The rules that no test names.
    pub(super) fn missing(&self) -> Vec<&'static str> {
        all().map(|rule| rule.id).filter(|id| self.0[id].is_empty()).collect()
    }

    /// The whole page.
    pub(super) fn page(&self) -> String {
        let mut page = HEAD.to_owned();
        for chapter in CHAPTERS {
            let _ = write!(page, "\n## {}\n", chapter.title);
            for rule in chapter.rules {
                self.write(rule, &mut page);
            }
        }
        page
    }

    fn write(&self, rule: &Rule, page: &mut String) {
        let _ = write!(page, "\n**{}** {}\n\n", rule.id, rule.says);
        if self.0[rule.id].is_empty() {
            page.push_str("No test names it yet.\n");
            return;
        }
        page.push_str("| test | in |\n|---|---|\n");
        for Test { file, name } in &self.0[rule.id] {
            let _ = writeln!(page, "| `{name}` | `{}` |", file.display());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn test(name: &str) -> Test {
        Test { file: "common/tests/some.rs".into(), name: name.to_owned() }
    }

    #[test]
    fn a_test_of_two_rules_proves_both() {
        let tests = [test("s5_s6_both")];
        let proofs = Proofs::of(&tests).unwrap();
        let missing = proofs.missing();
        assert!(!missing.contains(&"S5") && !missing.contains(&"S6") && missing.contains(&"S7"));
        assert_eq!(proofs.page().matches("| `s5_s6_both` | `common/tests/some.rs` |").count(), 2);
    }

    #[test]
    fn a_rule_that_does_not_exist_is_told() {
        let error = Proofs::of(&[test("g99_nothing")]).err().unwrap().to_string();
        assert!(error.contains("g99_nothing") && error.contains("G99"), "{error}");
    }
}
