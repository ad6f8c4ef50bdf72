//! What the fuzz targets have in common.
//!
//! Built by a fuzzer (`cfg(fuzzing)`, which `cargo fuzz` sets) a target is a fuzzer; built otherwise it is a
//! program that gives its body each file that is named:
//!
//! ```sh
//! cargo run -p sluice-fuzz --bin segment fuzz/artifacts/segment/crash-…
//! ```

use std::{env, fs, process};

/// Makes a fuzz target of a function of bytes.
#[macro_export]
macro_rules! target {
    ($body:path) => {
        #[cfg(fuzzing)]
        libfuzzer_sys::fuzz_target!(|data: &[u8]| {
            let _ = $body(data);
        });

        #[cfg(not(fuzzing))]
        fn main() {
            $crate::replay(|data| {
                let _ = $body(data);
            });
        }
    };
}

/// Gives `body` each file that the command line names.
pub fn replay(body: impl Fn(&[u8])) {
    let paths: Vec<_> = env::args_os().skip(1).collect();
    if paths.is_empty() {
        eprintln!("name the files to be tried, or run this with `cargo fuzz`");
        process::exit(2);
    }
    for path in paths {
        match fs::read(&path) {
            Ok(data) => body(&data),
            Err(error) => {
                eprintln!("{}: {error}", path.display());
                process::exit(1);
            }
        }
    }
}
