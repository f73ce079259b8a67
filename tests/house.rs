//! Rules of the house that no compiler checks.

use std::path::{Path, PathBuf};

/// Each client library, and the only files that may name it.
const LIBRARIES: [(&str, &[&str]); 4] = [
    ("lapin::", &["shared/src/rabbitmq.rs", "shared/src/rabbitmq/"]),
    ("mongodb::bson", &["shared/src/event_store/mongodb.rs", "shared/src/event_store/mongodb/"]),
    ("redis::aio", &["shared/src/view_store/redis.rs", "shared/src/view_store/redis/"]),
    ("rusqlite::", &["shared/src/event_store/sqlite"]),
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

fn all_sources() -> Vec<(String, String)> {
    let mut found = vec![];
    for package in ["command-api", "orders", "projector", "query-api", "shared", "waybill", "xtask"]
    {
        sources(&root().join(package).join("src"), &mut found);
    }
    let name = |path: &PathBuf| path.strip_prefix(root()).unwrap().display().to_string();
    found.iter().map(|path| (name(path), std::fs::read_to_string(path).unwrap())).collect()
}

#[test]
fn one_place_names_each_client_library() {
    for (library, places) in LIBRARIES {
        let naming: Vec<String> = all_sources()
            .into_iter()
            .filter(|(_, text)| text.contains(library))
            .map(|(name, _)| name)
            .collect();
        assert!(!naming.is_empty(), "nobody names {library} any more");
        for name in naming {
            assert!(places.iter().any(|place| name.starts_with(place)), "{name} names {library}");
        }
    }
}

#[test]
fn the_pipeline_knows_no_order() {
    // Composition roots, and the operators' commands, which are about orders.
    let may = |name: &str| {
        name.starts_with("orders/")
            || name.starts_with("waybill/")
            || name.ends_with("/main.rs")
            || name.starts_with("xtask/")
    };
    for (name, text) in all_sources().iter().filter(|(name, _)| !may(name)) {
        assert!(!text.contains("orders::"), "{name} names the domain");
    }
}
