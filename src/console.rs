//! What a person is told while work goes on.
//!
//! The library prints nothing by itself. A program with somebody to tell installs a [`Console`]; `parula` installs one
//! that writes to stderr and draws bars. Progress that cannot be shown must not end the work, so nothing here fails.
//! Results go to stdout and to files, where a failed write is an error.

use std::fmt;
use std::sync::OnceLock;

/// Who is told.
pub trait Console: Send + Sync {
    /// A line by itself, without its end.
    fn line(&self, text: &str);

    /// Work of `steps` steps that is called `title`, and that may be nothing, begins.
    fn bar(&self, title: &str, steps: u64) -> Box<dyn Bar>;
}

/// How far one piece of work has come. It is over when this is dropped.
pub trait Bar {
    /// `done` steps are done, before this process or in it; how long the rest takes is reckoned from here.
    fn start_at(&self, done: u64);

    /// `steps` more are done.
    fn step(&self, steps: u64);

    /// What the last part of it reached.
    fn message(&self, text: &str);

    /// Whether a person sees it. Where not, [`line()`] is called for what the bar would show.
    fn is_shown(&self) -> bool;
}

static CONSOLE: OnceLock<Box<dyn Console>> = OnceLock::new();

/// From now on `console` is told. The first one that is installed stays.
pub fn install(console: Box<dyn Console>) {
    let _ = CONSOLE.set(console);
}

/// Tells a line.
pub fn line(text: fmt::Arguments) {
    if let Some(console) = CONSOLE.get() {
        console.line(&text.to_string());
    }
}

/// Tells that work of `steps` steps begins.
pub fn bar(title: &str, steps: u64) -> Box<dyn Bar> {
    match CONSOLE.get() {
        Some(console) => console.bar(title, steps),
        None => Box::new(Nobody),
    }
}

/// Where there is no console.
struct Nobody;

impl Bar for Nobody {
    fn start_at(&self, _done: u64) {}

    fn step(&self, _steps: u64) {}

    fn message(&self, _text: &str) {}

    fn is_shown(&self) -> bool {
        false
    }
}

/// [`line()`], with the arguments of `format!`.
macro_rules! note {
    ($($argument:tt)*) => { $crate::console::line(::std::format_args!($($argument)*)) };
}
pub(crate) use note;
