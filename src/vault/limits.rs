//! The numbers of the format, each with its reason. What is read is checked against them before anything is allocated.

/// A data pack is sealed at this many bytes: large enough for object stores, small enough to be held in memory twice (built and checked).
pub const DATA_PACK: usize = 16 << 20;
/// A metadata pack is sealed at this many bytes.
pub const META_PACK: usize = 4 << 20;
/// The largest pack that is read: room for later, larger targets.
pub const MAX_PACK: u64 = 256 << 20;
/// A pack is sealed at this many chunks, so that its trailer stays small.
pub const PACK_ENTRIES: usize = 10_000;
/// The most chunks a pack that is read may name.
pub const MAX_PACK_ENTRIES: u32 = 1 << 20;
/// The largest plain chunk.
pub const MAX_CHUNK: usize = 16 << 20;
/// Content of at most this many bytes is one chunk.
pub const WHOLE_CONTENT: usize = 1 << 20;
/// The smallest piece that longer content is cut into.
pub const CUT_MIN: usize = 256 << 10;
/// The size aimed at.
pub const CUT_AVERAGE: usize = 1 << 20;
/// The largest piece.
pub const CUT_MAX: usize = 4 << 20;
/// Content of more chunks than this names lists of chunks instead of chunks.
pub const LIST_LENGTH: usize = 4096;
/// An index fragment is written at this many chunks: about a megabyte.
pub const FRAGMENT_ENTRIES: usize = 20_000;
/// The largest index fragment that is read, stored or unpacked.
pub const MAX_FRAGMENT: u64 = 64 << 20;
/// The largest manifest that is read, stored or unpacked.
pub const MAX_MANIFEST: u64 = 64 << 20;
/// The largest small record that is read: `vault.json`, a key slot, a hold, a deletion.
pub const MAX_RECORD: u64 = 64 << 10;
/// Compression that gains less than this many percent is not worth undoing: the chunk is kept as it is.
pub const MIN_GAIN_PERCENT: usize = 3;
/// zstd's level for packs: its speed bounds a backup's.
pub const ZSTD_LEVEL: i32 = 1;
/// The most memory that a key slot may ask for, in KiB: a hostile slot must not exhaust the machine.
pub const MAX_KDF_MEMORY: u32 = 1 << 20;
/// The most passes a key slot may ask for.
pub const MAX_KDF_PASSES: u32 = 64;
/// The most lanes a key slot may ask for.
pub const MAX_KDF_LANES: u32 = 16;
/// How many manifests are looked through for this host's previous one.
pub const PREVIOUS_WITHIN: usize = 16;
