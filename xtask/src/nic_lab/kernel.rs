//! Which kernels there are, and one of them unpacked.

use std::cmp::Reverse;
use std::convert::Infallible;
use std::fs;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use anyhow::{Context, Result, bail};

use super::cache::{Cache, whole};
use super::packages::{Apt, Mirror, SUITES};

/// Which one is wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Wanted {
    /// The newest.
    Current,
    /// The one with this release, or the newest that begins with it.
    Release(String),
}

/// A kernel in the cache.
pub(super) struct Kernel {
    release: String,
    folder: PathBuf,
}

/// What Debian's releases for these machines end with; others are for clouds and for real time.
const FLAVOUR: &str = "-amd64";

impl Wanted {
    pub(super) fn find(&self, cache: &Cache, mirror: &Mirror, update: bool) -> Result<Kernel> {
        let release = match self {
            Self::Current => current(cache, mirror, update)?,
            Self::Release(begin) => self.release(cache, mirror, update, begin)?,
        };
        let folder = cache.path("kernel").join(&release);
        if !whole(&folder) {
            fetch(cache, mirror, &release, &folder)?;
        }
        Ok(Kernel { release, folder })
    }

    /// One that is here already, unless a newer one is asked for.
    fn release(&self, cache: &Cache, mirror: &Mirror, update: bool, begin: &str) -> Result<String> {
        if !update && let Some(here) = best(here(cache), begin) {
            return Ok(here);
        }
        let mut known = Vec::new();
        for refreshed in [update, true] {
            known = offered(cache, mirror, refreshed)?;
            if let Some(release) = best(known.clone(), begin) {
                return Ok(release);
            }
        }
        bail!("Debian has no kernel {begin}; it has {}", known.join(", "))
    }
}

impl FromStr for Wanted {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        Ok(if text == "current" { Self::Current } else { Self::Release(text.to_owned()) })
    }
}

/// Asked once and then kept, so that nothing changes from one run to the next.
fn current(cache: &Cache, mirror: &Mirror, update: bool) -> Result<String> {
    let note = format!("current-{}", SUITES[0]);
    if !update && let Some(release) = cache.noted(&note) {
        return Ok(release);
    }
    let apt = Apt::new(cache, mirror, &SUITES[..1])?;
    if update {
        apt.update()?;
    }
    let told = apt.ask(&["show", "--no-all-versions", "linux-image-amd64"])?;
    let release = dependencies(&told)
        .find_map(|package| package.strip_prefix("linux-image-").map(str::to_owned))
        .context("the package linux-image-amd64 names no kernel")?;
    cache.note(&note, &release)?;
    Ok(release)
}

/// Releases in the cache.
fn here(cache: &Cache) -> Vec<String> {
    let folders = fs::read_dir(cache.path("kernel")).into_iter().flatten().flatten();
    let whole = folders.filter(|folder| whole(&folder.path()));
    whole.map(|folder| folder.file_name().to_string_lossy().into_owned()).collect()
}

/// Releases that Debian has, the newest first.
fn offered(cache: &Cache, mirror: &Mirror, update: bool) -> Result<Vec<String>> {
    let mut all = Vec::new();
    for suite in SUITES {
        let apt = Apt::new(cache, mirror, &[suite])?;
        if update {
            apt.update()?;
        }
        all.extend(releases(&apt.ask(&["pkgnames", "linux-image-"])?));
    }
    all.sort_by_key(|release| Reverse(numbers(release)));
    all.dedup();
    Ok(all)
}

fn releases(names: &str) -> impl Iterator<Item = String> {
    let releases = names.lines().filter_map(|name| name.strip_prefix("linux-image-"));
    releases.filter(|release| ours(release)).map(str::to_owned)
}

/// `7.3.4+deb13-amd64`, and no other flavour.
fn ours(release: &str) -> bool {
    let version = release.strip_suffix(FLAVOUR).unwrap_or_default();
    version.starts_with(|first: char| first.is_ascii_digit()) && !version.contains('-')
}

/// The newest of `releases` that is `begin` or begins with it.
fn best(mut releases: Vec<String>, begin: &str) -> Option<String> {
    let part = |release: &String| {
        let rest = release.strip_prefix(begin);
        rest.is_some_and(|rest| rest.is_empty() || !rest.starts_with(|c: char| c.is_ascii_digit()))
    };
    releases.retain(part);
    releases.into_iter().max_by_key(|release| numbers(release))
}

/// For comparing: 6.9 is older than 6.12.
fn numbers(release: &str) -> Vec<u32> {
    release.split(|c: char| !c.is_ascii_digit()).filter_map(|part| part.parse().ok()).collect()
}

/// Up to 6.18 a kernel is one package, since 6.19 image and modules are apart.
fn fetch(cache: &Cache, mirror: &Mirror, release: &str, folder: &Path) -> Result<()> {
    for suite in SUITES {
        let apt = Apt::new(cache, mirror, &[suite])?;
        let image = format!("linux-image-{release}");
        let Ok(told) = apt.ask(&["show", "--no-all-versions", &image]) else { continue };
        let apart =
            |name: &String| name.starts_with("linux-binary-") || name.starts_with("linux-modules-");
        let mut packages: Vec<_> = dependencies(&told).filter(apart).collect();
        if packages.is_empty() {
            packages.push(image);
        }
        return apt.unpack(&packages, folder);
    }
    bail!("Debian has no kernel {release} any more: --update looks for the newest")
}

/// The names in the Depends field of what apt-cache shows.
fn dependencies(shown: &str) -> impl Iterator<Item = String> {
    let fields = shown.lines().filter_map(|line| line.strip_prefix("Depends:"));
    let names = fields
        .flat_map(|field| field.split([',', '|']))
        .filter_map(|part| part.split_whitespace().next());
    names.map(str::to_owned)
}

impl Kernel {
    pub(super) fn release(&self) -> &str {
        &self.release
    }

    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    /// The folder of its modules.
    pub(super) fn modules(&self) -> Result<PathBuf> {
        let places = ["usr/lib/modules", "lib/modules"];
        let mut folders = places.iter().map(|place| self.folder.join(place).join(&self.release));
        folders.find(|folder| folder.is_dir()).context("the kernel's package has no modules")
    }

    /// What is booted.
    pub(super) fn image(&self) -> Result<PathBuf> {
        let beside = self.modules()?.join("vmlinuz");
        let image = [self.folder.join("boot").join(format!("vmlinuz-{}", self.release)), beside];
        let found = image.into_iter().find(|image| image.is_file());
        found.context("the kernel's package has no vmlinuz")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_of_a_series_is_found() {
        let all = ["6.18.9+deb13-amd64", "6.18.15+deb13-amd64", "6.1.8+deb13-amd64"];
        let best = |begin| best(all.map(str::to_owned).to_vec(), begin);
        assert_eq!(best("6.18").as_deref(), Some(all[1]));
        assert_eq!(best("6.1").as_deref(), Some(all[2]));
        assert_eq!(best(all[0]).as_deref(), Some(all[0]));
        assert_eq!(best("6.2"), None);
    }

    #[test]
    fn other_flavours_are_no_kernels_of_ours() {
        let names = "linux-image-7.3.4+deb13-amd64\nlinux-image-7.3.4+deb13-cloud-amd64\n\
                     linux-image-7.3.4+deb13-rt-amd64\nlinux-image-amd64\nlinux-image-cloud-amd64\n\
                     linux-image-7.3.4+deb13-amd64-dbg\n";
        assert_eq!(releases(names).collect::<Vec<_>>(), ["7.3.4+deb13-amd64"]);
    }

    #[test]
    fn dependencies_are_read() {
        let shown =
            "Package: x\nDepends: dracut | initramfs-tools (>= 0.120), linux-binary-7 (= 7)\n";
        let names: Vec<_> = dependencies(shown).collect();
        assert_eq!(names, ["dracut", "initramfs-tools", "linux-binary-7"]);
    }
}
