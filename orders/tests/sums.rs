//! Lists whose items are made of records, with a sum for each currency: how large their pages become, and
//! how much of the records is read at a time.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test may panic")]

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use kernel::log::{LogId, StreamName};
use kernel::projection::{Change, FieldKey, Sum, ranked};
use kernel::query::{Error, Queries as _, Question, Views};
use kernel::views::{Answers, Batch, Read};
use orders::OrderQueries;
use orders::view::names;
use serde_json::Value;
use shared::view_store::memory::Memory;
use shared::view_store::{Applied, Generation, GenerationViews, ViewStore as _};
use uuid::Uuid;

/// Bytes of the items of a page.
const PAGE: usize = 1 << 20;
/// Bytes around them: the names of two members, and a cursor.
const AROUND: usize = 100;
/// Fields of records that one read may answer.
const FIELDS: usize = 20_000;
/// The sum that is longest in JSON: with its currency it has 29 bytes.
const LONGEST: i64 = i64::MIN;

/// A list, and how an entry of it with its record is made.
#[derive(Debug, Clone, Copy)]
enum List {
    Products,
    Customers,
    Days,
}

impl List {
    const ALL: [Self; 3] = [Self::Products, Self::Customers, Self::Days];

    /// The path, the member of an item that names it, and the prefix of its sums.
    fn names(self) -> (&'static str, &'static str, &'static str) {
        match self {
            Self::Products => ("stats/products", "sku", names::VALUE),
            Self::Customers => ("customers", "customer_id", names::LIFETIME),
            Self::Days => ("stats/daily", "date", names::REVENUE),
        }
    }

    /// Of which the number tells the place in the list.
    fn label(self, number: usize) -> String {
        match self {
            Self::Products | Self::Customers => format!("N-{number:03}"),
            Self::Days => format!("2026-{:02}-{:02}", 1 + number / 28, 1 + number % 28),
        }
    }

    fn record(self, label: &str) -> String {
        match self {
            Self::Products => names::product(label),
            Self::Customers => names::customer(label),
            Self::Days => names::day(label),
        }
    }

    /// The lists that it is in, each with its entry there. Those of a sum are read from the largest on.
    fn entries(self, number: usize) -> Vec<(String, String)> {
        let label = self.label(number);
        let rank = 1_000 - i64::try_from(number).unwrap();
        let placed = format!("2026-01-02T03:04:05.000Z{}", Uuid::from_u128(1));
        match self {
            Self::Products => vec![(names::PRODUCTS.to_owned(), ranked(rank, &label))],
            Self::Customers => vec![
                (names::customers_by_value("EUR"), ranked(rank, &label)),
                (names::orders_by_customer(&label), placed),
            ],
            Self::Days => vec![(names::DAYS.to_owned(), label)],
        }
    }
}

/// All that there can be: `AAA`, `AAB` and so on.
fn currencies() -> impl Iterator<Item = String> {
    let letters = || 'A'..='Z';
    let pairs = letters().flat_map(move |first| letters().map(move |second| (first, second)));
    pairs.flat_map(move |(first, second)| {
        letters().map(move |third| format!("{first}{second}{third}"))
    })
}

/// Views, and how many fields of records one read has answered at most.
struct Counting<'a> {
    views: GenerationViews<'a>,
    most: AtomicUsize,
}

#[async_trait]
impl Views for Counting<'_> {
    async fn read(&self, batch: &Batch) -> Result<Answers, Error> {
        for read in batch.reads() {
            if let Read::Records(names) = read {
                let mut counting = Batch::new();
                let counts = counting.field_counts(names.clone());
                let counts = self.views.read(&counting).await?.take(counts)?;
                self.most.fetch_max(counts.iter().sum(), Ordering::Relaxed);
            }
        }
        self.views.read(batch).await
    }
}

struct Subject {
    views: Memory,
    generation: Generation,
}

impl Subject {
    async fn new() -> Self {
        let (views, generation) = (Memory::default(), Generation::new(LogId::random(), 2));
        views.begin(&generation).await.unwrap();
        views.promote(None, &generation.id).await.unwrap();
        Self { views, generation }
    }

    /// Entries of a list, each of so many currencies.
    async fn fill(&self, list: List, numbers: impl Iterator<Item = usize>, of: usize) {
        let (mut sums, mut enter) = (vec![], vec![]);
        for number in numbers {
            let record = list.record(&list.label(number));
            enter.extend(list.entries(number));
            sums.extend(currencies().take(of).map(|currency| Sum {
                key: FieldKey::new(record.clone(), format!("{}{currency}", list.names().2)),
                delta: LONGEST,
                rank: None,
            }));
        }
        self.apply(sums, enter).await;
    }

    async fn apply(&self, sums: Vec<Sum>, enter: Vec<(String, String)>) {
        let change = Change {
            traceparent: None,
            stream: StreamName::new("order", Uuid::new_v4()),
            base: 0,
            to: 1,
            position: 1,
            document: b"{}".to_vec(),
            sums,
            enter,
            leave: vec![],
            greatest_texts: vec![],
        };
        let applied = self.views.apply(&self.generation.id, &[change]).await.unwrap();
        assert_eq!(applied, [Applied::Applied]);
    }

    /// The answer, and its bytes. No read for it was too large.
    async fn ask(&self, path: &str, parameters: BTreeMap<String, String>) -> (Value, usize) {
        let path = path.split('/').map(str::to_owned).collect();
        let question = Question { path, parameters, owner: None };
        let views = GenerationViews::new(&self.views, &self.generation.id);
        let views = Counting { views, most: AtomicUsize::new(0) };
        let reply = match OrderQueries.answer(&views, &question).await {
            Ok(Some(reply)) => reply,
            other => panic!("{other:?}"),
        };
        let most = views.most.into_inner();
        assert!((1..=FIELDS).contains(&most), "{most} fields are read at once");
        (serde_json::from_slice(&reply.body).unwrap(), reply.body.len())
    }

    /// What names the items, page by page.
    async fn pages(&self, list: List) -> Vec<Vec<String>> {
        let (path, member, _) = list.names();
        let mut parameters = BTreeMap::from([("limit".to_owned(), "1000".to_owned())]);
        if matches!(list, List::Customers) {
            parameters.insert("currency".to_owned(), "EUR".to_owned());
        }
        let mut pages = vec![];
        loop {
            let (page, bytes) = self.ask(path, parameters.clone()).await;
            assert!(bytes <= PAGE + AROUND, "{list:?}: {bytes} bytes");
            let items = page["items"].as_array().unwrap().iter();
            pages.push(items.map(|item| item[member].as_str().unwrap().to_owned()).collect());
            match page["next"].as_str() {
                Some(next) => parameters.insert("cursor".to_owned(), next.to_owned()),
                None => return pages,
            };
        }
    }
}

#[tokio::test]
async fn a_page_is_cut_where_it_becomes_large() {
    const CURRENCIES: usize = 700;
    for list in List::ALL {
        let subject = Subject::new().await;
        // Of days every other one is empty: it is left out, and counts towards no page.
        let step = if matches!(list, List::Days) { 2 } else { 1 };
        subject.fill(list, (0..60).map(|number| number * step), CURRENCIES).await;
        if step > 1 {
            subject.fill(list, (0..60).map(|number| number * step + 1), 0).await;
        }
        let pages = subject.pages(list).await;
        let lengths: Vec<usize> = pages.iter().map(Vec::len).collect();
        assert_eq!(lengths, [51, 9], "{list:?}: an item has some 20.4 kB");
        let expected: Vec<String> = (0..60).map(|number| list.label(number * step)).collect();
        assert_eq!(pages.concat(), expected, "{list:?}: each once");
    }
}

/// An order has one currency, so a record gets one more by a command; a shop with orders in all of them
/// still has items that fit.
#[tokio::test]
async fn two_items_of_all_currencies_fit_on_a_page() {
    let all = currencies().count();
    assert_eq!(all, 26 * 26 * 26);
    for list in List::ALL {
        let subject = Subject::new().await;
        subject.fill(list, 0..3, all).await;
        let labels = |numbers: &[usize]| numbers.iter().map(|number| list.label(*number)).collect();
        let expected: [Vec<String>; 2] = [labels(&[0, 1]), labels(&[2])];
        assert_eq!(subject.pages(list).await, expected);
    }
}
