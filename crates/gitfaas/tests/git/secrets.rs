//! What gitfaas is given to identify itself with is shown nowhere: canaries are searched wherever something could be read.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::support::{Answer, HttpsServer, Leaf, Product, Proxy, Repository, SshServer, USER, eventually};

/// Secrets that look different in every encoding.
const TOKEN: &str = "gft_c4nary/of+the token=%7E";
const PROXY_WORD: &str = "c4nary/of the+proxy%21";
const PASSPHRASE: &str = "c4nary/of the+key%22";

/// A secret in every form in which it could be read.
fn forms(secret: &[u8]) -> Vec<Vec<u8>> {
    let numbers: Vec<String> = secret.iter().map(u8::to_string).collect();
    let hex = |separator: &str, upper: bool| {
        let digits: Vec<String> =
            secret.iter().map(|byte| if upper { format!("{byte:02X}") } else { format!("{byte:02x}") }).collect();
        digits.join(separator)
    };
    let mut percent = String::new();
    for byte in secret {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'_' | b'-' | b'.' | b'~' => percent.push(char::from(*byte)),
            byte => write!(percent, "%{byte:02X}").expect("written"),
        }
    }
    let texts = [
        numbers.join(", "),
        numbers.join(","),
        hex("", false),
        hex("", true),
        hex(" ", false),
        hex(", 0x", false),
        percent,
        secret.escape_ascii().to_string(),
        // Without its end, which depends on what follows.
        STANDARD.encode(&secret[..secret.len() / 3 * 3]),
    ];
    std::iter::once(secret.to_vec()).chain(texts.map(String::into_bytes)).collect()
}

/// Everything that was found, each under the name of its place.
struct Places(Vec<(String, Vec<u8>)>);

impl Places {
    async fn of(product: &Product, answers: Vec<String>) -> Self {
        let mut places = vec![("the log".to_owned(), product.log().into_bytes())];
        for path in ["/api/v1/source", "/metrics", "/readyz", "/api/v1/workers", "/api/v1/topics/t", "/openapi.json"] {
            places.push((path.to_owned(), product.server.get(path).await.body));
        }
        places.extend(answers.into_iter().map(|answer| ("an answer".to_owned(), answer.into_bytes())));
        for arguments in [&["topics"] as &[&str], &["list"], &["source", "status"]] {
            let output = product.server.client(arguments);
            places.push((arguments.join(" "), [output.stdout, output.stderr].concat()));
        }
        add_files(&product.data(), &mut places);
        Self(places)
    }

    /// Fails where `what` can be read in any form.
    fn are_free_of(&self, what: &str, secret: &[u8]) {
        for form in forms(secret) {
            for (place, content) in &self.0 {
                let found = content.windows(form.len()).position(|window| window == form);
                let Some(at) = found else { continue };
                let around = &content[at.saturating_sub(200)..(at + form.len() + 40).min(content.len())];
                panic!("{what} is in {place}: {}", String::from_utf8_lossy(around));
            }
        }
    }
}

fn add_files(folder: &Path, places: &mut Vec<(String, Vec<u8>)>) {
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            add_files(&path, places);
        } else {
            places.push((path.display().to_string(), std::fs::read(&path).unwrap_or_default()));
        }
    }
}

/// Looks at the process and all that it starts, again and again, as somebody with `ps` could.
struct Onlooker {
    seen: Arc<Mutex<BTreeSet<Vec<u8>>>>,
    over: Arc<AtomicBool>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Onlooker {
    fn of(pid: u32) -> Self {
        let (seen, over) = (Arc::new(Mutex::default()), Arc::new(AtomicBool::default()));
        let (noted, ended) = (seen.clone(), over.clone());
        let thread = std::thread::spawn(move || {
            while !ended.load(Ordering::Relaxed) {
                let looked = look(pid);
                Mutex::<BTreeSet<_>>::lock(&noted).expect("whole").extend(looked);
            }
        });
        Self { seen, over, thread: Some(thread) }
    }

    fn ends(mut self) -> Places {
        self.over.store(true, Ordering::Relaxed);
        self.thread.take().expect("running").join().expect("ended");
        let seen = std::mem::take(&mut *self.seen.lock().expect("whole"));
        Places(seen.into_iter().map(|content| ("the list of processes".to_owned(), content)).collect())
    }
}

/// The command line and environment of a process and its descendants.
fn look(pid: u32) -> Vec<Vec<u8>> {
    let of = |pid: u32, file: &str| std::fs::read(format!("/proc/{pid}/{file}")).unwrap_or_default();
    let mut found = vec![of(pid, "cmdline"), of(pid, "environ")];
    for task in std::fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten() {
        let children = std::fs::read_to_string(task.path().join("children")).unwrap_or_default();
        found.extend(children.split_whitespace().filter_map(|child| child.parse().ok()).flat_map(look));
    }
    found
}

#[tokio::test]
async fn no_secret_of_https_is_shown_anywhere() {
    let repository = Repository::serving("one");
    let Some(mut server) = HttpsServer::over(&repository).await else { return };
    server.users(&[(USER, TOKEN)]);
    server.hands_out(TOKEN);
    let folder = tempfile::tempdir().expect("a folder");
    let word = folder.path().join("word");
    std::fs::write(&word, PROXY_WORD).expect("written");
    let proxy = Proxy::new(Some(&format!("Basic {}", STANDARD.encode(format!("way:{PROXY_WORD}"))))).await;
    let mut arguments = server.arguments();
    arguments.extend(["--git-proxy".to_owned(), format!("http://way@127.0.0.1:{}", proxy.port())]);
    arguments.extend(["--git-proxy-password-file".to_owned(), word.display().to_string()]);
    arguments.extend(["--git-stall", "5s", "--log", "trace"].map(str::to_owned));
    let mut product = Product::follows(&server.url(), &arguments).await;
    let onlooker = Onlooker::of(product.server.pid());
    let mut answers = Vec::new();
    for answer in [
        Answer::Echo,
        Answer::TokenExpired,
        Answer::Broken,
        Answer::MovedHost,
        Answer::MovedToPlain,
        Answer::MovedForEver,
        Answer::Page,
        Answer::Dumb,
    ] {
        server.answers(answer);
        let reply = product.refresh().await;
        assert_ne!(reply.status, 200, "{answer:?}");
        answers.push(reply.text());
        answers.push(product.source().await.to_string());
    }
    server.answers_as_usual();
    let usual = [(USER, TOKEN)];
    server.users(&[(USER, "another")]);
    answers.push(product.refresh().await.text());
    server.users(&usual);
    server.presents(Leaf::WrongName);
    answers.push(product.refresh().await.text());
    server.presents(Leaf::Right);
    std::fs::write(&word, "wrong").expect("written");
    answers.push(product.refresh().await.text());
    std::fs::write(&word, PROXY_WORD).expect("written");
    server.stop().await;
    answers.push(product.refresh().await.text());
    server.start().await;
    repository.pushes_version("two");
    product.refreshed().await;
    assert_eq!(product.version().await, "two");
    let seen = onlooker.ends();
    product.kill_and_start_again();
    repository.pushes_version("three");
    product.refreshed().await;
    let places = Places::of(&product, answers).await;
    assert!(product.log().contains("TRACE"), "all is logged");
    for places in [&places, &seen] {
        for (what, user, secret) in [("the token", USER, TOKEN), ("the proxy's password", "way", PROXY_WORD)] {
            places.are_free_of(what, secret.as_bytes());
            places.are_free_of(what, format!("{user}:{secret}").as_bytes());
            places.are_free_of(what, STANDARD.encode(format!("{user}:{secret}")).as_bytes());
        }
    }
}

#[tokio::test]
async fn no_secret_of_ssh_is_shown_anywhere() {
    let repository = Repository::serving("one");
    let Some(mut server) = SshServer::over(&repository, true).await else { return };
    for (kind, passphrase) in [("ed25519", PASSPHRASE), ("rsa", ""), ("ecdsa", "")] {
        let mut arguments = server.arguments(kind, passphrase);
        arguments.extend(["--log", "trace"].map(str::to_owned));
        let product = Product::follows(&server.url(), &arguments).await;
        let onlooker = Onlooker::of(product.server.pid());
        let id = server.file("id");
        let mut answers = Vec::new();
        server.authorizes(&[]);
        answers.push(product.refresh().await.text());
        server.authorizes(&[&id]);
        if !passphrase.is_empty() {
            std::fs::write(server.file("passphrase"), "wrong").expect("written");
            answers.push(product.refresh().await.text());
            std::fs::write(server.file("passphrase"), passphrase).expect("written");
        }
        let known = std::fs::read_to_string(server.file("known_hosts")).expect("read");
        server.is_known_by("");
        answers.push(product.refresh().await.text());
        server.is_known_by(&known);
        server.stop();
        answers.push(product.refresh().await.text());
        server.start().await;
        repository.pushes_version("two");
        product.refreshed().await;
        let places = [Places::of(&product, answers).await, onlooker.ends()];
        assert!(product.log().contains("TRACE"), "all is logged");
        for places in &places {
            if !passphrase.is_empty() {
                places.are_free_of("the passphrase", passphrase.as_bytes());
            }
            let key = std::fs::read_to_string(&id).expect("a key");
            // The first lines have what is public: the kind, how it is encrypted, and the public key.
            let lines: Vec<&str> = key.lines().filter(|line| !line.starts_with('-')).collect();
            for line in &lines[lines.len() / 2..] {
                places.are_free_of("the key", line.as_bytes());
            }
            for part in secret_parts(&server, &id, passphrase) {
                places.are_free_of("the key", &part);
            }
        }
    }
}

/// What is secret in a private key, as it is in memory: pieces of the seed, the scalar, or the exponent.
fn secret_parts(server: &SshServer, key: &Path, passphrase: &str) -> Vec<Vec<u8>> {
    let plain = server.opened(key, passphrase);
    let body: String = plain.lines().filter(|line| !line.starts_with('-')).collect();
    let whole = STANDARD.decode(body).expect("a key");
    let mut rest = whole.strip_prefix(b"openssh-key-v1\0").expect("a key of OpenSSH");
    // The cipher, how its key is derived, and from what: none; how many keys there are; and the public one.
    for _ in 0..3 {
        string(&mut rest);
    }
    rest = &rest[4..];
    string(&mut rest);
    // Two numbers that tell whether the passphrase was right.
    rest = &string(&mut rest)[8..];
    let ed25519 = string(&mut rest) == b"ssh-ed25519";
    for _ in 0..if ed25519 { 1 } else { 2 } {
        string(&mut rest);
    }
    let secret = &string(&mut rest)[..32];
    secret.chunks_exact(16).map(<[u8]>::to_vec).collect()
}

/// The next string of what ssh wrote.
fn string<'a>(rest: &mut &'a [u8]) -> &'a [u8] {
    let (length, after) = rest.split_first_chunk().expect("a length");
    let (string, after) = after.split_at(u32::from_be_bytes(*length) as usize);
    *rest = after;
    string
}

#[tokio::test]
async fn a_search_finds_what_is_there() {
    let places = Places(vec![("here".to_owned(), STANDARD.encode(format!("x{TOKEN}")).into_bytes())]);
    let found = |secret: String| std::panic::catch_unwind(|| places.are_free_of("it", secret.as_bytes())).is_err();
    assert!(found(format!("x{TOKEN}")) && !found(format!("y{TOKEN}")));
    eventually("a process is seen", async || {
        let seen = look(std::process::id());
        seen.iter().any(|content| !content.is_empty()).then_some(())
    })
    .await;
}
