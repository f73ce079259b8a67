use super::layout;

layout! {
    /// Adds to how many views of a generation were repaired. Returns 1, or 0 when the generation is
    /// gone.
    CountRepaired("count_repaired.lua"): keys checkpoint, repaired; arguments count;
}
