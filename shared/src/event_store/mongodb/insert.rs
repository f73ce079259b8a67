//! Inserting, and what an error of it means.

use futures::future::join_all;
use kernel::Result;
use kernel::log::Entry;
use mongodb::bson::RawDocumentBuf;
use mongodb::error::{Error, ErrorKind, InsertManyError};

use super::{APPENDING, DUPLICATE_KEY, MongoDb, failure};
use crate::event_store::{Inserted, NotInserted, goes_on};

/// Entries of which each goes on with the one before it: the index of the first, and how many they are.
pub(super) struct Chain {
    first: usize,
    count: usize,
}

/// The chains among entries, ascending.
pub(super) fn chains(entries: &[Entry]) -> Vec<Chain> {
    let mut chains: Vec<Chain> = vec![];
    for (first, pair) in entries.windows(2).enumerate() {
        let [before, entry] = pair else { continue };
        if !goes_on(before, entry) {
            continue;
        }
        match chains.last_mut() {
            Some(chain) if chain.first + chain.count == first + 1 => chain.count += 1,
            _ => chains.push(Chain { first, count: 2 }),
        }
    }
    chains
}

impl MongoDb {
    /// Each chain is an insert of its own, which the server ends at the first document that it refuses
    /// (<https://www.mongodb.com/docs/manual/reference/command/insert/>, `ordered`). All are under way
    /// at once.
    pub(super) async fn insert_all(
        &self,
        mut documents: Vec<RawDocumentBuf>,
        chains: Vec<Chain>,
    ) -> Result<Vec<Inserted>, NotInserted> {
        if chains.is_empty() {
            return self.insert_documents(documents, false).await;
        }
        let mut inserts = vec![];
        for chain in chains.iter().rev() {
            let documents = documents.drain(chain.first..chain.first + chain.count);
            inserts.push(self.insert_documents(documents.collect(), true));
        }
        inserts.push(self.insert_documents(documents, false));
        let mut inserted = join_all(inserts).await;
        let is_never = |it: &Result<_, _>| matches!(it, Err(NotInserted::Never(_)));
        if !inserted.iter().all(is_never)
            && let Some(at) = inserted.iter().position(Result::is_err)
            && let Err(failure) = inserted.swap_remove(at)
        {
            return Err(NotInserted::Unknown(failure.into())); // Another of them may have been done.
        }
        let mut outcomes = vec![];
        let mut of_inserts = inserted.into_iter().rev();
        outcomes.extend(of_inserts.next().transpose()?.unwrap_or_default());
        for (chain, inserted) in chains.iter().zip(of_inserts) {
            outcomes.splice(chain.first..chain.first, inserted?);
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
