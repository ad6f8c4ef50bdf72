//! Debian's packages, fetched and unpacked without installing them.
//!
//! apt works in a folder of its own, with lists of its own: neither does it need root nor does the system's apt notice.
//! It verifies what it fetches by the keys of Debian's archive.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail, ensure};

use super::cache::Cache;
use super::download;
use super::retry::persistently;
use crate::workspace;

/// The suite whose kernels and busybox are used, and the one that brings newer kernels.
pub(super) const SUITES: [&str; 2] = ["trixie-backports", "trixie"];

/// The keys that Debian's archive is signed with.
const KEYS: &str = "/usr/share/keyrings/debian-archive-keyring.gpg";

/// Where packages come from.
pub(super) struct Mirror(Option<String>);

impl Mirror {
    /// The one that was asked for, or the one this machine uses; looked for when it is needed.
    pub(super) fn new(asked: Option<String>) -> Self {
        Self(asked)
    }

    fn url(&self) -> Result<String> {
        let found = || {
            let told = said(Command::new("apt-get").args([
                "indextargets",
                "--format",
                "$(REPO_URI)",
                "Origin: Debian",
            ]));
            let told = told.ok()?;
            told.lines().find(|line| !line.contains("security")).map(str::to_owned)
        };
        self.0.clone().or_else(found).context(
            "this machine uses no Debian mirror: name one with --mirror http://MIRROR/debian",
        )
    }
}

/// apt, looking at some suites only.
pub(super) struct Apt {
    folder: PathBuf,
}

impl Apt {
    /// With lists, which are fetched where there are none yet.
    pub(super) fn new(cache: &Cache, mirror: &Mirror, suites: &[&str]) -> Result<Self> {
        let apt = Self { folder: cache.path("apt").join(suites.join(",")) };
        if !super::cache::whole(&apt.folder) {
            apt.configure(&mirror.url()?, suites)?;
            apt.update()?;
            fs::write(apt.folder.join("ok"), "")?;
        }
        Ok(apt)
    }

    fn configure(&self, mirror: &str, suites: &[&str]) -> Result<()> {
        for program in ["apt-get", "apt-cache", "dpkg"] {
            ensure!(
                workspace::program(program).is_some(),
                "there is no {program}: a machine is made of Debian's packages; run it on Debian or Ubuntu"
            );
        }
        ensure!(
            Path::new(KEYS).exists(),
            "there is no {KEYS}: install debian-archive-keyring, Debian's packages are verified with it"
        );
        for sub in ["lists/partial", "cache/archives/partial", "none"] {
            fs::create_dir_all(self.folder.join(sub))?;
        }
        let sources = format!(
            "Types: deb\nURIs: {mirror}\nSuites: {}\nComponents: main\nTargets: Packages\nSigned-By: {KEYS}\n",
            suites.join(" ")
        );
        fs::write(self.folder.join("s.sources"), sources)?;
        fs::write(self.folder.join("conf"), self.configuration())?;
        Ok(())
    }

    /// Everything apt reads or writes is in the folder; nothing that the system has apt do afterwards is done.
    fn configuration(&self) -> String {
        let at = |name: &str| format!("\"{}\"", self.folder.join(name).display());
        let settings = [
            ("Dir::Etc::sourcelist", at("s.sources")),
            ("Dir::Etc::sourceparts", at("none")),
            ("Dir::Etc::preferencesparts", at("none")),
            ("Dir::State::lists", at("lists")),
            ("Dir::Cache", at("cache")),
            ("Acquire::Languages", "\"none\"".to_owned()),
            // Root would fetch as another user, who may not write here.
            ("APT::Sandbox::User", format!("\"{}\"", user())),
        ];
        let lines = settings.iter().map(|(name, value)| format!("{name} {value};\n"));
        lines.collect::<String>()
            + "#clear APT::Update::Post-Invoke;\n#clear APT::Update::Post-Invoke-Success;\n"
    }

    /// Fetches the lists anew.
    pub(super) fn update(&self) -> Result<()> {
        eprintln!("xtask: nic-lab: fetching Debian's package lists");
        persistently(|| {
            let mut update = self.program("apt-get");
            // Otherwise a list that did not come is a warning, and its packages are missed for ever.
            update.args(["-qq", "--error-on=any", "update"]);
            let status = update.stdout(Stdio::null()).status()?;
            ensure!(
                status.success(),
                "the package lists cannot be fetched: does the mirror answer?"
            );
            Ok(())
        })
    }

    /// What apt-cache prints.
    pub(super) fn ask(&self, arguments: &[&str]) -> Result<String> {
        said(self.program("apt-cache").args(arguments))
    }

    /// Those of `packages` and what they depend on that this system does not have, as `NAME=VERSION`.
    pub(super) fn lacking(&self, packages: &[String]) -> Result<Vec<String>> {
        let mut ask = self.program("apt-get");
        let told = said(ask.args(["-qqs", "--no-install-recommends", "install"]).args(packages))?;
        Ok(told.lines().filter_map(to_be_installed).collect())
    }

    /// Downloads `packages` and unpacks them into `folder`, which holds nothing else afterwards.
    pub(super) fn unpack(&self, packages: &[String], folder: &Path) -> Result<()> {
        let to = folder.parent().context("a folder of the cache")?;
        fs::create_dir_all(to)?;
        let scratch = tempfile::Builder::new().prefix("unpacking-").tempdir_in(to)?;
        let debs = scratch.path().join("debs");
        fs::create_dir(&debs)?;
        if self.download(packages, &debs).is_err() {
            // Old lists name files that a mirror no longer has.
            self.update()?;
            persistently(|| self.download(packages, &debs))?;
        }
        let whole = scratch.path().join("whole");
        for deb in fs::read_dir(&debs)? {
            let mut dpkg = Command::new("dpkg");
            said(dpkg.arg("-x").arg(deb?.path()).arg(&whole))?;
        }
        fs::write(whole.join("ok"), "")?;
        let _ = fs::remove_dir_all(folder);
        Ok(fs::rename(&whole, folder)?)
    }

    fn download(&self, packages: &[String], to: &Path) -> Result<()> {
        let mut ask = self.program("apt-get");
        let uris = said(ask.args(["-qq", "--print-uris", "download"]).args(packages))?;
        let mut download = self.program("apt-get");
        download.args(["-qq", "download"]).args(packages).current_dir(to);
        download::run(&mut download, &download::Files::parse(&uris), to)
    }

    fn program(&self, name: &str) -> Command {
        let mut command = Command::new(name);
        // What it prints is read.
        command.arg("-c").arg(self.folder.join("conf")).env("LC_ALL", "C").stdin(Stdio::null());
        command
    }
}

/// `Inst NAME [INSTALLED] (VERSION …)`.
fn to_be_installed(line: &str) -> Option<String> {
    let (name, rest) = line.strip_prefix("Inst ")?.split_once(' ')?;
    let (_, version) = rest.split_once('(')?;
    Some(format!("{name}={}", version.split(' ').next()?))
}

fn user() -> String {
    let user = nix::unistd::User::from_uid(nix::unistd::Uid::effective());
    user.ok().flatten().map_or_else(|| "root".to_owned(), |user| user.name)
}

/// What a program prints, or an error with what it complains of.
pub(super) fn said(command: &mut Command) -> Result<String> {
    let name = command.get_program().to_string_lossy().into_owned();
    let output = command.output().with_context(|| format!("cannot start {name}"))?;
    if !output.status.success() {
        bail!("{name} failed: {}", String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_apt_would_install_is_read() {
        let new = "Inst libfdt1 (1.6.1-4+b1 Debian:12/oldstable [amd64])";
        assert_eq!(to_be_installed(new).as_deref(), Some("libfdt1=1.6.1-4+b1"));
        let newer = "Inst seabios [1.0] (1.16.3-2~bpo12+1 Debian [all])";
        assert_eq!(to_be_installed(newer).as_deref(), Some("seabios=1.16.3-2~bpo12+1"));
        assert_eq!(to_be_installed("Conf libfdt1 (1.6.1-4+b1 Debian [amd64])"), None);
    }

    #[test]
    fn apt_reads_and_writes_nothing_of_the_systems() {
        let apt = Apt { folder: "/cache/apt/trixie".into() };
        let text = apt.configuration();
        for dir in [
            "Etc::sourcelist",
            "Etc::sourceparts",
            "Etc::preferencesparts",
            "State::lists",
            "Cache",
        ] {
            assert!(text.contains(&format!("Dir::{dir} \"/cache/apt/trixie/")), "{dir}: {text}");
        }
    }
}
