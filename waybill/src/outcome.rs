//! How a command ends: its exit code is one of these.

use std::fmt;
use std::io;
use std::process::ExitCode;

use kernel::Failure;

use crate::output::say;

/// What a command that was carried out came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Everything is as it should be: 0.
    Well,
    /// Something is not: a difference, a refusal, a parked stream, a finding: 1.
    Found,
    /// A signal stopped it before its end: 130.
    Stopped,
}

impl Outcome {
    /// Well, where `is_well`.
    pub fn well_if(is_well: bool) -> Self {
        if is_well { Self::Well } else { Self::Found }
    }
}

/// Why a command was not carried out.
#[derive(Debug)]
pub enum Error {
    /// Arguments or configuration are wrong: 2.
    Usage(String),
    /// A service could not be reached or answered with an error, or a file could not be read: 3.
    Failed(Failure),
    /// What it prints could not be written: 3; 0 where the reader has closed the pipe.
    Output(io::Error),
}

impl From<Failure> for Error {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

impl From<io::Error> for Error {
    fn from(error: io::Error) -> Self {
        Self::Output(error)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Usage(why) => f.write_str(why),
            Self::Failed(failure) => failure.fmt(f),
            Self::Output(error) => write!(f, "printing: {error}"),
        }
    }
}

/// What running a command returns.
pub type Result<T = Outcome> = std::result::Result<T, Error>;

/// Says on standard error why a command was not carried out, and gives the exit code.
pub fn exit(done: Result) -> ExitCode {
    let error = match done {
        Ok(Outcome::Well) => return ExitCode::SUCCESS,
        Ok(Outcome::Found) => return ExitCode::from(1),
        Ok(Outcome::Stopped) => return ExitCode::from(130),
        Err(error) => error,
    };
    match &error {
        // As in `waybill tail | head`: the reader has seen what it wanted.
        Error::Output(gone) if gone.kind() == io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Error::Usage(_) => tell(&error, 2),
        _ => tell(&error, 3),
    }
}

fn tell(error: &Error, code: u8) -> ExitCode {
    say(error);
    ExitCode::from(code)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_end_has_the_exit_code_that_is_promised() {
        let output = |kind: io::ErrorKind| Error::Output(kind.into());
        for (done, code) in [
            (Ok(Outcome::well_if(true)), 0),
            (Ok(Outcome::well_if(false)), 1),
            (Err(Error::Usage("expected a file".to_owned())), 2),
            (Err(Error::Failed(Failure::permanent("asking", "no answer"))), 3),
            (Err(output(io::ErrorKind::StorageFull)), 3),
            (Err(output(io::ErrorKind::BrokenPipe)), 0),
            (Ok(Outcome::Stopped), 130),
        ] {
            let told = format!("{done:?}");
            let [found, expected] = [exit(done), ExitCode::from(code)].map(|it| format!("{it:?}"));
            assert_eq!(found, expected, "{told}");
        }
    }
}
