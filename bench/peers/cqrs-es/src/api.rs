//! Waybill's routes of orders, as far as the load generator uses them.

use std::collections::HashMap;
use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path, State as Shared};
use axum::http::{Method, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{any, get, post};
use cqrs_es::AggregateError;
use cqrs_es::persist::ViewRepository as _;
use kernel::Timestamp;
use kernel::aggregate::{Aggregate as _, CommandContext, Invalid, RefusalKind};
use orders::OrderAggregate;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use crate::aggregate::Refused;
use crate::store::{Framework, Views};
use crate::view::RECORDED_AT;

pub struct Api {
    pub framework: Framework,
    pub views: Arc<Views>,
}

pub fn routes(api: Api) -> Router {
    Router::new()
        .route("/readyz", get(|| async { "ready" }))
        .route("/orders", post(create))
        .route("/orders/{id}", get(show))
        .route("/orders/{id}/{segment}", any(act))
        .route("/orders/{id}/{segment}/{parameter}", any(act_on))
        .with_state(Arc::new(api))
}

async fn create(Shared(api): Shared<Arc<Api>>, body: Bytes) -> Response {
    match fields(&body) {
        Ok(fields) => api.carry_out(OrderAggregate::RESOURCE.create, fields).await,
        Err(why) => answer(StatusCode::BAD_REQUEST, &json!({ "detail": why })),
    }
}

async fn act(
    shared: Shared<Arc<Api>>,
    method: Method,
    Path((id, segment)): Path<(String, String)>,
    body: Bytes,
) -> Response {
    route(shared, method, [id, segment], None, &body).await
}

async fn act_on(
    shared: Shared<Arc<Api>>,
    method: Method,
    Path((id, segment, parameter)): Path<(String, String, String)>,
    body: Bytes,
) -> Response {
    route(shared, method, [id, segment], Some(parameter), &body).await
}

/// Finds the command of a path, and carries it out.
async fn route(
    Shared(api): Shared<Arc<Api>>,
    method: Method,
    [id, segment]: [String; 2],
    parameter: Option<String>,
    body: &[u8],
) -> Response {
    let resource = OrderAggregate::RESOURCE;
    let action = resource.actions.iter().find(|action| {
        action.segment == segment
            && action.method == method.as_str()
            && action.parameter.is_some() == parameter.is_some()
    });
    let Some(action) = action else {
        return answer(StatusCode::NOT_FOUND, &json!({ "detail": "There is no such route." }));
    };
    let mut fields = match fields(body) {
        Ok(fields) => fields,
        Err(why) => return answer(StatusCode::BAD_REQUEST, &json!({ "detail": why })),
    };
    fields.insert(resource.id.to_owned(), id.into());
    if let (Some(name), Some(value)) = (action.parameter, parameter) {
        fields.insert(name.to_owned(), value.into());
    }
    api.carry_out(action.command, fields).await
}

/// A body is a JSON object, or empty where a command has no fields.
fn fields(body: &[u8]) -> Result<Map<String, Value>, String> {
    if body.is_empty() {
        return Ok(Map::new());
    }
    serde_json::from_slice(body).map_err(|error| error.to_string())
}

impl Api {
    async fn carry_out(&self, kind: &str, mut fields: Map<String, Value>) -> Response {
        fields.insert("type".to_owned(), kind.into());
        let now = Timestamp::now();
        let context = CommandContext { now, new_id: Uuid::new_v4() };
        let envelope = match OrderAggregate::parse(Value::Object(fields), &context) {
            Ok(envelope) => envelope,
            Err(Invalid { detail, .. }) => {
                return answer(StatusCode::UNPROCESSABLE_ENTITY, &json!({ "detail": detail }));
            }
        };
        let id = envelope.stream.id().to_string();
        let metadata = HashMap::from([(RECORDED_AT.to_owned(), now.to_string())]);
        match self.framework.execute_with_metadata(&id, envelope.command, metadata).await {
            Ok(()) => {
                let created = kind == OrderAggregate::RESOURCE.create;
                let status = if created { StatusCode::CREATED } else { StatusCode::OK };
                answer(status, &json!({ OrderAggregate::RESOURCE.id: id }))
            }
            Err(error) => refuse(error),
        }
    }
}

async fn show(Shared(api): Shared<Arc<Api>>, Path(id): Path<String>) -> Response {
    match api.views.load(&id).await {
        Ok(Some(view)) => answer(StatusCode::OK, &json!(view)),
        Ok(None) => answer(StatusCode::NOT_FOUND, &json!({ "detail": "There is no such order." })),
        Err(error) => {
            eprintln!("a view could not be read: {error}");
            answer(
                StatusCode::INTERNAL_SERVER_ERROR,
                &json!({ "detail": "The view store failed." }),
            )
        }
    }
}

fn refuse(error: AggregateError<Refused>) -> Response {
    let status = match &error {
        AggregateError::UserError(Refused(refusal)) => match refusal.kind {
            RefusalKind::Unknown => StatusCode::NOT_FOUND,
            RefusalKind::Exists | RefusalKind::Illegal => StatusCode::CONFLICT,
            RefusalKind::OutOfRange => StatusCode::UNPROCESSABLE_ENTITY,
        },
        AggregateError::AggregateConflict => StatusCode::CONFLICT,
        _ => StatusCode::INTERNAL_SERVER_ERROR,
    };
    if status == StatusCode::INTERNAL_SERVER_ERROR {
        eprintln!("a command failed: {error}");
    }
    answer(status, &json!({ "detail": error.to_string() }))
}

fn answer(status: StatusCode, body: &Value) -> Response {
    (status, [(header::CONTENT_TYPE, "application/json")], body.to_string()).into_response()
}
