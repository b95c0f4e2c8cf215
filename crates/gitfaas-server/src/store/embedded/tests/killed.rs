//! `kill -9` at any moment: what was acknowledged is there.

use std::collections::BTreeSet;

use super::child::{Child, Line, nth};
use super::{Folder, is_whole};
use crate::store::RequestQuery;
use crate::store::contract::Ground as _;

#[tokio::test]
async fn what_was_acknowledged_before_a_kill_is_there_whole() {
    let rounds = std::env::var_os("GITFAAS_KILL_ROUNDS").map_or(4, |rounds| {
        rounds.to_str().and_then(|rounds| rounds.parse().ok()).expect("GITFAAS_KILL_ROUNDS is a number")
    });
    let ground = Folder::fresh().await;
    let mut acknowledged = BTreeSet::new();
    let mut note = |line: Line| match line {
        Line::Accepted(id) => assert!(acknowledged.insert(id), "{id} twice"),
        Line::Refused(why) => panic!("refused: {why}"),
    };
    for round in 1..=rounds {
        let mut child = Child::start(&ground.data(), &[]);
        // Anywhere between the first acknowledgement and a few checkpoints later.
        let lines = getrandom::u32().expect("randomness") % 3_000;
        for _ in 0..=lines {
            note(child.next_line());
        }
        child.kill().into_iter().for_each(&mut note);
        eprintln!("round {round}: killed after {lines}");
    }
    let store = ground.open().await;
    assert_eq!(store.loss().await, None);
    for id in &acknowledged {
        is_whole(&*store, &nth(*id)).await;
    }
    // What was done but not acknowledged is whole too.
    let query = RequestQuery { limit: usize::MAX, ..RequestQuery::default() };
    let there = store.requests(&query).await.expect("listed");
    assert!(there.len() >= acknowledged.len());
    for request in there.iter().filter(|request| !acknowledged.contains(&request.id)) {
        is_whole(&*store, &nth(request.id)).await;
    }
}
