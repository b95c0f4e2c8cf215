//! The rights to answer: what only looks like one answers for nobody, and what is posted at once stays whole and apart.

use std::collections::BTreeMap;
use std::sync::Arc;

use reqwest::{Method, StatusCode};
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::support::{Repository, Server, eventually, shell_job};

/// Fails, and leaves its rights in a file of its run and try.
const FAILS: &str =
    "echo \"$FUNCTION_UID $RUN_TOKEN\" > rights.$RUN_ID.$(ls rights.$RUN_ID.* 2>/dev/null | wc -l); exit 3";
/// Records the function's rights where the test finds them, and starts nothing.
const RIGHTS: &str = "apiVersion: v1
kind: ConfigMap
metadata: {name: 'rights-{{RANDOM}}'}
data: {uid: \"{{FUNCTION_UID}}\", token: \"{{RUN_TOKEN}}\"}
";

/// What it is, where it is posted with which token, and the documented status and code.
type NearMiss<'a> = (&'a str, &'a str, Option<&'a str>, (u16, &'a str));

/// What a function holds.
#[derive(Debug, Clone)]
struct Rights {
    run: String,
    uid: String,
    token: String,
}

async fn left_by(repository: &Repository, run: &str, earlier: usize) -> Rights {
    let file = format!("rights.{run}.{earlier}");
    eventually("the function leaves its rights", async || {
        let line = repository.lines(&file).pop()?;
        let (uid, token) = line.split_once(' ')?;
        Some(Rights { run: run.to_owned(), uid: uid.to_owned(), token: token.to_owned() })
    })
    .await
}

fn id(view: &Value, run: usize) -> String {
    view["runs"][run]["id"].as_str().expect("a run").to_owned()
}

async fn answer(server: &Server, path: &str, token: Option<&str>, body: &str) -> (u16, String) {
    let bearer = token.map(|token| format!("Bearer {token}"));
    let headers: Vec<_> = bearer.iter().map(|bearer| ("authorization", bearer.as_str())).collect();
    let reply = server.send(Method::POST, &format!("/response/{path}"), &headers, body.to_owned()).await;
    let code = if reply.status.is_success() { String::new() } else { reply.code() };
    (reply.status.as_u16(), code)
}

/// The newest answer of each run that has one, as text, by run.
async fn answers(server: &Server, request: &str) -> BTreeMap<String, String> {
    let list = server.get(&format!("/api/v1/requests/{request}/responses")).await.json();
    let text = |item: &Value, field: &str| item[field].as_str().expect("text").to_owned();
    let items = list["items"].as_array().expect("a list").iter();
    items.map(|item| (text(item, "run"), text(&item["body"], "text"))).collect()
}

/// One character changed that is hardly seen: the case of the last letter.
fn other_case(token: &str) -> String {
    let place = token.rfind(|letter: char| letter.is_ascii_alphabetic()).expect("a letter");
    let letter = token.as_bytes()[place] as char;
    let changed = if letter.is_ascii_lowercase() { letter.to_ascii_uppercase() } else { letter.to_ascii_lowercase() };
    format!("{}{changed}{}", &token[..place], &token[place + 1..])
}

#[tokio::test]
async fn what_only_looks_like_a_right_answers_for_nobody() {
    let two = [("a.yaml", shell_job(FAILS)), ("b.yaml", shell_job(FAILS))];
    let two: Vec<(&str, &str)> = two.iter().map(|(path, text)| (*path, text.as_str())).collect();
    let repository = Repository::with(&[("t", &two)]);
    let (server, stranger) = (Server::dev(repository.path()).await, Server::dev(repository.path()).await);
    let request = server.publish("t", "").await;
    let view = server.finished(&request).await;
    let first = left_by(&repository, &id(&view, 0), 0).await;
    let other = left_by(&repository, &id(&view, 1), 0).await;
    server.post(&format!("/api/v1/dead-letters/{}:redrive", first.run), "").await;
    let own = left_by(&repository, &first.run, 1).await;
    let strange = stranger.finished(&stranger.publish("t", "").await).await;
    let strange = left_by(&repository, &id(&strange, 0), 0).await;
    assert_ne!(own.token, first.token, "a token is of a try");
    assert_eq!(own.uid, first.uid, "a function uid is of a run");

    let of_both = format!("{}-r-{request}", &strange.uid[..38]);
    let of_other_request = format!("{}-r-{}", &own.uid[..38], &strange.uid[41..]);
    let as_next_try = first.token.replacen("_1_", "_2_", 1);
    let malformed = (400, "invalid-request");
    let nobody = (401, "invalid-token");
    let another = (403, "forbidden");
    let unknown = (404, "not-found");
    let rows: &[NearMiss<'_>] = &[
        ("a uid cut short", &own.uid[..76], None, malformed),
        ("a uid with more behind it", &format!("{}0", own.uid), None, malformed),
        ("another ledger's uid", &strange.uid, None, unknown),
        ("another ledger's uid for this request", &of_both, None, unknown),
        ("its uid for another request", &of_other_request, None, unknown),
        ("another ledger's token beside its own uid", &own.uid, Some(&strange.token), nobody),
        ("a token cut short", &own.run, Some(&own.token[..own.token.len() - 1]), nobody),
        ("a token with more behind it", &own.run, Some(&format!("{}A", own.token)), nobody),
        ("a token in another case", &own.run, Some(&other_case(&own.token)), nobody),
        ("the first try's token as the second's", &own.run, Some(&as_next_try), nobody),
        ("another ledger's token", &own.run, Some(&strange.token), nobody),
        ("another run's token", &own.run, Some(&other.token), another),
        ("another run's token, cut short", &own.run, Some(&other.token[..other.token.len() - 1]), nobody),
        ("its token for another run", &other.run, Some(&own.token), another),
        ("its token for another ledger's run", &strange.run, Some(&own.token), another),
        ("another ledger's run", &strange.run, None, unknown),
        ("a request of two functions", &request, None, (409, "ambiguous-answer")),
        ("a run in another case", &own.run.to_uppercase(), None, malformed),
        ("a run cut short", &own.run[..31], None, malformed),
    ];
    for (what, path, token, (status, code)) in rows {
        let (was, said) = answer(&server, path, *token, what).await;
        assert_eq!((was, said.as_str()), (*status, *code), "{what}");
    }
    assert!(answers(&server, &request).await.is_empty(), "none of them is an answer");

    let upper = format!("f-{}-r-{}", own.uid[2..38].to_uppercase(), own.uid[41..].to_uppercase());
    let rows: &[(&str, &str, Option<&str>, &str)] = &[
        ("its token", &own.run, Some(&own.token), &own.run),
        ("its uid", &own.uid, None, &own.run),
        ("its uid in upper case, which is the same UUID", &upper, None, &own.run),
        ("its token by the request's id", &request, Some(&own.token), &own.run),
        ("an earlier try's token", &own.run, Some(&first.token), &own.run),
        ("another run's", &other.run, Some(&other.token), &other.run),
    ];
    for (what, path, token, run) in rows {
        assert_eq!(answer(&server, path, *token, what).await.0, 200, "{what}");
        assert_eq!(answers(&server, &request).await.get(*run).map(String::as_str), Some(*what));
    }
    let each = [(&own.run, "an earlier try's token"), (&other.run, "another run's")];
    let each: BTreeMap<_, _> = each.into_iter().map(|(run, text)| (run.clone(), text.to_owned())).collect();
    assert_eq!(answers(&server, &request).await, each);
}

#[tokio::test]
async fn an_answer_that_comes_after_the_request_expired_is_told_so_and_kept_nowhere() {
    let repository = Repository::with(&[("t", &[("rights.yaml", RIGHTS)])]);
    let folder = tempfile::tempdir().expect("a folder");
    let data = folder.path().join("data");
    let mut command = Server::command("dev", repository.path(), &data, 0);
    command.args(["--retention", "1s"]);
    let server = Server::launch(command, data).ready().await;
    let request = server.publish("t", "").await;
    let rights = recorded(&server).pop().expect("its rights");
    eventually("it is forgotten", async || {
        let reply = server.get(&format!("/api/v1/requests/{request}")).await;
        (reply.status == StatusCode::NOT_FOUND).then_some(())
    })
    .await;
    let ways = [(&rights.uid, None), (&rights.run, Some(rights.token.as_str())), (&rights.run, None), (&request, None)];
    for (path, token) in ways {
        assert_eq!(answer(&server, path, token, "late").await, (404, "not-found".to_owned()), "{path}");
    }
    assert_eq!(server.get(&format!("/response/{request}")).await.status, StatusCode::NOT_FOUND);
}

/// The rights of every function that recorded them.
fn recorded(server: &Server) -> Vec<Rights> {
    let files = std::fs::read_dir(server.data.join("jobs/objects")).expect("a folder");
    let records = files.map(|file| std::fs::read(file.expect("a file").path()).expect("read"));
    let rights = records.map(|record| {
        let record: Value = serde_json::from_slice(&record).expect("a record");
        let object: Value = serde_json::from_str(record["json"].as_str().expect("an object")).expect("JSON");
        let word = |value: &Value| value.as_str().expect("a word").to_owned();
        Rights { run: word(&record["run"]), uid: word(&object["data"]["uid"]), token: word(&object["data"]["token"]) }
    });
    rights.collect()
}

/// An answer that says whose it is and its number, with a checksum over all of it.
fn checked(run: &str, number: usize) -> String {
    // From a few bytes to more than a page of any store, and another size each time.
    let filler = "answer ".repeat(number * number * 199 + 1);
    let text = format!("{run} {number} {filler}");
    format!("{} {text}", hex(&Sha256::digest(&text)))
}

/// The number of an answer of this run, which has to be whole.
fn check(run: &str, body: &str) -> usize {
    let (sum, text) = body.split_once(' ').expect("a checksum");
    assert_eq!(sum, hex(&Sha256::digest(text)), "torn");
    let mut words = text.split(' ');
    assert_eq!(words.next(), Some(run), "another run's");
    words.next().and_then(|number| number.parse().ok()).expect("a number")
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sixty_four_functions_that_answer_at_once_are_never_mixed_up_or_torn() {
    const ANSWERS: usize = 6;
    let many: Vec<String> = (0..32).map(|number| format!("f{number}.yaml")).collect();
    let many: Vec<(&str, &str)> = many.iter().map(|path| (path.as_str(), RIGHTS)).collect();
    let repository = Repository::with(&[("many", &many), ("one", &[("one.yaml", RIGHTS)])]);
    let server = Arc::new(Server::dev(repository.path()).await);
    let mut requests = vec![server.publish("many", "").await];
    for number in 0..32 {
        requests.push(server.publish("one", format!("{number}")).await);
    }
    let functions = recorded(&server);
    assert_eq!(functions.len(), 64);

    let posting = functions.iter().cloned().enumerate().map(|(place, Rights { run, uid, token })| {
        let server = Arc::clone(&server);
        tokio::spawn(async move {
            for number in 1..=ANSWERS {
                let (path, token) = if place % 2 == 0 { (&uid, None) } else { (&run, Some(token.as_str())) };
                // Each is sent twice, as by who lost the first answer.
                for _ in 0..2 {
                    assert_eq!(answer(&server, path, token, &checked(&run, number)).await.0, 200);
                }
            }
        })
    });
    let posting: Vec<_> = posting.collect();
    while !posting.iter().all(tokio::task::JoinHandle::is_finished) {
        for request in &requests {
            for (run, body) in answers(&server, request).await {
                check(&run, &body);
            }
        }
    }
    for one in posting {
        one.await.expect("each answer is taken");
    }
    let mut last = BTreeMap::new();
    for request in &requests {
        for (run, body) in answers(&server, request).await {
            let number = check(&run, &body);
            last.insert(run, number);
        }
    }
    let wanted: BTreeMap<String, usize> = functions.into_iter().map(|rights| (rights.run, ANSWERS)).collect();
    assert_eq!(last, wanted, "the newest of each");
}
