//! What programs say that go on.

use std::io::{BufRead, BufReader, Read};
use std::thread;

use anyhow::{Result, ensure};

/// Waits for a line with `words`. What comes after is read and let go: whoever speaks must not meet a closed pipe.
pub(super) fn until(from: impl Read + Send + 'static, words: &str) -> Result<()> {
    let mut lines = BufReader::new(from).lines();
    let mut said = Vec::new();
    let found = lines.by_ref().map_while(Result::ok).any(|line| {
        let found = line.contains(words);
        said.push(line);
        found
    });
    // Why it ended is in the last lines, if it said so.
    let last = said.len().saturating_sub(3);
    ensure!(found, "it ended without saying {words}: {}", said[last..].join("; "));
    thread::spawn(move || lines.for_each(drop));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_waited_for_and_an_end_without_it_is_told() {
        until(&b"starting\nready on eth0\nmore\n"[..], "ready").unwrap();
        let error = until(&b"starting\nno luck\n"[..], "ready").unwrap_err().to_string();
        assert!(error.contains("no luck") && error.contains("ready"), "{error}");
    }
}
