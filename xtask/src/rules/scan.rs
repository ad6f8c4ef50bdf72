//! Finds the tests in Rust sources that name a rule: `g12_…`, or `s5_s6_…` for two of them.
//!
//! Sources are read as tokens, not as text and not as syntax: comments and strings do not count, and a test
//! inside of `proptest! { … }` does.

use std::path::{Path, PathBuf};
use std::{fs, io};

use anyhow::{Context, Result, anyhow};
use proc_macro2::{Delimiter, TokenStream, TokenTree};

/// A test that names rules.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Test {
    /// From the top of the checkout.
    pub(super) file: PathBuf,
    pub(super) name: String,
}

impl Test {
    /// The rules it names, as they are written: `G12`.
    pub(super) fn rules(&self) -> impl Iterator<Item = String> {
        let is_rule = |word: &&str| {
            let number = word.strip_prefix(['g', 's', 'f']).unwrap_or_default();
            !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit())
        };
        self.name.split('_').take_while(is_rule).map(str::to_uppercase)
    }
}

/// The tests below `top` that name a rule, in the order of their files.
pub(super) fn tests(top: &Path) -> Result<Vec<Test>> {
    let mut files = Vec::new();
    sources(top, &mut files).with_context(|| format!("cannot list {}", top.display()))?;
    let mut found = Vec::new();
    for path in files {
        let text = fs::read_to_string(&path).with_context(|| path.display().to_string())?;
        let names = names(&text).with_context(|| path.display().to_string())?;
        let file = path.strip_prefix(top)?;
        found.extend(names.into_iter().map(|name| Test { file: file.to_owned(), name }));
    }
    found.retain(|test| test.rules().next().is_some());
    found.sort();
    Ok(found)
}

/// Rust files, not those in hidden folders or in what cargo builds.
fn sources(folder: &Path, files: &mut Vec<PathBuf>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let (path, kind) = entry.and_then(|entry| Ok((entry.path(), entry.file_type()?)))?;
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if kind.is_dir() && name != "target" && !name.starts_with('.') {
            sources(&path, files)?;
        } else if kind.is_file() && name.ends_with(".rs") {
            files.push(path);
        }
    }
    Ok(())
}

/// The names of all tests in a source.
fn names(source: &str) -> Result<Vec<String>> {
    let tokens = source.parse().map_err(|error| anyhow!("these are not Rust's tokens: {error}"))?;
    let mut names = Vec::new();
    collect(tokens, &mut names);
    Ok(names)
}

fn collect(tokens: TokenStream, names: &mut Vec<String>) {
    let (mut is_test, mut after_fn) = (false, false);
    for token in tokens {
        match token {
            TokenTree::Group(group) => {
                is_test |=
                    group.delimiter() == Delimiter::Bracket && is_test_attribute(&group.stream());
                // A body ends what an attribute said; arguments and attributes do not.
                is_test &= group.delimiter() != Delimiter::Brace;
                collect(group.stream(), names);
            }
            TokenTree::Ident(word) if after_fn && is_test => names.push(word.to_string()),
            TokenTree::Ident(word) => {
                after_fn = word == "fn";
                continue;
            }
            TokenTree::Punct(_) | TokenTree::Literal(_) => {}
        }
        after_fn = false;
    }
}

/// `test`, alone or at the end of a path: `#[test]`, `#[tokio::test]`.
fn is_test_attribute(tokens: &TokenStream) -> bool {
    let path = |token: &TokenTree| matches!(token, TokenTree::Ident(_) | TokenTree::Punct(_));
    let words: Vec<_> = tokens.clone().into_iter().take_while(path).collect();
    words.last().is_some_and(|word| word.to_string() == "test")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tests_are_found_wherever_they_stand() {
        let source = r##"
            fn g1_helper() {}
            #[test]
            fn g2_plain() { let text = "#[test] fn g3_string() {}"; }
            // #[test] fn g4_comment() {}
            mod inner { #[test] #[should_panic(expected = "x")] fn s5_s6_inner() -> Result<()> {} }
            proptest! { #![proptest_config(few())]
                #[test]
                /// Doc.
                fn f1_property(x in 0..9_u8) { prop_assert!(x < 9) }
            }
            #[cfg(test)]
            fn g5_not_a_test_but_built_for_them() {}
        "##;
        assert_eq!(names(source).unwrap(), ["g2_plain", "s5_s6_inner", "f1_property"]);
    }

    #[test]
    fn a_name_begins_with_the_rules_it_proves() {
        let rules = |name: &str| -> Vec<String> {
            Test { file: PathBuf::new(), name: name.to_owned() }.rules().collect()
        };
        assert_eq!(rules("s5_s6_a_test_of_g7"), ["S5", "S6"]);
        assert_eq!(rules("g31_vxlan"), ["G31"]);
        assert!(rules("sluice_g1").is_empty() && rules("g_1").is_empty() && rules("f").is_empty());
    }
}
