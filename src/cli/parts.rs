//! The parts of a job, for commands that have some: their list, one of them, or all on several adapters of one machine
//! at once, a process for each part, a queue for all adapters.

use std::collections::VecDeque;
use std::ffi::OsString;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use clap::Args;
use serde::Serialize;

use super::{Global, Repeat, print, print_json};
use crate::engine::gpu::{self, Choice};
use crate::error::{Error, Result};
use crate::lab::run_folder::Again;
use crate::stop::Stop;

/// What becomes of the parts.
#[derive(Debug, Args)]
pub struct Parts {
    /// List the independent parts of the job, a line each, and run none
    #[arg(long, conflicts_with = "task")]
    pub tasks: bool,
    /// Run this part alone, in a folder of its own below --out, or go on with it: parts may run anywhere at the same
    /// time, and `parula report` puts together what they have finished
    #[arg(long, value_name = "NUMBER")]
    pub task: Option<usize>,
    /// Run the parts on these GPUs of this machine at once, a part at a time on each; named as with --adapter
    #[arg(long, value_name = "A,B", value_delimiter = ',', conflicts_with_all = ["task", "tasks"])]
    pub adapters: Vec<String>,
}

impl Parts {
    /// What becomes of what an earlier call has left. A part that was killed is begun again by whoever schedules it,
    /// with the same words.
    pub fn again(&self, repeat: &Repeat) -> Again {
        match repeat.again() {
            Again::Refuse if self.task.is_some() => Again::Resume,
            said => said,
        }
    }

    /// Whether the parts run on several adapters.
    ///
    /// # Errors
    /// [`Error::Usage`] where another adapter is named as well; [`Error::Adapter`] for one that is not there.
    pub fn on_several(&self, global: &Global) -> Result<bool> {
        if self.adapters.is_empty() {
            return Ok(false);
        }
        if global.adapter.is_some() {
            let problem = "--adapter and --adapters cannot both be given";
            return Err(Error::usage(problem, "name all adapters in --adapters"));
        }
        for adapter in &self.adapters {
            gpu::adapters(&Choice { adapter: Some(adapter.clone()), ..global.choice() })?;
        }
        Ok(true)
    }
}

/// Prints `parts`, each with its number from 0 and what `words` says of it.
pub fn list<P: Serialize>(
    parts: &[P],
    global: &Global,
    words: impl Fn(&P) -> String,
) -> Result<()> {
    if global.json {
        return print_json(&parts);
    }
    let lines = parts.iter().enumerate().map(|(task, part)| format!("{task}  {}\n", words(part)));
    print(&lines.collect::<String>())
}

/// Runs `tasks` of the command line of this process, each as `--task N --adapter A`, one at a time on each of
/// `adapters`. What they say stands on stderr, each line with its adapter. One that fails does not end the others.
///
/// # Errors
/// [`Error::Content`] with the tasks that failed, and why the first did; [`Error::Interrupted`] after Ctrl-C.
pub fn run(tasks: usize, adapters: &[String], out: &Path, stop: &Stop) -> Result<()> {
    let program = std::env::current_exe()
        .map_err(|source| Error::file("find", "the program of this process", source))?;
    let arguments = without_adapters(std::env::args_os().skip(1).collect());
    let queue: Mutex<VecDeque<usize>> = Mutex::new((0..tasks).collect());
    let failed: Mutex<Vec<(usize, String)>> = Mutex::default();
    let next = || queue.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
    let (program, arguments, failed_tasks, next) = (&program, &arguments, &failed, &next);
    std::thread::scope(|scope| {
        for adapter in adapters {
            scope.spawn(move || {
                while let Some(task) = next() {
                    if stop.check(String::new).is_err() {
                        return;
                    }
                    let mut command = Command::new(program);
                    command.args(arguments).arg("--task").arg(task.to_string());
                    command.arg("--adapter").arg(adapter);
                    if let Err(why) = one(command, task, adapter, stop) {
                        let mut failed =
                            failed_tasks.lock().unwrap_or_else(PoisonError::into_inner);
                        failed.push((task, why));
                    }
                }
            });
        }
    });
    let mut failed = failed.into_inner().unwrap_or_else(PoisonError::into_inner);
    failed.sort();
    let left = queue.into_inner().unwrap_or_else(PoisonError::into_inner).len() + failed.len();
    stop.check(|| format!("{} of {tasks} tasks are finished", tasks - left))?;
    let Some((_, why)) = failed.first() else { return Ok(()) };
    let numbers: Vec<String> = failed.iter().map(|(task, _)| task.to_string()).collect();
    let problem = format!("task {} failed: {why}", numbers.join(", "));
    Err(Error::content(out, problem, "the same command goes on with what is missing"))
}

/// Runs one part to its end; why it failed, where it did.
fn one(mut command: Command, task: usize, adapter: &str, stop: &Stop) -> Result<(), String> {
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
    let mut child = command.spawn().map_err(|error| error.to_string())?;
    let mut last = String::new();
    let said = child.stderr.take();
    std::thread::scope(|scope| {
        let watched = scope.spawn(|| end(&mut child, stop));
        // Bytes that are no text end the reading, not the part.
        for line in said
            .into_iter()
            .flat_map(|said| BufReader::new(said).lines())
            .map_while(|line| line.ok())
        {
            crate::console::note!("[{adapter}] task {task}: {line}");
            if !line.trim().is_empty() {
                last = line;
            }
        }
        match watched.join().unwrap_or(Ok(false)) {
            Ok(true) => Ok(()),
            Ok(false) => Err(last.trim_start_matches("parula: ").to_owned()),
            Err(error) => Err(error.to_string()),
        }
    })
}

/// Waits for the end; whether it was a good one. Ctrl-C reaches the part as well. One that is still there half a
/// minute after a wish to stop, which need not have reached it, is ended: its last finished epoch is kept.
fn end(child: &mut Child, stop: &Stop) -> std::io::Result<bool> {
    const TURN: Duration = Duration::from_millis(100);
    let mut patience = 300;
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(status.success());
        }
        if stop.check(String::new).is_err() {
            patience -= 1;
            if patience == 0 {
                child.kill()?;
            }
        }
        std::thread::sleep(TURN);
    }
}

/// The arguments of a part: those of the job but the adapters and the wish for JSON.
fn without_adapters(arguments: Vec<OsString>) -> Vec<OsString> {
    let mut kept = Vec::new();
    let mut arguments = arguments.into_iter();
    while let Some(argument) = arguments.next() {
        let text = argument.to_string_lossy();
        if text == "--adapters" {
            arguments.next();
        } else if !text.starts_with("--adapters=") && text != "--json" {
            kept.push(argument);
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_is_given_all_but_the_adapters() {
        let given = |words: &[&str]| -> Vec<String> {
            let words = words.iter().map(OsString::from).collect();
            without_adapters(words).iter().map(|word| word.to_string_lossy().into_owned()).collect()
        };
        let kept = ["reproduce", "--out", "o", "--seeds", "0,1"];
        assert_eq!(
            given(&["reproduce", "--adapters", "0,1", "--out", "o", "--seeds", "0,1"]),
            kept
        );
        assert_eq!(
            given(&["reproduce", "--out", "o", "--json", "--adapters=0,1", "--seeds", "0,1"]),
            kept
        );
    }
}
