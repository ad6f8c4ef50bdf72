//! What is to be downloaded, said before and shown while it is.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use indicatif::{ProgressBar, ProgressStyle};

/// How often the bar moves.
const STEP: Duration = Duration::from_millis(100);

/// What apt would fetch.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Files {
    names: Vec<String>,
    bytes: u64,
}

impl Files {
    /// From lines of `'URI' FILE SIZE HASH`.
    pub(super) fn parse(uris: &str) -> Self {
        let mut files = Self::default();
        for line in uris.lines() {
            let mut words = line.split_whitespace().skip(1);
            if let (Some(name), Some(size)) = (words.next(), words.next()) {
                files.names.push(name.split('_').next().unwrap_or(name).to_owned());
                files.bytes += size.parse().unwrap_or(0);
            }
        }
        files
    }

    /// Names the first few only: QEMU is twenty.
    fn told(&self) -> String {
        let few = self.names.iter().take(3).map(String::as_str).collect::<Vec<_>>().join(", ");
        let more = self.names.len().saturating_sub(3);
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        format!("{few}{more}, {:.1} MB", self.bytes as f64 / 1e6)
    }
}

/// Runs the command that downloads `files` into the folder `to`.
pub(super) fn run(command: &mut Command, files: &Files, to: &Path) -> Result<()> {
    eprintln!("xtask: nic-lab: downloading {}", files.told());
    let mut child = command.stdout(Stdio::null()).spawn().context("cannot start apt-get")?;
    let bar = ProgressBar::new(files.bytes);
    let style = "{wide_bar} {bytes} of {total_bytes}, {binary_bytes_per_sec}, {eta} left";
    bar.set_style(ProgressStyle::with_template(style).expect("the template is well-formed"));
    let status = loop {
        if let Some(status) = child.try_wait()? {
            break status;
        }
        bar.set_position(size(to));
        sleep(STEP);
    };
    bar.finish_and_clear();
    ensure!(status.success(), "{} cannot be downloaded", files.told());
    Ok(())
}

fn size(folder: &Path) -> u64 {
    let files = fs::read_dir(folder).into_iter().flatten().flatten();
    files.filter_map(|file| file.metadata().ok()).map(|data| data.len()).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_to_be_fetched_is_told_in_one_line() {
        let uris = "'http://mirror/a_1_all.deb' a_1_all.deb 1500000 SHA256:00\n\
                    'http://mirror/b_1_all.deb' b_1_all.deb 500000 SHA256:00\n";
        assert_eq!(Files::parse(uris).told(), "a, b, 2.0 MB");
        assert_eq!(Files::parse(&uris.repeat(2)).told(), "a, b, a and 1 more, 4.0 MB");
    }
}
