//! How trees look.

use super::samples::{answer, pipeline, request, time, two_functions};
use super::*;
use gitfaas_server::api::wire::Body;

fn plain(tree: &TreeView, width: usize, ids: bool) -> String {
    let look = Look { width, ids, now: time("2026-11-23T15:04:09.525Z") };
    anstream::adapter::strip_str(&draw(tree, look)).to_string()
}

#[test]
fn each_run_stands_under_the_run_that_published_for_it() {
    insta::assert_snapshot!(plain(&pipeline(), 100, false), @r#"
    collect                   succeeded    2.6s
    └─ collect.yaml           succeeded    2.4s  {"files":["a.csv.gz","b.csv.gz"]}
       ├─ uncompress zone=eu  succeeded    2.4s
       │  └─ convert zone=eu  running      4.2s  (17 bytes, application/x-thing)
       └─ uncompress zone=eu  failed       2.4s  exit code 1
    "#);
}

#[test]
fn a_run_that_failed_says_why() {
    insta::assert_snapshot!(plain(&two_functions(), 120, false), @r#"
    orders             failed       2.6s
    ├─ ship.yaml       failed       2.4s  2 attempts, exit code 3 after 2 attempts:\x1b[31m no\nstock
    └─ audit/log.yaml  succeeded    2.4s  noted\u{202e}
    "#);
}

#[test]
fn runs_are_named_for_who_wants_their_logs() {
    let tree = pipeline();
    let text = plain(&tree, 100, true);
    assert!(text.contains(tree.children[0].children[0].request.runs[0].id.as_str()), "{text}");
    assert!(text.lines().next().is_some_and(|line| line.contains(&tree.request.id.to_string())), "{text}");
}

#[test]
fn no_answer_can_write_to_the_terminal() {
    let mut tree = two_functions();
    answer(&mut tree, 0, Body::Json(serde_json::json!({"\x1b]0;x\x07": "\u{9b}2J\u{202e}"})));
    let text = plain(&tree, 400, false);
    assert!(!text.chars().any(|c| escape::is_hostile(c) && c != '\n'), "{text:?}");
    assert_eq!(text.lines().count(), 3, "{text}");
}

#[test]
fn a_long_answer_is_cut_to_the_width() {
    let mut tree = request(9, "big", &[("big.yaml", Phase::Succeeded)], None);
    answer(&mut tree, 0, Body::Text("長い".repeat(500)));
    let text = plain(&tree, 90, false);
    assert!(text.lines().all(|line| line.width() <= 90), "{text}");
    assert!(text.contains('…'), "{text}");
}

#[test]
fn what_is_cut_or_belongs_to_nobody_is_shown_all_the_same() {
    let mut tree = request(9, "root", &[("a.yaml", Phase::Succeeded)], None);
    let stranger = two_functions().request.runs[0].id;
    let mut child = request(10, "stray", &[("b.yaml", Phase::Queued)], Some(stranger));
    child.children.push(request(11, "below", &[("c.yaml", Phase::Pending)], Some(child.request.runs[0].id)));
    tree.children.push(child);
    tree.cut = true;
    insta::assert_snapshot!(plain(&tree, 100, false), @r#"
    root                                   succeeded    2.6s
    ├─ a.yaml                              succeeded    2.4s
    ├─ stray zone=eu                       queued
    │  └─ below zone=eu                    pending
    └─ … there is more than is shown here
    "#);
}
