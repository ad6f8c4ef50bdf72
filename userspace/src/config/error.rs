//! What is wrong with a configuration file, said so that it can be mended without a manual.

use std::fmt;
use std::path::PathBuf;

/// Why a configuration was not accepted.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file could not be read.
    #[error("{}: cannot read the configuration: {source}", file.display())]
    Read {
        /// Which file.
        file: PathBuf,
        /// What the kernel said.
        source: std::io::Error,
    },
    /// The file was read and something in it is wrong.
    #[error("{}", join(file, problems))]
    Invalid {
        /// Which file.
        file: PathBuf,
        /// Everything that is wrong, in the order of the file; never empty.
        problems: Vec<Problem>,
    },
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Line in the file, from 1.
    pub line: usize,
    /// The key with the tables around it, `port[0].frames`. Empty: the file as a whole.
    pub key: String,
    /// The value as it is written in the file, where there is one.
    pub value: Option<String>,
    /// What is wrong with it and what would be right.
    pub message: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.line)?;
        match (&*self.key, &self.value) {
            ("", _) => {}
            (key, Some(value)) => write!(f, "{key} = {value}: ")?,
            (key, None) => write!(f, "{key}: ")?,
        }
        f.write_str(&self.message)
    }
}

/// One line a problem, each beginning with `file:line`, as compilers and editors have it.
fn join(file: &std::path::Path, problems: &[Problem]) -> String {
    let lines: Vec<_> = problems.iter().map(|p| format!("{}:{p}", file.display())).collect();
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_reads_file_line_key_value_message() {
        let problem = Problem {
            line: 3,
            key: "port[0].frames".into(),
            value: Some("3000".into()),
            message: "not a power of two".into(),
        };
        let error = ConfigError::Invalid { file: "a.toml".into(), problems: vec![problem] };
        assert_eq!(error.to_string(), "a.toml:3: port[0].frames = 3000: not a power of two");
    }
}
