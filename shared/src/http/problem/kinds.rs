//! Every type of problem that the pipeline has by itself: what it is called, and what it means.

use std::collections::BTreeMap;

use http::StatusCode;
use kernel::contract::{Member, ProblemPage};
use kernel::log::Version;
use serde_json::json;

use super::Problem;

/// Seconds after which a client is asked to try again, where waiting helps.
const LATER: Option<u8> = Some(1);
/// The same, for what takes a while.
const MUCH_LATER: Option<u8> = Some(10);
/// Waiting does not help.
const NEVER: Option<u8> = None;

/// What some of them have beside the members of every problem.
pub(crate) fn members() -> Vec<Member> {
    vec![
        Member::of::<String>("rule", "Of a refusal: the rule that refuses the command.", "closed"),
        Member::of::<Version>(
            "version",
            "Of `version-mismatch`, where a command is refused: the actual version.",
            3,
        ),
        Member::of::<u64>(
            super::LEFT_OUT,
            "Of `validation`: how many fields are wrong beside those in `errors`.",
            140,
        ),
        Member::of::<String>(
            "reason",
            "Of `still-parked`: why the stream cannot be applied.",
            "event Happened of schema 2 is unknown to this build",
        ),
        Member::of::<BTreeMap<String, String>>(
            "waiting",
            "Of `unavailable`, where `/readyz` is asked: the parts of the service that wait, each with \
             what it waits for.",
            json!({ "mongodb": "starting" }),
        ),
        Member::of::<BTreeMap<String, u64>>(
            "stuck",
            "Of `stuck`: the work that makes no progress, with the seconds.",
            json!({ "views": 61 }),
        ),
    ]
}

macro_rules! problems {
    ($($(#[$doc:meta])* $name:ident: $status:ident, $slug:literal, $retry:ident, $title:literal,
        $meaning:literal, $remedy:literal;)*) => {
        impl Problem {
            $($(#[$doc])* pub fn $name(detail: impl Into<String>) -> Self {
                let problem = Self::new(StatusCode::$status, $slug, $title, detail.into());
                Self { retry_after: $retry, ..problem }
            })*
        }

        /// What each type means.
        pub(crate) fn pages() -> Vec<ProblemPage> {
            vec![$(ProblemPage {
                name: $slug,
                status: StatusCode::$status.as_u16(),
                title: $title,
                meaning: $meaning,
                remedy: $remedy,
            }),*]
        }

        /// Whether answers of this type have a `Retry-After`.
        pub(crate) fn is_to_be_retried(name: &str) -> bool {
            match name {
                $($slug => $retry.is_some(),)*
                _ => false,
            }
        }
    };
}

problems! {
    /// Syntax: of the JSON, a header, a parameter.
    malformed: BAD_REQUEST, "malformed", NEVER, "The request can't be read",
        "The body is not JSON or has an object that has a key twice (RFC 7493, section 2.3), or a \
         parameter or header is unknown or cannot be read.",
        "Correct what `detail` names.";
    /// Nothing is done for a client that is not known: `Problem::unauthenticated` adds the challenge.
    unauthorized: UNAUTHORIZED, "unauthorized", NEVER, "It is not known who asks",
        "The request shows no token, or one that is not known, expired or revoked. \
         `WWW-Authenticate` says which.",
        "Send `Authorization: Bearer <token>`, with a token that the operator has made.";
    /// The principal may not do that.
    forbidden: FORBIDDEN, "forbidden", NEVER, "Not for this principal",
        "The principal has none of the roles that this operation needs, or is bound to one owner and \
         asks for what spans several.",
        "Use a token with one of the roles that `detail` names.";
    /// What a command would make belongs to another owner than the principal.
    another_owner: FORBIDDEN, "another-owner", NEVER, "It would belong to another owner",
        "The principal is bound to one owner, and the command makes something that belongs to another. \
         Nothing was written.",
        "Name the owner that the principal is bound to.";
    /// A page of another site may not send commands.
    cross_origin: FORBIDDEN, "cross-origin", NEVER, "Not from another site",
        "The request comes from a page of another site: the `Origin` of a POST or DELETE is not its \
         `Host`, and none that the operator has named; or it has a cookie, and no `Origin`.",
        "Send the request from a page of the service itself, or from a program that is no browser.";
    /// No route, or nothing by this id.
    not_found: NOT_FOUND, "not-found", NEVER, "There is nothing here",
        "There is no such path; or what was asked for had no such version, or did not exist at that \
         time.",
        "Compare the path with those of /docs.";
    /// No message by this id, as far as can be seen while another process looks at some.
    dead_letter_not_found: NOT_FOUND, "dead-letter-not-found", LATER,
        "There is nothing by this id, at this moment",
        "There is no dead letter by this id, or another process looks at it at this moment.",
        "GET /dead-letters lists those that are there. Where it may be one that another process looks \
         at, ask again after the seconds of `Retry-After`.";
    /// No method of this path: `Problem::method_not_allowed` says which there are.
    wrong_method: METHOD_NOT_ALLOWED, "method-not-allowed", NEVER, "Not with this method",
        "The path exists, and does not have this method.",
        "Take one of the methods in the header `Allow`.";
    /// The client takes nothing that the route answers.
    not_acceptable: NOT_ACCEPTABLE, "not-acceptable", NEVER, "Not in a form that the client takes",
        "The header `Accept` excludes every form in which this path answers.",
        "Leave out `Accept`, or allow one of the types that `detail` names.";
    /// The body was not there in time.
    timeout: REQUEST_TIMEOUT, "timeout", NEVER, "The request took too long to arrive",
        "The body of the request took longer than 10 seconds. The connection is closed.",
        "Send the request again, over a faster connection or in smaller parts.";
    /// The body has more bytes than the route takes.
    too_large: PAYLOAD_TOO_LARGE, "too-large", NEVER, "The request is too large",
        "A command has more than 64 KiB, or a batch more than 1 MiB.",
        "Send less at a time.";
    /// The body is of another type than the route takes.
    unsupported_media_type: UNSUPPORTED_MEDIA_TYPE, "unsupported-media-type", NEVER,
        "Not a type of body that is taken",
        "The `Content-Type` of the body is none that this path takes, or is missing.",
        "Send JSON, with `Content-Type: application/json`.";
    /// The service is not called so.
    misdirected: MISDIRECTED_REQUEST, "misdirected", NEVER, "Not a name of this service",
        "The `Host` is not a name of this service.",
        "Call the service by its address, or let its operator add the name to WAYBILL_HOSTS.";
    /// The JSON is no command: see `Invalid`.
    validation: UNPROCESSABLE_ENTITY, "validation", NEVER, "The command is not valid",
        "The body is JSON, and not a valid command. `errors` lists up to 100 fields that are wrong, \
         each with a JSON pointer (RFC 6901), what was expected and what was found; \
         `errors_left_out` says how many more there are. With `rule`, each field is valid by itself, \
         and the command as a whole asks for too much.",
        "Correct the fields that `errors` lists.";
    /// The key came with another request before.
    idempotency_mismatch: UNPROCESSABLE_ENTITY, "idempotency-mismatch", NEVER,
        "The key was used for another request",
        "The `Idempotency-Key` came with another request before.",
        "Take a new key for a new request, and an old one for the very same request alone.";
    /// Retry with the same key.
    idempotency_in_flight: CONFLICT, "idempotency-in-flight", LATER,
        "The same request is being carried out",
        "A request with the same `Idempotency-Key` is being carried out at this moment.",
        "Send it again with the same key: it gets the answer of the first.";
    /// Retries are used up; nothing was written.
    conflict: CONFLICT, "conflict", LATER, "Too many commands at once for the same thing",
        "Other commands for the same thing were written first at every attempt. Nothing was written.",
        "Send the request again.";
    /// Nothing was written, as it was to follow what may not have been done. Retry both.
    not_attempted: CONFLICT, "not-attempted", LATER, "What it was to follow may not have been done",
        "An earlier command of the same batch, for the same thing, has no certain outcome, so this \
         one was not tried. Nothing was written.",
        "Send both again, with the same keys.";
    /// A rule of the aggregate refuses the command in its present state.
    illegal_transition: CONFLICT, "illegal-transition", NEVER, "Not in this state",
        "A rule does not allow the command in the present state. `rule` names the rule. Nothing was \
         written.",
        "Read the present state, and decide anew.";
    /// A rebuild was asked for while another is under way.
    already_building: CONFLICT, "already-building", MUCH_LATER,
        "A generation is being made already",
        "A new set of views is being made already.",
        "Wait until it is live: GET /generations shows how far it is.";
    /// Applying the stream failed again.
    still_parked: CONFLICT, "still-parked", NEVER, "It can't be applied still",
        "The parked stream was tried again, and still cannot be applied. `reason` says why.",
        "Bring a version of the projector that can apply it, and try again.";
    /// `If-Match` names another version.
    version_mismatch: PRECONDITION_FAILED, "version-mismatch", NEVER, "It is at another version",
        "`If-Match` does not match. Of a command, nothing was written, and `version` is the actual \
         version, unless the `ETag` is of another log.",
        "Read the present state, decide anew, and send its `ETag`.";
    /// Positions of another log mean nothing in this one.
    cursor_of_another_log: GONE, "cursor-of-another-log", NEVER, "The cursor belongs to another log",
        "The cursor or token is of another log than the one that is there, or than the one that the \
         views are made of. It has been replaced, such as by a backup.",
        "Start again without the cursor or token, and forget what was read before.";
    /// A defect, or stored data that can't be read.
    internal: INTERNAL_SERVER_ERROR, "internal", NEVER, "Something is broken here",
        "Something is broken, such as events that this build cannot read. A command was not carried \
         out.",
        "Tell the operator: the log of the service says more.";
    /// Nothing was done; a server that is needed is away.
    unavailable: SERVICE_UNAVAILABLE, "unavailable", LATER, "Not available at the moment",
        "A server that is needed is away, the command could not start in time, the service starts or \
         stops, too many signatures of tokens are being checked, or large bodies, or answers that are \
         not taken, have all the memory that they may. Nothing was done.",
        "Send the request again after the seconds of `Retry-After`.";
    /// Work of the process does not get on: waiting does not help.
    stuck: SERVICE_UNAVAILABLE, "stuck", NEVER, "The process gets on no more",
        "Work of this process has made no progress for too long, although it should. `stuck` names it, \
         with the seconds.",
        "Restart the process; what it was asked to do meanwhile has no certain outcome.";
    /// Nothing was done: more is asked for than can be done now (RFC 6585, section 4).
    too_many_requests: TOO_MANY_REQUESTS, "too-many-requests", LATER,
        "Too much is asked for at a time",
        "10,000 commands or 16 MiB of them are waiting, or 5,000 streams of changes are open, or half of \
         that is the client's, or it sends more requests, or more credentials that fail, than one address \
         or one principal may. Nothing was done.",
        "Send the request again after the seconds of `Retry-After`, and less at a time.";
    /// The views will not contain what the client has seen until an operator repairs them.
    stream_parked: SERVICE_UNAVAILABLE, "stream-parked", NEVER, "A view can't be made for now",
        "The view ends before the version that the token names, because an event cannot be applied.",
        "Ask without the token, which shows the older view. The operator finds it in GET /parked.";
    /// It may have been done. Safe to repeat with the same `Idempotency-Key`.
    outcome_unknown: SERVICE_UNAVAILABLE, "outcome-unknown", LATER,
        "Whether it was done is not known yet",
        "The command may have been carried out.",
        "Send it again with the same `Idempotency-Key`: it is carried out at most once. Without a \
         key, read the present state first.";
    /// The views do not contain yet what the client has seen.
    not_consistent_yet: SERVICE_UNAVAILABLE, "not-consistent-yet", LATER, "The views are behind",
        "The views do not contain yet what the `Consistency-Token` names.",
        "Ask again; `Prefer: wait=<seconds>`, up to 30, waits longer.";
}
