//! The README, taken at its word: its first steps are typed, and its demo is compared with what the demo says.

use std::process::Command;

use crate::support::reader::{Reader, blocks, printed};
use crate::support::{Server, checkout, program};

/// The one command that is not run as it stands: it would compile everything once more, for the program under test.
const INSTALL: &str = "cargo install --locked --path crates/gitfaas";

fn readme() -> String {
    std::fs::read_to_string(checkout("README.md")).expect("the README")
}

/// What stands under a heading.
fn section<'a>(text: &'a str, heading: &str) -> &'a str {
    let (_, rest) = text.split_once(&format!("\n## {heading}\n")).expect("the heading");
    rest.split("\n## ").next().unwrap_or(rest)
}

#[tokio::test]
async fn the_first_steps_work_as_they_are_written() {
    let readme = readme();
    let reader = Reader::new();
    let mut server: Option<Server> = None;
    let (mut request, mut run) = (String::new(), String::new());
    for block in blocks(section(&readme, "First steps")) {
        if !block.language.is_empty() {
            let (_, named) = block.before.rsplit_once("`my-functions/").expect("the block's file");
            let name = named.split('`').next().expect("its end");
            std::fs::write(reader.file("my-functions").join(name), block.code).expect("written");
            continue;
        }
        for line in block.code.lines() {
            let command = line.replace("REQUEST", &request).replace("RUN", &run);
            if line == INSTALL {
                assert!(checkout("crates/gitfaas/Cargo.toml").is_file());
            } else if let Some(folder) = line.strip_prefix("gitfaas dev ") {
                server = Some(Server::dev(&reader.file(folder)).await);
            } else {
                let said = reader.types(&command, server.as_ref());
                if line.contains("/publish/") {
                    let receipt: serde_json::Value = serde_json::from_str(&said).expect("a receipt");
                    request = receipt["requestUid"].as_str().expect("a request").to_owned();
                    run = receipt["applies"][0]["runId"].as_str().expect("a run").to_owned();
                    server.as_ref().expect("a server").finished(&request).await;
                }
                assert!(says_what_it_should(line, &said, &request, &run), "{line}: {said}");
            }
        }
    }
    assert!(!run.is_empty(), "nothing was published");
}

/// What each command of the first steps is there to show.
fn says_what_it_should(line: &str, said: &str, request: &str, run: &str) -> bool {
    match line.split_whitespace().collect::<Vec<_>>().as_slice() {
        ["mkdir", ..] => said.is_empty(),
        ["curl", url, ..] if url.contains("/publish/mytopic") => said.contains("applied Job some-pod-name-"),
        ["curl", ..] => said.contains("cmVhZCBpdA=="),
        ["gitfaas", "list"] => said.contains(request) && said.contains("succeeded"),
        ["gitfaas", "get", _] => said.contains(run) && said.contains("read it"),
        ["gitfaas", "logs", _] => said == "message = { \"hello\": \"world\" }\n",
        ["gitfaas", "response", _] => said.trim_end() == "read it",
        ["gitfaas", "publish", .., "--wait"] => said.contains("read it") && !said.contains("message ="),
        ["gitfaas", "publish", .., "--follow"] => {
            said.contains("answered read it")
                && said.matches("mytopic | message = {\"hello\": \"world\"}\n").count() == 1
        }
        _ => false,
    }
}

#[tokio::test]
async fn the_commands_of_each_example_work_as_they_are_written() {
    for example in ["hello", "replicas", "pipeline"] {
        let readme = std::fs::read_to_string(checkout("examples").join(example).join("README.md")).expect("a README");
        let folder = format!("examples/{example}");
        let reader = Reader::new();
        reader.folder.write("examples/.here", "");
        let copied = Command::new("cp").arg("-r").arg(checkout(&folder)).arg(reader.file("examples")).status();
        assert!(copied.expect("cp").success());
        let commands: Vec<&str> = blocks(&readme).iter().flat_map(|block| block.code.lines()).collect();
        assert!(commands.contains(&format!("gitfaas dev {folder}").as_str()), "{commands:?}");
        let server = Server::dev(&reader.file(&folder)).await;
        let mut request = String::new();
        for command in commands {
            if command.starts_with("gitfaas dev") || !(command.starts_with("gitfaas ") || command.starts_with("curl "))
            {
                continue;
            }
            let said = reader.types(&command.replace("REQUEST", &request), Some(&server));
            if command.starts_with("gitfaas publish") {
                let id = said.lines().find_map(|line| line.strip_prefix("request ")).expect("a request");
                id.clone_into(&mut request);
            }
            assert!(!said.contains("\"error\":true"), "{command}: {said}");
        }
        assert!(!request.is_empty(), "{example} publishes nothing");
    }
}

/// As much of a long answer as fits into a line however wide the columns before it are.
const CERTAIN: usize = 30;

/// A line without what differs each time: times, ids, folders, ports and the width of columns.
fn steady(line: &str) -> String {
    let words = line.split_whitespace().map(|word| {
        let time = word.strip_suffix('s').is_some_and(|number| number.parse::<f32>().is_ok());
        let id = word.trim_end_matches(':');
        let is_id = id.len() == 36 && id.matches('-').count() == 4;
        match word {
            _ if time => "TIME".to_owned(),
            _ if is_id => "ID".to_owned(),
            _ if word.contains("gitfaas-demo-") => "FOLDER".to_owned(),
            _ if word.starts_with("http://127.0.0.1:") => "URL".to_owned(),
            _ if word.ends_with('…') => word.chars().take(CERTAIN).collect(),
            _ => word.to_owned(),
        }
    });
    words.collect::<Vec<String>>().join(" ")
}

/// What the demo says in its order, and what happens side by side, sorted. Whether a phase that passes is seen at all
/// depends on the machine.
fn told(said: &str) -> (Vec<String>, Vec<String>) {
    let lines = said.trim().lines().map(steady);
    let (mut live, rest): (Vec<_>, Vec<_>) = lines.partition(|line| line.starts_with("TIME "));
    live.retain(|line| line.contains(" answered ") || line.ends_with(" succeeded"));
    live.sort();
    (live, rest)
}

#[test]
fn the_demo_says_what_the_readme_shows() {
    let readme = readme();
    let (_, rest) = readme.split_once("<!-- demo:begin -->").expect("its begin");
    let (shown, _) = rest.split_once("<!-- demo:end -->").expect("its end");
    let shown = blocks(shown);
    let shown = told(shown.first().expect("a block").code);

    let output = Command::new(program()).arg("demo").env("NO_COLOR", "1").output().expect("run");
    let said = told(&printed("gitfaas demo", &output));
    assert_eq!(shown, said);
    assert_eq!(said.0.len(), 22, "each of the eleven runs answers and succeeds");
}
