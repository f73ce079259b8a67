//! What `docs/security.md` says is held by a test is held by one that there is, and what no test can see
//! holds in the source.

use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

fn sources(folder: &Path, found: &mut Vec<String>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if path.is_dir() && !name.starts_with('.') && name != "target" {
            sources(&path, found);
        } else if name.ends_with(".rs") {
            found.push(std::fs::read_to_string(&path).unwrap());
        }
    }
}

/// Whether the text has a test of this name: a function that is marked as one, or one that a macro makes
/// a test for each adapter of.
fn has_test(text: &str, name: &str) -> bool {
    let lines: Vec<&str> = text.lines().map(str::trim).collect();
    let mut of_macros = text.split("tests::on_").skip(1).filter_map(|rest| rest.split_once('}'));
    if of_macros.any(|(list, _)| list.lines().any(|line| line.trim() == name)) {
        return true;
    }
    let of_name = |line: &&str| {
        let signature = line.trim_start_matches("async ");
        signature.strip_prefix("fn ").is_some_and(|rest| rest.starts_with(&format!("{name}(")))
    };
    let places = lines.iter().enumerate().filter(|(_, line)| of_name(line)).map(|(at, _)| at);
    let mut above = places.map(|at| {
        let attributes = lines[..at].iter().rev().take_while(|line| line.starts_with("#["));
        attributes.copied().collect::<Vec<_>>()
    });
    above.any(|attributes| {
        let is_test = |line: &&str| *line == "#[test]" || line.starts_with("#[tokio::test");
        attributes.iter().any(is_test)
            && !attributes.iter().any(|line| line.starts_with("#[ignore"))
    })
}

/// What stands between backticks.
fn quoted(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2)
}

fn is_of(text: &str, more: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
    !text.is_empty() && text.bytes().all(|byte| fits(byte) || more.as_bytes().contains(&byte))
}

/// A name that only a test has.
fn is_test_name(text: &str) -> bool {
    is_of(text, "") && text.matches('_').count() >= 3 && !text.starts_with("waybill_")
}

/// The last cells of all tables whose last column is `test`.
fn cells_of_tests(document: &str) -> Vec<&str> {
    let mut cells = vec![];
    let mut is_inside = false;
    for line in document.lines() {
        let Some(row) = line.strip_prefix('|').and_then(|row| row.trim_end().strip_suffix('|'))
        else {
            is_inside = false;
            continue;
        };
        let cell = row.rsplit('|').next().unwrap_or_default().trim();
        match is_inside {
            true if cell.bytes().all(|byte| byte == b'-') => {}
            true => cells.push(cell),
            false => is_inside = cell == "test",
        }
    }
    cells
}

#[test]
fn every_test_that_the_threat_model_names_is_there() {
    let document = std::fs::read_to_string(root().join("docs/security.md")).unwrap();
    let mut all = vec![];
    sources(&root(), &mut all);
    let named: Vec<&str> = quoted(&document).filter(|name| is_test_name(name)).collect();
    assert!(named.len() > 20, "{named:?}");
    for name in named {
        assert!(all.iter().any(|text| has_test(text, name)), "there is no test {name}");
    }
    let modules: Vec<&str> = quoted(&document).filter(|it| it.contains("::")).collect();
    assert!(modules.len() > 15, "{modules:?}");
    for module in modules {
        assert!(is_of(module, ":"), "{module}");
        let file = root().join("tests").join(format!("{}.rs", module.replace("::", "/")));
        let text = std::fs::read_to_string(&file);
        let text = text.unwrap_or_else(|error| panic!("{module}: {}: {error}", file.display()));
        // The second makes a test of each name, on both logs.
        let tests = ["#[test]", "on_both_logs! {", "#[tokio::test"];
        assert!(tests.iter().any(|test| text.contains(test)), "{module} has no test");
    }
}

#[test]
fn every_row_of_the_threat_model_has_its_test() {
    let document = std::fs::read_to_string(root().join("docs/security.md")).unwrap();
    let cells = cells_of_tests(&document);
    assert!(cells.len() > 25, "{cells:?}");
    for cell in cells {
        assert!(quoted(cell).next().is_some(), "{cell:?} names no test");
        for name in quoted(cell).filter(|name| !is_test_name(name) && !name.contains("::")) {
            let places = [
                root().join(name).join("Cargo.toml"),
                root().join(format!("orders/tests/{name}.rs")),
                root().join(format!("shared/src/{name}.rs")),
            ];
            assert!(places.iter().any(|place| place.is_file()), "{cell:?}: there is no {name}");
        }
    }
}

#[test]
fn a_test_that_is_named_is_found() {
    let text = "\
#[test]
fn one_two_three_four() {}
    /// Waits.
    #[tokio::test(flavor = \"multi_thread\")]
    async fn of_a_module_of_tests() {}
#[test]
#[ignore]
fn one_that_never_runs() {}
fn one_that_is_no_test() {}
";
    assert!(has_test(text, "one_two_three_four") && has_test(text, "of_a_module_of_tests"));
    for none in ["one_that_never_runs", "one_that_is_no_test", "one_two_three", "two_three_four"] {
        assert!(!has_test(text, none), "{none}");
    }
    let document = "| a | test |\n|---|---|\n| b | `c` |\n\n| d | e |\n|---|---|\n| f | `g` |\n";
    assert_eq!(cells_of_tests(document), ["`c`"]);
    assert!(is_test_name("a_b_c_d") && !is_test_name("waybill_a_b_c") && !is_test_name("a-b_c_d"));
}

/// How long a comparison takes tells how much was right, but no test can measure that reliably.
#[test]
fn secrets_are_compared_in_constant_time_alone() {
    let text = std::fs::read_to_string(root().join("shared/src/auth/token.rs")).unwrap();
    let (before, body) = text.split_once("pub struct TokenDigest([u8; 32]);").unwrap();
    assert!(before.ends_with("#[derive(Clone)]\n"), "it can be compared with `==`");
    let (_, compare) = body.split_once("pub fn is(&self, other: &Self) -> bool {").unwrap();
    let (compare, _) = compare.split_once('}').unwrap();
    assert_eq!(compare.trim(), "self.0.ct_eq(&other.0).into()");
    let mut all = vec![];
    sources(&root().join("shared/src"), &mut all);
    for text in all {
        assert!(!text.contains("PartialEq for TokenDigest"), "it can be compared with `==`");
    }
}
