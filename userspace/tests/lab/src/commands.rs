//! The commands that the documentation tells people to type.

use std::fs;
use std::path::{Path, PathBuf};

/// One command line of a fenced `sh` block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Documented {
    /// The file it stands in.
    pub file: PathBuf,
    /// The line.
    pub line: usize,
    /// The command.
    pub command: String,
}

/// The top of the checkout.
#[must_use]
pub fn top() -> &'static Path {
    let top = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(3);
    top.expect("this crate stands three folders below the top")
}

/// Every command of README.md and `docs`, file by file in order.
///
/// # Panics
/// Where the files are not there.
#[must_use]
pub fn documented() -> Vec<Documented> {
    let docs = fs::read_dir(top().join("docs")).expect("there is a folder docs");
    let mut files: Vec<_> = docs.flatten().map(|entry| entry.path()).collect();
    files.push(top().join("README.md"));
    files.sort();
    files.iter().flat_map(|file| commands(file)).collect()
}

fn commands(file: &Path) -> Vec<Documented> {
    let text = fs::read_to_string(file).expect("the file can be read");
    let mut inside = false;
    let mut commands = Vec::new();
    for (index, line) in text.lines().enumerate() {
        match line.trim() {
            "```sh" => inside = true,
            "```" => inside = false,
            "" => {}
            command if inside && !command.starts_with('#') => commands.push(Documented {
                file: file.to_owned(),
                line: index + 1,
                command: command.to_owned(),
            }),
            _ => {}
        }
    }
    commands
}

impl std::fmt::Display for Documented {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}: {}", self.file.display(), self.line, self.command)
    }
}
