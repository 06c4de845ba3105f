//! How much memory this machine has, and whether what is asked for fits in it.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use crate::error::{Error, Result};
use crate::files;

/// Bytes of memory that this process may take, where the system says so: on Linux what the machine has, or
/// what the control group of the process is allowed, whichever is less. Not what is free just now: the
/// same job is refused, or not, on every day.
pub fn total() -> Option<u64> {
    static TOTAL: OnceLock<Option<u64>> = OnceLock::new();
    *TOTAL.get_or_init(|| {
        let read = |path: &Path| String::from_utf8(files::read(path).ok()?).ok();
        let machine = read(Path::new("/proc/meminfo")).and_then(|text| of_machine(&text));
        let groups = read(Path::new("/proc/self/cgroup")).unwrap_or_default();
        let allowed = limit_files(&groups).into_iter().filter_map(|path| read(&path));
        machine.into_iter().chain(allowed.filter_map(|text| text.trim().parse().ok())).min()
    })
}

/// Refuses `what`, which takes `bytes`, where this machine is known to have fewer.
///
/// # Errors
/// [`Error::TooLarge`] with both sizes and `hint`.
pub fn expect(what: &str, bytes: u64, hint: &str) -> Result<()> {
    match total() {
        Some(allows) if bytes > allows => Err(Error::TooLarge {
            tensor: what.to_owned(),
            what: "of memory",
            needs: bytes,
            allows,
            hint: hint.to_owned(),
        }),
        _ => Ok(()),
    }
}

/// The memory of the machine, of `/proc/meminfo`.
fn of_machine(text: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    let kilobytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kilobytes.checked_mul(1024)
}

/// The files that may limit the groups of `/proc/self/cgroup`, version 2 and version 1: of the group, of
/// those above it, and of the root, which is the own group where a container hides what is above.
fn limit_files(groups: &str) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for line in groups.lines() {
        let mut parts = line.splitn(3, ':').skip(1);
        let (Some(controllers), Some(group)) = (parts.next(), parts.next()) else { continue };
        let (root, file) = match controllers {
            "" => ("/sys/fs/cgroup", "memory.max"),
            named if named.split(',').any(|one| one == "memory") => {
                ("/sys/fs/cgroup/memory", "memory.limit_in_bytes")
            }
            _ => continue,
        };
        let group = Path::new(group.trim_start_matches('/'));
        files.extend(group.ancestors().map(|group| Path::new(root).join(group).join(file)));
    }
    files
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_machine_says_what_it_has() {
        let text = "MemTotal:       24684084 kB\nMemFree:         4882648 kB\n";
        assert_eq!(of_machine(text), Some(24_684_084 * 1024));
        for text in ["", "MemTotal: many kB", "MemTotal: 18446744073709551615 kB", "MemTotal: 3"] {
            assert_eq!(of_machine(text), None, "{text}");
        }
    }

    #[test]
    fn every_group_above_the_own_one_may_limit() {
        let files = |text| -> Vec<String> {
            limit_files(text).iter().map(|path| path.display().to_string()).collect()
        };
        let wanted = ["/sys/fs/cgroup/a/b/memory.max", "/sys/fs/cgroup/a/memory.max"];
        let root = "/sys/fs/cgroup/memory.max";
        assert_eq!(files("0::/a/b\n"), [wanted[0], wanted[1], root]);
        assert_eq!(files("0::/\n"), [root]);
        let old = "5:cpu,cpuacct:/x\n4:memory:/x\n";
        let root = "/sys/fs/cgroup/memory/";
        let wanted = ["x/memory.limit_in_bytes", "memory.limit_in_bytes"];
        assert_eq!(files(old), wanted.map(|file| format!("{root}{file}")));
        assert!(files("no group").is_empty());
    }

    #[test]
    fn what_no_machine_has_is_refused_where_it_is_known() {
        assert!(expect("nothing", 0, "").is_ok());
        let most = expect("2 pictures of 4294967295x4294967295", u64::MAX, "give a smaller --size");
        match total() {
            None => assert!(most.is_ok()),
            Some(_) => {
                let text = most.unwrap_err().to_string();
                assert!(text.contains("needs 2^64 bytes or more of memory"), "{text}");
                assert!(text.contains(" MB is possible") && text.contains("--size"), "{text}");
            }
        }
    }
}
