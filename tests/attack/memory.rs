//! An allocator that counts what the current thread holds, and the most that it has held.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

/// More than this at once, and the process ends rather than the machine: the input is on disk by then.
const MOST: isize = 3 << 30;

thread_local! {
    static HELD: Cell<isize> = const { Cell::new(0) };
    static PEAK: Cell<isize> = const { Cell::new(0) };
}

/// The system's allocator with a counter.
pub struct Counting;

fn count(bytes: isize) -> bool {
    let held = HELD.try_with(|held| {
        held.set(held.get() + bytes);
        held.get()
    });
    // At the end of a thread there is no counter any more.
    let Ok(held) = held else { return true };
    let _ = PEAK.try_with(|peak| peak.set(peak.get().max(held)));
    held < MOST
}

// SAFETY: every call is handed to the system's allocator as it is. A refused one returns null, which is allowed.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if !count(layout.size() as isize) {
            return std::ptr::null_mut();
        }
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        if !count(layout.size() as isize) {
            return std::ptr::null_mut();
        }
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        count(-(layout.size() as isize));
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // Where it moves, both are there for a moment.
        let grown = count(size as isize);
        count(-(layout.size() as isize));
        if !grown {
            return std::ptr::null_mut();
        }
        unsafe { System.realloc(pointer, layout, size) }
    }
}

/// Calls `work`; returns by how much the most that was held exceeded what was held before.
pub fn peak_of(work: impl FnOnce()) -> usize {
    let before = HELD.get();
    PEAK.set(before);
    work();
    (PEAK.get() - before).max(0) as usize
}
