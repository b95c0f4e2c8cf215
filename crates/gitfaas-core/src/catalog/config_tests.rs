use proptest::prelude::*;
use rstest::rstest;

use super::*;

#[path = "config_tests/mistakes.rs"]
mod mistakes;

const FILE_NAME: &str = "folder/topics.json";

fn parse(text: &str) -> Result<Config, Vec<Problem>> {
    Config::parse(FILE_NAME, text.as_bytes())
}

/// The problems as people read them, without the file's name.
fn told(bytes: &[u8]) -> Vec<String> {
    let problems = Config::parse(FILE_NAME, bytes).expect_err("a mistake");
    let told = problems.iter().map(Problem::to_string);
    told.map(|text| text.strip_prefix("folder/topics.json:").expect("the file").to_owned()).collect()
}

#[test]
fn the_seed_s_form_is_read_in_order_and_with_positions() {
    let config = parse(
        r#"{
    "topics":[
        {
            "name": "timeToCollect",
            "configs": [
                "collect.yaml"
            ]
        },
        {"configs": ["audit/log.yaml", "collect.yaml"], "name": "météo"}
    ]
}"#,
    )
    .expect("right");
    let at = |line, column| Position { line, column };
    let path = |text: &str| text.parse::<FunctionName>().expect("a path");
    assert_eq!(
        config.topics,
        [
            TopicConfig {
                name: "timeToCollect".parse().expect("a name"),
                position: at(4, 21),
                functions: vec![(path("collect.yaml"), at(6, 17))],
                rules: TopicRules::default(),
                params: Vec::new(),
                publishes: Vec::new(),
                schema: None,
            },
            TopicConfig {
                name: "météo".parse().expect("a name"),
                position: at(9, 65),
                functions: vec![(path("audit/log.yaml"), at(9, 22)), (path("collect.yaml"), at(9, 40))],
                rules: TopicRules::default(),
                params: Vec::new(),
                publishes: Vec::new(),
                schema: None,
            },
        ]
    );
    assert_eq!(config.paths().into_iter().collect::<Vec<_>>(), [&path("audit/log.yaml"), &path("collect.yaml")]);
}

#[test]
fn a_file_without_topics_is_right() {
    assert_eq!(parse(r#" {"topics": []} "#), Ok(Config { topics: Vec::new() }));
}

#[rstest]
#[case::empty("", "1:1: the file is empty (the least it can say is {\"topics\": []})")]
#[case::blank(" \n\t\n", "1:1: the file is empty (the least it can say is {\"topics\": []})")]
#[case::bom(
    "\u{feff}{\"topics\": []}",
    "1:1: the file begins with a byte order mark, which JSON does not allow (save it as UTF-8 without BOM)"
)]
#[case::never_closed("{\n  \"topics\": [", "2:13: this `[` is never closed (add the missing `]`)")]
#[case::object_never_closed("{\"topics\": []\n", "1:1: this `{` is never closed (add the missing `}`)")]
#[case::string_never_closed("{\"topics: []}", "1:2: this string is never closed (add the missing `\"`)")]
#[case::no_value("{\"topics\":", "1:11: expected a value after `:`, found the end of the file")]
#[case::wrong_value("{\"topics\": }", "1:12: expected a value, found `}`")]
#[case::no_colon("{\"topics\" []}", "1:11: expected `:` after the key, found `[`")]
#[case::rest("{\"topics\": []}\n}", "2:1: expected the end of the file, found `}`")]
#[case::word("{\"topics\": none\n}", "1:12: expected a value, found the word `none` (write \"…\")")]
#[case::number("{\"topics\": -}", "1:13: this is not a number of JSON")]
#[case::not_json("hello", "1:1: expected a value, found the word `hello` (write \"…\")")]
#[case::yaml("topics:\n- name: a\n", "1:1: expected a value, found the word `topics` (write \"…\")")]
#[case::control(
    "{\"topics\": [{\"name\": \"a\", \"configs\": [\"b\"]}]\u{c}}",
    "1:45: this is not JSON: expected `,` or `}`"
)]
#[case::no_object("[]", "1:1: the config file must be an object such as {\"topics\": []}, not a list")]
#[case::null("null", "1:1: the config file must be an object such as {\"topics\": []}, not null")]
#[case::nothing("{}", "1:1: the config file needs the key `topics`")]
#[case::topics_type("{\"topics\": {}}", "1:12: `topics` must be a list, not an object")]
#[case::later_file_key(
    "{\"topics\": [], \"runtimes\": {}}",
    "1:16: the key `runtimes` of the config file is not supported by this version"
)]
#[case::misspelt_file_key("{\"Topics\": []}", "1:2: the config file has no key `Topics` (did you mean `topics`?)")]
#[case::twice_a_key("{\"topics\": [],\n \"topics\": []}", "2:2: the key `topics` is given twice (first in line 1)")]
#[case::twice_a_key_by_escape(
    "{\"topics\": [],\n \"t\\u006fpics\": []}",
    "2:2: the key `topics` is given twice (first in line 1)"
)]
fn a_mistake_in_the_file_is_told_with_its_place(#[case] text: &str, #[case] expected: &str) {
    assert_eq!(told(text.as_bytes()), [expected]);
}

#[rstest]
#[case::topic_type("7", "1:13: a topic must be an object such as {\"name\": …, \"configs\": […]}, not a number")]
#[case::no_name("{\"configs\": [\"a\"]}", "1:13: a topic needs the key `name`")]
#[case::no_configs("{\"name\": \"a\"}", "1:13: a topic needs the key `configs`")]
#[case::name_type("{\"name\": 1, \"configs\": [\"a\"]}", "1:22: the `name` of a topic must be a string, not a number")]
#[case::name_empty("{\"name\": \"\", \"configs\": [\"a\"]}", "1:22: a topic needs a name")]
#[case::name_blank(
    "{\"name\": \"é a\", \"configs\": [\"a\"]}",
    "1:22: `é a` is not a topic name: ' ' is not allowed (letters, digits, and -_.:~ are)"
)]
#[case::configs_type(
    "{\"name\": \"é\", \"configs\": \"a\"}",
    "1:38: `configs` must be a list of paths such as [\"collect.yaml\"], not a string"
)]
#[case::configs_empty(
    "{\"name\": \"a\", \"configs\": []}",
    "1:38: `configs` is empty, so nothing listens to this topic (list a template, or take the topic out)"
)]
#[case::path_type(
    "{\"name\": \"a\", \"configs\": [true]}",
    "1:39: an entry of `configs` must be the path of a template, not true or false"
)]
#[case::path_empty("{\"name\": \"a\", \"configs\": [\"\"]}", "1:39: a function needs a name")]
#[case::path_absolute(
    "{\"name\": \"a\", \"configs\": [\"/a\"]}",
    "1:39: `/a` is not a path inside the repository: it is absolute; write it from the repository's root, without the first `/`"
)]
#[case::path_climbs(
    "{\"name\": \"a\", \"configs\": [\"../a\"]}",
    "1:39: `../a` is not a path inside the repository: `..` would leave it"
)]
#[case::path_backslash(
    "{\"name\": \"a\", \"configs\": [\"a\\\\b\"]}",
    "1:39: `a\\b` is not a path inside the repository: it has a backslash; folders are separated by `/`"
)]
#[case::path_escape(
    "{\"name\": \"a\", \"configs\": [\"a\\c\"]}",
    "1:41: this escape is not one of JSON's (write `\\\\` for a backslash)"
)]
#[case::path_twice(
    "{\"name\": \"a\", \"configs\": [\"a\", \"b\",\n\"a\"]}",
    "2:1: `a` is listed twice in this topic (first in line 1)"
)]
#[case::unknown_key(
    "{\"name\": \"a\", \"configs\": [\"a\"], \"x\": 1}",
    "1:45: a topic has no key `x` (a topic has `name`, `configs`, `params`, `message`, `concurrency`, `paused` and `publishes`)"
)]
#[case::misspelt_key(
    "{\"name\": \"a\", \"config\": [\"a\"]}",
    "1:27: a topic has no key `config` (did you mean `configs`?)"
)]
#[case::near_later_key(
    "{\"name\": \"a\", \"configs\": [\"a\"], \"pausd\": true}",
    "1:45: a topic has no key `pausd` (did you mean `paused`?)"
)]
#[case::later_key(
    "{\"name\": \"a\", \"configs\": [\"a\"], \"functions\": []}",
    "1:45: the key `functions` of a topic is not supported by this version"
)]
#[case::invisible_key(
    "{\"name\": \"a\", \"configs\": [\"a\"], \"\\u001b[31m\": 5}",
    "1:45: a topic has no key `\\u{1b}[31m` (a topic has `name`, `configs`, `params`, `message`, `concurrency`, `paused` and `publishes`)"
)]
#[case::missing_comma("{\"name\": \"a\" \"configs\": [\"a\"]}", "1:25: expected a comma or a closing bracket")]
#[case::trailing_comma(
    "{\"name\": \"a\", \"configs\": [\"a\",]}",
    "1:42: a comma before the closing bracket is not allowed in JSON (take it out)"
)]
#[case::comment(
    "/* mine */ {\"name\": \"a\", \"configs\": [\"a\"]}",
    "1:13: a comment is not allowed in JSON (take it out)"
)]
#[case::line_comment(
    "{\"name\": \"a\", // mine\n\"configs\": [\"a\"]}",
    "1:27: a comment is not allowed in JSON (take it out)"
)]
#[case::single_quotes(
    "{'name': \"a\", \"configs\": [\"a\"]}",
    "1:14: expected a double quote, found `'` (write \"…\")"
)]
#[case::bare_key("{name: \"a\", \"configs\": [\"a\"]}", "1:14: expected a double quote, found `n` (write \"…\")")]
fn a_mistake_in_a_topic_is_told_with_its_place(#[case] topic: &str, #[case] expected: &str) {
    assert_eq!(told(format!("{{\"topics\": [{topic}]}}").as_bytes()), [expected]);
}

#[test]
fn the_rules_of_a_topic_are_read() {
    let topic = r#"{"name": "a", "configs": ["b"], "concurrency": 5, "paused": true, "publishes": ["b", "c-*"],
        "params": {
            "replicas": {"type": "integer", "minimum": 1, "maximum": 10, "default": 2, "description": "how many"},
            "size": {"type": "string", "enum": ["small", "large"]},
            "ratio": {"type": "number", "maximum": 0.5},
            "day": {"type": "string", "minLength": 10, "maxLength": 10, "pattern": "^[0-9-]+$"},
            "dry": {"type": "boolean", "default": false}
        }}"#;
    let config = parse(&format!("{{\"$schema\": \"./config.schema.json\", \"topics\": [{topic}]}}")).expect("right");
    let topic = &config.topics[0];
    let text = serde_json::to_value(&topic.rules).expect("JSON");
    let expected = serde_json::json!({
        "concurrency": 5,
        "paused": true,
        "publishes": ["b", "c-*"],
        "params": {
            "day": {"type": "string", "minLength": 10, "maxLength": 10, "pattern": "^[0-9-]+$"},
            "dry": {"type": "boolean", "default": "false"},
            "ratio": {"type": "number", "maximum": "0.5"},
            "replicas": {
                "type": "integer", "minimum": "1", "maximum": "10", "default": "2", "description": "how many"
            },
            "size": {"type": "string", "enum": ["small", "large"]},
        },
    });
    assert_eq!(text, expected);
    assert_eq!(serde_json::from_value::<TopicRules>(text).expect("rules"), topic.rules);
    assert_eq!(topic.params[0], ("replicas".to_owned(), Position { line: 3, column: 13 }));
    assert_eq!(topic.publishes[1].1, Position { line: 1, column: 133 });
}
