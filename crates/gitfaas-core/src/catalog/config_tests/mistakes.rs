//! Mistakes in a config file, and how they are told; the file as YAML.

use super::*;

#[rstest]
#[case::no_limit("\"concurrency\": 0", "1:60: `concurrency` must be a whole number from 1 to 1000000")]
#[case::half_a_limit("\"concurrency\": 1.5", "1:60: `concurrency` must be a whole number from 1 to 1000000")]
#[case::text_as_limit("\"concurrency\": \"5\"", "1:60: `concurrency` must be a number, not a string")]
#[case::paused_by_word("\"paused\": \"yes\"", "1:55: `paused` must be true or false, not a string")]
#[case::one_topic(
    "\"publishes\": \"b\"",
    "1:58: `publishes` must be a list of topics such as [\"uncompress\", \"audit-*\"], not a string"
)]
#[case::no_glob(
    "\"publishes\": [\"[ab]\"]",
    "1:59: `[ab]` is not a topic name: '[' is not allowed (letters, digits, and -_.:~ are)"
)]
#[case::no_type("\"params\": {\"a\": {}}", "1:61: a parameter needs the key `type`")]
#[case::unknown_type(
    "\"params\": {\"a\": {\"type\": \"int\"}}",
    "1:70: there is no type `int` (write one of `string`, `integer`, `number`, `boolean`)"
)]
#[case::misspelt_type(
    "\"params\": {\"a\": {\"type\": \"interger\"}}",
    "1:70: there is no type `interger` (did you mean `integer`?)"
)]
#[case::reserved(
    "\"params\": {\"RANDOM\": {\"type\": \"string\"}}",
    "1:56: the parameter `RANDOM` is reserved for gitfaas itself (give it another name)"
)]
#[case::no_name(
    "\"params\": {\"a-b\": {\"type\": \"string\"}}",
    "1:56: `a-b` is not the name of a parameter (letters, digits and `_` are allowed, and the first is no digit)"
)]
#[case::twice(
    "\"params\": {\"a\": {\"type\": \"string\"},\n\"a\": {\"type\": \"string\"}}",
    "2:1: the parameter `a` is given twice (first in line 1)"
)]
#[case::misspelt_bound(
    "\"params\": {\"a\": {\"type\": \"integer\", \"minimun\": 1}}",
    "1:81: a parameter has no key `minimun` (did you mean `minimum`?)"
)]
#[case::bound_of_text(
    "\"params\": {\"a\": {\"type\": \"string\", \"minimum\": 1}}",
    "1:80: `minimum` is for a parameter of type integer or number, and this is string (take it out, or change the type)"
)]
#[case::text_as_bound(
    "\"params\": {\"a\": {\"type\": \"integer\", \"minimum\": \"1\"}}",
    "1:92: `minimum` of a parameter of type integer must be a number, not a string"
)]
#[case::nothing_between(
    "\"params\": {\"a\": {\"type\": \"integer\", \"minimum\": 10, \"maximum\": 9}}",
    "1:81: `minimum` is more than `maximum`, so no value is allowed"
)]
#[case::bad_pattern(
    "\"params\": {\"a\": {\"type\": \"string\", \"pattern\": \"(\"}}",
    "1:91: `pattern` is not a regular expression: unclosed group"
)]
#[case::no_choice(
    "\"params\": {\"a\": {\"type\": \"string\", \"enum\": []}}",
    "1:88: `enum` must have between 1 and 1000 values"
)]
#[case::default_type(
    "\"params\": {\"a\": {\"type\": \"integer\", \"default\": \"7\"}}",
    "1:92: `default` of a parameter of type integer must be a number, not a string"
)]
#[case::default_beyond(
    "\"params\": {\"a\": {\"type\": \"integer\", \"maximum\": 5, \"default\": 7}}",
    "1:106: the default has to be 5 or less, like every value of this parameter"
)]
fn a_mistake_in_the_rules_is_told_with_its_place(#[case] rule: &str, #[case] expected: &str) {
    let text = format!("{{\"topics\": [{{\"name\": \"a\", \"configs\": [\"a\"], {rule}}}]}}");
    assert_eq!(told(text.as_bytes()), [expected]);
}

fn parse_yaml(text: &str) -> Result<Config, Vec<Problem>> {
    Config::parse("folder/topics.yaml", text.as_bytes())
}

#[test]
fn a_config_file_in_yaml_says_the_same() {
    let yaml = "# what listens to what\ntopics:\n- name: collect\n  configs: [a.yaml]\n  concurrency: 2\n  params:\n    day: {type: string, default: '2026-11-24'}\n";
    let json = r#"{"topics": [{"name": "collect", "configs": ["a.yaml"], "concurrency": 2,
        "params": {"day": {"type": "string", "default": "2026-11-24"}}}]}"#;
    let (yaml, json) = (parse_yaml(yaml).expect("right"), parse(json).expect("right"));
    assert_eq!((&yaml.topics[0].name, &yaml.topics[0].rules), (&json.topics[0].name, &json.topics[0].rules));
    assert_eq!(yaml.topics[0].functions[0].1, Position { line: 4, column: 13 });
}

#[rstest]
#[case("", "folder/topics.yaml: the file is empty (the least it can say is `topics: []`)")]
#[case(
    "topics: []\n---\ntopics: []\n",
    "folder/topics.yaml:3:1: a second document begins here; the config file is one (put all topics into one `topics` list)"
)]
#[case("topics: [\n", "folder/topics.yaml:1:9: unclosed bracket '['")]
#[case(
    "topics:\n- name: a\n  config: [b]\n",
    "folder/topics.yaml:3:3: a topic has no key `config` (did you mean `configs`?)"
)]
#[case(
    "topics:\n- name: yes\n  configs: [b]\n",
    "folder/topics.yaml:2:9: the `name` of a topic must be a string, not true or false"
)]
fn a_mistake_in_yaml_is_told_with_its_place(#[case] text: &str, #[case] expected: &str) {
    let problems = parse_yaml(text).expect_err("a mistake");
    assert_eq!(problems.iter().map(ToString::to_string).collect::<Vec<_>>(), [expected]);
}

#[test]
fn all_mistakes_are_told_at_once_in_the_order_of_the_file() {
    let text = r#"{"topics": [
  {"name": "collect", "configs": ["/etc/passwd", "a.yaml", "a.yaml"], "colour": "red"},
  {"name": "a b"},
  {"name": "collect", "configs": [], "params": []}, // why not
  17,
], "runtime": {}}"#;
    assert_eq!(
        told(text.as_bytes()),
        [
            "2:35: `/etc/passwd` is not a path inside the repository: it is absolute; write it from the repository's root, without the first `/`",
            "2:60: `a.yaml` is listed twice in this topic (first in line 2)",
            "2:71: a topic has no key `colour` (a topic has `name`, `configs`, `params`, `message`, `concurrency`, `paused` and `publishes`)",
            "3:3: a topic needs the key `configs`",
            "3:12: `a b` is not a topic name: ' ' is not allowed (letters, digits, and -_.:~ are)",
            "4:12: the topic `collect` is given twice (first in line 2) (put all its templates into one `configs` list)",
            "4:34: `configs` is empty, so nothing listens to this topic (list a template, or take the topic out)",
            "4:48: `params` must be an object such as {\"replicas\": {\"type\": \"integer\"}}, not a list",
            "4:53: a comment is not allowed in JSON (take it out)",
            "5:3: a topic must be an object such as {\"name\": …, \"configs\": […]}, not a number",
            "6:4: the config file has no key `runtime` (did you mean `runtimes`?)",
        ]
    );
}

#[test]
fn a_topic_name_that_is_cut_off_by_a_line_break_is_refused() {
    let told = told(b"{\"topics\": [{\"name\": \"a\nb\", \"configs\": [\"a\"]}]}");
    assert_eq!(
        told[0].split_once(": ").map(|(_, text)| text).expect("a message"),
        "`a\\nb` is not a topic name: '\\n' is not allowed (letters, digits, and -_.:~ are)"
    );
    assert!(told[1].contains("this is not JSON: control character"), "{told:?}");
}

#[rstest]
#[case(b"\xff\xfe{\x00}\x00", "1:1: the file is UTF-16 (save it as UTF-8)")]
#[case(b"{\n \"\xc3\xa9\xff\": 1}", "2:4: the byte 0xff is not UTF-8 (save the file as UTF-8)")]
#[case(b"{\"topics\": [\xc3", "1:13: the byte 0xc3 is not UTF-8 (save the file as UTF-8)")]
fn bytes_that_are_no_text_are_told_with_their_place(#[case] bytes: &[u8], #[case] expected: &str) {
    assert_eq!(told(bytes), [expected]);
}

#[test]
fn two_functions_whose_runs_could_not_be_told_apart_are_refused() {
    let told = told(br#"{"topics": [{"name": "a", "configs": ["f1502.yaml", "f11188.yaml"]}]}"#);
    assert_eq!(told, ["1:53: `f11188.yaml` and `f1502.yaml` would get the same run id (rename one of them)"]);
    let apart = r#"{"topics": [{"name": "a", "configs": ["f1502.yaml"]}, {"name": "b", "configs": ["f11188.yaml"]}]}"#;
    assert!(parse(apart).is_ok());
}

#[test]
fn a_file_that_is_nested_too_deeply_is_refused() {
    for (open, close) in [("[", "]"), ("{\"a\":", "}")] {
        let text = format!("{{\"topics\": {}1{}}}", open.repeat(100_000), close.repeat(100_000));
        let told = told(text.as_bytes());
        assert!(told[0].ends_with("the file is nested too deeply"), "{}", told[0]);
    }
}

#[test]
fn a_flood_of_mistakes_is_counted_instead_of_told() {
    let text = format!("{{\"topics\": [{}]}}", vec!["1"; 50_000].join(","));
    let problems = parse(&text).expect_err("mistakes");
    assert_eq!(problems.len(), 101);
    assert_eq!(problems[100].to_string(), "folder/topics.json: 49900 more problems are not shown");
    let endless = format!("{{\"topics\": [], \"{}\": 1}}", "k".repeat(1_000_000));
    assert!(told(endless.as_bytes())[0].len() < 300);
}

/// Config files with something put in at one place, so that chance finds more than the first check.
fn nearly() -> impl Strategy<Value = String> {
    const RIGHT: &str = r#"{"topics": [{"name": "a", "configs": ["b", "c"]}, {"configs": ["d"], "name": "é"}]}"#;
    let piece = prop_oneof![
        "[\\[\\]{}:,\"'/*\\\\ \n\r\t\u{b}\u{c}\u{1f}\u{85}\u{a0}\u{2028}]{1,2}",
        "[-+.0-9eExINaf]{1,4}",
        "\"\\PC{0,3}\"",
        any::<char>().prop_map(String::from),
    ];
    (piece, 0..RIGHT.chars().count()).prop_map(|(piece, place)| {
        let (before, after) = RIGHT.split_at(RIGHT.char_indices().nth(place).map_or(0, |(at, _)| at));
        format!("{before}{piece}{after}")
    })
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = Config::parse(FILE_NAME, &bytes);
    }

    #[test]
    fn what_is_read_is_json(text in nearly()) {
        if parse(&text).is_ok() {
            prop_assert!(serde_json::from_str::<serde_json::Value>(&text).is_ok());
        }
    }

    #[test]
    fn strings_are_read_as_other_tools_read_them(name in "[a-zé\u{1f600}\u{e000}0-9 .\"/]{1,12}") {
        let text = serde_json::json!({"topics": [{"name": "a", "configs": [name]}]}).to_string();
        if let Ok(config) = parse(&text) {
            prop_assert_eq!(config.topics[0].functions[0].0.as_str(), name);
        }
    }
}
