//! A kernel's modules and what they depend on.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Result, bail, ensure};

/// The modules of one kernel, by name.
pub(super) struct Modules {
    files: BTreeMap<String, PathBuf>,
    /// Those that are part of the kernel's image.
    builtin: String,
}

impl Modules {
    pub(super) fn of(folder: &Path) -> Result<Self> {
        let mut files = BTreeMap::new();
        collect(folder, &mut files)?;
        let builtin = fs::read_to_string(folder.join("modules.builtin")).unwrap_or_default();
        Ok(Self { files, builtin: builtin.replace('-', "_") })
    }

    /// Copies a module and what it depends on into the folder `to`, unpacked by `busybox`.
    pub(super) fn copy(&self, name: &str, to: &Path, busybox: &Path) -> Result<()> {
        let name = name.replace('-', "_");
        let target = to.join(format!("{name}.ko"));
        if target.exists() || self.is_builtin(&name) {
            return Ok(());
        }
        // Not every package says what is built in.
        let Some(file) = self.files.get(&name) else {
            eprintln!("xtask: nic-lab: this kernel has no module {name}; it may be built in");
            return Ok(());
        };
        let bytes = unpacked(file, busybox)?;
        fs::write(&target, &bytes)?;
        depends(&bytes).iter().try_for_each(|other| self.copy(other, to, busybox))
    }

    fn is_builtin(&self, name: &str) -> bool {
        self.builtin.lines().any(|line| line.ends_with(&format!("/{name}.ko")))
    }
}

fn collect(folder: &Path, files: &mut BTreeMap<String, PathBuf>) -> Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().replace('-', "_");
        if entry.file_type()?.is_dir() {
            collect(&entry.path(), files)?;
        } else if let Some((name, _)) = name.split_once(".ko") {
            files.insert(name.to_owned(), entry.path());
        }
    }
    Ok(())
}

fn unpacked(file: &Path, busybox: &Path) -> Result<Vec<u8>> {
    match file.extension().and_then(|ending| ending.to_str()) {
        Some("ko") => Ok(fs::read(file)?),
        Some("xz") => {
            let output = Command::new(busybox).arg("xzcat").arg(file).output()?;
            ensure!(output.status.success(), "{} cannot be unpacked", file.display());
            Ok(output.stdout)
        }
        _ => bail!("{}: modules packed in this way are not known here", file.display()),
    }
}

/// What a module says that it depends on: `depends=a,b` among the strings it has about itself.
fn depends(module: &[u8]) -> Vec<String> {
    let mut strings = module.split(|byte| *byte == 0);
    let list = strings.find_map(|text| text.strip_prefix(b"depends="));
    let list = String::from_utf8_lossy(list.unwrap_or_default()).into_owned();
    list.split(',').filter(|name| !name.is_empty()).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_module_tells_what_it_depends_on() {
        assert_eq!(
            depends(b"\x7fELF\0license=GPL\0depends=dca,i2c-algo-bit\0"),
            ["dca", "i2c-algo-bit"]
        );
        assert!(depends(b"\0depends=\0").is_empty());
        assert!(depends(b"").is_empty());
    }

    #[test]
    fn modules_are_found_by_either_spelling_and_bring_what_they_need() {
        let [from, to] = [(); 2].map(|()| tempfile::tempdir().unwrap());
        let inner = from.path().join("kernel/net");
        fs::create_dir_all(&inner).unwrap();
        fs::write(inner.join("act-one.ko"), b"\0depends=two,built_in\0").unwrap();
        fs::write(inner.join("two.ko"), b"\0depends=\0").unwrap();
        fs::write(from.path().join("modules.builtin"), "kernel/net/built-in.ko\n").unwrap();
        let modules = Modules::of(from.path()).unwrap();
        modules.copy("act_one", to.path(), Path::new("/nowhere")).unwrap();
        assert!(to.path().join("act_one.ko").exists() && to.path().join("two.ko").exists());
        assert_eq!(fs::read_dir(to.path()).unwrap().count(), 2);
    }
}
