//! Retention of very many requests while others are accepted.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use bytes::Bytes;
use gitfaas_core::id::Try;
use gitfaas_core::idempotency::Idempotency;
use gitfaas_core::run::{Phase, Run};

use super::{Folder, is_whole};
use crate::cluster::LogPart;
use crate::store::contract::{Ground as _, accept, accepted, at, moved, response};
use crate::store::{Accept, Store};

/// So many a step, as the engine asks for.
const STEP: usize = 200;
/// How many are accepted at once.
const TOGETHER: usize = 256;

/// `GITFAAS_RETAINED` is how many requests there are.
fn count() -> usize {
    std::env::var_os("GITFAAS_RETAINED").map_or(4_000, |count| {
        count.to_str().and_then(|count| count.parse().ok()).expect("GITFAAS_RETAINED is a number")
    })
}

/// A request with two runs, and with a key as every fifth. Every tenth lasts: half of these ended late, and in the others
/// a run goes on.
fn nth(n: usize) -> Accept {
    let mut accept = accept(i64::try_from(n).expect("few"), "collect", &["b.yaml", "a.yaml"]);
    let (phase, end) = match (lasts(n), n % 20) {
        (true, 0) => (Phase::Running, 5),
        (true, _) => (Phase::Succeeded, 2_000_000),
        _ => (Phase::Succeeded, 5),
    };
    accept.runs[0].0 = moved(&accept.runs[0].0, Phase::Succeeded, 5);
    accept.runs[1].0 = moved(&accept.runs[1].0, phase, end);
    accept.idempotency = n.is_multiple_of(5).then(|| {
        let mut key = [0; 32];
        key[..8].copy_from_slice(&n.to_le_bytes());
        Idempotency { key, fingerprint: [7; 32] }
    });
    accept
}

fn lasts(n: usize) -> bool {
    n.is_multiple_of(10)
}

async fn fill(store: &Arc<dyn Store>, count: usize) -> Vec<Accept> {
    let mut lasting = Vec::new();
    for first in (0..count).step_by(TOGETHER) {
        let accepting = (first..count.min(first + TOGETHER)).map(|n| {
            let store = Arc::clone(store);
            tokio::spawn(async move {
                let accept = nth(n);
                let run = accepted(&*store, &accept).await.remove(0);
                if n % 50 < 11 {
                    with_results(&*store, &run).await;
                }
                (lasts(n), accept)
            })
        });
        for done in accepting.collect::<Vec<_>>() {
            let (lasts, accept) = done.await.expect("no panic");
            lasting.extend(lasts.then_some(accept));
        }
    }
    lasting
}

async fn with_results(store: &dyn Store, run: &Run) {
    store.put_response(response(run, 6, "answer")).await.expect("stored");
    let part = LogPart { attempt: 1, container: "main".into(), text: Bytes::from_static(b"hello"), cut: 0 };
    store.put_logs(run.id, Try(1), "x", vec![part]).await.expect("stored");
}

/// Accepts until it is told to end; how many steps of forgetting ended while one waited for its answer, at most.
async fn go_on(store: Arc<dyn Store>, steps: Arc<AtomicU64>, over: Arc<AtomicBool>) -> (Vec<Accept>, u64) {
    let (mut accepts, mut most) = (Vec::new(), 0);
    while !over.load(Ordering::SeqCst) {
        let before = steps.load(Ordering::SeqCst);
        let accept = accept(9, "audit", &["a.yaml"]);
        accepted(&*store, &accept).await;
        most = most.max(steps.load(Ordering::SeqCst) - before);
        accepts.push(accept);
    }
    (accepts, most)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn very_many_requests_are_forgotten_while_others_are_accepted() {
    let ground = Folder::fresh().await;
    let store = ground.open().await;
    let count = count();
    let lasting = fill(&store, count).await;
    let (steps, over) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(false)));
    let publishing = tokio::spawn(go_on(Arc::clone(&store), Arc::clone(&steps), Arc::clone(&over)));
    let mut forgotten = 0;
    loop {
        let step = store.expire(at(1_000_000), at(1_000_000), STEP).await.expect("forgotten");
        steps.fetch_add(1, Ordering::SeqCst);
        assert!(step <= STEP);
        forgotten += step;
        if step < STEP {
            break;
        }
    }
    over.store(true, Ordering::SeqCst);
    let (new, most) = publishing.await.expect("no panic");
    let steps = steps.load(Ordering::SeqCst);
    eprintln!("{forgotten} of {count} forgotten in {steps} steps, {} accepted meanwhile", new.len());
    assert_eq!(forgotten, count - lasting.len());
    // It waits for the step that is being written; the others are how late the two were woken.
    assert!(most <= 10, "an accept waited for {most} of {steps} steps");
    assert!(!new.is_empty(), "nothing was accepted meanwhile");
    for accept in lasting.iter().chain(&new) {
        is_whole(&*store, accept).await;
    }
    let runs = 2 * lasting.len() + new.len();
    let results = (0..count).filter(|n| lasts(*n) && n % 50 < 11).count();
    for (table, rows) in [
        ("request", lasting.len() + new.len()),
        ("payload", lasting.len() + new.len()),
        ("run", runs),
        ("manifests", runs),
        ("response", results),
        ("log", results),
        ("idempotency", lasting.len()),
        ("dead_letter", 0),
    ] {
        let found: i64 =
            ground.tamper().query_row(&format!("SELECT count(*) FROM {table}"), [], |row| row.get(0)).expect("counted");
        assert_eq!(usize::try_from(found), Ok(rows), "{table}");
    }
}
