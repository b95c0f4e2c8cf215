//! What looks at the lines of topics cost, counted in steps of `SQLite`'s machine: a long line must not make them dear.

use gitfaas_core::id::{RequestId, RunId};
use gitfaas_core::run::{Phase, Run};
use gitfaas_core::topic::TopicName;
use jiff::Timestamp;
use rusqlite::{Connection, StatementStatus};

use super::Folder;
use crate::store::contract::{Ground as _, accept, accepted, at, settled};
use crate::store::embedded::line;
use crate::store::{Order, Room};

/// A ledger with a queued run in two topics and a live one in the first, and with so many queued behind those of the
/// second.
async fn with_backlog(count: u32) -> (Folder, Vec<Run>) {
    let ground = Folder::fresh().await;
    let store = ground.open().await;
    let mut runs = Vec::new();
    for topic in ["audit", "audit", "collect"] {
        runs.push(accepted(&*store, &accept(5, topic, &["a.yaml"])).await.remove(0));
    }
    settled(&*store, &runs[0], Phase::Running, 6).await;
    store.close().await;
    let behind = "WITH RECURSIVE n (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < ?1)
        INSERT INTO run (id, topic, ordinal, phase, due_at, manifests, record)
        SELECT CAST(x'ff' || printf('%021d', n) AS BLOB), 'collect', 0, 'queued', ?2 + n, 0, '{}' FROM n";
    let due = i64::try_from(at(50).as_nanosecond()).expect("a time of these years");
    assert_eq!(ground.tamper().execute(behind, (count, due)).expect("written"), count as usize);
    (ground, runs)
}

/// The steps of each statement after every kind of look was taken.
fn steps(connection: &Connection, runs: &[Run]) -> [i32; 6] {
    let (audit, collect): (&TopicName, &TopicName) = (&runs[1].topic, &runs[2].topic);
    let last = RunId::derive(RequestId::from_bytes([0xff; 16]), &runs[2].function);
    let last = Run { id: last, ..runs[2].clone() };
    let now = Timestamp::MAX;
    let found = || -> Result<_, crate::store::embedded::fault::Fault> {
        let queues = line::queues(connection)?.0.len();
        let due = [(audit, Order::Due), (collect, Order::Due), (audit, Order::Accepted), (collect, Order::Accepted)]
            .map(|(topic, order)| line::due(connection, topic, order, now, 1).map(|due| due.runs.len()));
        let due: Vec<usize> = due.into_iter().collect::<Result<_, _>>()?;
        let ahead =
            [&runs[1], &runs[2], &last].map(|run| line::place(connection, run, now, 9).map(|place| place.ahead));
        Ok((queues, due, ahead.into_iter().collect::<Result<Vec<_>, _>>()?, line::live(connection, audit, 9)?))
    };
    assert_eq!(found().ok(), Some((2, vec![1; 4], vec![0, 0, 9], 1)));
    assert_eq!(line::passed(connection, collect, Room::ENDLESS, 1).ok(), Some(None));
    [line::NEXT_TOPIC, line::LONGEST_DUE, line::FIRST_ACCEPTED, line::AHEAD, line::LIVE, line::QUEUED].map(|sql| {
        // The statement that ran, from the connection's cache.
        connection.prepare_cached(sql).expect("prepared").get_status(StatementStatus::VmStep)
    })
}

#[tokio::test]
async fn a_long_line_makes_no_look_at_it_or_past_it_dearer() {
    let mut counted = Vec::new();
    for count in [20, 20_000] {
        let (ground, runs) = with_backlog(count).await;
        counted.push(steps(&ground.tamper(), &runs));
    }
    assert_eq!(counted[0], counted[1]);
    assert!(counted[0].iter().all(|steps| *steps > 0), "nothing was counted: {counted:?}");
}
