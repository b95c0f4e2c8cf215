//! What can be typed, and what is refused.

use std::time::Duration;

use super::*;

fn parse(arguments: &str) -> Result<Command, clap::Error> {
    Cli::try_parse_from(std::iter::once("gitfaas").chain(arguments.split(' '))).map(|cli| cli.command)
}

#[test]
fn the_tree_of_commands_is_consistent() {
    Cli::command().debug_assert();
}

#[test]
fn publish_takes_data_params_and_a_type_in_any_order() {
    let typed = "publish -p a=1 orders -d @in.json --param b=x=y -H text/csv --wait --timeout 5m";
    let Ok(Command::Publish(publish)) = parse(typed) else { panic!("publish") };
    assert_eq!(publish.topic.as_str(), "orders");
    assert_eq!(publish.message.data, Some(Data::File("in.json".into())));
    assert_eq!(publish.message.params, [("a".to_owned(), "1".to_owned()), ("b".to_owned(), "x=y".to_owned())]);
    assert_eq!(publish.message.content_type.as_deref(), Some("text/csv"));
    assert_eq!(publish.timeout, Some(Duration::from_mins(5)));
    assert!(publish.wait && !publish.follow);
}

#[test]
fn a_message_may_begin_with_a_hyphen() {
    let Ok(Command::Publish(publish)) = parse("publish t -d -5") else { panic!("publish") };
    assert_eq!(publish.message.data, Some(Data::Text("-5".to_owned())));
}

#[test]
fn nonsense_is_a_usage_error() {
    for typed in [
        "publish",
        "publish a/b",
        "publish t -p x",
        "publish t --wait --timeout soon",
        "publish t --timeout 5",
        "dev --max-body 0",
        "get nothing",
        "list --phase done",
        "list --limit 0",
        "topics --token secret",
        "serve --git-branch a --git-tag b",
        "serve --git-client-key a",
        "dev . --listen 5000",
        "render t -o table",
    ] {
        let error = parse(typed).expect_err(typed);
        assert_eq!(error.exit_code(), 2, "{typed}: {error}");
    }
}

#[test]
fn the_token_is_never_an_argument() {
    let mut command = Cli::command();
    for subcommand in command.get_subcommands_mut() {
        assert!(subcommand.get_arguments().all(|argument| argument.get_long() != Some("token")));
    }
}

#[test]
fn help_tells_the_exit_codes_and_hides_what_is_not_for_people() {
    let help = Cli::command().render_help().to_string();
    assert!(help.contains("Exit codes:"), "{help}");
    assert!(!help.contains("supervise"), "{help}");
}

#[test]
fn dev_and_serve_listen_where_they_should() {
    let Ok(Command::Dev(dev)) = parse("dev functions --data state") else { panic!("dev") };
    assert_eq!((dev.dir, dev.settings.data.data), ("functions".into(), Some("state".into())));
    assert!(dev.listen.ip().is_loopback());
    let Ok(Command::Serve(serve)) = parse("serve --dir f --banned-kinds Role,RoleBinding --banned-kinds Secret") else {
        panic!("serve")
    };
    assert!(serve.listen.ip().is_unspecified());
    assert_eq!((serve.settings.http.max_body, serve.settings.runs.retention), (1_048_576, Duration::from_hours(48)));
    assert_eq!(serve.settings.policy.banned_kinds, Some(vec!["Role,RoleBinding".to_owned(), "Secret".to_owned()]));
}
