//! A new function, made in a directory as somebody types it.

use std::path::PathBuf;

use super::*;
use crate::cli::{Cli, Command};
use clap::Parser as _;
use gitfaas_core::template::Template;

struct Directory(tempfile::TempDir);

impl Directory {
    fn new() -> Self {
        Self(tempfile::tempdir().expect("a folder"))
    }

    fn path(&self, file: &str) -> PathBuf {
        self.0.path().join(file)
    }

    fn read(&self, file: &str) -> String {
        fs::read_to_string(self.path(file)).expect(file)
    }

    fn make(&self, typed: &str) -> anyhow::Result<Outcome> {
        let typed = format!("gitfaas new function {typed} -o json --dir {}", self.0.path().display());
        let Command::New(cli::New::Function(arguments)) = Cli::parse_from(typed.split(' ')).command else {
            panic!("new function")
        };
        function(&arguments)
    }
}

#[test]
fn every_language_with_every_option_gives_a_template_that_compiles() {
    let directory = Directory::new();
    for (name, options) in [
        ("plain", ""),
        ("snake", " --lang python --volume 2Gi --retries 3 --ttl 60"),
        ("green", " --lang node --image registry.example/node:1"),
    ] {
        directory.make(&format!("{name} --topic orders{options}")).expect("made");
        let manifest = directory.read(&format!("{name}.yaml"));
        let path = format!("{name}.yaml").parse().expect("a path");
        let template = Template::compile(&path, manifest.as_bytes()).expect("it compiles");
        assert_eq!(template.headers()[0].kind.as_deref(), Some("Job"));
    }
    let snake = directory.read("snake.yaml");
    for said in ["backoffLimit: 3", "ttlSecondsAfterFinished: 60", "storage: 2Gi", "functions/snake.py"] {
        assert!(snake.contains(said), "{said}: {snake}");
    }
    assert!(directory.read("green.yaml").contains("registry.example/node:1"));
    let config: serde_json::Value = serde_json::from_str(&directory.read("config.json")).expect("it is JSON");
    assert_eq!(
        config,
        serde_json::json!({ "topics": [{ "name": "orders", "configs": ["plain.yaml", "snake.yaml", "green.yaml"] }] })
    );
}

#[test]
fn nothing_that_is_there_is_touched_when_it_cannot_be_done() {
    let directory = Directory::new();
    let config = "{\"topics\": [{\"name\": \"a\", \"confgs\": []}]}";
    fs::write(directory.path("config.json"), config).expect("written");
    let error = directory.make("f --topic a").expect_err("the config file is wrong");
    assert!(format!("{error:#}").contains("confgs"), "{error:#}");
    fs::write(directory.path("config.json"), "{\"topics\": []}").expect("written");
    fs::write(directory.path("f.yaml"), "mine").expect("written");
    let error = directory.make("f --topic a").expect_err("the file is there");
    assert!(error.to_string().contains("f.yaml exists"), "{error:#}");
    assert_eq!((directory.read("f.yaml"), directory.read("config.json")), ("mine".into(), "{\"topics\": []}".into()));
    assert!(!directory.path("functions").exists());
}

#[test]
fn what_was_made_before_something_failed_is_taken_away_again() {
    let directory = Directory::new();
    let left = |directory: &Directory| {
        let entries = fs::read_dir(directory.0.path()).expect("a folder");
        let mut names: Vec<_> = entries.map(|entry| entry.expect("an entry").file_name()).collect();
        names.sort();
        names
    };
    // The config file comes last, and its folder is not there.
    directory.make("f --topic a --config-path elsewhere/config.json").expect_err("no folder");
    assert!(left(&directory).is_empty(), "{:?}", left(&directory));
    // The program comes after the manifest, and its folder is a file.
    fs::write(directory.path("functions"), "mine").expect("written");
    let error = directory.make("f --topic a").expect_err("no folder");
    assert!(format!("{error:#}").contains("functions/f.sh"), "{error:#}");
    assert_eq!((left(&directory), directory.read("functions")), (vec!["functions".into()], "mine".into()));
    fs::remove_file(directory.path("functions")).expect("removed");
    // A folder that was there before stays.
    fs::create_dir(directory.path("functions")).expect("made");
    directory.make("f --topic a --config-path elsewhere/config.json").expect_err("no folder");
    assert_eq!(left(&directory), ["functions"]);
    assert_eq!(fs::read_dir(directory.path("functions")).expect("a folder").count(), 0);
}

#[test]
fn no_manifest_is_made_that_would_be_taken_for_the_config_file() {
    let directory = Directory::new();
    fs::write(directory.path("config.json"), "{\"topics\": []}").expect("written");
    for typed in ["config --topic a", "f --topic a --config-path f.yaml", "f --topic a --config-path ./f.yaml"] {
        let error = directory.make(typed).expect_err(typed);
        let Usage(why) = error.downcast_ref().expect(typed);
        assert!(why.contains("would be taken for the config file"), "{typed}: {why}");
    }
    assert_eq!(directory.read("config.json"), "{\"topics\": []}");
    assert!(!directory.path("config.yaml").exists() && !directory.path("functions").exists());
}

#[test]
fn no_second_config_file_is_made_beside_one_in_yaml() {
    let directory = Directory::new();
    fs::write(directory.path("config.yaml"), "topics: []\n").expect("written");
    let error = directory.make("f --topic a").expect_err("it is YAML");
    assert!(error.to_string().contains("config.yaml") && !directory.path("config.json").exists(), "{error:#}");
}

#[test]
fn what_cannot_be_a_name_is_refused() {
    for name in ["A", "a_b", "-a", "a/b", "..", &"a".repeat(51)] {
        let typed = format!("gitfaas new function {name} --topic t");
        assert!(Cli::try_parse_from(typed.split(' ')).is_err(), "{name}");
    }
    assert!(Cli::try_parse_from("gitfaas new function f --topic t --volume lots".split(' ')).is_err());
}
