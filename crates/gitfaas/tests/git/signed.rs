//! Only what somebody signed who is known is served, where signatures are asked for.

use crate::support::{HttpsServer, Product, Repository, Trouble, config_map, endures, eventually, ssh_key};

#[tokio::test]
async fn a_commit_that_nobody_known_signed_is_not_served_and_the_last_good_one_is() {
    let folder = tempfile::tempdir().expect("a folder");
    let Some(known) = ssh_key(folder.path(), "known") else { return };
    let Some(foreign) = ssh_key(folder.path(), "foreign") else { return };
    let repository = Repository::serving("zero");
    let Some(server) = HttpsServer::over(&repository).await else { return };
    let signers = folder.path().join("signers");
    let public = std::fs::read_to_string(known.with_extension("pub")).expect("a key");
    let allowed: Vec<&str> = public.split_whitespace().take(2).collect();
    std::fs::write(&signers, format!("ada@example.com {}\n", allowed.join(" "))).expect("written");
    let mut arguments = server.arguments();
    arguments.extend(["--git-signers".to_owned(), signers.display().to_string()]);

    let product = Product::begins(&server.url(), &arguments);
    let fault = eventually("it is told", async || product.fault().await).await;
    assert_eq!(fault.word, "unverified", "{}", fault.message);
    let unsigned = repository.git(&["rev-parse", "HEAD"]);
    assert!(fault.message.contains(unsigned.trim()), "the commit is named: {}", fault.message);
    repository.write("t.yaml", config_map("one"));
    let id = repository.pushes_signed("Signed", &known);
    assert_eq!(product.refreshed().await, format!("main@sha1:{id}"));
    let source = product.source().await;
    assert!(source["commit"]["signer"].as_str().is_some_and(|signer| signer.contains("SHA256:")), "{source:#}");

    let ends = || {
        repository.write("t.yaml", config_map("one"));
        drop(repository.pushes_signed("Signed again", &known));
    };
    let begins = || drop(repository.pushes_version("two"));
    let told = &["is not signed"];
    endures(&product, &Trouble { what: "unsigned", begins: &begins, ends: &ends, word: "unverified", told }).await;
    let begins = || {
        repository.write("t.yaml", config_map("three"));
        drop(repository.pushes_signed("Foreign", &foreign));
    };
    let told = &["SHA256:"];
    endures(&product, &Trouble { what: "foreign", begins: &begins, ends: &ends, word: "unverified", told }).await;
    // Who takes a signed commit and says something else with it has not signed that.
    let begins = || {
        let signed = repository.git(&["cat-file", "commit", "HEAD"]);
        repository.write("forged", signed.replace("Signed again", "Forged again"));
        let forged = repository.git(&["hash-object", "-t", "commit", "-w", "forged"]);
        repository.git(&["push", "-q", "--force", "origin", &format!("{forged}:refs/heads/main")]);
    };
    let told = &["signature"];
    endures(&product, &Trouble { what: "forged", begins: &begins, ends: &ends, word: "unverified", told }).await;
}
