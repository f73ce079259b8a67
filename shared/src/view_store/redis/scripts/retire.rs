use super::layout;

layout! {
    /// Begins the removal of a generation, unless it is live. Returns 1 when it is retired.
    Retire("retire.lua"): keys live, building, checkpoint; arguments id;
}
