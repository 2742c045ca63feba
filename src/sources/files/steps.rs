//! The places where a crash matters: each change of the file system asks first whether it still may happen.
//!
//! Outside tests it always may. A test lets the first k happen and none after, as if the machine had stopped there.

use std::io;

#[cfg(test)]
thread_local! {
    static LEFT: std::cell::Cell<Option<u32>> = const { std::cell::Cell::new(None) };
}

/// Lets the next `steps` happen and none after; all of them where there is no number. Answers how many were left.
#[cfg(test)]
pub(crate) fn crash_after(steps: Option<u32>) -> Option<u32> {
    LEFT.replace(steps)
}

/// One change is about to happen.
#[cfg(test)]
pub(crate) fn step() -> io::Result<()> {
    LEFT.with(|left| match left.get() {
        None => Ok(()),
        Some(0) => Err(io::Error::other("crash")),
        Some(steps) => {
            left.set(Some(steps - 1));
            Ok(())
        }
    })
}

/// One change is about to happen.
#[cfg(not(test))]
pub(crate) fn step() -> io::Result<()> {
    Ok(())
}
