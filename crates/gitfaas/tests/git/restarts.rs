//! What was served is served again, whatever became of the repository, the way to it, or what is kept of it.

use std::path::Path;

use crate::support::{HttpsServer, Product, Repository, Way, eventually};

#[tokio::test]
async fn a_restart_while_the_server_is_down_serves_what_was_served() {
    let repository = Repository::serving("one");
    let Some(mut server) = HttpsServer::over(&repository).await else { return };
    let mut product = Product::follows(&server.url(), &server.arguments()).await;
    let revision = product.source().await["revision"].clone();
    server.stop().await;
    product.kill_and_start_again();
    assert_eq!(product.version().await, "one");
    let fault = eventually("it is told", async || product.fault().await).await;
    assert_eq!(fault.word, "unreachable", "{}", fault.message);
    let source = product.source().await;
    assert_eq!(source["revision"], revision);
    assert_eq!(source["commit"]["subject"], "one", "{source:#}");
    server.start().await;
    repository.pushes_version("two");
    product.refreshed().await;
    assert_eq!(product.version().await, "two");
}

#[tokio::test]
async fn a_kill_in_the_middle_of_a_fetch_leaves_what_was_served_and_nothing_in_the_way() {
    let repository = Repository::serving("one");
    let Some(server) = HttpsServer::over(&repository).await else { return };
    let way = Way::to(server.port()).await;
    let mut product = Product::follows(&way.by(&server.url(), server.port()), &server.arguments()).await;
    repository.writes_noise(1, 800_000);
    repository.pushes_version("two");
    let before = way.bytes();
    way.stalls_after(200_000);
    let refresh = format!("{}/refresh", product.server.url);
    let asked = tokio::spawn(crate::support::http().post(refresh).send());
    eventually("a part of it came", async || (way.bytes() >= before + 150_000).then_some(())).await;
    product.server.kill();
    asked.await.expect("ended").expect_err("no answer comes");
    way.ends_after(0);
    product.starts_again();
    assert_eq!(product.version().await, "one");
    way.heals();
    product.refreshed().await;
    assert_eq!(product.version().await, "two");
    let of_objects = |path: &str| path.replace(&product.objects().display().to_string(), "");
    let mut left: Vec<String> = files(&product.objects()).iter().map(|(path, _)| of_objects(path)).collect();
    left.retain(|path| !path.ends_with("/tip") && !path.contains("/pack/pack-"));
    assert!(left.is_empty(), "what was begun is not kept: {left:?}");
}

type Fate = (&'static str, fn(&Path));

/// What can become of the folder of objects.
const FATES: [Fate; 6] = [
    ("gone", |folder| std::fs::remove_dir_all(folder).expect("removed")),
    ("emptied", |folder| {
        std::fs::remove_dir_all(folder).expect("removed");
        std::fs::create_dir(folder).expect("created");
    }),
    ("without files", |folder| each(folder, |path| std::fs::remove_file(path).expect("removed"))),
    ("without packs", |folder| each_of_packs(folder, |path| std::fs::remove_file(path).expect("removed"))),
    // As a file system may leave what was written last, when the power goes.
    ("with empty packs", |folder| each_of_packs(folder, |path| std::fs::write(path, "").expect("written"))),
    ("garbled", |folder| {
        each(folder, |path| {
            let length = std::fs::metadata(path).expect("a file").len();
            // Another file, so that what is open stays as it was.
            std::fs::remove_file(path).expect("removed");
            std::fs::write(path, vec![0x5a; usize::try_from(length).expect("a size")]).expect("written");
        });
    }),
];

fn each(folder: &Path, change: impl Fn(&Path)) {
    for (path, _) in files(folder) {
        change(Path::new(&path));
    }
}

fn each_of_packs(folder: &Path, change: impl Fn(&Path)) {
    each(folder, |path| {
        if path.extension().is_some() {
            change(path);
        }
    });
}

/// All files below a folder, with their sizes.
fn files(folder: &Path) -> Vec<(String, u64)> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        match entry.metadata() {
            Ok(about) if about.is_dir() => found.extend(files(&entry.path())),
            Ok(about) => found.push((entry.path().display().to_string(), about.len())),
            // It went while it was looked at.
            Err(_) => {}
        }
    }
    found
}

#[tokio::test]
async fn objects_that_are_lost_while_it_runs_are_fetched_again() {
    let repository = Repository::serving("one");
    let Some(server) = HttpsServer::over(&repository).await else { return };
    let product = Product::follows(&server.url(), &server.arguments()).await;
    for (number, (what, fate)) in FATES.iter().enumerate() {
        fate(&product.objects());
        assert_eq!(product.refresh().await.status, 200, "{what}: {:?}", product.fault().await);
        let version = format!("v{number}");
        fate(&product.objects());
        repository.pushes_version(&version);
        let reply = product.refresh().await;
        assert_eq!(reply.status, 200, "{what}: {}", reply.text());
        assert_eq!(product.version().await, version, "{what}");
    }
}

#[tokio::test]
async fn objects_that_were_lost_before_it_starts_are_fetched_again() {
    let repository = Repository::serving("one");
    let Some(server) = HttpsServer::over(&repository).await else { return };
    let mut product = Product::follows(&server.url(), &server.arguments()).await;
    for (number, (what, fate)) in FATES.iter().enumerate() {
        let before = product.version().await;
        product.server.kill();
        fate(&product.objects());
        product.starts_again();
        assert_eq!(product.version().await, before, "{what}");
        let version = format!("v{number}");
        repository.pushes_version(&version);
        let reply = product.refresh().await;
        assert_eq!(reply.status, 200, "{what}: {}", reply.text());
        assert_eq!(product.version().await, version, "{what}");
    }
}
