use super::layout;

layout! {
    /// Notes that a stream can't be applied from a version on, and that its events up to `passed` were
    /// let go. Returns 1 parked, 0 the view is there already, -2 no such generation.
    Park("park.lua"): keys checkpoint, parked, names, let_go, updates, view;
    arguments stream, version, note, passed;
}
