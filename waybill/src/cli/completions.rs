//! `waybill completions`.

use clap::{Args, CommandFactory as _};
use clap_complete::Shell;

use super::Cli;
use crate::outcome::{self, Outcome};
use crate::output::Format;

pub const HELP: &str = "\
Examples:
  # bash, for this user
  waybill completions bash > ~/.local/share/bash-completion/completions/waybill

  # zsh: into a folder of $fpath
  waybill completions zsh > ~/.zfunc/_waybill

  # fish
  waybill completions fish > ~/.config/fish/completions/waybill.fish";

#[derive(Debug, Args)]
pub struct Arguments {
    /// The shell
    shell: Shell,
}

impl Arguments {
    pub fn run(self) -> outcome::Result {
        let script = script(self.shell);
        Format { json: false }.output().line(script.trim_end())?;
        Ok(Outcome::Well)
    }
}

fn script(shell: Shell) -> String {
    let mut script = vec![];
    clap_complete::generate(shell, &mut Cli::command(), "waybill", &mut script);
    String::from_utf8_lossy(&script).into_owned()
}

#[cfg(test)]
mod tests {
    use clap::ValueEnum as _;

    use super::*;

    #[test]
    fn every_shell_has_a_script_that_knows_the_commands_and_their_values() {
        for shell in Shell::value_variants() {
            let script = script(*shell);
            for word in ["dead-letters", "command-api", "tail"] {
                assert!(script.contains(word), "{shell} does not know {word}");
            }
            // The scripts of the others know no values.
            if [Shell::Bash, Shell::Zsh, Shell::Fish].contains(shell) {
                assert!(script.contains("partially_paid"), "{shell} does not know the statuses");
            }
        }
    }
}
