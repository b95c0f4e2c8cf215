//! What a file of settings may say, and how it is told what is wrong.

use std::time::Duration;

use super::*;
use crate::cli::{Cli, Command as Typed, LogFormat, Settings};
use clap::{CommandFactory as _, FromArgMatches as _};

struct File {
    folder: tempfile::TempDir,
}

impl File {
    fn with(text: &str) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::write(folder.path().join("gitfaas.toml"), text).expect("written");
        Self { folder }
    }

    fn path(&self) -> String {
        self.folder.path().join("gitfaas.toml").display().to_string()
    }

    fn parse(&self, typed: &str) -> anyhow::Result<Typed> {
        let typed = format!("gitfaas {typed} --config {}", self.path());
        let arguments: Vec<OsString> = typed.split(' ').map(OsString::from).collect();
        let commands = with_defaults(Cli::command(), &arguments)?;
        Ok(Cli::from_arg_matches(&commands.try_get_matches_from(arguments)?)?.command)
    }

    /// What is said about the file, as a terminal without colours shows it.
    fn complaint(&self, typed: &str) -> String {
        let error = self.parse(typed).expect_err("it is wrong");
        let drawn = &error.downcast_ref::<WrongFile>().expect("the file").0;
        let folder = format!("{}/", self.folder.path().display());
        anstream::adapter::strip_str(drawn).to_string().replace(&folder, "")
    }
}

fn serve(typed: anyhow::Result<Typed>) -> (PathBuf, Settings) {
    match typed.expect("it is right") {
        Typed::Serve(serve) => (serve.dir.expect("a directory"), serve.settings),
        other => panic!("serve, not {other:?}"),
    }
}

#[test]
fn the_file_stands_in_for_what_is_built_in_and_a_flag_goes_before_it() {
    let file = File::with(
        "dir = \"functions\"\nmax-body = 2048\nretention = \"3h\"\nlog-format = \"json\"\nbanned-kinds = [\"Role\", \"Secret\"]\n",
    );
    let (dir, settings) = serve(file.parse("serve --retention 5h"));
    assert_eq!(dir, Path::new("functions"));
    assert_eq!(settings.http.max_body, 2048);
    assert_eq!(settings.runs.retention, Duration::from_hours(5));
    assert_eq!(settings.logging.log_format, LogFormat::Json);
    assert_eq!(settings.policy.banned_kinds, Some(vec!["Role".to_owned(), "Secret".to_owned()]));
    assert_eq!(settings.runs.dispatches, 64, "what it does not name is as built in");
}

#[test]
fn one_file_is_for_every_command_that_takes_one() {
    let file = File::with("dir = \"functions\"\nbanned-kinds = []\nmax-body = 7\ngrace = \"3s\"\n");
    let Ok(Typed::Lint(lint)) = file.parse("lint") else { panic!("lint") };
    assert_eq!((lint.dir.as_path(), lint.policy.banned_kinds), (Path::new("functions"), Some(vec![String::new()])));
    let Ok(Typed::Dev(dev)) = file.parse("dev elsewhere") else { panic!("dev") };
    assert_eq!((dev.dir.as_path(), dev.grace), (Path::new("elsewhere"), Duration::from_secs(3)));
}

#[test]
fn the_data_folder_of_a_server_is_no_message() {
    let file = File::with("data = \"/var/lib/gitfaas\"\ndir = \"functions\"\n");
    let Ok(Typed::Render(render)) = file.parse("render t") else { panic!("render") };
    assert_eq!((render.dir.as_path(), render.message.data), (Path::new("functions"), None));
    let Ok(Typed::Render(render)) = file.parse("render t -d hello") else { panic!("render") };
    assert!(render.message.data.is_some());
}

#[test]
fn what_has_the_id_of_a_setting_has_its_meaning_in_every_command_that_takes_a_file() {
    let commands = Cli::command();
    let known = settings(&commands);
    let readers =
        || commands.get_subcommands().filter(|command| command.get_arguments().any(|flag| flag.get_id() == FLAG));
    assert!(readers().count() > SERVERS.len());
    for command in readers() {
        for flag in command.get_arguments() {
            let Some(setting) = known.iter().find(|setting| setting.get_id() == flag.get_id()) else { continue };
            let what = format!("{} of {}", flag.get_id(), command.get_name());
            assert!(flag.is_positional() || flag.get_long() == Some(key(setting).as_str()), "{what}");
            assert!(flag.get_value_parser().type_id() == setting.get_value_parser().type_id(), "{what}");
        }
    }
}

#[test]
fn an_unknown_setting_is_shown_where_it_stands_with_what_was_meant() {
    let file = File::with("# mine\nmax-bdy = 1\n\n[http]\nport = 1\n");
    insta::assert_snapshot!(file.complaint("serve --dir ."), @r"
    error: there is no setting `max-bdy`
     --> gitfaas.toml:2:1
      |
    2 | max-bdy = 1
      | ^^^^^^^
      |
      = help: did you mean `max-body`?

    error: there is no setting `http`
     --> gitfaas.toml:4:2
      |
    4 | [http]
      |  ^^^^
      |
      = help: docs/configuration.md, or `gitfaas docs config`, lists them all
    ");
}

#[test]
fn a_wrong_value_is_told_in_the_words_of_its_flag() {
    let file = File::with(
        "max-body = 0\nretention = \"soon\"\nlog-format = \"xml\"\nlisten = [\"127.0.0.1:1\", \"127.0.0.1:2\"]\ndata = {}\n",
    );
    insta::assert_snapshot!(file.complaint("serve --dir ."), @r#"
    error: `max-body`: 0 is not in 1..=1073741824
     --> gitfaas.toml:1:12
      |
    1 | max-body = 0
      |            ^

    error: `retention`: write it as seconds, or as 90s, 5m, 1h30m
     --> gitfaas.toml:2:14
      |
    2 | retention = "soon"
      |              ^^^^

    error: `log-format`: write one of text, json
     --> gitfaas.toml:3:15
      |
    3 | log-format = "xml"
      |               ^^^

    error: `listen`: write one value, not a list
     --> gitfaas.toml:4:10
      |
    4 | listen = ["127.0.0.1:1", "127.0.0.1:2"]
      |          ^

    error: `data`: write one value, or a list of them
     --> gitfaas.toml:5:8
      |
    5 | data = {}
      |        ^
    "#);
}

#[test]
fn what_is_not_toml_is_shown() {
    let file = File::with("max-body = 1\nretention = 3h\n");
    let said = file.complaint("serve --dir .");
    assert!(said.contains("gitfaas.toml:2:") && said.contains("not TOML"), "{said}");
    let twice = File::with("max-body = 1\nmax-body = 2\n").complaint("serve --dir .");
    assert!(twice.contains("gitfaas.toml:2:1"), "{twice}");
}

#[test]
fn a_file_that_is_not_there_is_an_error() {
    let file = File::with("");
    std::fs::remove_file(file.path()).expect("removed");
    let error = format!("{:#}", file.parse("serve --dir .").expect_err("it is gone"));
    assert!(error.contains("cannot read the settings in") && error.contains("gitfaas.toml"), "{error}");
}

#[test]
fn what_is_wrong_at_the_command_line_is_still_told_by_clap() {
    let file = File::with("max-body = 1\n");
    let error = file.parse("serve --dir . --max-body 0").expect_err("it is wrong");
    assert!(error.downcast_ref::<clap::Error>().is_some(), "{error:#}");
}

#[test]
fn every_setting_has_a_flag_a_variable_and_a_key_of_one_name() {
    let commands = Cli::command();
    let known = settings(&commands);
    assert!(known.len() > 15, "{}", known.len());
    for flag in known {
        let key = key(flag);
        let variable = format!("GITFAAS_{}", key.replace('-', "_").to_uppercase());
        assert_eq!(flag.get_env().and_then(|name| name.to_str()), Some(variable.as_str()));
        assert!(flag.is_positional() || flag.get_long() == Some(key.as_str()), "{key}");
        assert!(flag.get_help().is_some(), "{key}");
    }
}

#[test]
fn every_flag_of_a_server_is_a_setting() {
    let commands = Cli::command();
    for server in SERVERS {
        let server = commands.find_subcommand(server).expect("a command");
        let odd: Vec<_> = server.get_arguments().filter(|flag| flag.get_env().is_none()).collect();
        assert!(odd.is_empty(), "{odd:?}");
    }
}
