//! Several clients that try random requests at a time.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use proptest::prelude::*;
use proptest::test_runner::{Config, TestCaseResult, TestError, TestRunner};

use super::{Answer, Client, Request, Target};

/// Clients that send at a time.
const CLIENTS: u32 = 16;

/// Tries as many requests as `config` says, and up to 15 more: 16 clients send at a time, each the random
/// requests of a seed of its own. First one client tries alone what failed in an earlier run.
///
/// Panics when a request fails, and tells it whole. The client whose request fails first makes it smaller
/// while the others send nothing more. A request that fails only beside those of others is told as it was
/// sent; what the others had sent is told as well.
pub fn try_at_a_time<S: Strategy<Value = Request>>(
    target: &Target,
    config: &Config,
    requests: impl Fn() -> S + Sync,
    judge: impl Fn(&Request, &Answer) -> TestCaseResult + Sync,
) {
    let of_cases = |cases| Config { cases, max_global_rejects: 0, ..config.clone() };
    let trial = Trial { target, judge, state: Mutex::default() };
    let mut alone = TestRunner::new(of_cases(0));
    if let Some(failure) = trial.run(0, &mut alone, &requests()) {
        panic!("{failure}");
    }
    let (trial, requests) = (&trial, &requests);
    let failures: Vec<String> = std::thread::scope(|scope| {
        let start = |number| {
            let share = of_cases(config.cases.div_ceil(CLIENTS));
            let mut runner = TestRunner::new_with_rng(share, alone.new_rng());
            scope.spawn(move || trial.run(number, &mut runner, &requests()))
        };
        let clients: Vec<_> = (0..CLIENTS).map(start).collect();
        clients.into_iter().filter_map(|client| client.join().expect("no panic")).collect()
    });
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

/// What all clients share.
struct Trial<'a, J> {
    target: &'a Target,
    judge: J,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// The client whose request failed first.
    failed: Option<u32>,
    /// What each client has sent last.
    sent: BTreeMap<u32, Request>,
}

impl<J: Fn(&Request, &Answer) -> TestCaseResult> Trial<'_, J> {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tries all cases of a runner. Returns what failed; `None` also where it was the request of another
    /// client that failed.
    fn run(
        &self,
        number: u32,
        runner: &mut TestRunner,
        requests: &impl Strategy<Value = Request>,
    ) -> Option<String> {
        let client = RefCell::new(self.target.client());
        let tried = runner
            .run(requests, |request| self.try_one(number, &mut client.borrow_mut(), &request));
        match tried {
            Ok(()) => None,
            Err(TestError::Fail(why, request)) => {
                Some(format!("{why}\nas small as it fails, whole: {}", whole(&request)))
            }
            Err(TestError::Abort(why)) => {
                self.state().failed.is_none().then(|| format!("no requests are made: {why}"))
            }
        }
    }

    fn try_one(&self, number: u32, client: &mut Client, request: &Request) -> TestCaseResult {
        self.begin(number, request)?;
        let answer = client.send(request);
        let answer = answer.map_err(|why| TestCaseError::fail(format!("{request:?}: {why}")));
        let judged = answer.and_then(|answer| (self.judge)(request, &answer));
        judged.map_err(|why| self.blame(number, why))
    }

    /// Notes what a client is about to send. The runner ends on the error, which is no failure.
    fn begin(&self, number: u32, request: &Request) -> TestCaseResult {
        let mut state = self.state();
        if state.failed.is_some_and(|first| first != number) {
            return Err(TestCaseError::reject("the request of another client failed"));
        }
        state.sent.insert(number, request.clone());
        Ok(())
    }

    /// What it means that a request of this client failed.
    fn blame(&self, number: u32, why: TestCaseError) -> TestCaseError {
        let mut state = self.state();
        match state.failed {
            None => {
                state.failed = Some(number);
                let others = state.sent.iter().filter(|(other, _)| **other != number);
                let others: Vec<String> = others.map(|(_, request)| whole(request)).collect();
                let others = others.join("\n");
                TestCaseError::fail(format!("{why}\nthe others had sent:\n{others}"))
            }
            Some(first) if first == number && !self.target.has_ended() => why,
            // It was sent beside the one that failed first, which names it; or the system has ended, and
            // no smaller request shows anything.
            Some(_) => TestCaseError::reject("another request failed before"),
        }
    }
}

/// All bytes of a request, as a file of `tests/corpus/requests` has them, written as Rust and Python do.
fn whole(request: &Request) -> String {
    format!("b\"{}\"", request.kept().escape_ascii())
}
