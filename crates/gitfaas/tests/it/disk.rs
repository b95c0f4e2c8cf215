//! A disk that is full: nothing is acknowledged that is not kept, and nothing that was acknowledged is lost.

use std::cell::Cell;
use std::fs::File;
use std::io::Write as _;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use reqwest::StatusCode;

use crate::support::{Repository, Server, eventually, leave_out, program, shell_job};

/// Bytes of the disk: room for a ledger and a few hundred runs.
const DISK: &str = "16777216";

/// Whether a disk of its own can be given to a server here.
fn can_mount() -> bool {
    let works = Command::new("bwrap").args(["--bind", "/", "/", "--size", DISK, "--tmpfs", "/mnt", "true"]).output();
    works.is_ok_and(|output| output.status.success())
}

/// A server whose data folder is on a small disk, and that disk as seen from here.
async fn on_a_small_disk(repository: &Repository, place: &Path) -> (Server, PathBuf) {
    let data = place.join("data");
    let server = Server::command("serve", repository.path(), &data, 0);
    let mut command = Command::new("bwrap");
    command.args(["--die-with-parent", "--bind", "/", "/", "--dev-bind", "/dev", "/dev", "--size", DISK, "--tmpfs"]);
    command.arg(place).arg(server.get_program()).args(server.get_args());
    let server = Server::launch(command, data).ready().await;
    let pid = server.pid();
    let inside = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).expect("its children");
    let inside = inside.split_whitespace().next().expect("the server").to_owned();
    (server, Path::new(&format!("/proc/{inside}/root")).join(place.strip_prefix("/").expect("absolute")))
}

/// Fills the disk to the last byte; removing the file frees it.
fn fill(disk: &Path) -> PathBuf {
    let path = disk.join("filler");
    let mut filler = File::create(&path).expect("a file");
    for size in [64 << 10, 1 << 10, 1] {
        while filler.write_all(&vec![0; size]).is_ok() {}
    }
    path
}

/// Fills the disk, but for so many bytes.
fn fill_but(disk: &Path, bytes: u64) -> PathBuf {
    let path = fill(disk);
    let filler = File::options().write(true).open(&path).expect("opened");
    filler.set_len(filler.metadata().expect("its length").len() - bytes).expect("made shorter");
    path
}

#[tokio::test]
async fn a_disk_that_fills_up_refuses_what_is_new_and_keeps_what_is_under_way() {
    if !can_mount() {
        return leave_out("a disk that fills up", "bwrap");
    }
    let slow = "while [ ! -e go ]; do sleep 0.05; done; curl -sSf -d kept $GITFAAS_URL/response/$FUNCTION_UID";
    let repository = Repository::with(&[("slow", &[("slow.yaml", &shell_job(slow))])]);
    let place = tempfile::tempdir().expect("a folder");
    let (server, disk) = on_a_small_disk(&repository, place.path()).await;
    let mut acknowledged = Vec::new();
    for number in 0..5 {
        acknowledged.push(server.publish("slow", format!("{number}")).await);
    }
    // Of 16 MiB the last one is kept.
    let filler = fill_but(&disk, 900 << 10);
    let refusal = server.post("/publish/slow", "new").await;
    assert_eq!((refusal.status, refusal.code().as_str()), (StatusCode::SERVICE_UNAVAILABLE, "store-unavailable"));
    assert!(refusal.text().contains("kept for what is under way"), "{}", refusal.text());
    assert_eq!(server.get("/readyz").await.status, StatusCode::OK, "answers get in");
    repository.write("go", "");
    for request in &acknowledged {
        assert_eq!(server.finished(request).await["phase"], "succeeded");
        let answers = server.get(&format!("/api/v1/requests/{request}/responses")).await.json();
        assert_eq!(answers["items"][0]["body"]["text"], "kept", "{answers:#}");
    }
    assert_eq!(server.post("/publish/slow", "new").await.status, StatusCode::SERVICE_UNAVAILABLE);
    std::fs::remove_file(filler).expect("removed");
    let request = server.publish("slow", "after").await;
    assert_eq!(server.finished(&request).await["phase"], "succeeded");
}

/// Posts answers to a run until the server says of itself that it cannot write; gives the last that was acknowledged.
///
/// A full disk may have room yet: in the log, of which the room is kept when it begins again. Each answer is copied from
/// there into the database, which has to grow for it, so at some time the disk takes neither; what the log holds cannot
/// be copied then, and that stays so.
async fn answer_until_nothing_is_written(server: &Server, function: &str, answers: &Cell<u32>) -> Option<u32> {
    let kept = Cell::new(None);
    eventually("nothing can be written", async || {
        let number = answers.get() + 1;
        answers.set(number);
        let body = format!("{number} {}", "x".repeat(16 << 10));
        let reply = server.post(&format!("/response/{function}"), body).await;
        if reply.status.is_success() {
            kept.set(Some(number));
        } else {
            let refused = (StatusCode::SERVICE_UNAVAILABLE, "store-unavailable".to_owned());
            assert_eq!((reply.status, reply.code()), refused, "{}", reply.text());
        }
        (server.get("/readyz").await.status == StatusCode::SERVICE_UNAVAILABLE).then_some(())
    })
    .await;
    kept.get()
}

#[tokio::test]
async fn a_full_disk_answers_503_and_loses_nothing() {
    if !can_mount() {
        return leave_out("a full disk", "bwrap");
    }
    let repository = Repository::with(&[
        ("quick", &[("quick.yaml", &shell_job("echo $RUN_ID >> ran"))]),
        (
            "slow",
            &[("slow.yaml", &shell_job("echo up >> up; while [ ! -e go ]; do sleep 0.05; done; echo over >> over"))],
        ),
        ("held", &[("held.yaml", &shell_job("echo $FUNCTION_UID > uid; while [ ! -e free ]; do sleep 0.05; done"))]),
    ]);
    let place = tempfile::tempdir().expect("a folder");
    let (server, disk) = on_a_small_disk(&repository, place.path()).await;
    let mut acknowledged = Vec::new();
    for number in 0..20 {
        acknowledged.push(server.publish("quick", format!("{number}")).await);
    }
    for request in &acknowledged {
        assert_eq!(server.finished(request).await["phase"], "succeeded");
    }
    let held = server.publish("held", "").await;
    acknowledged.extend([server.publish("slow", "").await, held.clone()]);
    // Only what has begun to run needs nothing of the disk.
    let function = eventually("one runs", async || repository.lines("uid").pop()).await;
    eventually("the other one runs", async || repository.lines("up").pop()).await;

    let filler = fill(&disk);
    let refusal = eventually("a publish is refused", async || {
        let reply = server.post("/publish/quick", vec![b'x'; 64 << 10]).await;
        if reply.status == StatusCode::ACCEPTED {
            acknowledged.push(reply.json()["requestUid"].as_str().expect("an id").to_owned());
            return None;
        }
        Some(reply)
    })
    .await;
    assert_eq!((refusal.status, refusal.code().as_str()), (StatusCode::SERVICE_UNAVAILABLE, "store-unavailable"));
    let answers = Cell::new(0);
    let before = answer_until_nothing_is_written(&server, &function, &answers).await;
    // What was acknowledged can still be read, and a function that ends now is not forgotten.
    let read = server.get(&format!("/api/v1/requests/{}", acknowledged[1])).await;
    assert_eq!(read.status, StatusCode::OK, "{}", read.text());
    repository.write("go", "");
    eventually("the function ends", async || (!repository.lines("over").is_empty()).then_some(())).await;
    let kept = answer_until_nothing_is_written(&server, &function, &answers).await.or(before);

    std::fs::remove_file(filler).expect("removed");
    eventually("it is ready again, without a restart", async || {
        server.get("/readyz").await.status.is_success().then_some(())
    })
    .await;
    repository.write("free", "");
    acknowledged.push(server.publish("quick", "after").await);
    for request in &acknowledged {
        let view = server.finished(request).await;
        assert_eq!(view["phase"], "succeeded", "{view:#}");
    }
    // One that was refused may have been kept nevertheless.
    let answered = server.get(&format!("/api/v1/requests/{held}/responses")).await.json();
    let newest = answered["items"][0]["body"]["text"].as_str().and_then(|text| text.split(' ').next()?.parse().ok());
    assert!(newest >= kept, "{kept:?} was acknowledged, {newest:?} is there");
    let mut ran = repository.lines("ran");
    ran.sort();
    ran.dedup();
    assert!(ran.len() >= acknowledged.len() - 2, "{} of {} ran", ran.len(), acknowledged.len() - 2);
}

#[tokio::test]
async fn what_a_damaged_log_lost_is_told_until_somebody_says_that_it_is_known() {
    let repository = Repository::shell("t", "while [ ! -e go ]; do sleep 0.05; done");
    let mut server = Server::serve(repository.path()).await;
    let before = server.publish("t", "before").await;
    server.kill_and_restart("serve", repository.path()).await;
    let lost = server.publish("t", "lost").await;
    server.kill();
    let log = File::options().write(true).open(server.data.join("ledger.db-wal")).expect("opened");
    // Within the first page.
    log.write_all_at(b"nonsense", 1000).expect("written");
    let data = server.data.display().to_string();
    let doctor = || {
        let looked = Command::new(program()).args(["doctor", "--data", &data]).output().expect("started");
        String::from_utf8_lossy(&looked.stdout).into_owned()
    };
    let told = |said: String| said.contains("FAIL  ledger") && said.contains("pages of ledger.db-wal");
    assert!(told(doctor()), "{}", doctor());
    server.restart("serve", repository.path()).await;
    assert_eq!(server.get(&format!("/api/v1/requests/{before}")).await.status, StatusCode::OK);
    assert_eq!(server.get(&format!("/api/v1/requests/{lost}")).await.status, StatusCode::NOT_FOUND);
    let ready = server.get("/readyz").await.json();
    assert!(ready["loss"].as_str().is_some_and(|loss| loss.contains("the newest request that is left")), "{ready:#}");
    assert!(server.get("/metrics").await.text().contains("gitfaas_store_loss 1"));
    assert!(told(doctor()), "{}", doctor());
    std::fs::remove_file(server.data.join("ledger.loss")).expect("removed");
    assert!(server.get("/readyz").await.json().get("loss").is_none());
    assert!(!doctor().contains("FAIL  ledger"), "{}", doctor());
    repository.write("go", "");
}
