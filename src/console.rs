//! What a person is told on stderr while work goes on.
//!
//! `eprintln!` panics where stderr is closed, or is a file on a full disk. Progress that cannot be
//! shown must not end the work, so `note!` ignores that it was not shown. Results go to stdout and to
//! files, where a failed write is an error.

use std::fmt;
use std::io::Write;

/// Writes a line to stderr; that it cannot be written is ignored.
pub fn line(text: fmt::Arguments) {
    // One write a line, so that lines of several threads do not mix.
    let text = format!("{text}\n");
    let _ = std::io::stderr().lock().write_all(text.as_bytes());
}

/// As `eprintln!`, but never panics.
macro_rules! note {
    ($($argument:tt)*) => { $crate::console::line(::std::format_args!($($argument)*)) };
}
pub(crate) use note;
