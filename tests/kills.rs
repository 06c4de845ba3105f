//! Commands that are killed at random moments, and go on to the bits of a run that was not.
//!
//! `PARULA_KILLS` says how many kills there are in all, over the four commands that go on: a few without it,
//! for every day. Which moments they are is drawn from a seed that is printed; `PARULA_KILLS_SEED` gives it
//! again, although no machine is at the same step after the same time twice.

mod common {
    pub mod program;
    pub mod runs;
}

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant, SystemTime};

use common::program::{command, json};
use common::runs::assert_same;

/// The kills of every day.
const USUAL: u32 = 4;

/// What is run, as small as can be with everything in it.
const JOBS: [(&str, &[&str]); 4] = [
    ("reproduce", &["--experiments", "1,2", "--models", "compact-resnet", "--epochs", "2"]),
    (
        "compare",
        &[
            "--models",
            "compact-resnet",
            "--methods",
            "gradcam",
            "--epochs",
            "2",
            "--steps",
            "2",
            "--heatmaps",
        ],
    ),
    (
        "weak",
        &[
            "--model",
            "compact-resnet",
            "--epochs",
            "2",
            "--segmenter-epochs",
            "2",
            "--segmenter-size",
            "32",
        ],
    ),
    ("train", &["--model", "compact-resnet", "--epochs", "3"]),
];

/// Numbers that look random: SplitMix64.
struct Draws(u64);

impl Draws {
    /// In [0, 1).
    fn next(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) as f64 / u64::MAX as f64
    }
}

/// A command with its data, which writes into a folder.
struct Job<'a> {
    verb: &'static str,
    options: &'static [&'static str],
    more: &'static [&'static str],
    data: &'a Path,
}

impl Job<'_> {
    /// Where it writes in `folder`: `train` a file, with others beside it.
    fn out(&self, folder: &Path) -> PathBuf {
        folder.join(if self.verb == "train" { "w.safetensors" } else { "out" })
    }

    fn command(&self, folder: &Path, more: &[&str]) -> Command {
        let (data, out) = (self.data.to_str().unwrap(), self.out(folder));
        let out = out.to_str().unwrap();
        let mut arguments = vec![self.verb, "--data", data, "--out", out, "--no-tuning"];
        arguments.extend(["--batch", "6", "--size", "24"]);
        arguments.extend(self.options);
        arguments.extend(self.more);
        arguments.extend(more);
        command(&arguments)
    }

    /// Runs it to the end, which must be a good one.
    fn finish(&self, folder: &Path, more: &[&str]) -> Output {
        let output = self.command(folder, more).output().unwrap();
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{} {more:?}: {error}", self.verb);
        output
    }

    /// Kills it after `moment`; false where it had ended by then.
    fn kill(&self, folder: &Path, more: &[&str], moment: Duration) -> bool {
        let mut command = self.command(folder, more);
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        std::thread::sleep(moment);
        let running = child.try_wait().unwrap().is_none();
        child.kill().unwrap();
        let output = child.wait_with_output().unwrap();
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(!error.contains("panicked"), "{error}");
        assert!(running || output.status.success(), "{} {more:?}: {error}", self.verb);
        running
    }
}

#[test]
fn whatever_is_killed_at_any_moment_goes_on_to_the_same_bits() {
    let number = |name: &str| std::env::var(name).ok().map(|text| text.parse::<u64>().unwrap());
    let kills = number("PARULA_KILLS").map_or(USUAL, |kills| kills as u32);
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_nanos() as u64;
    let seed = number("PARULA_KILLS_SEED").unwrap_or(now);
    println!("PARULA_KILLS={kills} PARULA_KILLS_SEED={seed}");
    let mut draws = Draws(seed);
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("set");
    let set = ["data", "synth", "--patients", "6", "--size", "64", "--out"];
    json(&[&set[..], &[data.to_str().unwrap()]].concat());

    for (index, (verb, options)) in JOBS.into_iter().enumerate() {
        let share = (kills + JOBS.len() as u32 - 1 - index as u32) / JOBS.len() as u32;
        if share == 0 {
            println!("SKIPPED {verb}: fewer kills than commands");
            continue;
        }
        // It trains once for each map: too long for every day.
        let more = if verb == "compare" && kills > USUAL { &["--retrain"][..] } else { &[] };
        let job = Job { verb, options, more, data: &data };
        let straight = folder.path().join(format!("{verb}-straight"));
        std::fs::create_dir(&straight).unwrap();
        let start = Instant::now();
        job.finish(&straight, &[]);
        let whole = start.elapsed();
        let mut done = 0;
        let mut rounds = 0;
        while done < share {
            rounds += 1;
            assert!(rounds <= 20 * share, "{verb} ends before it can be killed");
            let own = folder.path().join(format!("{verb}-{rounds}"));
            std::fs::create_dir(&own).unwrap();
            // Every other round begins where a run of other options has been, which is overwritten.
            let other = rounds % 2 == 0;
            if other {
                job.finish(&own, &["--seed", "1", "--head", "sigmoid"]);
            }
            let mut first = if other { "--overwrite" } else { "--resume" };
            for _ in 0..1 + (3.0 * draws.next()) as u32 {
                // Early ones are the hardest: what is there is of the run before, or half of this one.
                let most =
                    if draws.next() < 0.4 { whole.min(Duration::from_millis(600)) } else { whole };
                let flag = if begun(&job, &own, other) { "--resume" } else { first };
                if !job.kill(&own, &[flag], most.mul_f64(draws.next())) {
                    first = "--resume";
                    break;
                }
                done += 1;
            }
            let flag = if begun(&job, &own, other) { "--resume" } else { first };
            job.finish(&own, &[flag]);
            assert_same(&own, &straight);
            std::fs::remove_dir_all(own).unwrap();
        }
        println!("{verb}: {done} kills in {rounds} runs, {:.1} s without", whole.as_secs_f64());
    }
}

/// Whether nothing of the run before is left in the record, so that `--resume` goes on with this one.
fn begun(job: &Job, folder: &Path, other: bool) -> bool {
    let out = job.out(folder);
    let record = match job.verb {
        "train" => folder.join("w.safetensors.run.jsonl"),
        _ => out.join("run.jsonl"),
    };
    let text = std::fs::read_to_string(record).unwrap_or_default();
    !other || !text.contains("sigmoid") || text.contains("\"overwritten\"")
}
