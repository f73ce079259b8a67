use super::layout;

layout! {
    /// Removes the note of a parked stream, unless more was let go than was `seen` before. Returns 1
    /// when the stream is not parked now.
    Unpark("unpark.lua"): keys parked, names, let_go; arguments stream, seen;
}
