use super::layout;

layout! {
    /// Adds an empty generation as the one that is being made, if there is none. Returns 1 when it is
    /// added.
    Begin("begin.lua"): keys building, generations, checkpoint; arguments id, description;
}
