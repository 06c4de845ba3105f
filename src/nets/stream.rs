//! Picture files made into a network's numbers, batch by batch, on all cores.

use std::path::Path;

use super::classifier::Classifier;
use super::images::{Colour, Prepared};
use crate::error::{Error, Result};
use crate::parallel::{self, Limit};

/// What all pictures that are read ahead may take, in bytes.
const AHEAD: u64 = 256 << 20;

/// Files in batches.
pub struct Stream<'a, K> {
    read: &'a mut dyn Iterator<Item = Result<(K, Prepared)>>,
    batch: usize,
    /// How many files were looked at, readable or not.
    pub seen: usize,
}

/// What could be read of some files: for each its place among all of them and what was kept of the picture, and
/// the pictures resized for the network.
pub type Batch<K> = (Vec<(usize, K)>, Prepared);

impl<K> Stream<'_, K> {
    /// The next batch, full but for the last; none when there are no more files. `failed` is told of those that
    /// cannot be read.
    pub fn next(&mut self, mut failed: impl FnMut(Error)) -> Option<Batch<K>> {
        let mut found = Vec::with_capacity(self.batch);
        let mut all: Option<Prepared> = None;
        while found.len() < self.batch {
            let Some(read) = self.read.next() else { break };
            self.seen += 1;
            match read {
                Ok((kept, prepared)) => {
                    found.push((self.seen - 1, kept));
                    match &mut all {
                        Some(all) => all.append(prepared),
                        None => all = Some(prepared),
                    }
                }
                Err(error) => failed(error),
            }
        }
        all.map(|all| (found, all))
    }
}

impl Classifier {
    /// Gives `take` the pictures in `files`, in their order, in batches of `batch`. All cores read, decode and resize
    /// them, ahead of what is taken by at most 256 MB. `file` gives path, height and width of each, and `keep` says
    /// what of a picture is needed besides the network's input.
    pub fn stream<T: Sync, K: Send, A>(
        &self,
        files: &[T],
        batch: usize,
        file: fn(&T) -> (&Path, [usize; 2]),
        keep: fn(Colour) -> K,
        take: impl FnOnce(&mut Stream<K>) -> A,
    ) -> A {
        // A pixel as it is decoded and as it is kept, four bytes each.
        let cost = |one: &T| {
            let [height, width] = file(one).1;
            (height as u64).saturating_mul(width as u64).saturating_mul(8)
        };
        let read = |one: &T| {
            let path = file(one).0;
            let colour = self.read(path)?;
            let names = vec![path.display().to_string()];
            let prepared = Prepared { names, ..self.prepare([&colour].into_iter()) };
            Ok((keep(colour), prepared))
        };
        let limit = Limit { cost: &cost, budget: AHEAD };
        parallel::ahead(files, &limit, read, |read| take(&mut Stream { read, batch, seen: 0 }))
    }
}
