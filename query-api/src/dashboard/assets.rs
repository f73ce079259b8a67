//! Everything that the dashboard is made of.

use std::io::Write as _;
use std::sync::LazyLock;

use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use headers::ETag;
use uuid::Uuid;

const HTML: &str = "text/html; charset=utf-8";
pub const JS: &str = "text/javascript; charset=utf-8";
pub const CSS: &str = "text/css; charset=utf-8";
pub const FONT: &str = "font/woff2";
pub const SVG: &str = "image/svg+xml";

pub struct Asset {
    path: &'static str,
    pub content_type: &'static str,
    pub plain: &'static [u8],
    /// Compressed, once for the process.
    pub gzip: Bytes,
    /// Weak: of the plain bytes, whatever the encoding.
    pub etag: Option<ETag>,
}

macro_rules! files {
    ($($kind:ident $path:literal)*) => {
        [$((include_bytes!(concat!("../../assets/", $path)).as_slice(), $kind, $path)),*]
    };
}

static ASSETS: LazyLock<Vec<Asset>> = LazyLock::new(|| {
    let files = files! {
        HTML "index.html"
        SVG "icon.svg"
        CSS "css/base.css"
        CSS "css/layout.css"
        CSS "css/parts.css"
        CSS "css/views.css"
        JS "js/main.js"
        JS "js/api.js"
        JS "js/live.js"
        JS "js/format.js"
        JS "js/dom.js"
        JS "js/chart.js"
        JS "js/money.js"
        JS "js/shapes.js"
        JS "js/now.js"
        JS "js/newest.js"
        JS "js/speed.js"
        JS "js/totals.js"
        JS "js/history.js"
        JS "js/plots.js"
        JS "js/find.js"
        JS "js/customer.js"
        JS "js/order.js"
        JS "js/timeline.js"
        JS "js/events.js"
        JS "js/pipeline.js"
        JS "js/flow.js"
        JS "js/table.js"
        JS "js/session.js"
        FONT "vendor/inter-latin-wght-normal.woff2"
        JS "vendor/uPlot.iife.min.js"
        CSS "vendor/uPlot.min.css"
    };
    files.map(|(plain, content_type, path)| Asset::new(path, content_type, plain)).into()
});

impl Asset {
    fn new(path: &'static str, content_type: &'static str, plain: &'static [u8]) -> Self {
        let mut encoder = GzEncoder::new(vec![], Compression::best());
        let zipped = encoder.write_all(plain).and_then(|()| encoder.finish());
        let gzip = zipped.unwrap_or_default().into(); // Writing to memory does not fail.
        let name = format!("W/\"{}\"", Uuid::new_v5(&Uuid::NAMESPACE_OID, plain).simple());
        let etag = name.parse().ok(); // Digits in quotes always are a tag.
        Self { path, content_type, plain, gzip, etag }
    }
}

pub fn page() -> &'static Asset {
    &ASSETS[0]
}

pub fn find(path: &str) -> Option<&'static Asset> {
    ASSETS.iter().find(|asset| asset.path == path)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Bytes of the first view, compressed.
    const FIRST_VIEW: usize = 100 * 1024;

    #[test]
    fn the_first_view_is_small() {
        // The plotting library comes with the first plot.
        let first = ASSETS.iter().filter(|asset| !asset.path.starts_with("vendor/uPlot"));
        let bytes: usize = first.map(|asset| asset.gzip.len()).sum();
        assert!(bytes < FIRST_VIEW, "{bytes} bytes");
    }

    #[test]
    fn pages_hold_no_script_or_style_of_their_own_and_load_nothing_from_elsewhere() {
        for asset in ASSETS.iter().filter(|asset| !asset.path.starts_with("vendor/")) {
            let text = std::str::from_utf8(asset.plain).expect("text");
            for forbidden in [
                "innerHTML",
                "outerHTML",
                "insertAdjacentHTML",
                "document.write",
                "style=\"",
                "<style",
                "onclick=",
            ] {
                assert!(!text.contains(forbidden), "{} has {forbidden}", asset.path);
            }
            let elsewhere =
                text.matches("http").count() - text.matches("http://www.w3.org/").count();
            let allowed = text.matches("http-equiv").count();
            assert_eq!(elsewhere, allowed, "{} names another site", asset.path);
        }
    }

    #[test]
    fn all_that_modules_import_is_there() {
        for asset in ASSETS.iter().filter(|asset| asset.path.starts_with("js/")) {
            let text = std::str::from_utf8(asset.plain).expect("text");
            for import in text.split("from \"./").skip(1) {
                let name = import.split('"').next().unwrap_or_default();
                assert!(find(&format!("js/{name}")).is_some(), "{} imports {name}", asset.path);
            }
        }
    }
}
