//! The console of the command line: lines and progress bars on stderr.

use std::io::Write;
use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

use crate::console::{Bar, Console};

/// What draws; lines stand above the bars.
#[derive(Debug, Default)]
pub struct Terminal {
    bars: MultiProgress,
}

impl Console for Terminal {
    fn line(&self, text: &str) {
        // One write a line, so that lines of several threads do not mix. `eprintln!` panics where stderr is closed,
        // or is a file on a full disk.
        let text = format!("{text}\n");
        self.bars.suspend(|| {
            let _ = std::io::stderr().lock().write_all(text.as_bytes());
        });
    }

    fn bar(&self, title: &str, steps: u64) -> Box<dyn Bar> {
        let bar = self.bars.add(ProgressBar::new(steps));
        if !title.is_empty() {
            // The template is a constant that is known to parse.
            if let Ok(style) = ProgressStyle::with_template(
                "{prefix} {bar:30} {pos}/{len} steps, {elapsed} gone, {eta} left  {msg}",
            ) {
                bar.set_style(style);
            }
            bar.set_prefix(title.to_owned());
            bar.enable_steady_tick(Duration::from_millis(500));
        }
        Box::new(Drawn(bar))
    }
}

/// A bar, which is cleared away in the end.
struct Drawn(ProgressBar);

impl Bar for Drawn {
    fn start_at(&self, done: u64) {
        self.0.set_position(done);
        self.0.reset_eta();
    }

    fn step(&self, steps: u64) {
        self.0.inc(steps);
    }

    fn message(&self, text: &str) {
        self.0.set_message(text.to_owned());
    }

    fn is_shown(&self) -> bool {
        !self.0.is_hidden()
    }
}

impl Drop for Drawn {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}
