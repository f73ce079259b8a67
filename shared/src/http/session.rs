//! The session of a page: a cookie that holds a token, out of reach of scripts.

pub mod cookie;

use std::sync::LazyLock;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use kernel::aggregate::Invalid;
use kernel::contract::Shape;
use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use warp::Filter as _;
use warp::filters::BoxedFilter;
use warp::reply::Response;

use super::api::Operation;
use super::fields::{Fields, Wrong};
use super::origin::same_origin;
use super::probes::get_or_head;
use super::problem::{JSON, Problem};
use super::serve::Peer;
use super::{Access, Answer, Guard, answer, body, strict_json};
use crate::auth::principal::caller;
use crate::auth::{Caller, Principal, Role, Roles};

/// Bytes of a body: room for any token.
const MAX_BODY: usize = 16 << 10;

/// What a page signs in with.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(inline)]
struct SignIn {
    /// A token.
    token: String,
}

/// Who a client is.
#[derive(Serialize, JsonSchema)]
struct Session {
    /// The principal.
    principal: String,
    /// What it may do: `command`, `query`, `operate`.
    #[schemars(with = "Vec<String>")]
    roles: Roles,
    /// The only owner whose things it is shown.
    owner: Option<String>,
    /// When its token ends.
    expires: Option<kernel::Timestamp>,
}

impl From<&Principal> for Session {
    fn from(principal: &Principal) -> Self {
        let Principal { name, roles, owner, expires } = principal.clone();
        Self { principal: name, roles, owner, expires }
    }
}

/// `/session`: who the client is, sign-in, sign-out.
pub fn routes(guard: Guard) -> BoxedFilter<(Response,)> {
    let path = || warp::path!("session");
    let headers = warp::header::headers_cloned;
    let show = path()
        .and(get_or_head())
        .and(caller())
        .map(|caller: Caller| answer::into_response(show(&caller)));
    let peer = warp::ext::optional::<Peer>();
    let sign_in = path().and(warp::post()).and(peer).and(headers()).and(body(MAX_BODY)).then(
        move |peer, headers: HeaderMap, body: Result<Bytes, Problem>| {
            let guard = guard.clone();
            async move { answer::into_response(sign_in(&guard, peer, &headers, body).await) }
        },
    );
    let sign_out = path()
        .and(warp::delete())
        .and(headers())
        .map(|headers: HeaderMap| answer::into_response(sign_out(&headers)));
    show.or(sign_in).unify().or(sign_out).unify().boxed()
}

fn show(caller: &Caller) -> Answer {
    let unknown = || Problem::unauthenticated("Expected a token.", None);
    told(&Session::from(caller.principal().ok_or_else(unknown)?))
}

async fn sign_in(
    guard: &Guard,
    peer: Option<Peer>,
    headers: &HeaderMap,
    body: Result<Bytes, Problem>,
) -> Answer {
    same_origin(headers)?;
    let json = strict_json::read(&body?).map_err(|error| match error.is_data() {
        // It names the key, which may be a token.
        true => Problem::malformed("Expected each key of an object once (RFC 7493, section 2.3)."),
        false => Problem::malformed(format!("This is no JSON: {error}.")),
    })?;
    // serde would take an array for the fields of a struct as well.
    let given = SignIn::deserialize(&json).ok().filter(|_| json.is_object());
    let SignIn { token } = given.ok_or_else(|| wrong(&json))?;
    let Peer(address) = peer.ok_or_else(|| Problem::internal("the request has no address"))?;
    let principal = guard.sign_in(address, &token).await?;
    with_cookie(told(&Session::from(&*principal))?, cookie::set(&token, cookie::is_secure(headers)))
}

/// Whether this is the pointer to a field with a plain name: what else is in its place may be a token.
fn is_plain(pointer: &str) -> bool {
    let name = pointer.trim_start_matches('/');
    name.len() <= 24 && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_')
}

/// Every field that is wrong. What was found is told by its type alone: it may be a token.
fn wrong(body: &Value) -> Problem {
    static FIELDS: LazyLock<Result<Fields, String>> = LazyLock::new(|| {
        let settings = SchemaSettings::draft2020_12().for_deserialize();
        Fields::of(settings.into_generator().into_root_schema_for::<SignIn>().as_value())
    });
    let Wrong { listed: mut errors, others } =
        FIELDS.as_ref().map(|fields| fields.wrong(body)).unwrap_or_default();
    for error in &mut errors {
        error.found = body.pointer(&error.pointer).map_or("nothing", type_of).to_owned();
        if !is_plain(&error.pointer) {
            error.pointer.clear();
        }
    }
    let detail = "Expected {\"token\": \"…\"} and nothing else.".to_owned();
    Problem::from(Invalid { detail, errors }).leaving_out(others.len())
}

fn type_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    }
}

fn sign_out(headers: &HeaderMap) -> Answer {
    same_origin(headers)?;
    with_cookie(answer::no_content(), cookie::clear(cookie::is_secure(headers)))
}

fn told(session: &Session) -> Answer {
    let mut response = answer::json(StatusCode::OK, session)?;
    answer::set(&mut response, "cache-control", "no-store");
    Ok(response)
}

fn with_cookie(mut response: Response, cookie: String) -> Answer {
    let mut cookie = HeaderValue::try_from(cookie)
        .map_err(|_| Problem::internal("the token fits into no header"))?;
    cookie.set_sensitive(true); // `Debug` does not print it.
    response.headers_mut().insert(header::SET_COOKIE, cookie);
    Ok(response)
}

/// The same, described.
pub fn operations() -> [Operation; 3] {
    let session = json!({
        "principal": "shop", "roles": ["query"], "owner": null, "expires": "2027-01-31T12:00:00.000Z",
    });
    let session = || Shape::of::<Session>(session.clone());
    let token = "wb_0123456789ab_0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
    let cookie = "A cookie holds the token: out of reach of scripts, and sent to this host alone.";
    [
        Operation::new("GET", "/session", "readSession")
            .access(Access::of(&Role::ALL).also_bound())
            .tag("session")
            .about("Who the client is.")
            .answers(200, "It is known.", JSON, session())
            .with(["Cache-Control"]),
        Operation::new("POST", "/session", "signIn")
            .access(Access::OPEN)
            .tag("session")
            .about(format!("Signs a page in. {cookie}"))
            .takes(JSON, Shape::of::<SignIn>(json!({ "token": token })), true)
            .answers(200, "It is signed in.", JSON, session())
            .with(["Cache-Control", "Set-Cookie"])
            .fails(["validation", "unauthorized", "too-many-requests"]),
        Operation::new("DELETE", "/session", "signOut")
            .access(Access::OPEN)
            .tag("session")
            .about("Ends the session of a page: its browser forgets the cookie.")
            .answers_nothing(204, "It is signed out.")
            .with(["Set-Cookie"]),
    ]
}
