//! The table of exceptions in the documentation is the one of the code.

use std::fmt::Write;
use std::fs;

use crate::exceptions::EXCEPTIONS;

#[test]
fn the_documented_exceptions_are_those_of_the_code() {
    let file = sluice_lab::top().join("docs/ORACLE.md");
    let page = fs::read_to_string(file).expect("the page is there");
    let table = table();
    assert!(page.contains(&table), "docs/ORACLE.md is to have this table:\n{table}");
}

fn table() -> String {
    let mut table = String::from(
        "| exception | rule | what Linux does, and why Sluice does not |\n|---|---|---|\n",
    );
    for one in EXCEPTIONS {
        writeln!(table, "| `{}` | {} | {} |", one.name, one.rule, one.reason)
            .expect("a string grows");
    }
    table
}
