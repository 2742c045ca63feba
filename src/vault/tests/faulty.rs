//! A location that fails on purpose: it counts what changes it and refuses from operation k on, or only then, or leaves half behind.

use std::sync::atomic::{AtomicUsize, Ordering};

use crate::vault::location::{Capacity, Entry, Error, Local, Location, Result, Spot};

/// How it fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// One refused operation.
    Once,
    /// The process is gone: nothing more happens.
    Crash,
    /// As a crash, with half of the object left under its final name, as a file system without flushing does.
    Torn,
}

/// Wraps a folder.
pub struct Faulty {
    inner: Local,
    writes: AtomicUsize,
    at: usize,
    fault: Fault,
}

impl Faulty {
    pub fn new(inner: Local, at: usize, fault: Fault) -> Self {
        Self { inner, writes: AtomicUsize::new(0), at, fault }
    }

    pub fn writes(&self) -> usize {
        self.writes.load(Ordering::SeqCst)
    }

    fn broken(name: &str) -> Error {
        Error::Io { what: name.into(), source: std::io::Error::other("injected") }
    }

    fn dead(&self) -> bool {
        self.fault != Fault::Once && self.writes() > self.at
    }

    fn fails(&self) -> bool {
        let number = self.writes.fetch_add(1, Ordering::SeqCst);
        if self.fault == Fault::Once { number == self.at } else { number >= self.at }
    }

    fn alive<T>(&self, name: &str, ask: impl FnOnce() -> Result<T>) -> Result<T> {
        if self.dead() { Err(Self::broken(name)) } else { ask() }
    }
}

impl Location for Faulty {
    fn name(&self) -> &str {
        self.inner.name()
    }

    fn place(&self) -> String {
        self.inner.place()
    }

    fn prepare(&self) -> Result<()> {
        self.inner.prepare()
    }

    fn list(&self, prefix: &str) -> Result<Vec<Entry>> {
        self.alive(prefix, || self.inner.list(prefix))
    }

    fn get(&self, name: &str, limit: u64) -> Result<Vec<u8>> {
        self.alive(name, || self.inner.get(name, limit))
    }

    fn get_range(&self, name: &str, offset: u64, length: usize) -> Result<Vec<u8>> {
        self.alive(name, || self.inner.get_range(name, offset, length))
    }

    fn put(&self, name: &str, bytes: &[u8]) -> Result<()> {
        let first = !self.dead();
        if !self.fails() {
            return self.inner.put(name, bytes);
        }
        if first && self.fault == Fault::Torn {
            self.inner.put(name, &bytes[..bytes.len() / 2])?;
        }
        Err(Self::broken(name))
    }

    fn delete(&self, name: &str) -> Result<()> {
        if self.fails() { Err(Self::broken(name)) } else { self.inner.delete(name) }
    }

    fn spot(&self) -> Result<Option<Spot>> {
        self.inner.spot()
    }

    fn capacity(&self) -> Result<Option<Capacity>> {
        self.inner.capacity()
    }
}
