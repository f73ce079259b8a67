//! What a service answered to something that may not be there, or not be possible.

use http::StatusCode;
use kernel::Failure;
use serde_json::Value;

use crate::client::Response;
use crate::outcome::{self, Error, Outcome};
use crate::output::{Output, text};

/// Prints a success: as JSON, or as `show` does. What is not there, or not possible as it stands (404,
/// 409), is printed as the problem that was answered, and is `Found`. Any other answer is a failure.
pub fn print(
    answer: &Response,
    output: &mut Output,
    show: impl FnOnce(&Value, &mut Output) -> std::io::Result<()>,
) -> outcome::Result {
    if answer.status.is_success() {
        let told = if answer.body.is_empty() { Value::Null } else { answer.json()? };
        show(&told, output)?;
        return Ok(Outcome::Well);
    }
    refused(answer, output)
}

/// The same of an answer that is no success.
pub fn refused(answer: &Response, output: &mut Output) -> outcome::Result {
    if ![StatusCode::NOT_FOUND, StatusCode::CONFLICT].contains(&answer.status) {
        return Err(Error::Failed(Failure::permanent(answer.status.as_str(), answer.told())));
    }
    let problem = answer.json()?;
    match output.is_json() {
        true => output.document(&problem)?,
        false => output.line(text(&problem["detail"]))?,
    }
    Ok(Outcome::Found)
}
