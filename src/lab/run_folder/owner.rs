//! Who holds a lock: a process on a host, and where Slurm has started it, the task of its job.
//!
//! A process that was killed leaves the words behind. On the same host anybody can tell that it is gone; on another one
//! nobody can, but Slurm begins a task again only after its last try has ended. So a later try of the same task knows
//! that the lock of an earlier one is left over, on whichever node it was.

use std::path::Path;

use crate::files;

/// How the content of a lock begins.
const BEGINNING: &str = "parula ";
/// How the word of a task begins.
const SLURM: &str = "slurm:";
/// No word of a task is longer.
const LONGEST: usize = 150;

/// A process.
#[derive(Clone, Debug, PartialEq)]
pub struct Owner {
    pub process: u32,
    pub host: String,
    pub task: Option<Task>,
}

/// A task of a job of Slurm, in one of its tries.
#[derive(Clone, Debug, PartialEq)]
pub struct Task {
    /// Job numbers are those of a cluster; empty where it is not told.
    cluster: String,
    /// `17`, or of an array `17_3`.
    job: String,
    /// How often the job was begun again before.
    restarts: u64,
}

impl Task {
    /// Of this process, by the variables that Slurm sets; `variable` tells one.
    fn of(variable: impl Fn(&str) -> Option<String>) -> Option<Self> {
        let array = variable("SLURM_ARRAY_JOB_ID").zip(variable("SLURM_ARRAY_TASK_ID"));
        let array = array.map(|(job, task)| format!("{job}_{task}"));
        // Slurm leaves it away in the first try.
        let restarts = variable("SLURM_RESTART_COUNT").map_or(Some(0), |count| count.parse().ok());
        let task = Task {
            cluster: variable("SLURM_CLUSTER_NAME").unwrap_or_default(),
            job: array.or_else(|| variable("SLURM_JOB_ID"))?,
            restarts: restarts?,
        };
        // What would not be read as it was written is left away.
        let word = task.word();
        (word.len() <= LONGEST && Task::read(&word).as_ref() == Some(&task)).then_some(task)
    }

    fn word(&self) -> String {
        format!("{SLURM}{}:{}:{}", self.cluster, self.job, self.restarts)
    }

    fn read(word: &str) -> Option<Self> {
        let mut parts = word.strip_prefix(SLURM)?.split(':');
        let [cluster, job, restarts] = [parts.next()?, parts.next()?, parts.next()?];
        let digits = |byte: u8| byte.is_ascii_digit() || byte == b'_';
        let is = parts.next().is_none()
            && !cluster.contains(char::is_whitespace)
            && !job.is_empty()
            && job.bytes().all(digits);
        let restarts = restarts.parse().ok().filter(|_| is)?;
        Some(Task { cluster: cluster.to_owned(), job: job.to_owned(), restarts })
    }

    /// Whether it is a later try of the same task: `other` has ended then.
    fn follows(&self, other: &Task) -> bool {
        (&self.cluster, &self.job) == (&other.cluster, &other.job) && self.restarts > other.restarts
    }
}

impl Owner {
    /// This process.
    pub fn own() -> Self {
        let task = Task::of(|name| std::env::var(name).ok());
        Owner { process: std::process::id(), host: host(), task }
    }

    pub fn read(text: &str) -> Option<Self> {
        // Locks of earlier versions had no beginning.
        let text = text.strip_prefix(BEGINNING).unwrap_or(text);
        let (process, rest) = text.trim_end().split_once(' ')?;
        let (host, task) = rest.split_once(' ').unwrap_or((rest, ""));
        // A lost machine may leave a word that is cut off.
        if !(task.starts_with(SLURM) || SLURM.starts_with(task)) {
            return None;
        }
        let owner =
            Owner { process: process.parse().ok()?, host: host.to_owned(), task: Task::read(task) };
        (!host.is_empty() && !task.contains(char::is_whitespace)).then_some(owner)
    }

    pub fn line(&self) -> String {
        let task = self.task.as_ref().map_or(String::new(), |task| format!(" {}", task.word()));
        format!("{BEGINNING}{} {}{task}\n", self.process, self.host)
    }

    /// Whether this process knows that `other` has ended; `is_alive` tells of a process of this host.
    pub fn knows_gone(&self, other: &Owner, is_alive: &dyn Fn(u32) -> bool) -> bool {
        let later = self.task.as_ref().zip(other.task.as_ref());
        later.is_some_and(|(own, theirs)| own.follows(theirs))
            || self.host == other.host && !is_alive(other.process)
    }

    /// For a message.
    pub fn words(&self) -> String {
        let task = self.task.as_ref().map(|task| format!(" (job {} of Slurm)", task.job));
        format!("process {} on {}{}", self.process, self.host, task.unwrap_or_default())
    }
}

/// Whether a file of this content is a lock, or what a lost machine left of one.
pub fn is_lock(content: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(content) else { return false };
    let cut = BEGINNING.starts_with(text)
        || text.strip_prefix(BEGINNING).is_some_and(|rest| {
            let (process, host) = rest.split_once(' ').unwrap_or((rest, ""));
            process.bytes().all(|byte| byte.is_ascii_digit()) && host.is_empty()
        });
    Owner::read(text).is_some() || cut || content.iter().all(|&byte| byte == 0)
}

/// Whether the process may still run; where there is no way to tell, it may.
pub fn is_alive(process: u32) -> bool {
    let all = Path::new("/proc");
    !all.join("self").exists() || all.join(process.to_string()).exists()
}

/// The name of this machine, a word.
fn host() -> String {
    let first = |text: String| text.split_whitespace().next().map(str::to_owned);
    let kernel = || {
        let name = files::read(Path::new("/proc/sys/kernel/hostname")).ok()?;
        String::from_utf8(name).ok()
    };
    let variable = || std::env::var("COMPUTERNAME").or_else(|_| std::env::var("HOSTNAME")).ok();
    let program = || {
        let output = std::process::Command::new("hostname").output().ok()?;
        String::from_utf8(output.stdout).ok()
    };
    kernel()
        .and_then(first)
        .or_else(|| variable().and_then(first))
        .or_else(|| program().and_then(first))
        .unwrap_or("a-host-without-a-name".to_owned())
}

#[cfg(test)]
pub mod tests {
    use super::*;

    /// The task of a process with these variables.
    pub fn task(variables: &[(&str, &str)]) -> Option<Task> {
        let found = |name: &str| variables.iter().find(|(own, _)| *own == name);
        Task::of(|name| found(name).map(|(_, value)| (*value).to_owned()))
    }

    #[test]
    fn a_task_is_what_slurm_calls_it_in_all_of_its_tries() {
        assert_eq!(task(&[]), None);
        assert_eq!(task(&[("SLURM_RESTART_COUNT", "1")]), None, "no job");
        let job = task(&[("SLURM_JOB_ID", "17")]).unwrap();
        assert_eq!(job.word(), "slurm::17:0");
        let array = [
            ("SLURM_JOB_ID", "19"),
            ("SLURM_ARRAY_JOB_ID", "17"),
            ("SLURM_ARRAY_TASK_ID", "3"),
            ("SLURM_CLUSTER_NAME", "big"),
        ];
        let first = task(&array).unwrap();
        assert_eq!(first.word(), "slurm:big:17_3:0");
        let again = task(&[&array[..], &[("SLURM_RESTART_COUNT", "2")]].concat()).unwrap();
        assert!(again.follows(&first) && !first.follows(&again) && !first.follows(&first));
        assert!(!again.follows(&job), "the whole array, or another cluster");
        // What cannot be written as a word is left away.
        for wrong in ["1 2", "1:2", "", "x"] {
            assert_eq!(task(&[("SLURM_JOB_ID", wrong)]), None);
        }
        assert_eq!(task(&[("SLURM_JOB_ID", &"1".repeat(200))]), None);
        assert_eq!(task(&[("SLURM_JOB_ID", "1"), ("SLURM_RESTART_COUNT", "-1")]), None);
    }

    #[test]
    fn what_is_written_is_read_again_with_and_without_a_task() {
        let job = task(&[("SLURM_JOB_ID", "17"), ("SLURM_CLUSTER_NAME", "big")]);
        for task in [None, job] {
            let owner = Owner { process: 7, host: "here".to_owned(), task };
            let line = owner.line();
            assert_eq!(Owner::read(&line), Some(owner));
            for end in 0..=line.len() {
                assert!(is_lock(&line.as_bytes()[..end]), "cut off at {end}: {line}");
            }
        }
        for theirs in ["u", "7 or more", "parula is a colour", "12", "7 here slurm:x y", "7 "] {
            assert!(!is_lock(theirs.as_bytes()), "{theirs}");
        }
    }
}
