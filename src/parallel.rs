//! One function for many items, on all cores, results in order.

use std::cell::Cell;
use std::collections::VecDeque;
use std::panic::resume_unwind;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

thread_local! {
    /// The most cores that what this thread asks for is made on; 0 for all.
    static MOST: Cell<usize> = const { Cell::new(0) };
}

/// How many cores work for this thread.
pub fn cores() -> usize {
    match MOST.get() {
        0 => std::thread::available_parallelism().map_or(1, usize::from),
        most => most,
    }
}

/// `function` with so many cores for all that it asks for here, to measure what they are worth.
pub fn on<A>(cores: usize, function: impl FnOnce() -> A) -> A {
    let before = MOST.replace(cores);
    let done = function();
    MOST.set(before);
    done
}

/// `function` of every item. The results are in the order of `items`, whichever core made them.
pub fn map<T: Sync, R: Send>(items: &[T], function: impl Fn(&T) -> R + Sync) -> Vec<R> {
    let cores = cores().min(items.len());
    if cores < 2 {
        return items.iter().map(function).collect();
    }
    let next = AtomicUsize::new(0);
    // Items differ in cost, so each core takes the next one when it is free.
    let work = || {
        let mut done = Vec::new();
        loop {
            let index = next.fetch_add(1, Ordering::Relaxed);
            let Some(item) = items.get(index) else { return done };
            done.push((index, function(item)));
        }
    };
    let mut results: Vec<(usize, R)> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..cores).map(|_| scope.spawn(work)).collect();
        threads
            .into_iter()
            .flat_map(|thread| thread.join().unwrap_or_else(|panic| resume_unwind(panic)))
            .collect()
    });
    results.sort_unstable_by_key(|(index, _)| *index);
    results.into_iter().map(|(_, result)| result).collect()
}

/// `function` of every item, which it is given to keep, such as a part of something that it writes.
pub fn each<T: Send>(items: Vec<T>, function: impl Fn(T) + Sync) {
    let cores = cores().min(items.len());
    if cores < 2 {
        return items.into_iter().for_each(function);
    }
    let items = Mutex::new(items.into_iter());
    let next = || items.lock().unwrap_or_else(PoisonError::into_inner).next();
    std::thread::scope(|scope| {
        for _ in 0..cores {
            scope.spawn(|| {
                while let Some(item) = next() {
                    function(item);
                }
            });
        }
    });
}

/// How far [`ahead`] may go before somebody takes what is made.
pub struct Limit<'a, T> {
    /// What the result of an item takes, in bytes or anything else.
    pub cost: &'a (dyn Fn(&T) -> u64 + Sync),
    /// What all that wait to be taken may take together. One may always be made, whatever it takes.
    pub budget: u64,
}

/// Gives `take` what `function` makes of every item, in the order of `items`. All cores make it, ahead of what is
/// taken, as far as `limit` lets them. What is not taken when `take` returns is not made.
pub fn ahead<T: Sync, R: Send, A>(
    items: &[T],
    limit: &Limit<'_, T>,
    function: impl Fn(&T) -> R + Sync,
    take: impl FnOnce(&mut dyn Iterator<Item = R>) -> A,
) -> A {
    let line = Line { state: Mutex::default(), changed: Condvar::new(), items, limit };
    std::thread::scope(|scope| {
        for _ in 0..cores().min(items.len()) {
            scope.spawn(|| {
                while let Some(index) = line.begin() {
                    // A result that never comes must not be waited for: the scope passes the panic on.
                    let broken = Close(&line);
                    let result = function(&items[index]);
                    std::mem::forget(broken);
                    line.put(index, result);
                }
            });
        }
        let _end = Close(&line);
        take(&mut std::iter::from_fn(|| line.take()))
    })
}

/// What stands between those who make and the one who takes.
struct Line<'a, T, R> {
    state: Mutex<State<R>>,
    changed: Condvar,
    items: &'a [T],
    limit: &'a Limit<'a, T>,
}

struct State<R> {
    /// The results from `taken` on: none where one is not made yet.
    waiting: VecDeque<Option<R>>,
    taken: usize,
    /// What `waiting` costs.
    cost: u64,
    closed: bool,
}

impl<R> Default for State<R> {
    fn default() -> Self {
        State { waiting: VecDeque::new(), taken: 0, cost: 0, closed: false }
    }
}

impl<T, R> Line<'_, T, R> {
    fn lock(&self) -> MutexGuard<'_, State<R>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The item to be made next, once there is room for it.
    fn begin(&self) -> Option<usize> {
        let mut state = self.lock();
        loop {
            let index = state.taken + state.waiting.len();
            if state.closed || index >= self.items.len() {
                return None;
            }
            let cost = (self.limit.cost)(&self.items[index]);
            if state.waiting.is_empty() || state.cost.saturating_add(cost) <= self.limit.budget {
                state.waiting.push_back(None);
                state.cost = state.cost.saturating_add(cost);
                return Some(index);
            }
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn put(&self, index: usize, result: R) {
        let mut state = self.lock();
        let place = index - state.taken;
        state.waiting[place] = Some(result);
        self.changed.notify_all();
    }

    /// The next result; none after the last.
    fn take(&self) -> Option<R> {
        let mut state = self.lock();
        loop {
            if let Some(result) = state.waiting.front_mut().and_then(Option::take) {
                state.waiting.pop_front();
                state.cost = state.cost.saturating_sub((self.limit.cost)(&self.items[state.taken]));
                state.taken += 1;
                self.changed.notify_all();
                return Some(result);
            }
            if state.closed || state.taken == self.items.len() {
                return None;
            }
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

/// Ends the making, in whatever way its scope is left.
struct Close<'a, 'b, T, R>(&'a Line<'b, T, R>);

impl<T, R> Drop for Close<'_, '_, T, R> {
    fn drop(&mut self) {
        self.0.lock().closed = true;
        self.0.changed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};

    use super::{Limit, ahead};

    #[test]
    fn what_is_made_ahead_is_taken_in_order_and_never_more_than_the_budget_waits() {
        let items: Vec<u64> = (0..200).map(|item| item % 7).collect();
        let (made, most) = (AtomicU64::new(0), AtomicU64::new(0));
        let limit = Limit { cost: &|item: &u64| *item, budget: 20 };
        let work = |item: &u64| {
            let now = made.fetch_add(*item, Ordering::SeqCst) + item;
            most.fetch_max(now, Ordering::SeqCst);
            // The first is the last to be ready.
            std::thread::sleep(std::time::Duration::from_micros(300 * (7 - item)));
            *item
        };
        let all: Vec<u64> = ahead(&items, &limit, work, |results| {
            let take = |item: u64| {
                made.fetch_sub(item, Ordering::SeqCst);
                item
            };
            results.map(take).collect()
        });
        assert_eq!(all, items);
        // One that was taken from the line counts here until it is counted down.
        assert!(most.load(Ordering::SeqCst) <= 26, "{most:?}");
    }

    #[test]
    fn an_item_above_the_budget_is_made_and_what_is_not_taken_is_not() {
        let items: Vec<u64> = vec![1000; 50];
        let made = AtomicU64::new(0);
        let limit = Limit { cost: &|item: &u64| *item, budget: 10 };
        let work = |_: &u64| made.fetch_add(1, Ordering::SeqCst);
        let first = ahead(&items, &limit, work, |results| results.take(3).count());
        assert_eq!(first, 3);
        assert!(made.load(Ordering::SeqCst) <= 4, "{made:?}");
        assert_eq!(ahead(&[], &limit, work, |results| results.count()), 0);
    }

    #[test]
    #[should_panic(expected = "a scoped thread panicked")]
    fn a_panic_is_passed_on() {
        let limit = Limit { cost: &|_: &u64| 1, budget: 4 };
        let work = |item: &u64| assert_ne!(*item, 5, "no five");
        ahead(&(0..100).collect::<Vec<u64>>(), &limit, work, |results| results.count());
    }

    #[test]
    fn results_are_in_order_and_nothing_gives_nothing() {
        let items: Vec<u64> = (0..1000).collect();
        let squares = super::map(&items, |item| item * item);
        assert!(squares.iter().zip(&items).all(|(square, item)| *square == item * item));
        assert!(super::map(&[] as &[u64], |item| *item).is_empty());
    }
}
