//! What is vendored is what its list says.

use std::path::Path;
use std::process::Command;

#[test]
fn vendored_files_have_the_checksums_that_are_written_down() {
    for folder in ["../query-api/assets/vendor", "asyncapi"] {
        compare(&Path::new(env!("CARGO_MANIFEST_DIR")).join(folder));
    }
}

fn compare(folder: &Path) {
    let list = std::fs::read_to_string(folder.join("README.md")).unwrap();
    let mut compared = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if name == "README.md" || name.ends_with("LICENSE") {
            continue;
        }
        let sum = Command::new("sha256sum").arg(&path).output().unwrap().stdout;
        let sum = String::from_utf8(sum).unwrap()[..64].to_owned();
        let row = list.lines().find(|line| line.starts_with(&format!("| {name} |")));
        assert!(row.is_some_and(|row| row.contains(&sum)), "{name} has {sum}");
        compared += 1;
    }
    assert!(compared > 0);
}
