//! The pictures of the dashboard are those that the command takes, and each is shown.

use std::collections::BTreeSet;
use std::path::Path;

const SCREENSHOTS: &str = include_str!("../screenshots.rs");
const PAGE: &str = include_str!("../../docs/reference/dashboard.md");

#[test]
fn every_picture_that_is_taken_is_there_and_shown() {
    let list = SCREENSHOTS.split_once("const PICTURES").unwrap().1.split_once("];").unwrap().0;
    let taken: BTreeSet<String> = list
        .lines()
        .filter_map(|line| line.trim().strip_prefix("(\"")?.split_once('"'))
        .map(|(name, _)| format!("{name}.png"))
        .collect();
    let images = Path::new(env!("CARGO_MANIFEST_DIR")).with_file_name("docs").join("images");
    let files = std::fs::read_dir(images).unwrap();
    let there: BTreeSet<String> =
        files.map(|file| file.unwrap().file_name().into_string().unwrap()).collect();
    assert_eq!(taken, there);
    for name in &taken {
        assert!(PAGE.contains(&format!("(../images/{name})")), "{name} is not shown");
    }
}
