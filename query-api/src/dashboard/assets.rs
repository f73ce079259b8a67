//! Everything that the dashboard is made of.

use std::sync::LazyLock;

use shared::http::api::Served;

const HTML: &str = "text/html; charset=utf-8";
pub const JS: &str = "text/javascript; charset=utf-8";
pub const CSS: &str = "text/css; charset=utf-8";
pub const FONT: &str = "font/woff2";
pub const SVG: &str = "image/svg+xml";

struct Asset {
    path: &'static str,
    file: Served,
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
    files
        .map(|(bytes, content_type, path)| Asset { path, file: Served::file(bytes, content_type) })
        .into()
});

pub fn page() -> &'static Served {
    &ASSETS[0].file
}

pub fn find(path: &str) -> Option<&'static Served> {
    ASSETS.iter().find(|asset| asset.path == path).map(|asset| &asset.file)
}

#[cfg(test)]
mod tests {
    use http::HeaderMap;
    use shared::http::Fixed;
    use shared::http::encoding::Coding;

    use super::*;

    /// Bytes of the first view, compressed.
    const FIRST_VIEW: usize = 100 * 1024;

    impl Asset {
        fn text(&self) -> &str {
            std::str::from_utf8(self.file.body().plain()).expect("text")
        }
    }

    #[test]
    fn the_first_view_is_small() {
        // The font and the icon are sent as they are: they are no text.
        let is_packed =
            |asset: &Asset| [".woff2", ".svg"].iter().any(|end| asset.path.ends_with(end));
        let sent = |asset: &Asset| {
            let body = asset.file.body();
            if is_packed(asset) {
                return body.plain().len();
            }
            body.coded(Coding::Gzip).map_or(body.plain().len(), |coded| coded.len())
        };
        // The plotting library comes with the first plot.
        let first = ASSETS.iter().filter(|asset| !asset.path.starts_with("vendor/uPlot"));
        let bytes: usize = first.map(sent).sum();
        assert!(bytes < FIRST_VIEW, "{bytes} bytes");
    }

    #[test]
    fn no_answer_has_bytes_of_its_own() {
        for asset in ASSETS.iter() {
            let answer = asset.file.answer(&HeaderMap::new());
            assert!(answer.extensions().get::<Fixed>().is_some(), "{}", asset.path);
        }
    }

    #[test]
    fn pages_hold_no_script_or_style_of_their_own_and_load_nothing_from_elsewhere() {
        for asset in ASSETS.iter().filter(|asset| !asset.path.starts_with("vendor/")) {
            let text = asset.text();
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
            let text = asset.text();
            for import in text.split("from \"./").skip(1) {
                let name = import.split('"').next().unwrap_or_default();
                assert!(find(&format!("js/{name}")).is_some(), "{} imports {name}", asset.path);
            }
        }
    }
}
