//! JSON as YAML (<https://yaml.org/spec/1.2.2/>), a line for each value: for documents that people read
//! and compare. Texts stand in quotes as in JSON, which YAML reads alike.

use serde_json::Value;

/// Spaces for each level.
const INDENT: usize = 2;

/// The document, with a line end behind its last line.
pub fn write(document: &Value) -> String {
    let mut text = String::new();
    match is_block(document) {
        true => block(document, 0, &mut text),
        false => text.push_str(&format!("{document}\n")),
    }
    text
}

/// Whether it takes lines of its own.
fn is_block(value: &Value) -> bool {
    match value {
        Value::Object(fields) => !fields.is_empty(),
        Value::Array(items) => !items.is_empty(),
        _ => false,
    }
}

fn block(value: &Value, indent: usize, text: &mut String) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                let name = key(name);
                match is_block(value) {
                    true => {
                        text.push_str(&format!("{:indent$}{name}:\n", ""));
                        block(value, indent + INDENT, text);
                    }
                    false => text.push_str(&format!("{:indent$}{name}: {value}\n", "")),
                }
            }
        }
        Value::Array(items) => {
            for item in items {
                let start = text.len();
                match is_block(item) {
                    true => block(item, indent + INDENT, text),
                    false => text.push_str(&format!("{:1$}{item}\n", "", indent + INDENT)),
                }
                // In place of the indent of its first line.
                let dash = start + indent;
                text.replace_range(dash..=dash, "-");
            }
        }
        other => text.push_str(&format!("{:indent$}{other}\n", "")),
    }
}

/// Letters and digits need no quotes, unless older versions of YAML read them as something else.
fn key(name: &str) -> String {
    let is_word = name.len() > 1
        && name.starts_with(|first: char| first.is_ascii_alphabetic())
        && name.chars().all(|character| character.is_ascii_alphanumeric());
    let means_something = ["true", "false", "null", "yes", "no", "on", "off"];
    match is_word && !means_something.contains(&name.to_ascii_lowercase().as_str()) {
        true => name.to_owned(),
        false => Value::from(name).to_string(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_document_has_a_line_for_each_value() {
        let document = json!({
            "$ref": "#/a", "items": [1, { "a1": [], "b2": { "on": null } }, ["x", {}]], "name": "a: \"b\"\n",
        });
        let expected = "\
\"$ref\": \"#/a\"
items:
  - 1
  - a1: []
    b2:
      \"on\": null
  - - \"x\"
    - {}
name: \"a: \\\"b\\\"\\n\"
";
        assert_eq!(write(&document), expected);
        assert_eq!(write(&json!({})), "{}\n");
        assert_eq!(write(&json!("text")), "\"text\"\n");
    }
}
