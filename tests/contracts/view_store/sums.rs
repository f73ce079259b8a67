//! Sums as large as they may become.

use super::*;

pub async fn sums_and_rankings_are_exact_beyond_what_a_double_holds(views: Views) {
    let (id, stream) = (generation(&views).await, stream());
    let large = 1_i64 << 53;
    let add = |version: Version, member: &str, delta| Change {
        sums: vec![Sum {
            key: FieldKey::new("totals", member),
            delta,
            rank: Some(Rank { index: "best".to_owned(), member: member.to_owned(), zeros: false }),
        }],
        ..change(&stream, version - 1, version)
    };
    for (version, (member, delta)) in (1..).zip([("A", large), ("B", large), ("A", 1), ("B", 2)]) {
        assert_eq!(apply(&views, &id, add(version, member, delta)).await, Applied::Applied);
    }
    let texts = || async {
        let sums = record(&views, &id, "totals").await;
        sums.into_iter().map(|(_, text)| text).collect::<Vec<_>>()
    };
    assert_eq!(texts().await, ["9007199254740993", "9007199254740994"]);
    let best = [ranked(large + 1, "A"), ranked(large + 2, "B")];
    assert_eq!(list(&views, &id, all("best")).await, best, "each once, and sorted");
    let to_the_end = add(5, "A", MAX_SUM - large - 1);
    assert_eq!(apply(&views, &id, to_the_end).await, Applied::Applied);
    assert_eq!(apply(&views, &id, add(6, "A", 1)).await, Applied::OutOfRange);
    assert_eq!(apply(&views, &id, add(6, "A", -1)).await, Applied::Applied);
    assert_eq!(texts().await, ["9223372036854775806", "9007199254740994"]);
    let best = [ranked(large + 2, "B"), ranked(MAX_SUM - 1, "A")];
    assert_eq!(list(&views, &id, all("best")).await, best);
}

pub async fn a_sum_out_of_range_changes_nothing(views: Views) {
    let (id, stream) = (generation(&views).await, stream());
    let first = Change {
        sums: vec![sum("a", MAX_SUM - 1), sum("y", i64::MIN), sum("z", MAX_SUM)],
        ..change(&stream, 0, 1)
    };
    assert_eq!(apply(&views, &id, first).await, Applied::Applied);
    for (field, delta) in [("z", 1), ("z", 2), ("z", MAX_SUM), ("y", -1), ("y", i64::MIN)] {
        let too_much = Change {
            sums: vec![sum("a", 1), sum("none", i64::MIN), sum(field, delta)],
            enter: vec![entry("list", "x")],
            ..change(&stream, 1, 2)
        };
        assert_eq!(apply(&views, &id, too_much).await, Applied::OutOfRange);
    }
    let pair = |field: &str, sum: i64| (field.to_owned(), sum.to_string());
    assert_eq!(
        record(&views, &id, "totals").await,
        [pair("a", MAX_SUM - 1), pair("y", i64::MIN), pair("z", MAX_SUM)]
    );
    assert_eq!(list(&views, &id, all("list")).await, [""; 0]);
    assert_eq!(
        views.load(&id, &[&stream]).await.unwrap()[0].as_ref().map(|view| view.version),
        Some(1)
    );
}

pub async fn the_fields_of_records_are_counted(views: Views) {
    let id = generation(&views).await;
    let filled = Change {
        sums: vec![sum("a", 5), sum("b", -7)],
        greatest_texts: vec![(FieldKey::new("totals", "text"), "ä".to_owned())],
        ..change(&stream(), 0, 1)
    };
    let emptied = Change { sums: vec![sum("a", -5)], ..change(&stream(), 0, 1) };
    assert_eq!(views.apply(&id, &[filled, emptied]).await.unwrap(), [Applied::Applied; 2]);
    assert_eq!(record(&views, &id, "totals").await.len(), 3);
    let mut batch = Batch::new();
    let counts = batch.field_counts(["none", "totals"].map(str::to_owned).to_vec());
    let nothing = batch.field_counts(vec![]);
    let index = batch.count("list");
    let mut answers = views.read(&id, &batch).await.unwrap().answers;
    assert_eq!(answers.take(counts).unwrap(), [0, 3], "a sum of 0 is a field as any other");
    assert_eq!(answers.take(nothing).unwrap(), [0; 0]);
    assert_eq!(answers.take(index).unwrap(), 0);
}
