//! The scripts that the server runs: each is one atomic step.
//!
//! A file in `scripts/` declares the keys and the arguments of its script, by name and in order. The
//! Rust side fills them in by name. The Lua side finds each as a local variable of the same name, and
//! three more: `NEXT_KEY` and `NEXT_ARGUMENT`, where what comes after them begins, and `UPDATES_KEPT`.

mod advance;
mod apply;
pub mod apply_batch;
mod begin;
mod count_repaired;
mod lease;
mod let_go;
mod park;
mod promote;
mod read_parked;
mod retire;
mod unpark;

use std::collections::HashMap;

use redis::Cmd;

pub use self::advance::Advance;
pub use self::apply::Apply;
pub use self::apply_batch::ApplyBatch;
pub use self::begin::Begin;
pub use self::count_repaired::CountRepaired;
pub use self::lease::Lease;
pub use self::let_go::LetGo;
pub use self::park::Park;
pub use self::promote::Promote;
pub use self::read_parked::ReadParked;
pub use self::retire::Retire;
pub use self::unpark::Unpark;

/// How many entries the stream of updates keeps, about.
const UPDATES_KEPT: usize = 10_000;

/// A script, and the hash by which a server that has loaded it knows it.
pub struct Script {
    text: String,
    hash: String,
}

impl Script {
    fn new(text: String) -> Self {
        let hash = redis::Script::new(&text).get_hash().to_owned();
        Self { text, hash }
    }

    /// The command that loads it.
    pub fn load(&self) -> Cmd {
        let mut command = redis::cmd("SCRIPT");
        command.arg("LOAD").arg(&self.text);
        command
    }
}

/// All scripts.
pub struct Scripts {
    pub apply: Script,
    pub apply_batch: Script,
    pub advance: Script,
    pub begin: Script,
    pub promote: Script,
    pub retire: Script,
    pub lease: Script,
    pub count_repaired: Script,
    pub park: Script,
    pub let_go: Script,
    pub unpark: Script,
    pub read_parked: Script,
}

impl Scripts {
    pub fn new() -> Self {
        Self {
            apply: Apply::script(),
            apply_batch: ApplyBatch::script(),
            advance: Advance::script(),
            begin: Begin::script(),
            promote: Promote::script(),
            retire: Retire::script(),
            lease: Lease::script(),
            count_repaired: CountRepaired::script(),
            park: Park::script(),
            let_go: LetGo::script(),
            unpark: Unpark::script(),
            read_parked: ReadParked::script(),
        }
    }
}

/// An argument of a script; numbers are sent as decimal digits.
#[derive(Debug, Clone, Copy)]
pub enum Argument<'a> {
    Text(&'a str),
    Number(i64),
    Bytes(&'a [u8]),
}

/// A call of a script: its keys, then its arguments.
pub struct Call {
    keys: Vec<String>,
    arguments: Cmd,
}

impl Call {
    fn new(keys: Vec<String>) -> Self {
        Self { keys, arguments: Cmd::new() }
    }

    /// One more key; returns its index, from 1 as Lua counts.
    fn key(&mut self, key: String) -> usize {
        self.keys.push(key);
        self.keys.len()
    }

    /// The index of a key that may be there already, as an argument.
    fn index(&mut self, further: &mut HashMap<String, usize>, key: String) {
        let index = match further.get(&key) {
            Some(index) => *index,
            None => {
                let index = self.key(key.clone());
                further.insert(key, index);
                index
            }
        };
        self.number(index);
    }

    fn argument(&mut self, argument: Argument<'_>) {
        match argument {
            Argument::Text(text) => self.arguments.arg(text),
            Argument::Number(number) => self.arguments.arg(number),
            Argument::Bytes(bytes) => self.arguments.arg(bytes),
        };
    }

    fn text(&mut self, text: &str) {
        self.argument(Argument::Text(text));
    }

    fn number(&mut self, number: impl TryInto<i64>) {
        self.argument(Argument::Number(number.try_into().unwrap_or(i64::MAX)));
    }

    /// The command that runs `script` on the server, which has to know it already.
    pub fn command(&self, script: &Script) -> Cmd {
        let mut command = redis::cmd("EVALSHA");
        command.arg(&script.hash).arg(self.keys.len());
        for key in &self.keys {
            command.arg(key);
        }
        for argument in self.arguments.args_iter() {
            if let redis::Arg::Simple(bytes) = argument {
                command.arg(bytes);
            }
        }
        command
    }
}

/// A script behind the declarations of its layout, all in its first line.
fn script(keys: &[&str], arguments: &[&str], body: &str) -> Script {
    let (next_key, next_argument) = (keys.len() + 1, arguments.len() + 1);
    let named = |from: &str, names: &[&str]| -> String {
        let one = |(index, name): (usize, &&str)| format!("local {name} = {from}[{}] ", index + 1);
        names.iter().enumerate().map(one).collect()
    };
    Script::new(format!(
        "local UPDATES_KEPT, NEXT_KEY, NEXT_ARGUMENT = {UPDATES_KEPT}, {next_key}, {next_argument} {}{}\n{body}",
        named("KEYS", keys),
        named("ARGV", arguments),
    ))
}

/// Declares the layout of a script: its keys, then its arguments. More of both may follow.
macro_rules! layout {
    ($(#[$doc:meta])* $name:ident($file:literal): keys $($key:ident),+;) => {
        $(#[$doc])*
        pub struct $name {
            $(pub $key: String,)+
        }

        impl $name {
            pub fn script() -> super::Script {
                super::script(&[$(stringify!($key)),+], &[], include_str!($file))
            }

            fn fixed(self) -> super::Call {
                super::Call::new(vec![$(self.$key),+])
            }
        }
    };
    ($(#[$doc:meta])* $name:ident($file:literal): keys $($key:ident),+; arguments $($argument:ident),+;) => {
        $(#[$doc])*
        pub struct $name<'a> {
            $(pub $key: String,)+
            $(pub $argument: super::Argument<'a>,)+
        }

        impl $name<'_> {
            pub fn script() -> super::Script {
                let (keys, arguments) = ([$(stringify!($key)),+], [$(stringify!($argument)),+]);
                super::script(&keys, &arguments, include_str!($file))
            }

            /// The call with what is declared here.
            pub fn call(self) -> super::Call {
                let mut call = super::Call::new(vec![$(self.$key),+]);
                $(call.argument(self.$argument);)+
                call
            }
        }
    };
}
use layout;
