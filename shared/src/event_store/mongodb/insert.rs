//! Inserting, and what an error of it means.

use futures::future::join_all;
use kernel::Result;
use kernel::log::Entry;
use mongodb::bson::RawDocumentBuf;
use mongodb::error::{Error, ErrorKind, InsertManyError};

use super::{APPENDING, DUPLICATE_KEY, MongoDb, failure};
use crate::event_store::{Inserted, NotInserted, goes_on};

/// What is inserted with one call: the indices of the entries, and whether each goes on with the one
/// before it.
pub(super) struct Call {
    entries: Vec<usize>,
    is_chain: bool,
}

/// The calls that entries take: one for each chain, and one for all that are in none.
pub(super) fn calls(entries: &[Entry]) -> Vec<Call> {
    let chains = entries.chunk_by(goes_on).scan(0, |next, chain| {
        let first = std::mem::replace(next, *next + chain.len());
        Some(Call { entries: (first..*next).collect(), is_chain: chain.len() > 1 })
    });
    let (mut calls, alone): (Vec<Call>, Vec<Call>) = chains.partition(|call| call.is_chain);
    let alone: Vec<usize> = alone.into_iter().flat_map(|call| call.entries).collect();
    if !alone.is_empty() {
        calls.push(Call { entries: alone, is_chain: false });
    }
    calls
}

impl MongoDb {
    /// Each chain is an insert of its own, which the server ends at the first document that it refuses
    /// (<https://www.mongodb.com/docs/manual/reference/command/insert/>, `ordered`). All are under way
    /// at once.
    pub(super) async fn insert_all(
        &self,
        documents: Vec<RawDocumentBuf>,
        calls: Vec<Call>,
    ) -> Result<Vec<Inserted>, NotInserted> {
        let mut outcomes = vec![Inserted::NotAttempted; documents.len()];
        let mut documents: Vec<_> = documents.into_iter().map(Some).collect();
        let insert = |call: &Call| {
            let of_call = call.entries.iter().filter_map(|at| documents.get_mut(*at)?.take());
            self.insert_documents(of_call.collect(), call.is_chain)
        };
        let inserted = join_all(calls.iter().map(insert)).await;
        let all_never = inserted.iter().all(|it| matches!(it, Err(NotInserted::Never(_))));
        for (call, inserted) in calls.into_iter().zip(inserted) {
            let inserted = inserted.map_err(|error| match all_never {
                true => error,
                false => NotInserted::Unknown(error.into()), // Another of them may have been done.
            })?;
            for (at, one) in call.entries.into_iter().zip(inserted) {
                outcomes.get_mut(at).into_iter().for_each(|outcome| *outcome = one);
            }
        }
        Ok(outcomes)
    }

    async fn insert_documents(
        &self,
        documents: Vec<RawDocumentBuf>,
        ordered: bool,
    ) -> Result<Vec<Inserted>, NotInserted> {
        let mut outcomes = vec![Inserted::Written; documents.len()];
        if documents.is_empty() {
            return Ok(outcomes);
        }
        let commits = self.commits.clone_with_type::<RawDocumentBuf>();
        let Err(error) = commits.insert_many(documents).ordered(ordered).await else {
            return Ok(outcomes);
        };
        for index in duplicates(&error).ok_or_else(|| not_inserted(&error))? {
            if ordered {
                outcomes.iter_mut().skip(index).for_each(|it| *it = Inserted::NotAttempted);
            }
            if let Some(outcome) = outcomes.get_mut(index) {
                *outcome = Inserted::Duplicate;
            }
        }
        Ok(outcomes)
    }
}

/// Without a server to send it to nothing was sent: there is one attempt only, as the driver does not
/// retry writes here (`connect`).
fn not_inserted(error: &Error) -> NotInserted {
    let why = failure(APPENDING)(error.clone());
    match &*error.kind {
        ErrorKind::ServerSelection { .. } => NotInserted::Never(why),
        _ => NotInserted::Unknown(why),
    }
}

/// The indices that were refused as duplicates, when that is all that went wrong.
fn duplicates(error: &Error) -> Option<Vec<usize>> {
    match &*error.kind {
        ErrorKind::InsertMany(InsertManyError {
            write_errors: Some(errors),
            write_concern_error: None,
            ..
        }) if errors.iter().all(|one| one.code == DUPLICATE_KEY) => {
            Some(errors.iter().map(|one| one.index).collect())
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use kernel::log::Entry;

    use super::super::{connect, document};
    use super::*;
    use crate::endpoint::Endpoint;

    #[tokio::test]
    async fn what_finds_no_server_was_never_sent() {
        let nowhere = "mongodb://127.0.0.1:1/?directConnection=true&serverSelectionTimeoutMS=50";
        let client = connect::client(&Endpoint::from(nowhere), None).await.expect("a client");
        let store = MongoDb::over(client.database("waybill"), Arc::default());
        let document = document::encode(&Entry::Tombstone(1)).expect("a document");
        let outcome = store.insert_documents(vec![document], false).await;
        assert!(matches!(outcome, Err(NotInserted::Never(_))), "{outcome:?}");
    }

    #[test]
    fn what_was_lost_on_its_way_has_an_unknown_outcome() {
        let lost = Error::from(std::io::Error::from(std::io::ErrorKind::ConnectionReset));
        let outcome = not_inserted(&lost);
        assert!(matches!(outcome, NotInserted::Unknown(_)), "{outcome:?}");
    }
}
