//! Who runs a command that changes something without a service.

use clap::Args;
use nix::unistd::{Uid, User};
use shared::auth::principal::{MAX_NAME, is_name};

/// `--actor`.
#[derive(Debug, Args)]
pub struct Actor {
    /// Who makes the change, where that is another than the user of the operating system
    #[arg(long, global = true, value_name = "NAME", value_parser = name)]
    actor: Option<String>,
}

fn name(text: &str) -> Result<String, String> {
    let expected = || format!("expected up to {MAX_NAME} letters, digits and -._@+");
    is_name(text).then(|| text.to_owned()).ok_or_else(expected)
}

impl Actor {
    /// The name that was given, else `user:` and the name of the user; its number, where it has no name.
    /// (No name that can be given has a colon.)
    pub fn name(&self) -> String {
        let of_system = || {
            let id = Uid::current();
            let user = User::from_uid(id).ok().flatten();
            format!("user:{}", user.map_or_else(|| id.to_string(), |user| user.name))
        };
        self.actor.clone().unwrap_or_else(of_system)
    }
}
