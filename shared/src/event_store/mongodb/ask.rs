//! How long MongoDB may take.

use std::time::Duration;

use kernel::{Failure, Result};

use super::MongoDb;

/// How long one call may take, its retry by the driver included. The driver itself waits without end
/// for an answer on a connection that the network has lost.
const CALL_TIMEOUT: Duration = Duration::from_secs(6);

impl MongoDb {
    /// Asks in a task of its own, and waits for it in bounded time. The driver ends what it began, even
    /// when the caller has gone or waits no longer: its futures may not be dropped half-way
    /// (<https://jira.mongodb.org/browse/RUST-937>).
    pub(super) async fn ask<T, F>(
        &self,
        what: &'static str,
        ask: impl FnOnce(Self) -> F,
    ) -> Result<T>
    where
        T: Send + 'static,
        F: Future<Output = Result<T>> + Send + 'static,
    {
        in_time(what, CALL_TIMEOUT, ask(self.clone())).await
    }
}

pub(super) async fn in_time<T: Send + 'static>(
    what: &str,
    patience: Duration,
    asked: impl Future<Output = Result<T>> + Send + 'static,
) -> Result<T> {
    match tokio::time::timeout(patience, tokio::spawn(asked)).await {
        Ok(Ok(answered)) => answered,
        Ok(Err(error)) => Err(Failure::transient(what, error)),
        Err(_) => Err(Failure::transient(what, format!("no answer in {patience:?}"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_was_begun_ends_although_its_caller_has_gone() {
        let (answer, answered) = tokio::sync::oneshot::channel();
        let (ended, end) = tokio::sync::oneshot::channel();
        let asked = in_time("asking", CALL_TIMEOUT, async move {
            let answer: u8 = answered.await.expect("an answer");
            ended.send(answer).expect("the test listens");
            Ok(())
        });
        let mut asked = Box::pin(asked);
        assert!(futures::poll!(&mut asked).is_pending());
        drop(asked);
        answer.send(7).expect("it is still wanted");
        assert_eq!(end.await, Ok(7));
    }

    #[tokio::test]
    async fn an_answer_that_does_not_come_is_not_waited_for() {
        let (ended, end) = tokio::sync::oneshot::channel();
        let (answer, answered) = tokio::sync::oneshot::channel();
        let asked = async move {
            let answer: u8 = answered.await.expect("an answer");
            ended.send(answer).expect("the test listens");
            Ok(())
        };
        let late = in_time("asking", Duration::from_millis(1), asked).await;
        assert!(late.is_err_and(|failure| !failure.is_permanent()));
        answer.send(9).expect("it was not dropped");
        assert_eq!(end.await, Ok(9));
    }
}
