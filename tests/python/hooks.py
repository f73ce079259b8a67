"""What schemathesis has to know of Waybill beyond its OpenAPI documents.

Every check is on. A failure is dropped only where the service is right and JSON Schema or OpenAPI
cannot say so; each such case is argued below, and is as narrow as it can be.
"""

import json

import schemathesis
from schemathesis.core.failures import Failure

# Schemathesis has no serializer for lines of JSON: the schema is that of the whole text.
schemathesis.serializer.alias("application/x-ndjson", "text/plain")


def problem(response):
    """The problem in the answer, or an empty one."""
    try:
        body = response.json()
    except ValueError:
        return {}
    return body if isinstance(body, dict) else {}


def name(response):
    return problem(response).get("type", "").removeprefix("/problems/")


def is_state_of_the_world(case, response):
    """Refusals of valid requests that depend on what is there, and not on the request alone."""
    given = {key.lower() for key in case.headers or {}}
    query = case.query or {}
    match name(response):
        # RFC 9110, section 13.1.1: the precondition is false. No schema knows the present version.
        case "version-mismatch":
            return "if-match" in given
        # The token or cursor was drawn by chance, so it is of a log that never was.
        case "cursor-of-another-log":
            return "consistency-token" in given or "after" in query
        # The key was drawn before, for another request.
        case "idempotency-mismatch":
            return "idempotency-key" in given
    return False


def is_rule_over_several_fields(case, response):
    """What JSON Schema and OpenAPI cannot say: how fields and parameters depend on each other."""
    told, query = problem(response), case.query or {}
    if told.get("type") == "/problems/validation":
        # The sum over all items is too large.
        if told.get("rule") == "out-of-range":
            return True
        # `uniqueItems` compares whole items, and not their skus.
        errors = told.get("errors", [])
        return bool(errors) and all(error["expected"] == "each sku once" for error in errors)
    # Either the version or the time.
    if case.path.endswith("/state") and {"version", "at"} <= query.keys():
        return told.get("status") == 400
    # The last time is not before the first.
    if case.path == "/orders" and {"from", "to"} <= query.keys():
        return told.get("status") == 400 and "not before" in told.get("detail", "")
    # The last day is not before the first.
    if case.path == "/stats/daily" and query.get("from", "") > query.get("to", "9999"):
        return told.get("status") == 400
    return False


def is_empty_by_mistake(case):
    """Schemathesis 4.32 sends an empty header as a valid one for some patterns, none of which fits an
    empty text."""
    return any(value == "" for value in (case.headers or {}).values())


def is_of_a_renewed_log(case, response):
    """POST /log/renew, which is one of the operations, gives the log another identity. Until the
    views of that log are made, the live ones can't be rebuilt or repaired, and the answer says when
    to try again."""
    return (
        case.path in ("/rebuild", "/parked/{stream}/retry", "/parked")
        and name(response) == "unavailable"
        and response.headers.get("retry-after") is not None
    )


def is_between_two_generations(case, response):
    """POST /rebuild, which is one of the operations, ends with other live views. A worker is not ready
    until it serves them, and says so; the views themselves are answered all the time."""
    waiting = problem(response).get("waiting", {})
    return case.path == "/readyz" and response.status_code == 503 and list(waiting) == ["views"]


def is_told_in_a_result(case, response):
    """Each command of a batch has its own result, so that one that is wrong stops no other."""
    if case.path != "/commands" or response.status_code != 200:
        return False
    try:
        results = [json.loads(line) for line in response.text.splitlines()]
    except ValueError:
        return False
    if len(results) == 1 and "results" in results[0]:
        results = results[0]["results"]
    # Lines have no schema but that of a text: whatever else is sent for it may be a valid batch, too.
    is_text = case.media_type != "application/json"
    return is_text or any(result["status"] >= 400 for result in results)


@schemathesis.hook
def filter_failure(context, failure: Failure, case, response) -> bool:
    match type(failure).__name__:
        case "RejectedPositiveData":
            return not (
                is_state_of_the_world(case, response)
                or is_rule_over_several_fields(case, response)
                or is_empty_by_mistake(case)
            )
        case "AcceptedNegativeData":
            # 410 refuses the request, too; schemathesis does not count it.
            is_refused = name(response) == "cursor-of-another-log"
            return not (is_refused or is_told_in_a_result(case, response))
        # The second one is the same, in answer to a request with a `Content-Type` that is not described.
        case "ServerError" | "ContentTypeServerError":
            return not (
                is_of_a_renewed_log(case, response) or is_between_two_generations(case, response)
            )
    return True
