use super::layout;

layout! {
    /// Reads the notes of the streams whose names come after `from`, a bound as `ZRANGE` takes it: up to
    /// `limit` and `max_bytes`, at least one. Returns how many streams are parked in all, whether others
    /// follow, the notes, and what was let go of each.
    ReadParked("read_parked.lua"): keys checkpoint, parked, names, let_go;
    arguments from, limit, max_bytes;
}
