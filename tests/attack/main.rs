//! Damaged files against every parser: no panic, no hang, memory bounded. The parsers are those of `parula::attack`,
//! which cargo-fuzz uses as well; here damage is drawn from a seed, and nothing but stable Rust is needed.
//!
//! `PARULA_ATTACK_SECONDS` is the time for all targets together (45 without it), `PARULA_ATTACK_SEED` the seed,
//! `PARULA_ATTACK_TARGET` one target instead of all. An input that is not survived stays in `target/attack`.
//! `scripts/attack` runs it for an hour.

mod hostile;
mod memory;
mod mutate;
mod seeds;

#[path = "../../src/lab/data/ddsm/encoder.rs"]
mod encoder;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, OnceLock};
use std::time::{Duration, Instant};

use parula::attack::{TARGETS, Target};
use rand::SeedableRng;
use rand::seq::IndexedRandom;
use rand_chacha::ChaCha8Rng;

#[global_allocator]
static ALLOCATOR: memory::Counting = memory::Counting;

/// A target that takes longer hangs: time of the processor where the system tells it, so that a busy machine is not
/// taken for a hanging parser. The slowest inputs take a hundredth of it.
const HANGS: Duration = Duration::from_secs(60);

/// What a target was through.
#[derive(Default)]
struct Figures {
    inputs: u64,
    understood: u64,
    slowest: Duration,
    /// The highest share of what an input may take.
    worst: f64,
    /// Bytes that it took.
    peak: usize,
    failures: Vec<String>,
}

#[test]
fn no_damage_makes_a_parser_panic_hang_or_take_memory_without_end() {
    let seconds = variable("PARULA_ATTACK_SECONDS").unwrap_or(45);
    let seed = variable("PARULA_ATTACK_SEED").unwrap_or(1);
    let only = std::env::var("PARULA_ATTACK_TARGET").ok();
    let chosen: Vec<Target> = TARGETS
        .into_iter()
        .filter(|target| only.as_ref().is_none_or(|only| only == target.name))
        .collect();
    assert!(!chosen.is_empty(), "no target is called {only:?}");
    let time = Duration::from_secs(seconds) / chosen.len() as u32;
    let own = std::fs::read_link("/proc/thread-self").ok();
    let clock = Clock(own.map(|own| Path::new("/proc").join(own).join("schedstat")));
    let watcher = clock.clone();
    std::thread::spawn(move || watch(&watcher));
    println!(
        "{:<14} {:>10} {:>11} {:>12} {:>10} {:>10}",
        "target", "inputs", "understood", "slowest, ms", "peak, MB", "of bound"
    );
    let mut failures = Vec::new();
    for target in chosen {
        let figures = attack(target, seed, time, &clock);
        println!(
            "{:<14} {:>10} {:>10.0}% {:>12.1} {:>10.1} {:>9.0}%",
            target.name,
            figures.inputs,
            100.0 * figures.understood as f64 / figures.inputs as f64,
            1e3 * figures.slowest.as_secs_f64(),
            figures.peak as f64 / 1e6,
            100.0 * figures.worst
        );
        failures.extend(figures.failures);
    }
    assert!(failures.is_empty(), "\n{}\n", failures.join("\n"));
}

fn variable(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{name} is {text}, not a number")))
}

/// The valid files first, then damaged ones until the time is over.
fn attack(target: Target, seed: u64, time: Duration, clock: &Clock) -> Figures {
    let started = Instant::now();
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let seeds = seeds::of(target.name);
    let mut figures = Figures::default();
    for one in &seeds {
        let input = (one.wrap)(one.bytes.clone());
        try_one(target, input, clock, &mut figures);
    }
    while started.elapsed() < time && figures.failures.len() < 5 {
        let (one, other) = (seeds.choose(&mut random).unwrap(), seeds.choose(&mut random).unwrap());
        let input = (one.wrap)(mutate::mutate(&one.bytes, &other.bytes, &mut random));
        try_one(target, input, clock, &mut figures);
    }
    figures
}

/// Gives `input` to `target`, and takes note of what came of it.
fn try_one(target: Target, input: Vec<u8>, clock: &Clock, figures: &mut Figures) {
    let started = clock.now();
    begin(target.name, &input, started);
    let mut outcome = Ok(false);
    let peak = memory::peak_of(|| {
        outcome = catch_unwind(AssertUnwindSafe(|| (target.run)(&input)));
    });
    let took = clock.now().saturating_sub(started);
    end();
    figures.inputs += 1;
    figures.slowest = figures.slowest.max(took);
    let share = peak as f64 / target.bound(input.len()) as f64;
    if share > figures.worst {
        (figures.worst, figures.peak) = (share, peak);
    }
    let problem = match outcome {
        Err(panic) => format!("panicked: {}", words(&*panic)),
        Ok(_) if share > 1.0 => format!("took {peak} bytes for {} of input", input.len()),
        Ok(understood) => {
            figures.understood += u64::from(understood);
            return;
        }
    };
    let path = keep(target.name, &input);
    figures.failures.push(format!("{}: {problem}; see {}", target.name, path.display()));
}

fn words(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| text.to_string());
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_default()
}

/// Writes an input to where it can be tried again.
fn keep(name: &str, input: &[u8]) -> PathBuf {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).with_file_name("attack");
    std::fs::create_dir_all(&folder).unwrap();
    let digest = parula::digest::digest_bytes(input.iter().copied());
    let path = folder.join(format!("{name}-{digest}"));
    std::fs::write(&path, input).unwrap();
    path
}

/// What is under way: the milliseconds of the clock at which it began and 1, or 0; its target, and its input.
static BEGUN: AtomicU64 = AtomicU64::new(0);
static UNDER_WAY: Mutex<(&str, Vec<u8>)> = Mutex::new(("", Vec::new()));

/// How long the attacking thread has had a processor, where Linux says so in this file; else the time.
#[derive(Clone)]
struct Clock(Option<PathBuf>);

impl Clock {
    fn now(&self) -> Duration {
        static START: OnceLock<Instant> = OnceLock::new();
        let text = self.0.as_ref().and_then(|path| std::fs::read_to_string(path).ok());
        let first = text.as_ref().and_then(|text| text.split(' ').next()?.parse().ok());
        match first {
            Some(nanoseconds) => Duration::from_nanos(nanoseconds),
            None => START.get_or_init(Instant::now).elapsed(),
        }
    }
}

fn begin(name: &'static str, input: &[u8], now: Duration) {
    let mut under_way = UNDER_WAY.lock().unwrap();
    under_way.0 = name;
    under_way.1.clear();
    under_way.1.extend_from_slice(input);
    BEGUN.store(now.as_millis() as u64 + 1, Ordering::Release);
}

fn end() {
    BEGUN.store(0, Ordering::Release);
}

/// Ends the process where an input does not come to an end.
fn watch(clock: &Clock) {
    loop {
        std::thread::sleep(Duration::from_millis(500));
        let begun = BEGUN.load(Ordering::Acquire);
        let now = clock.now().as_millis() as u64;
        if begun != 0 && now.saturating_sub(begun) > HANGS.as_millis() as u64 {
            let under_way = UNDER_WAY.lock().unwrap();
            let path = keep(under_way.0, &under_way.1);
            eprintln!("{}: hangs with {}", under_way.0, path.display());
            std::process::exit(1);
        }
    }
}
