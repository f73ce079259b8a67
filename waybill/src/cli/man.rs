//! `waybill man`.

use std::io::{self, Write as _};
use std::path::PathBuf;

use clap::{Args, Command, CommandFactory as _};
use clap_mangen::Man;
use kernel::Failure;
use serde_json::json;

use super::Cli;
use crate::outcome::{self, Outcome};
use crate::output::Format;

pub const HELP: &str = "\
Examples:
  # Read it
  waybill man | man -l -

  # A page for each command, for all users of this machine
  waybill man --out /usr/local/share/man/man1
  man waybill-import

  # For programs: what was written
  waybill man --out /usr/local/share/man/man1 --json | jq -r '.pages[]'";

#[derive(Debug, Args)]
pub struct Arguments {
    /// Writes a page for each command into this folder, which is made where it is missing
    #[arg(long, value_name = "FOLDER")]
    out: Option<PathBuf>,
    /// Prints which pages were written, as JSON, in place of text
    #[arg(long, requires = "out")]
    json: bool,
}

impl Arguments {
    pub fn run(self) -> outcome::Result {
        let mut output = Format { json: self.json }.output();
        let Some(folder) = self.out else {
            if let Some((_, page)) = pages()?.into_iter().next() {
                output.line(page.trim_end())?;
            }
            return Ok(Outcome::Well);
        };
        let broken = |error: io::Error| {
            Failure::permanent(&format!("writing pages to {}", folder.display()), error)
        };
        std::fs::create_dir_all(&folder).map_err(broken)?;
        let pages = pages()?;
        for (name, page) in &pages {
            std::fs::write(folder.join(name), page).map_err(broken)?;
        }
        let names: Vec<&str> = pages.iter().map(|(name, _)| name.as_str()).collect();
        let folder = folder.display().to_string();
        match output.is_json() {
            true => output.document(&json!({ "folder": folder, "pages": names }))?,
            false => output.line(format_args!("{} pages are in {folder}", names.len()))?,
        }
        Ok(Outcome::Well)
    }
}

/// The pages, each with the name of its file; first that of `waybill` itself.
fn pages() -> io::Result<Vec<(String, String)>> {
    let mut command = Cli::command().disable_help_subcommand(true);
    command.build();
    let mut pages = vec![];
    add(&command, "waybill", &mut pages)?;
    Ok(pages)
}

fn add(command: &Command, name: &str, pages: &mut Vec<(String, String)>) -> io::Result<()> {
    pages.push((format!("{name}.1"), page(command, name)?));
    for inner in command.get_subcommands().filter(|inner| !inner.is_hide_set()) {
        add(inner, &format!("{name}-{}", inner.get_name()), pages)?;
    }
    Ok(())
}

fn page(command: &Command, name: &str) -> io::Result<String> {
    let version = command.get_version().unwrap_or(env!("CARGO_PKG_VERSION")).to_owned();
    let man = Man::new(command.clone().display_name(name.to_owned()))
        .title(name)
        .source(format!("Waybill {version}"))
        .manual("Waybill");
    let mut page = vec![];
    man.render_title(&mut page)?;
    man.render_name_section(&mut page)?;
    man.render_synopsis_section(&mut page)?;
    man.render_description_section(&mut page)?;
    man.render_options_section(&mut page)?;
    if command.has_subcommands() {
        man.render_subcommands_section(&mut page)?;
    }
    if let Some(help) = command.get_after_help() {
        write!(page, "{}", verbatim(&help.to_string()))?;
    }
    Ok(String::from_utf8_lossy(&page).into_owned())
}

/// The text behind the options as sections, its lines as they are: a heading begins at the left and
/// ends with a colon.
fn verbatim(text: &str) -> String {
    let mut page = ".SH NOTES\n.nf\n".to_owned();
    let mut is_first = true;
    for line in text.lines() {
        match line.strip_suffix(':').filter(|heading| !heading.starts_with(' ')) {
            Some(heading) if is_first => {
                page = format!(".SH {}\n.nf\n", heading.to_uppercase());
            }
            Some(heading) => page.push_str(&format!(".fi\n.SH {}\n.nf\n", heading.to_uppercase())),
            None => {
                page.push_str(&format!("\\&{}\n", line.replace('\\', "\\e").replace('-', "\\-")))
            }
        }
        is_first = false;
    }
    page + ".fi\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_command_has_a_page_with_its_examples_as_they_are() {
        let pages = pages().unwrap();
        let names: Vec<&str> = pages.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names[0], "waybill.1");
        for name in ["waybill-import.1", "waybill-dead-letters-discard.1", "waybill-man.1"] {
            assert!(names.contains(&name), "{names:?}");
        }
        for (name, page) in &pages {
            assert!(page.contains(".SH NAME") && page.contains(".SH SYNOPSIS"), "{name}: {page}");
            assert!(page.contains(".SH EXAMPLES\n.nf\n"), "{name} has no examples: {page}");
        }
        let import = &pages.iter().find(|(name, _)| name == "waybill-import.1").unwrap().1;
        assert!(import.contains(".SH EXAMPLES\n.nf\n"), "{import}");
        assert!(import.contains("\\&  waybill import examples/orders.ndjson\n"), "{import}");
    }
}
