//! A wish to stop, from Ctrl-C or from whatever else a program has.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::error::{Error, Result};

/// Whether somebody wants long work to stop. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct Stop(Arc<AtomicBool>);

impl Stop {
    /// Asks for it; whether it was asked for before.
    pub fn ask(&self) -> bool {
        self.0.swap(true, Ordering::Relaxed)
    }

    /// Long work calls this where it can stop and lose nothing.
    ///
    /// # Errors
    /// [`Error::Interrupted`], with what is `finished` in words, when it was asked for.
    pub fn check(&self, finished: impl FnOnce() -> String) -> Result<()> {
        if self.0.load(Ordering::Relaxed) { Err(Error::Interrupted(finished())) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clone_is_asked_too_and_the_error_says_what_is_finished() {
        let stop = Stop::default();
        let other = stop.clone();
        assert!(other.check(|| "nothing".to_owned()).is_ok());
        assert!(!stop.ask());
        assert!(stop.ask());
        let stopped = other.check(|| "2 of 3".to_owned()).unwrap_err();
        assert!(stopped.to_string().contains("2 of 3"), "{stopped}");
    }
}
