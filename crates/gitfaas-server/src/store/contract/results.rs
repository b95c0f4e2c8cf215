//! Responses and logs.

use bytes::Bytes;
use gitfaas_core::id::Try;
use gitfaas_core::response::Response;
use gitfaas_core::run::{Phase, Run};

use super::{Ground, accept, accepted, at, moved, response};
use crate::cluster::LogPart;
use crate::store::StoreError;

pub(crate) async fn the_newest_response_of_each_run_comes_in_the_config_s_order(ground: &impl Ground) {
    let store = ground.open().await;
    let accept = accept(1, "collect", &["d.yaml", "c.yaml", "b.yaml", "a.yaml"]);
    let runs = accepted(&*store, &accept).await;
    // The third has none.
    for (run, moment, body) in [(3, 10, "old"), (0, 20, "of d"), (1, 30, "of c"), (3, 40, "of a")] {
        store.put_response(response(&runs[run], moment, body)).await.expect("stored");
    }
    let newest = [(0, 20, "of d"), (1, 30, "of c"), (3, 40, "of a")].map(|(n, at, body)| response(&runs[n], at, body));
    assert_eq!(store.responses(accept.request.id).await, Ok(newest.to_vec()));
}

pub(crate) async fn of_two_responses_at_one_moment_the_later_stored_counts(ground: &impl Ground) {
    let store = ground.open().await;
    let run = accepted(&*store, &accept(1, "collect", &["a.yaml"])).await.remove(0);
    for body in ["one", "two", "three"] {
        store.put_response(response(&run, 10, body)).await.expect("stored");
    }
    assert_eq!(store.responses(run.request()).await, Ok(vec![response(&run, 10, "three")]));
}

pub(crate) async fn a_late_response_of_an_earlier_moment_does_not_count(ground: &impl Ground) {
    let store = ground.open().await;
    let run = accepted(&*store, &accept(1, "collect", &["a.yaml"])).await.remove(0);
    store.put_response(response(&run, 20, "newer")).await.expect("stored");
    store.put_response(response(&run, 10, "older")).await.expect("stored");
    assert_eq!(store.responses(run.request()).await, Ok(vec![response(&run, 20, "newer")]));
}

pub(crate) async fn a_response_for_a_run_that_is_not_there_is_not_found(ground: &impl Ground) {
    let store = ground.open().await;
    let accept = accept(1, "collect", &["a.yaml", "b.yaml"]);
    let (missing, _) = &accept.runs[1];
    let mut only_one = accept.clone();
    only_one.runs.pop();
    accepted(&*store, &only_one).await;
    assert_eq!(store.put_response(response(missing, 10, "lost")).await, Err(StoreError::NotFound));
    assert_eq!(store.responses(accept.request.id).await, Ok(Vec::new()));
}

pub(crate) async fn a_response_comes_back_as_it_went_in(ground: &impl Ground) {
    let store = ground.open().await;
    let run = accepted(&*store, &accept(1, "collect", &["a.yaml"])).await.remove(0);
    let plain = Response {
        run: run.id,
        try_no: None,
        received_at: at(10),
        content_type: None,
        body: Bytes::from_static(b"\x00\xff\xfe not text \x80"),
    };
    store.put_response(plain.clone()).await.expect("stored");
    assert_eq!(store.responses(run.request()).await, Ok(vec![plain]));
    let long = Response {
        try_no: Some(Try(u32::MAX)),
        content_type: Some("text/plain; x=\"é\"".to_owned()),
        body: Bytes::from(vec![7; 3 << 20]),
        ..response(&run, 11, "")
    };
    store.put_response(long.clone()).await.expect("stored");
    let read = store.responses(run.request()).await.expect("read");
    assert!(read == [long], "three mebibytes differ");
}

fn part(attempt: u32, container: &str, text: &str) -> LogPart {
    LogPart { attempt, container: container.to_owned(), text: Bytes::from(text.to_owned()), cut: 0 }
}

pub(crate) async fn logs_replace_those_of_the_same_job_and_try_only(ground: &impl Ground) {
    let store = ground.open().await;
    let runs = accepted(&*store, &accept(1, "collect", &["a.yaml", "b.yaml"])).await;
    let (one, other) = (runs[0].id, runs[1].id);
    for (run, try_no, job) in [(one, 1, "x"), (one, 1, "y"), (one, 2, "x"), (other, 1, "x")] {
        let parts = vec![part(1, "main", &format!("{try_no}{job}")), part(2, "main", "again")];
        store.put_logs(run, Try(try_no), job, parts).await.expect("stored");
    }
    store.put_logs(one, Try(1), "x", vec![part(3, "main", "new")]).await.expect("stored");
    let expected = vec![part(3, "main", "new"), part(1, "main", "1y"), part(2, "main", "again")];
    assert_eq!(store.logs(one, Try(1)).await, Ok(expected));
    assert_eq!(store.logs(one, Try(2)).await, Ok(vec![part(1, "main", "2x"), part(2, "main", "again")]));
    assert_eq!(store.logs(other, Try(1)).await, Ok(vec![part(1, "main", "1x"), part(2, "main", "again")]));
    store.put_logs(one, Try(1), "x", Vec::new()).await.expect("stored");
    assert_eq!(store.logs(one, Try(1)).await.map(|parts| parts.len()), Ok(2));
}

pub(crate) async fn logs_that_are_captured_are_not_replaced(ground: &impl Ground) {
    let store = ground.open().await;
    let run = accepted(&*store, &accept(1, "collect", &["a.yaml"])).await.remove(0);
    store.put_logs(run.id, Try(1), "x", vec![part(1, "main", "said")]).await.expect("stored");
    let ended = Run { logs_captured: true, ..moved(&run, Phase::Succeeded, 5) };
    assert_eq!(store.settle(&run, &ended).await, Ok(true));
    assert_eq!(store.put_logs(run.id, Try(1), "x", Vec::new()).await, Ok(()));
    assert_eq!(store.logs(run.id, Try(1)).await, Ok(vec![part(1, "main", "said")]));
    store.put_logs(run.id, Try(2), "x", vec![part(1, "main", "again")]).await.expect("stored");
    assert_eq!(store.logs(run.id, Try(2)).await, Ok(vec![part(1, "main", "again")]), "of another try it says nothing");
}

pub(crate) async fn logs_come_by_job_attempt_and_container(ground: &impl Ground) {
    let store = ground.open().await;
    let run = accepted(&*store, &accept(1, "collect", &["a.yaml"])).await.remove(0).id;
    let later = vec![part(10, "a", "5"), part(2, "b", "4"), part(2, "a", "3")];
    store.put_logs(run, Try(1), "job-2", later).await.expect("stored");
    store.put_logs(run, Try(1), "job-1", vec![part(9, "z", "2"), part(1, "z", "1")]).await.expect("stored");
    let texts: Vec<_> = store.logs(run, Try(1)).await.expect("read").into_iter().map(|part| part.text).collect();
    assert_eq!(texts, ["1", "2", "3", "4", "5"]);
}

pub(crate) async fn logs_of_a_run_that_is_not_there_are_not_found(ground: &impl Ground) {
    let store = ground.open().await;
    let (run, _) = accept(1, "collect", &["a.yaml"]).runs.remove(0);
    let put = store.put_logs(run.id, Try(1), "x", vec![part(1, "main", "lost")]).await;
    assert_eq!(put, Err(StoreError::NotFound));
    assert_eq!(store.logs(run.id, Try(1)).await, Ok(Vec::new()));
}

pub(crate) async fn logs_of_bytes_that_are_no_text_come_back(ground: &impl Ground) {
    let store = ground.open().await;
    let run = accepted(&*store, &accept(1, "collect", &["a.yaml"])).await.remove(0).id;
    let part = LogPart {
        attempt: 4,
        container: "init-ü".to_owned(),
        text: Bytes::from_static(b"\xc3(\x00\x1b[31m"),
        cut: 5_000_000_000,
    };
    store.put_logs(run, Try(3), "job 'x'", vec![part.clone()]).await.expect("stored");
    assert_eq!(store.logs(run, Try(3)).await, Ok(vec![part]));
}
