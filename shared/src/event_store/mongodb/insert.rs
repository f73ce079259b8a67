//! Inserting, and what an error of it means.

use kernel::Result;
use mongodb::bson::RawDocumentBuf;
use mongodb::error::{Error, ErrorKind, InsertManyError};

use super::{APPENDING, DUPLICATE_KEY, MongoDb, failure};
use crate::event_store::{Inserted, NotInserted};

impl MongoDb {
    pub(super) async fn insert_documents(
        &self,
        documents: Vec<RawDocumentBuf>,
    ) -> Result<Vec<Inserted>, NotInserted> {
        let mut outcomes = vec![Inserted::Written; documents.len()];
        let commits = self.commits.clone_with_type::<RawDocumentBuf>();
        let Err(error) = commits.insert_many(documents).ordered(false).await else {
            return Ok(outcomes);
        };
        for index in duplicates(&error).ok_or_else(|| not_inserted(&error))? {
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
        let outcome = store.insert_documents(vec![document]).await;
        assert!(matches!(outcome, Err(NotInserted::Never(_))), "{outcome:?}");
    }

    #[test]
    fn what_was_lost_on_its_way_has_an_unknown_outcome() {
        let lost = Error::from(std::io::Error::from(std::io::ErrorKind::ConnectionReset));
        let outcome = not_inserted(&lost);
        assert!(matches!(outcome, NotInserted::Unknown(_)), "{outcome:?}");
    }
}
