//! Forged records: the auditor finds each kind of loss and of double, and nothing in what is whole.

use super::*;

/// A ledger, a cluster and publishers that agree: one request with a process and something still.
fn whole() -> Evidence {
    let functions = [("a.yaml".to_owned(), Makes::Process), ("b.yaml".to_owned(), Makes::Still)];
    let request = request("r1", "m1");
    Evidence {
        topics: [("t".to_owned(), functions.into())].into(),
        acknowledged: vec![acknowledged("m1", "r1")],
        served: vec![request.clone()],
        kept: vec![request],
        made: [made("r1a", "u1"), made("r1b", "u2")].into(),
        starts: vec![start("r1a", "100")],
    }
}

fn acknowledged(message: &str, request: &str) -> Acknowledged {
    Acknowledged {
        message: message.to_owned(),
        topic: "t".to_owned(),
        request: request.to_owned(),
        sent: Duration::ZERO,
        at: Duration::ZERO,
    }
}

fn request(id: &str, message: &str) -> Request {
    let runs = vec![run(&format!("{id}a"), "a.yaml"), run(&format!("{id}b"), "b.yaml")];
    Request { id: id.to_owned(), topic: "t".to_owned(), message: message.to_owned(), runs }
}

fn run(id: &str, function: &str) -> Run {
    Run { id: id.to_owned(), function: function.to_owned(), try_no: 1, phase: "succeeded".to_owned() }
}

fn made(run: &str, uid: &str) -> Made {
    Made { run: run.to_owned(), uid: uid.to_owned() }
}

fn start(run: &str, pid: &str) -> Start {
    Start { run: run.to_owned(), pid: pid.to_owned() }
}

/// What is found once this was done to records that agree, by kind.
fn found(forge: impl FnOnce(&mut Evidence)) -> [usize; 4] {
    let mut evidence = whole();
    forge(&mut evidence);
    let Report { lost, double, stuck, untrue } = audit(&evidence);
    [lost.len(), double.len(), stuck.len(), untrue.len()]
}

/// Changes the ledger and what is served of it in the same way.
fn in_both(evidence: &mut Evidence, forge: impl Fn(&mut Request)) {
    forge(&mut evidence.kept[0]);
    forge(&mut evidence.served[0]);
}

#[test]
fn what_is_whole_is_clean() {
    let report = audit(&whole());
    assert!(report.is_clean(), "{report}");
    assert_eq!(report.to_string(), "0 lost, 0 double, 0 stuck, 0 untrue");
}

#[test]
fn a_message_that_nobody_was_told_of_may_be_there_and_may_be_not() {
    assert_eq!(found(|evidence| evidence.acknowledged.clear()), [0; 4], "it was accepted, and the answer was lost");
}

#[test]
fn every_loss_is_found() {
    assert_eq!(found(|evidence| evidence.acknowledged.push(acknowledged("m2", "r2"))), [1, 0, 0, 0], "not kept");
    assert_eq!(found(|evidence| evidence.kept[0].message = "m9".to_owned()), [1, 0, 0, 0], "kept as another message");
    assert_eq!(
        found(|evidence| in_both(evidence, |request| request.topic = "u".to_owned())),
        [5, 0, 0, 0],
        "kept for another topic, and unknown with all of its runs"
    );
    assert_eq!(found(|evidence| drop(evidence.made.pop_first())), [1, 0, 0, 0], "no Job");
    assert_eq!(found(|evidence| evidence.starts.clear()), [1, 0, 0, 0], "a Job that never started");
    assert_eq!(found(|evidence| evidence.made.extend([made("r9a", "u9")])), [1, 0, 0, 0], "made, and not known");
    assert_eq!(found(|evidence| evidence.starts.push(start("r9a", "900"))), [1, 0, 0, 0], "started, and not known");
    let no_run = |evidence: &mut Evidence| {
        in_both(evidence, |request| drop(request.runs.pop()));
        evidence.made.pop_last();
    };
    assert_eq!(found(no_run), [1, 0, 0, 0], "a function without its run");
}

#[test]
fn every_double_is_found() {
    assert_eq!(found(|evidence| evidence.made.extend([made("r1a", "u3")])), [0, 1, 0, 0], "two Jobs");
    assert_eq!(found(|evidence| evidence.starts.push(start("r1a", "101"))), [0, 1, 0, 0], "two starts");
    assert_eq!(found(|evidence| evidence.starts.push(start("r1a", "100"))), [0, 1, 0, 0], "two, by one pid");
    assert_eq!(found(|evidence| evidence.starts.push(start("r1b", "101"))), [0, 1, 0, 0], "what never starts");
    let again = |evidence: &mut Evidence| in_both(evidence, |request| request.runs[0].try_no = 2);
    assert_eq!(found(again), [0, 1, 0, 0], "a second try");
    let twice = |evidence: &mut Evidence| in_both(evidence, |request| request.runs.push(run("r1a", "a.yaml")));
    assert_eq!(found(twice), [0, 1, 0, 0], "a function with two runs");
    let accepted_twice = |evidence: &mut Evidence| {
        for list in [&mut evidence.kept, &mut evidence.served] {
            list.push(request("r2", "m1"));
        }
        evidence.made.extend([made("r2a", "u3"), made("r2b", "u4")]);
        evidence.starts.push(start("r2a", "102"));
    };
    assert_eq!(found(accepted_twice), [0, 1, 0, 0], "one message, two requests");
    let told_twice = |evidence: &mut Evidence| {
        accepted_twice(evidence);
        evidence.acknowledged.push(acknowledged("m1", "r2"));
    };
    assert_eq!(found(told_twice), [0, 2, 0, 0], "and both were acknowledged");
}

#[test]
fn what_is_not_over_or_not_as_it_ended_is_found() {
    for phase in ["queued", "applying", "pending", "running"] {
        let left = |evidence: &mut Evidence| in_both(evidence, |request| request.runs[0].phase = phase.to_owned());
        assert_eq!(found(left), [0, 0, 1, 0], "{phase}");
    }
    let failed = |evidence: &mut Evidence| in_both(evidence, |request| request.runs[1].phase = "unknown".to_owned());
    assert_eq!(found(failed), [0, 0, 0, 1]);
}

#[test]
fn what_is_served_otherwise_than_it_is_kept_is_found() {
    assert_eq!(found(|evidence| evidence.served.clear()), [1, 0, 0, 0], "not served");
    assert_eq!(found(|evidence| evidence.served.push(request("r2", "m2"))), [1, 0, 0, 0], "not kept");
    assert_eq!(found(|evidence| evidence.served.push(request("r1", "m1"))), [0, 1, 0, 0], "listed twice");
    assert_eq!(found(|evidence| evidence.served[0].runs[0].phase = "failed".to_owned()), [1, 0, 0, 0], "otherwise");
}
