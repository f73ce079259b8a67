//! What the services say of themselves, and schemas compared with what they answer.

use jsonschema::Validator;
use serde_json::{Value, json};
use waybill::client::Client;

/// A schema of an OpenAPI document; it may refer to others of the document.
pub fn schema_in(document: &Value, schema: &Value) -> Validator {
    let mut schema = schema.clone();
    schema["components"] = document["components"].clone();
    validator(&schema)
}

/// A schema, with the formats of texts.
pub fn validator(schema: &Value) -> Validator {
    jsonschema::options().should_validate_formats(true).build(schema).unwrap()
}

/// Panics with all that does not fit.
pub fn assert_fits(what: &str, validator: &Validator, value: &Value) {
    let errors: Vec<String> = validator
        .iter_errors(value)
        .map(|error| format!("{}: {error}", error.instance_path()))
        .collect();
    assert!(errors.is_empty(), "{what}: {errors:#?}\n{value:#}");
}

pub async fn openapi(service: &Client) -> Value {
    service.get("/openapi.json").await.unwrap()
}

/// Every operation: its path, its method, and its description.
pub fn operations(document: &Value) -> impl Iterator<Item = (&str, &str, &Value)> {
    let paths = document["paths"].as_object().unwrap();
    paths.iter().flat_map(|(path, methods)| {
        let methods = methods.as_object().unwrap();
        methods.iter().map(|(method, operation)| (path.as_str(), method.as_str(), operation))
    })
}

/// The order that the descriptions show, so that their examples find one.
pub fn example_order() -> Value {
    json!({
        "order_id": "809266d8-6c0c-4b69-812e-c155352a1fea", "customer_id": "C-00042",
        "currency": "EUR",
        "items": [{ "sku": "P-0001", "name": "Lamp", "quantity": 2, "unit_price": 1250 }],
    })
}

/// An example of a request: its path and its body. A page signs in with this token.
pub fn example_request(path: &str, operation: &Value, token: &str) -> (String, Option<String>) {
    let mut filled = path.to_owned();
    for parameter in operation["parameters"].as_array().into_iter().flatten() {
        if parameter["in"] == "path" {
            let name = parameter["name"].as_str().unwrap();
            let value = parameter["example"].to_string();
            filled = filled.replace(&format!("{{{name}}}"), value.trim_matches('"'));
        }
    }
    let body = &operation["requestBody"]["content"]["application/json"]["example"];
    let body = match path {
        "/session" => json!({ "token": token }),
        _ => body.clone(),
    };
    (filled, (!operation["requestBody"].is_null()).then(|| body.to_string()))
}
