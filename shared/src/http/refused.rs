//! What is turned away because there is no room for it, or because it asks too often.

use crate::service::metrics::Counter;

/// All connections that a listener has are taken.
pub const CONNECTIONS: &str = "connections";
/// One address has all that it may have.
pub const CONNECTIONS_PER_ADDRESS: &str = "connections_per_address";
/// One address asks too often.
pub const RATE_PER_ADDRESS: &str = "rate_per_address";
/// One principal asks too often.
pub const RATE_PER_PRINCIPAL: &str = "rate_per_principal";
/// Sign-ins, or JWTs that were not known, of one address fail too often.
pub const SIGN_INS: &str = "sign_ins";
/// Signatures of too many tokens are being checked.
pub const SIGNATURES: &str = "signatures";
/// No TLS was agreed on.
pub const HANDSHAKE: &str = "handshake";
/// There is no room for another body.
pub const BODIES: &str = "bodies";
/// There is no room for another answer until clients have taken others.
pub const ANSWERS: &str = "answers";
/// As many lists are being read as may be, of all clients or of this one.
pub const LISTS: &str = "lists";

/// Each by its reason.
pub static REFUSED: Counter = Counter::by(
    "waybill_http_refused_total",
    "Connections and requests that were turned away, by reason.",
    &["reason"],
    &[
        CONNECTIONS,
        CONNECTIONS_PER_ADDRESS,
        RATE_PER_ADDRESS,
        RATE_PER_PRINCIPAL,
        SIGN_INS,
        SIGNATURES,
        HANDSHAKE,
        BODIES,
        ANSWERS,
        LISTS,
    ],
);
