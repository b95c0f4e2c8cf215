//! The pages of `docs`, taken at their word.
//!
//! A block that has a path after its language is that file. A `console` block has commands after `$ `, and below each
//! what it prints, stdout and stderr: `…` stands for anything, and blanks in a row for one. `REQUEST` and `RUN` are the
//! request and the first run of what was published last. A server that is started takes the place of the one before.

use std::path::Path;
use std::process::Command;

use crate::support::reader::{Block, Reader, USUAL, blocks};
use crate::support::{Server, checkout, program};

/// What a reader has done so far.
struct Session {
    // Dropped first: the reader's folder is there for as long as a server may write to it.
    server: Option<Server>,
    reader: Reader,
    request: String,
    run: String,
}

impl Session {
    async fn takes(&mut self, block: &Block<'_>) {
        match block.language.split_once(' ') {
            Some((_, path)) => self.writes(path, block.code),
            None if block.language == "console" => self.types(block.code).await,
            None => parses(block.language, block.code),
        }
    }

    fn writes(&self, path: &str, code: &str) {
        let file = self.reader.file(path);
        std::fs::create_dir_all(file.parent().expect("a folder")).expect("made");
        std::fs::write(file, code).expect("written");
    }

    async fn types(&mut self, code: &str) {
        let code = code.replace("\\\n", "");
        for step in code.split("$ ").filter(|step| !step.is_empty()) {
            let (command, expected) = step.split_once('\n').expect("a line");
            if ["gitfaas dev ", "gitfaas serve "].iter().any(|start| command.starts_with(start)) {
                assert_eq!(expected, "", "what a server prints is not shown");
                self.starts(command).await;
            } else {
                self.runs(command, expected);
            }
        }
    }

    async fn starts(&mut self, command: &str) {
        self.server = None;
        let mut server = Command::new(program());
        server.args(command.split_whitespace().skip(1)).args(["--listen", "127.0.0.1:0"]);
        self.reader.at_home(&mut server);
        self.server = Some(Server::launch(server, self.reader.file("data")).ready().await);
    }

    fn runs(&mut self, command: &str, expected: &str) {
        let typed = command.replace("REQUEST", &self.request).replace("RUN", &self.run);
        let said = self.reader.types(&format!("exec 2>&1; {typed}"), self.server.as_ref());
        if command.contains("publish") {
            self.remembers(&said);
        }
        let url = self.server.as_ref().map_or(USUAL, |server| &server.url);
        let said = tidy(&said.replace(url, USUAL));
        assert!(fits(&tidy(expected), &said), "{command}\n--- shown:\n{expected}\n--- said:\n{said}");
    }

    fn remembers(&mut self, said: &str) {
        let words = said.split(|character: char| !character.is_ascii_alphanumeric() && character != '-');
        for word in words {
            let hyphens = word.matches('-').count();
            if word.len() == 36 && hyphens == 4 {
                word.clone_into(&mut self.request);
            } else if word.len() == 32 && hyphens == 0 {
                word.clone_into(&mut self.run);
                return;
            }
        }
    }
}

/// Text without the width of columns and the end of lines.
fn tidy(text: &str) -> String {
    let lines = text.trim().lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "));
    lines.collect::<Vec<_>>().join("\n")
}

/// Whether `said` is what is shown, in which `…` stands for anything.
fn fits(shown: &str, said: &str) -> bool {
    let mut parts = shown.split('…');
    let Some(mut rest) = parts.next().and_then(|first| said.strip_prefix(first)) else { return false };
    let parts: Vec<&str> = parts.collect();
    let Some((last, between)) = parts.split_last() else { return rest.is_empty() };
    for part in between {
        let Some((_, after)) = rest.split_once(part) else { return false };
        rest = after;
    }
    rest.ends_with(last)
}

/// What is shown and not typed is at least what it says it is.
fn parses(language: &str, code: &str) {
    match language {
        "json" => drop(serde_json::from_str::<serde_json::Value>(code).expect(code)),
        "yaml" => drop(gitfaas_core::yaml::read(code).expect(code)),
        "text" => {}
        other => panic!("a block of `{other}` is neither typed nor read"),
    }
}

/// Does all that a page says.
async fn follow(page: &str) {
    let text = std::fs::read_to_string(checkout("docs").join(page)).expect("the page");
    let (request, run) = (String::new(), String::new());
    let mut session = Session { reader: Reader::new(), server: None, request, run };
    for block in blocks(&text) {
        session.takes(&block).await;
    }
    assert!(session.server.is_some(), "the page starts no server");
}

#[tokio::test]
async fn what_the_page_of_topics_says_happens() {
    follow("topics.md").await;
}

#[tokio::test]
async fn what_the_page_of_templates_says_happens() {
    follow("templates.md").await;
}

#[tokio::test]
async fn what_the_page_of_the_api_says_happens() {
    follow("api.md").await;
}

#[tokio::test]
async fn what_the_page_of_operations_says_happens() {
    follow("operations.md").await;
}

#[tokio::test]
async fn what_the_page_of_security_says_happens() {
    follow("security.md").await;
}

#[tokio::test]
async fn what_the_page_of_the_local_cluster_says_happens() {
    follow("local.md").await;
}

#[tokio::test]
async fn what_the_page_of_migrating_says_happens() {
    follow("migrating.md").await;
}

#[test]
fn the_page_of_kubernetes_shows_what_can_be_read() {
    let text = std::fs::read_to_string(checkout("docs/kubernetes.md")).expect("the page");
    for block in blocks(&text) {
        parses(block.language, block.code);
    }
}

#[test]
fn the_pages_refer_to_files_that_are_there() {
    let folder = checkout("docs");
    let pages = std::fs::read_dir(&folder).expect("docs").map(|page| page.expect("a page").path());
    for page in pages.filter(|page| page.extension().is_some_and(|ending| ending == "md")) {
        let text = std::fs::read_to_string(&page).expect("a page");
        let targets = text.split("](").skip(1).filter_map(|rest| rest.split([')', '#']).next());
        for target in targets.filter(|target| !target.is_empty() && !target.starts_with("http")) {
            assert!(folder.join(Path::new(target)).exists(), "{}: {target}", page.display());
        }
    }
}

#[test]
fn a_page_is_compared_word_for_word() {
    assert!(fits("a … c", "a b\nb c") && fits("a", "a") && fits("…", "") && fits("a…b…c", "a1b2c"));
    assert!(!fits("a", "ab") && !fits("a…", "ba") && !fits("…a", "ab") && !fits("a…b…c", "acb"));
}
