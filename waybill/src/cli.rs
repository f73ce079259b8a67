//! The command line: one file for each command.

mod actor;
mod answer;
mod asyncapi;
mod audit;
mod completions;
mod dead_letters;
mod doctor;
mod facts;
mod import;
mod load;
mod log;
mod man;
mod parked;
mod rebuild;
mod services;
mod state;
mod tail;
mod token;
mod top;
mod trust;
mod up;
mod verify;

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use shared::service::telemetry;

use self::services::Credential;
use crate::client::BearerToken;
use crate::outcome::{self, exit};

const HELP: &str = "\
Examples:
  # Start everything in one process; then, in another terminal, send it a history of orders
  waybill
  waybill import examples/orders.ndjson

  # Watch a running system, its orders, or what is wrong with its servers
  waybill top
  waybill tail --status paid
  waybill doctor

  # For programs: most commands print JSON
  waybill parked list --json | jq -r '.items[].stream'

Exit codes:
  0    all is well
  1    something is not: a difference, a refusal, a parked stream, a finding, nothing by that name
  2    wrong arguments or configuration
  3    it failed: a service did not answer, or answered with an error
  130  stopped by a signal before it was done

`waybill help COMMAND` shows examples of one; docs/reference/cli.md describes all.";

/// An order backend that never loses an order it has accepted.
///
/// Without a command it starts the whole system in this process. All other commands speak HTTP to
/// a running system.
#[derive(Debug, Parser)]
#[command(name = "waybill", version, arg_required_else_help = false, after_help = HELP)]
pub struct Cli {
    #[command(flatten)]
    trust: trust::Trust,
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    credential: Credential,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Starts the whole system in this process (the default)
    #[command(after_help = up::HELP)]
    Up(up::Arguments),
    /// Sends a history of commands, from NDJSON or CSV, through POST /commands
    #[command(after_help = import::HELP)]
    Import(import::Arguments),
    /// Generates a realistic flow of orders and drives a running system with it
    #[command(after_help = load::HELP)]
    Load(load::Arguments),
    /// Follows orders as they change
    #[command(after_help = tail::HELP)]
    Tail(tail::Arguments),
    /// Shows rates, lag, generations, workers and the hottest orders of a running system
    #[command(after_help = top::HELP)]
    Top(top::Arguments),
    /// Folds the log and compares every view with it
    #[command(after_help = verify::HELP)]
    Verify(verify::Arguments),
    /// Checks the settings of MongoDB, RabbitMQ, Redis and this machine
    #[command(after_help = doctor::HELP)]
    Doctor(doctor::Arguments),
    /// Makes all views again from the log, beside the live ones
    #[command(after_help = rebuild::HELP)]
    Rebuild(rebuild::Arguments),
    /// Streams that could not be applied to the views
    #[command(after_help = parked::HELP)]
    Parked(parked::Arguments),
    /// Messages that arrived as an event and are none
    #[command(after_help = dead_letters::HELP)]
    DeadLetters(dead_letters::Arguments),
    /// The log itself
    #[command(after_help = log::HELP)]
    Log(log::Arguments),
    /// Prints the events of an order, or what operators did
    #[command(after_help = audit::HELP)]
    Audit(audit::Arguments),
    /// Prints an order as it is, or as it was at a version or a time
    #[command(after_help = state::HELP)]
    State(state::Arguments),
    /// Makes, lists and revokes the tokens that clients show
    #[command(after_help = token::HELP)]
    Token(token::Arguments),
    /// Describes the exchange that carries the events, as AsyncAPI
    #[command(after_help = asyncapi::HELP)]
    Asyncapi(asyncapi::Arguments),
    /// Prints a script that completes commands and options in a shell
    #[command(after_help = completions::HELP)]
    Completions(completions::Arguments),
    /// Prints the manual page, or writes one page for each command
    #[command(after_help = man::HELP)]
    Man(man::Arguments),
}

impl Cli {
    /// Carries the command out.
    pub async fn run(self) -> ExitCode {
        let command = match self.command.unwrap_or(Command::Up(up::Arguments::default())) {
            Command::Up(up) => return up.run().await,
            command => command,
        };
        telemetry::start("warn");
        if let Err(why) = self.trust.take_effect() {
            return exit(Err(outcome::Error::Usage(why)));
        }
        match self.credential.read() {
            Ok(token) => exit(command.run(&token).await),
            Err(why) => exit(Err(outcome::Error::Usage(why))),
        }
    }
}

impl Command {
    async fn run(self, token: &BearerToken) -> outcome::Result {
        match self {
            Self::Up(_) => Ok(outcome::Outcome::Well), // Has exit codes of its own: see `Cli::run`.
            Self::Import(it) => it.run(token).await,
            Self::Load(it) => it.run(token).await,
            Self::Tail(it) => it.run(token).await,
            Self::Top(it) => it.run(token).await,
            Self::Verify(it) => it.run(token).await,
            Self::Doctor(it) => it.run().await,
            Self::Rebuild(it) => it.run(token).await,
            Self::Parked(it) => it.run(token).await,
            Self::DeadLetters(it) => it.run(token).await,
            Self::Log(it) => it.run(token).await,
            Self::Audit(it) => it.run(token).await,
            Self::State(it) => it.run(token).await,
            Self::Token(it) => it.run(),
            Self::Asyncapi(it) => it.run(),
            Self::Completions(it) => it.run(),
            Self::Man(it) => it.run(),
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_arguments_are_consistent() {
        Cli::command().debug_assert();
    }

    /// Words as a shell makes them of the part of a line that is `waybill`'s.
    fn words(line: &str) -> Vec<String> {
        let (mut words, mut word, mut quote) = (vec![], String::new(), None);
        for character in line.chars() {
            match (quote, character) {
                (None, '|' | '>' | '<' | ';') => break,
                (None, '"' | '\'') => quote = Some(character),
                (Some(open), close) if open == close => quote = None,
                (None, ' ') => words.push(std::mem::take(&mut word)),
                _ => word.push(character),
            }
        }
        words.push(word);
        words.into_iter().filter(|word| !word.is_empty()).collect()
    }

    /// Adds a command and all below it, each as it is called and with the text behind its options.
    fn helps(command: &clap::Command, called: &str, found: &mut Vec<(String, String)>) {
        let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
        found.push((called.to_owned(), help));
        for inner in command.get_subcommands() {
            helps(inner, &format!("{called} {}", inner.get_name()), found);
        }
    }

    /// The same of all commands, at every level.
    fn all_helps() -> Vec<(String, String)> {
        let mut found = vec![];
        helps(&Cli::command(), "waybill", &mut found);
        found
    }

    #[test]
    fn every_example_is_a_command() {
        let all = all_helps();
        let lines = all.iter().flat_map(|(_, help)| help.lines());
        let found: Vec<&str> = lines.filter(|line| line.starts_with("  waybill")).collect();
        assert!(found.len() > 30, "{found:?}");
        for line in found {
            let parsed = Cli::try_parse_from(words(line.trim()));
            assert!(parsed.is_ok(), "{line}: {:?}", parsed.err());
        }
    }

    #[test]
    fn every_command_has_examples() {
        let all = all_helps();
        for deep in ["waybill token purge", "waybill parked retry", "waybill log renew"] {
            assert!(all.iter().any(|(called, _)| called == deep), "{deep} is not looked at");
        }
        for (called, help) in &all {
            assert!(help.starts_with("Examples:\n"), "{called} has none");
            assert!(help.contains(called.as_str()), "{called} is in none of its own: {help}");
        }
    }

    #[test]
    fn what_is_no_command_is_refused_with_what_was_expected() {
        for (line, expected) in [
            ("waybill verfy", "verify"),
            ("waybill tail --status lost", "partially_paid"),
            ("waybill rebuild --projector localhost:8082", "http://"),
            ("waybill import", "FILE"),
            ("waybill state x --version 0", "1.."),
            ("waybill load --clients 0", "from 1 to 10000"),
            ("waybill top --interval 0", "1..="),
            ("waybill man --json", "--out"),
        ] {
            let error = Cli::try_parse_from(line.split(' ')).expect_err(line);
            assert_eq!(error.exit_code(), 2, "{line}");
            assert!(error.to_string().contains(expected), "{line}: {error}");
        }
    }
}
