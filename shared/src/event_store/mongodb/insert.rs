//! Inserting, and what an error of it means.

use futures::future::join_all;
use kernel::Result;
use kernel::log::Entry;
use mongodb::bson::RawDocumentBuf;
use mongodb::error::{Error, ErrorKind, InsertManyError};

use super::{APPENDING, DUPLICATE_KEY, MongoDb, failure};
use crate::event_store::{Inserted, NotInserted, goes_on};

/// What is inserted with one call.
pub(super) struct Call {
    /// Each document with the index of its entry.
    documents: Vec<(usize, RawDocumentBuf)>,
    /// Whether each of them goes on with the one before it.
    is_chain: bool,
}

/// The calls that entries take: one for each chain, and one for all that are in none.
pub(super) fn calls(entries: &[Entry], documents: Vec<RawDocumentBuf>) -> Vec<Call> {
    let mut documents = documents.into_iter().enumerate();
    let mut alone = Call { documents: vec![], is_chain: false };
    let mut calls = vec![];
    for chain in entries.chunk_by(goes_on) {
        let of_chain = documents.by_ref().take(chain.len());
        match chain.len() {
            1 => alone.documents.extend(of_chain),
            _ => calls.push(Call { documents: of_chain.collect(), is_chain: true }),
        }
    }
    calls.push(alone);
    calls
}

impl MongoDb {
    /// Each chain is an insert of its own, which the server ends at the first document that it refuses
    /// (<https://www.mongodb.com/docs/manual/reference/command/insert/>, `ordered`). All are under way
    /// at once.
    pub(super) async fn insert_all(&self, calls: Vec<Call>) -> Result<Vec<Inserted>, NotInserted> {
        let insert = |call: Call| async move {
            let (at, documents): (Vec<usize>, Vec<_>) = call.documents.into_iter().unzip();
            (at, self.insert_documents(documents, call.is_chain).await)
        };
        let inserted = join_all(calls.into_iter().map(insert)).await;
        let is_never = |it: &Result<_, _>| matches!(it, Err(NotInserted::Never(_)));
        // What had nothing to insert did nothing either.
        let all_never = inserted.iter().all(|(at, it)| at.is_empty() || is_never(it));
        let mut outcomes = vec![];
        for (at, inserted) in inserted {
            let inserted = inserted.map_err(|error| match all_never {
                true => error,
                false => NotInserted::Unknown(error.into()), // Another of them may have been done.
            })?;
            outcomes.extend(at.into_iter().zip(inserted));
        }
        outcomes.sort_unstable_by_key(|(at, _)| *at);
        Ok(outcomes.into_iter().map(|(_, outcome)| outcome).collect())
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
