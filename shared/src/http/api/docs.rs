//! `/docs`: Swagger UI, from the crate `utoipa-swagger-ui-vendored`. Everything is served from here,
//! and the policy of the page forbids scripts within it.

use std::borrow::Cow;
use std::io::{Cursor, Read as _};
use std::sync::OnceLock;

use http::StatusCode;
use utoipa_swagger_ui_vendored::SWAGGER_UI_VENDORED;
use warp::Filter as _;
use warp::filters::BoxedFilter;
use warp::reply::Response;
use zip::ZipArchive;

use crate::http::fixed::Fixed;
use crate::http::probes::get_or_head;
use crate::http::problem::{HTML, Problem};
use crate::http::{Answer, answer};

/// Swagger UI draws with styles of its elements, and with pictures that are part of its script.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; \
                      img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; \
                      frame-ancestors 'none'";

const PAGE: &str = "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n\
<meta name=\"viewport\" content=\"width=device-width\">\n<title>Waybill: HTTP interface</title>\n\
<link rel=\"stylesheet\" href=\"/docs/swagger-ui.css\">\n<div id=\"ui\"></div>\n\
<script src=\"/docs/swagger-ui-bundle.js\"></script>\n<script src=\"/docs/start.js\"></script>\n\
</html>\n";

const START: &str = "SwaggerUIBundle({ url: '/openapi.json', dom_id: '#ui', deepLinking: true, \
                     validatorUrl: null });\n";

pub const SCRIPT: &str = "text/javascript; charset=utf-8";
pub const STYLE: &str = "text/css; charset=utf-8";

/// The page, and what it loads.
pub fn routes() -> BoxedFilter<(Response,)> {
    let page = warp::path!("docs").and(get_or_head()).map(|| {
        let mut response = answer::bytes(StatusCode::OK, PAGE, HTML);
        answer::set(&mut response, "content-security-policy", POLICY);
        answer::set(&mut response, "cache-control", "no-cache");
        response
    });
    let file = warp::path!("docs" / String)
        .and(get_or_head())
        .map(|name: String| answer::into_response(file(&name)));
    page.or(file).unify().boxed()
}

fn file(name: &str) -> Answer {
    static CSS: OnceLock<Fixed> = OnceLock::new();
    static BUNDLE: OnceLock<Fixed> = OnceLock::new();
    let mut response = match name {
        "start.js" => answer::bytes(StatusCode::OK, START, SCRIPT),
        "swagger-ui.css" => unpacked(&CSS, name, STYLE)?.answer(),
        "swagger-ui-bundle.js" => unpacked(&BUNDLE, name, SCRIPT)?.answer(),
        _ => return Err(Problem::not_found("No file of the viewer is called so.")),
    };
    answer::set(&mut response, "cache-control", "max-age=86400");
    Ok(response)
}

/// A file of Swagger UI; it is taken out of the archive once.
fn unpacked(
    place: &'static OnceLock<Fixed>,
    name: &str,
    kind: &'static str,
) -> Result<&'static Fixed, Problem> {
    if let Some(file) = place.get() {
        return Ok(file);
    }
    let bytes = unpack(name).map_err(|why| Problem::internal(format!("{name}: {why}.")))?;
    Ok(place.get_or_init(|| Fixed::new(bytes, kind)))
}

fn unpack(name: &str) -> Result<Vec<u8>, String> {
    let broken = |error: zip::result::ZipError| error.to_string();
    let mut archive = ZipArchive::new(Cursor::new(SWAGGER_UI_VENDORED)).map_err(broken)?;
    let end = format!("/dist/{name}");
    let mut paths = archive.file_names().filter_map(Result::ok);
    let path = paths.find(|path| path.ends_with(&end)).map(Cow::into_owned);
    drop(paths);
    let path = path.ok_or("it is not in the archive")?;
    let mut bytes = vec![];
    let mut file = archive.by_name(&path).map_err(broken)?;
    file.read_to_end(&mut bytes).map_err(|error| error.to_string())?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_that_the_page_loads_is_there() {
        let mut loaded = PAGE.split("\"/docs/").skip(1).filter_map(|rest| rest.split('"').next());
        assert!(loaded.all(|name| file(name).is_ok()), "{PAGE}");
        assert!(file("index.html").is_err());
        let bundle = file("swagger-ui-bundle.js").unwrap();
        assert!(bundle.extensions().get::<Fixed>().is_some(), "no answer has bytes of its own");
        assert!(!PAGE.contains("<script>") && !PAGE.contains("http"), "{PAGE}");
    }
}
