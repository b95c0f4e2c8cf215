//! A repository that cannot be read: why is told in a word and a sentence of its own, what was served goes on being served,
//! and all is well again once the repository is, without a restart.

use reqwest::StatusCode;

use crate::support::{
    Answer, HttpsServer, Identity, Leaf, Product, Repository, TOKEN, Trouble, USER, Way, endures, eventually,
};

#[tokio::test]
async fn each_answer_that_is_no_repository_is_told_apart() {
    let repository = Repository::serving("one");
    let Some(server) = HttpsServer::over(&repository).await else { return };
    let product = Product::follows(&server.url(), &server.arguments()).await;
    let as_usual = || server.answers_as_usual();
    for (answer, word, told) in [
        (Answer::TokenExpired, "unauthorized", &["robot", "401", "the token has expired"] as &[&str]),
        (Answer::Forbidden, "forbidden", &["robot", "403", "you may not read this"]),
        (Answer::NotFound, "not-found", &["no such repository", "404"]),
        (Answer::Broken, "server", &["500", "something broke"]),
        (Answer::Unavailable, "throttled", &["503", "down for maintenance", "7 s"]),
        (Answer::TooMany, "throttled", &["429", "wait"]),
        (Answer::MovedToPlain, "malformed", &["elsewhere"]),
        (Answer::MovedForEver, "malformed", &["place to place"]),
        (Answer::Page, "malformed", &["Git"]),
        (Answer::Dumb, "malformed", &["Git"]),
    ] {
        let begins = || server.answers(answer);
        let what = format!("{answer:?}");
        endures(&product, &Trouble { what: &what, begins: &begins, ends: &as_usual, word, told }).await;
    }
    let begins = || server.users(&[(USER, "another-token")]);
    let ends = || server.users(&[(USER, TOKEN)]);
    let told = &["does not accept the token", "robot"];
    endures(&product, &Trouble { what: "wrong token", begins: &begins, ends: &ends, word: "unauthorized", told }).await;
    let begins = || server.users(&[(USER, "rotated-token")]);
    let ends = || server.hands_out("rotated-token");
    endures(&product, &Trouble { what: "rotated token", begins: &begins, ends: &ends, word: "unauthorized", told })
        .await;
    let begins = || std::fs::remove_file(server.token_file()).expect("removed");
    let told = &["the token in", "No such file"];
    endures(&product, &Trouble { what: "no token", begins: &begins, ends: &ends, word: "credentials", told }).await;
}

#[tokio::test]
async fn each_certificate_that_is_not_right_is_told_apart() {
    let repository = Repository::serving("one");
    let Some(server) = HttpsServer::over(&repository).await else { return };
    let product = Product::follows(&server.url(), &server.arguments()).await;
    let ends = || server.presents(Leaf::Right);
    for (leaf, told) in [
        (Leaf::UnknownAuthority, &["authority", "--git-ca-file"] as &[&str]),
        (Leaf::Expired, &["has expired"]),
        (Leaf::WrongName, &["another name"]),
        (Leaf::Authority, &["basicConstraints=CA:FALSE"]),
    ] {
        let begins = || server.presents(leaf);
        let what = format!("{leaf:?}");
        let trouble = Trouble { what: &what, begins: &begins, ends: &ends, word: "untrusted-certificate", told };
        endures(&product, &trouble).await;
    }
}

#[tokio::test]
async fn a_client_certificate_that_is_not_accepted_is_told_and_may_be_replaced() {
    let repository = Repository::serving("one");
    let Some(server) = HttpsServer::over(&repository).await else { return };
    let missing = Product::begins(&server.guarded_url(), &server.arguments());
    let fault = eventually("it is told", async || missing.fault().await).await;
    assert_eq!(fault.word, "client-certificate", "{}", fault.message);
    assert_eq!(missing.server.get("/readyz").await.status, StatusCode::SERVICE_UNAVAILABLE);

    let [right, wrong] = [server.client(), server.foreign_client()];
    let folder = tempfile::tempdir().expect("a folder");
    let [certificate, key] = ["certificate", "key"].map(|name| folder.path().join(name));
    let gives = |identity: &Identity| {
        std::fs::copy(&identity.key, &key).expect("copied");
        std::fs::copy(&identity.certificate, &certificate).expect("copied");
    };
    gives(&right);
    let mut arguments = server.arguments();
    arguments.extend(["--git-client-cert".to_owned(), certificate.display().to_string()]);
    arguments.extend(["--git-client-key".to_owned(), key.display().to_string()]);
    let product = Product::follows(&server.guarded_url(), &arguments).await;
    let (begins, ends) = (|| gives(&wrong), || gives(&right));
    let told = &["client certificate"];
    let trouble = Trouble { what: "foreign", begins: &begins, ends: &ends, word: "client-certificate", told };
    endures(&product, &trouble).await;
    let begins = || std::fs::write(&key, "-----BEGIN NOTHING-----\n").expect("written");
    let trouble = Trouble { what: "no key", begins: &begins, ends: &ends, word: "client-certificate", told };
    endures(&product, &trouble).await;
}

#[tokio::test]
async fn a_repository_without_what_is_followed_says_what_it_lacks() {
    let repository = Repository::serving("one");
    let Some(server) = HttpsServer::over(&repository).await else { return };
    let product = Product::follows(&server.url(), &server.arguments()).await;
    let begins = || {
        repository.git(&["push", "-q", "origin", "HEAD:refs/heads/other"]);
        repository.git(&["push", "-q", "origin", "--delete", "main"]);
    };
    let ends = || drop(repository.git(&["push", "-q", "origin", "HEAD:refs/heads/main"]));
    let told = &["branch main"];
    endures(&product, &Trouble { what: "no branch", begins: &begins, ends: &ends, word: "no-such-reference", told })
        .await;
    let aside = repository.root().join("aside");
    let begins = || {
        std::fs::rename(repository.bare(), &aside).expect("renamed");
        repository.makes_bare();
    };
    let ends = || {
        std::fs::remove_dir_all(repository.bare()).expect("removed");
        std::fs::rename(&aside, repository.bare()).expect("renamed");
    };
    let told = &["no commits"];
    endures(&product, &Trouble { what: "empty", begins: &begins, ends: &ends, word: "empty", told }).await;
    let begins = || std::fs::rename(repository.bare(), &aside).expect("renamed");
    let ends = || std::fs::rename(&aside, repository.bare()).expect("renamed");
    let told = &["no such repository"];
    endures(&product, &Trouble { what: "gone", begins: &begins, ends: &ends, word: "not-found", told }).await;
}

#[tokio::test]
async fn a_server_that_stalls_ends_or_is_away_is_told_apart() {
    let repository = Repository::serving("one");
    let Some(server) = HttpsServer::over(&repository).await else { return };
    let way = Way::to(server.port()).await;
    let mut arguments = server.arguments();
    arguments.extend(["--git-stall".to_owned(), "5s".to_owned()]);
    let product = Product::follows(&way.by(&server.url(), server.port()), &arguments).await;
    let heals = || way.heals();
    // Enough for greetings and answers, and not for what is fetched.
    let mut pushes = 0;
    let mut large = || {
        pushes += 1;
        repository.writes_noise(pushes, 800_000);
        drop(repository.push("More"));
    };
    large();
    let begins = || way.stalls_after(200_000);
    let told = &["nothing came"];
    endures(&product, &Trouble { what: "stalls in a pack", begins: &begins, ends: &heals, word: "stalled", told })
        .await;
    large();
    let begins = || way.ends_after(200_000);
    let told = &["ended"];
    endures(&product, &Trouble { what: "dies in a pack", begins: &begins, ends: &heals, word: "interrupted", told })
        .await;
    let begins = || way.stalls_after(0);
    let trouble =
        Trouble { what: "says nothing", begins: &begins, ends: &heals, word: "unreachable", told: &["in time"] };
    endures(&product, &trouble).await;
    let begins = || way.ends_after(0);
    let reply = {
        begins();
        product.refresh().await
    };
    assert_eq!(reply.status, StatusCode::SERVICE_UNAVAILABLE);
    let fault = product.fault().await.expect("a fault");
    assert!(["interrupted", "unreachable"].contains(&fault.word.as_str()), "{fault:?}");
    heals();
    product.refreshed().await;
}

#[tokio::test]
async fn a_look_is_bounded_in_bytes_and_in_time() {
    let repository = Repository::serving("one");
    let Some(server) = HttpsServer::over(&repository).await else { return };
    let way = Way::to(server.port()).await;
    let mut arguments = server.arguments();
    arguments.extend(["--git-max-size", "300000", "--git-time", "6s"].map(str::to_owned));
    let product = Product::follows(&way.by(&server.url(), server.port()), &arguments).await;
    let begins = || {
        repository.writes_noise(1, 800_000);
        drop(repository.push("Large"));
    };
    let ends = || {
        repository.writes_noise(2, 8000);
        drop(repository.push("Small"));
    };
    let told = &["300000 bytes", "--git-max-size"];
    endures(&product, &Trouble { what: "large", begins: &begins, ends: &ends, word: "too-large", told }).await;
    repository.writes_noise(3, 200_000);
    repository.push("Middling");
    let begins = || way.stalls_after(50_000);
    let ends = || way.heals();
    let told = &["within 6s"];
    endures(&product, &Trouble { what: "slow", begins: &begins, ends: &ends, word: "stalled", told }).await;
}

#[tokio::test]
async fn what_is_followed_and_not_there_is_told_with_what_was_probably_meant() {
    let repository = Repository::serving("one");
    let Some(server) = HttpsServer::over(&repository).await else { return };
    let commit = "132f4e7a55132f4e7a55132f4e7a55132f4e7a55";
    for (kind, name, told) in
        [("--git-branch", "mian", "is `main` meant"), ("--git-tag", "v1", "tag v1"), ("--git-commit", commit, commit)]
    {
        let mut arguments = server.arguments();
        arguments.extend([kind.to_owned(), name.to_owned()]);
        let product = Product::begins(&server.url(), &arguments);
        let fault = eventually("it is told", async || product.fault().await).await;
        assert_eq!(fault.word, "no-such-reference", "{kind}: {}", fault.message);
        assert!(fault.message.contains(told), "{kind}: {}", fault.message);
    }
}

#[tokio::test]
async fn a_server_that_is_away_is_found_again_by_looking() {
    let repository = Repository::serving("one");
    let Some(mut server) = HttpsServer::over(&repository).await else { return };
    let mut arguments = server.arguments();
    arguments.extend(["--poll".to_owned(), "1s".to_owned()]);
    let product = Product::follows(&server.url(), &arguments).await;
    server.stop().await;
    let fault = eventually("it is told", async || product.fault().await).await;
    assert_eq!(fault.word, "unreachable", "{}", fault.message);
    let source = product.source().await;
    assert!(source["nextTry"].is_string() && source["lastSuccess"].is_string(), "{source:#}");
    repository.pushes_version("two");
    server.start().await;
    eventually("it is found again", async || (product.version().await == "two").then_some(())).await;
    assert_eq!(product.fault().await, None);
}

#[tokio::test]
async fn a_server_that_never_answered_is_told_by_readiness() {
    let Product { server, .. } = &Product::begins("https://gitfaas.invalid/functions.git", &[]);
    let told = eventually("it is told", async || {
        let ready = server.get("/readyz").await;
        (ready.status == StatusCode::SERVICE_UNAVAILABLE && ready.text().contains("gitfaas.invalid")).then_some(ready)
    })
    .await;
    assert_eq!(told.code(), "no-catalog", "{}", told.text());
    let reply = server.post("/publish/t", "").await;
    assert_eq!(reply.status, StatusCode::SERVICE_UNAVAILABLE, "{}", reply.text());
}

#[tokio::test]
async fn a_server_that_says_how_long_to_wait_is_left_alone_for_so_long() {
    let repository = Repository::serving("one");
    let Some(server) = HttpsServer::over(&repository).await else { return };
    let product = Product::follows(&server.url(), &server.arguments()).await;
    server.answers(Answer::TooMany);
    product.refresh().await;
    let next = eventually("the next look is told", async || {
        let source = product.source().await;
        let time = |time: &serde_json::Value| time.as_str()?.parse::<jiff::Timestamp>().ok();
        Some(time(&source["nextTry"])?.duration_since(time(&source["lastError"]["at"])?))
    })
    .await;
    // Times are told to the millisecond. It would be five seconds at most otherwise.
    assert!((6_990..60_000).contains(&next.as_millis()), "{next:?}");
}
