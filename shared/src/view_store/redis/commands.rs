//! How reads are written as commands, and how their answers are read.

use std::ops::Bound;

use kernel::log::{StreamName, Version};
use kernel::projection::Stored;
use kernel::views::{Answer, List, Parked, Read};
use kernel::{Failure, Result};
use redis::{Cmd, FromRedisValue, Pipeline, Value};

use super::keys::GenerationKeys;
use super::views::{self, Whole};

pub fn parse_note(text: &str) -> Result<Parked> {
    serde_json::from_str(text).map_err(|e| Failure::permanent("reading what is parked", e))
}

/// Reads `<version> <document>`.
pub fn parse_view(bytes: Vec<u8>) -> Result<Stored> {
    let bad = || Failure::permanent("loading a view", "it does not start with a version");
    let space = bytes.iter().position(|byte| *byte == b' ').ok_or_else(bad)?;
    let version = std::str::from_utf8(&bytes[..space]).ok().and_then(|text| text.parse().ok());
    Ok(Stored { version: version.ok_or_else(bad)?, document: bytes[space + 1..].to_vec() })
}

pub fn ask(pipeline: &mut Pipeline, keys: &GenerationKeys, read: &Read) {
    match read {
        Read::Views(streams) => views::ask(pipeline, keys, streams.iter()),
        Read::Versions(streams) => {
            for stream in streams {
                pipeline.getrange(keys.view(stream), 0, 19);
            }
        }
        Read::Parked(streams) if streams.is_empty() => {}
        Read::Parked(streams) => {
            let names: Vec<_> = streams.iter().map(StreamName::as_str).collect();
            pipeline.cmd("HMGET").arg(keys.parked()).arg(&names);
            pipeline.cmd("HMGET").arg(keys.let_go()).arg(names);
        }
        Read::Records(names) => {
            for name in names {
                pipeline.hgetall(keys.record(name));
            }
        }
        Read::FieldCounts(names) => {
            for name in names {
                pipeline.hlen(keys.record(name));
            }
        }
        Read::List(list) => {
            pipeline.add_command(range(keys, list));
        }
        Read::Count(index) => {
            pipeline.zcard(keys.list(index));
        }
    }
}

/// <https://redis.io/docs/latest/commands/zrange/>: reversed, the upper bound comes first.
fn range(keys: &GenerationKeys, list: &List) -> Cmd {
    let bound = |bound: &Bound<String>, open: &str| match bound {
        Bound::Included(text) => format!("[{text}"),
        Bound::Excluded(text) => format!("({text}"),
        Bound::Unbounded => open.to_owned(),
    };
    let (from, to) = (bound(&list.from, "-"), bound(&list.to, "+"));
    let mut call = redis::cmd("ZRANGE");
    call.arg(keys.list(&list.index));
    if list.descending {
        call.arg(to).arg(from).arg("BYLEX").arg("REV");
    } else {
        call.arg(from).arg(to).arg("BYLEX");
    }
    call.arg("LIMIT").arg(0).arg(list.limit);
    call
}

/// The beginnings of views where these are to be read by their sizes.
pub fn answer(
    what: &str,
    read: &Read,
    next: &mut impl FnMut() -> Result<Value>,
) -> Result<Whole<Answer>> {
    Ok(Ok(match read {
        Read::Views(streams) => {
            let beginnings = streams.iter().map(|_| parse::<Option<Vec<u8>>>(what, next()?));
            match views::whole(beginnings.collect::<Result<_>>()?)? {
                Ok(views) => Answer::Views(views),
                Err(beginnings) => return Ok(Err(beginnings)),
            }
        }
        Read::Versions(streams) => {
            let version = |beginning: String| match beginning.split(' ').next() {
                None | Some("") => Ok(0), // There is no view.
                Some(digits) => digits.parse().map_err(|error| Failure::permanent(what, error)),
            };
            let versions = streams.iter().map(|_| version(parse(what, next()?)?));
            Answer::Versions(versions.collect::<Result<_>>()?)
        }
        Read::Parked(streams) if streams.is_empty() => Answer::Parked(vec![]),
        Read::Parked(_) => {
            let notes: Vec<Option<String>> = parse(what, next()?)?;
            let let_go: Vec<Option<Version>> = parse(what, next()?)?;
            let whole = |(note, let_go): (&Option<String>, &Option<Version>)| {
                let note = note.as_deref().map(parse_note).transpose()?;
                Ok(note.map(|note| Parked { let_go: let_go.unwrap_or(0), ..note }))
            };
            Answer::Parked(notes.iter().zip(&let_go).map(whole).collect::<Result<_>>()?)
        }
        Read::Records(names) => {
            let records = names.iter().map(|_| parse(what, next()?));
            Answer::Records(records.collect::<Result<_>>()?)
        }
        Read::FieldCounts(names) => {
            let counts = names.iter().map(|_| parse(what, next()?));
            Answer::FieldCounts(counts.collect::<Result<_>>()?)
        }
        Read::List(_) => Answer::List(parse(what, next()?)?),
        Read::Count(_) => Answer::Count(parse(what, next()?)?),
    }))
}

pub fn parse<T: FromRedisValue>(what: &str, value: Value) -> Result<T> {
    T::from_redis_value(value).map_err(|error| Failure::permanent(what, error))
}
