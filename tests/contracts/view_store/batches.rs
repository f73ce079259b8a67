//! Many changes at a time: what they lead to is what they lead to one by one.

use std::collections::BTreeMap;

use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};

use super::*;

fn parked(stream: &StreamName, version: Version) -> Parked {
    Parked {
        stream: stream.clone(),
        version,
        reason: "why".to_owned(),
        projection: 1,
        build: "1".to_owned(),
        at: Timestamp::default(),
        let_go: version,
    }
}

pub async fn what_can_not_be_applied_holds_up_nothing_else_of_its_batch(views: Views) {
    let id = generation(&views).await;
    let [fine, stale, duplicate, resumed, overflowing] = [(); 5].map(|()| stream());
    for stream in [&stale, &duplicate] {
        assert_eq!(apply(&views, &id, change(stream, 0, 2)).await, Applied::Applied);
    }
    views.park(&id, &parked(&resumed, 1)).await.unwrap();
    let full = Change { sums: vec![sum("full", MAX_SUM)], ..change(&stream(), 0, 1) };
    assert_eq!(apply(&views, &id, full).await, Applied::Applied);
    let counted = |stream: &StreamName, base, to| Change {
        sums: vec![sum("n", 1)],
        enter: vec![entry("list", stream.as_str())],
        ..change(stream, base, to)
    };
    let too_much = Change { sums: vec![sum("full", 1)], ..counted(&overflowing, 0, 1) };
    let batch = [
        counted(&stale, 1, 3),
        counted(&fine, 0, 1),
        counted(&duplicate, 1, 2),
        too_much,
        counted(&resumed, 0, 1),
        counted(&fine, 1, 2),
    ];
    let expected = [
        Applied::Stale(2),
        Applied::Applied,
        Applied::Duplicate,
        Applied::OutOfRange,
        Applied::StillParked,
        Applied::Applied,
    ];
    assert_eq!(views.apply(&id, &batch).await.unwrap(), expected);
    let totals = record(&views, &id, "totals").await.into_iter().collect::<BTreeMap<_, _>>();
    assert_eq!(totals["n"], "3", "each that was applied, once");
    let mut entries = [fine.as_str(), resumed.as_str()];
    entries.sort_unstable();
    assert_eq!(list(&views, &id, all("list")).await, entries);
    let gone = Generation::new(LogId::random(), 1);
    let none = views.apply(&gone.id, &[counted(&fine, 0, 1), counted(&stale, 0, 1)]).await;
    assert_eq!(none.unwrap(), [Applied::NoGeneration; 2]);
}

/// Redis takes a few thousand values at a time from a script: as many as the first three changes have
/// each, and fewer than the others have.
pub async fn a_change_of_many_parts_is_applied_whole(views: Views) {
    let id = generation(&views).await;
    let [one, another, small] = [(); 3].map(|()| stream());
    let exact = [
        Change {
            sums: (0..3_000).map(|n| sum(&format!("n{n}"), 1)).collect(),
            ..change(&stream(), 0, 1)
        },
        Change {
            enter: (0..3_000).map(|n| entry("exact", &format!("{n:04}"))).collect(),
            ..change(&stream(), 0, 1)
        },
        Change {
            greatest_texts: (0..3_000)
                .map(|n| (FieldKey::new("texts", format!("t{n}")), "text".to_owned()))
                .collect(),
            ..change(&stream(), 0, 1)
        },
    ];
    assert_eq!(views.apply(&id, &exact).await.unwrap(), [Applied::Applied; 3]);
    let many = |stream: &StreamName, base: Version| Change {
        sums: (0..9_000).map(|n| sum(&format!("n{n}"), 1)).collect(),
        enter: (0..9_000).map(|n| entry("list", &format!("{n:04}"))).collect(),
        leave: (0..9_000).map(|n| entry("left", &format!("{n:04}"))).collect(),
        greatest_texts: (0..9_000)
            .map(|n| (FieldKey::new("texts", format!("t{n}")), "text".to_owned()))
            .collect(),
        ..change(stream, base, base + 1)
    };
    let few = Change { sums: vec![sum("n0", 1)], ..change(&small, 0, 1) };
    let batch = [many(&one, 0), few, many(&another, 0), many(&one, 1)];
    assert_eq!(views.apply(&id, &batch).await.unwrap(), [Applied::Applied; 4]);
    let totals = record(&views, &id, "totals").await;
    assert_eq!(totals.len(), 9_000);
    for (field, value) in totals {
        let number: u32 = field.strip_prefix('n').unwrap().parse().unwrap();
        let few = u32::from(number == 0) + u32::from(number < 3_000);
        assert_eq!(value, (3 + few).to_string(), "{field}");
    }
    assert_eq!(record(&views, &id, "texts").await.len(), 9_000);
    let last = List { descending: true, limit: 1, ..all("list") };
    assert_eq!(list(&views, &id, last).await, ["8999"]);
}

/// A change of few records, fields, lists and texts, so that those of a batch meet.
fn random(random: &mut StdRng, stream: &StreamName, base: Version) -> Change {
    let mut name = |of: &str| format!("{of}{}", random.random_range(0..4_u8));
    let (record, ranked, field) = (name("record"), name("ranked"), name("field"));
    let (entered, left, text, index) = (name("entry"), name("entry"), name("text"), name("list"));
    let rank =
        Rank { index: "best".to_owned(), member: ranked.clone(), zeros: *ranked < *"ranked2" };
    Change {
        sums: vec![
            Sum {
                key: FieldKey::new(record.clone(), field),
                delta: random.random_range(-5..=5),
                rank: None,
            },
            Sum {
                key: FieldKey::new(ranked, "value"),
                delta: random.random_range(0..=5),
                rank: Some(rank),
            },
        ],
        enter: vec![(index.clone(), format!("{entered}-{stream}"))],
        leave: vec![(index, format!("{left}-{stream}"))],
        greatest_texts: vec![(FieldKey::new(record, "text"), text)],
        ..change(stream, base, base + random.random_range(1..=2))
    }
}

async fn everything(views: &Views, id: &GenerationId, streams: &[StreamName]) -> Vec<String> {
    let mut found = vec![];
    for name in (0..4).flat_map(|n| [format!("record{n}"), format!("ranked{n}")]) {
        found.push(format!("{name}: {:?}", record(views, id, &name).await));
    }
    for index in (0..4).map(|n| format!("list{n}")).chain(["best".to_owned()]) {
        found.push(format!("{index}: {:?}", list(views, id, all(&index)).await));
    }
    let streams: Vec<&StreamName> = streams.iter().collect();
    found.push(format!("{:?}", views.load(id, &streams).await.unwrap()));
    found
}

/// Against the adapter that applies changes one after another.
#[tokio::test(flavor = "multi_thread")]
async fn redis_makes_of_batches_what_memory_makes_of_each_change() {
    let own = Own::default();
    let redis: Views = Arc::new(own.redis().await);
    let memory: Views = Arc::new(Memory::default());
    let ids = (generation(&redis).await, generation(&memory).await);
    let streams: Vec<StreamName> = (0..40).map(|_| stream()).collect();
    let mut versions = vec![0; streams.len()];
    let mut rng = StdRng::seed_from_u64(7);
    for round in 0..40 {
        let mut batch = vec![];
        for (stream, version) in streams.iter().zip(&mut versions) {
            if rng.random_bool(0.6) {
                let stale = rng.random_bool(0.1);
                let change = random(&mut rng, stream, *version - i64::from(stale));
                let applies = change.base == *version;
                *version = if applies { change.to } else { *version };
                batch.push(change);
            }
        }
        let outcomes = redis.apply(&ids.0, &batch).await.unwrap();
        assert_eq!(outcomes, memory.apply(&ids.1, &batch).await.unwrap(), "round {round}");
        assert_eq!(
            everything(&redis, &ids.0, &streams).await,
            everything(&memory, &ids.1, &streams).await,
            "round {round}"
        );
    }
    own.remove().await;
}
