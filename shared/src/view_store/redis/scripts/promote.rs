use super::layout;

layout! {
    /// Makes a generation live, if the expected one still is ('' for none) and the new one is not being
    /// removed. `checkpoint` is that of the new one. Returns 1 when it is live.
    Promote("promote.lua"): keys live, building, generations, checkpoint; arguments expected, new;
}
