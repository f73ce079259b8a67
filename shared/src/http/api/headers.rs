//! The headers of requests and answers, described.

use std::borrow::Cow;

use kernel::contract::Parameter;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};

/// A token that query-api takes. Its log is 32 hexadecimal digits.
const TOKEN: &str = "^[0-9a-f]{32}\\.([0-9]{1,18}|[1-9][0-9]{0,17}@[0-9A-Za-z]+-[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}(,[1-9][0-9]{0,17}@[0-9A-Za-z]+-[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}){0,19})$";

/// Visible characters, quoted or not: where it starts with a quote, it ends with one.
const KEY: &str =
    "^(\"[\\x20-\\x7e]{1,255}\"|[\\x21\\x23-\\x7e]([\\x20-\\x7e]{0,253}[\\x21-\\x7e])?)$";

/// The `ETag` of a command, a state or a view, a version in quotes, or `*`.
const IF_MATCH: &str =
    "^(\"[0-9]{1,18}(-[0-9a-f]{32}(-v[0-9]+-[0-9a-f]{8}|-[0-9a-f]{32})?)?(-zstd|-gzip)?\"|\\*)$";

/// The id of an event of a stream.
pub const EVENT_ID: &str = "0f8fad5bd9cb469fa16570867728950e.v2-1b9d6bcd.1769860803250-0";

/// Log, generation and place of an event.
const EVENT: &str =
    "^[!-\\-/-~]{1,64}\\.[!-\\-/-~]{1,64}\\.(0|[1-9][0-9]{0,17})-(0|[1-9][0-9]{0,17})$";

macro_rules! values {
    ($($(#[$doc:meta])* $vis:vis $name:ident: $schema:expr;)*) => { $(
        $(#[$doc])*
        #[derive(Debug)]
        $vis enum $name {}

        impl JsonSchema for $name {
            fn inline_schema() -> bool {
                true
            }

            fn schema_name() -> Cow<'static, str> {
                stringify!($name).into()
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                $schema
            }
        }
    )* };
}

values! {
    Text: json_schema!({ "type": "string" });
    Token: json_schema!({ "type": "string", "pattern": TOKEN, "minLength": 1 });
    Key: json_schema!({ "type": "string", "pattern": KEY, "minLength": 1 });
    /// The id of an event of a stream.
    pub EventId: json_schema!({ "type": "string", "pattern": EVENT });
    LastEventId: json_schema!({
        "anyOf": [{ "type": "string", "pattern": EVENT }, { "type": "string", "maxLength": 0 }],
    });
    IfMatch: json_schema!({ "type": "string", "pattern": IF_MATCH });
}

/// `Consistency-Token` of a query.
pub fn consistency_token() -> Parameter {
    Parameter::of::<Token>(
        "Consistency-Token",
        "What the client has seen: the answer contains at least that, and waits for it up to 2 s, or \
         as long as `Prefer` says.",
        "0f8fad5bd9cb469fa16570867728950e.3@thing-809266d8-6c0c-4b69-812e-c155352a1fea",
    )
}

/// `Prefer` of what can wait.
pub fn prefer() -> Parameter {
    Parameter::of::<Text>("Prefer", "`wait=<seconds>`, up to 30 (RFC 7240).", "wait=5")
}

/// `Idempotency-Key` of commands.
pub fn idempotency_key() -> Parameter {
    Parameter::of::<Key>(
        "Idempotency-Key",
        "The same request with the same key is carried out once, and gets the same answer however \
         often it is sent.",
        "\"8e03978e-40d5-43e8-bc93-6894a57f9324\"",
    )
}

/// `If-Match` of commands.
pub fn if_match() -> Parameter {
    Parameter::of::<IfMatch>(
        "If-Match",
        "The command is refused unless this is the present version: the `ETag` of an answer of any \
         service, or a version in quotes.",
        "\"3\"",
    )
}

/// `If-None-Match` and `If-Match` of reads.
pub(super) fn of_reads() -> [Parameter; 2] {
    let known = "The `ETag`s of answers that the client has, or `*`: 304 when the answer would have one \
                 of them. They are compared weakly (RFC 9110, section 13.1.2).";
    let expected = "The `ETag`s of answers that the client expects, or `*`: 412 when the answer would have \
                    another one. They are compared strongly (RFC 9110, section 13.1.1).";
    [
        Parameter::of::<Text>("If-None-Match", known, "\"3\""),
        Parameter::of::<Text>("If-Match", expected, "*"),
    ]
}

/// `Last-Event-ID` of a stream of events.
pub fn last_event_id() -> Parameter {
    let about = "The `id` of the last event that the client has seen; it counts more than `after`. \
                 Empty is as none.";
    Parameter::of::<LastEventId>("Last-Event-ID", about, EVENT_ID)
}

/// Of every request: an operation that says more of one describes it itself.
pub(super) fn of_every_request() -> [Parameter; 3] {
    let id = Parameter::of::<Text>(
        "X-Request-Id",
        "Names the request in the answer and in the log of the service: 1 to 128 letters, digits and \
         `-._~:+/=@`. Where it is missing or anything else, the service makes one.",
        "checkout-7781-1",
    );
    let correlation = "What the request belongs to, up to 255 bytes: the log of the service has it in \
                       each line that is written for the request.";
    let trace = "The trace that the request belongs to (W3C Trace Context): the log of the service has \
                 it in each line that is written for the request, and where the request is traced, its \
                 span goes on with it. Ignored where it has another form.";
    [id, correlation_id(correlation), traceparent(trace)]
}

/// What a client says of where a command comes from.
pub fn trace() -> [Parameter; 3] {
    let about = "Stored with the events, up to 255 bytes, and in the log of the service; without it the \
                 id of the request is stored.";
    let causation = "Stored with the events, up to 255 bytes.";
    let causation = Parameter::of::<Text>("X-Causation-Id", causation, "webhook-12");
    let trace = "Stored with the events, and in the log of the service; where the request is traced, \
                 its span goes on with it, and is stored instead. Ignored where it has another form \
                 (W3C Trace Context).";
    [correlation_id(about), causation, traceparent(trace)]
}

fn correlation_id(about: &'static str) -> Parameter {
    Parameter::of::<Text>("X-Correlation-Id", about, "checkout-7781")
}

fn traceparent(about: &'static str) -> Parameter {
    let example = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    Parameter::of::<Text>("traceparent", about, example)
}

/// Of every answer.
pub const REQUEST_ID: &str = "X-Request-Id";

/// Of every answer, each with whether it is always there, whatever the way that the answer went: one of
/// them is for answers over TLS alone.
pub const OF_EVERY_ANSWER: [(&str, bool); 5] = [
    (REQUEST_ID, true),
    ("Content-Security-Policy", true),
    ("Referrer-Policy", true),
    ("Strict-Transport-Security", false),
    ("X-Content-Type-Options", true),
];

/// Headers of answers: name, what it says, and the pattern of its value.
pub const OF_ANSWERS: &[(&str, &str, &str)] = &[
    (
        REQUEST_ID,
        "Names the request in the log of the service: the client's, or one that the service made.",
        "^[0-9A-Za-z._~:+/=@-]{1,128}$",
    ),
    (
        "ETag",
        "Names the version that is shown, for `If-Match` and `If-None-Match`.",
        "^(W/)?\".+\"$",
    ),
    ("Consistency-Token", "What the answer shows, for queries that are to show no less.", TOKEN),
    ("Location", "The path of what was created, on query-api.", "^/.+$"),
    ("Retry-After", "Seconds after which trying again makes sense.", "^[0-9]+$"),
    ("Cache-Control", "How long the answer may be kept.", "^.+$"),
    ("Vary", "The headers of the request on which the answer depends.", "^.+$"),
    ("WWW-Authenticate", "Asks for a token, or for another one (RFC 6750).", "^Bearer .+$"),
    ("Allow", "The methods of the path.", "^[A-Z]+(, [A-Z]+)*$"),
    (
        "Set-Cookie",
        "The token, for the browser to send back; empty where the session ends.",
        "^(__Host-)?waybill_session=[^;]*; HttpOnly; SameSite=Strict; Path=/(; Secure)?(; Max-Age=0)?$",
    ),
    ("X-Accel-Buffering", "Asks a proxy to pass the events on as they come.", "^no$"),
    ("Content-Security-Policy", "What a page may load, where a browser shows it.", "^.+$"),
    ("Referrer-Policy", "Whether other sites are told where a visitor comes from.", "^.+$"),
    (
        "Strict-Transport-Security",
        "Over TLS, asked for by a name: browsers shall ask by no other way (RFC 6797).",
        "^max-age=[0-9]+",
    ),
    ("X-Content-Type-Options", "The answer is of its `Content-Type` and of no other.", "^nosniff$"),
];
