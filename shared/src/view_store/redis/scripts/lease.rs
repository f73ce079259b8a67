use super::layout;

layout! {
    /// Takes or renews the lease of a generation, for a term in milliseconds. Returns 1 when the
    /// holder has it.
    Lease("lease.lua"): keys checkpoint, lease; arguments holder, term;
}
