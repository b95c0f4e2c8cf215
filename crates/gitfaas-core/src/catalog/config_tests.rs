use proptest::prelude::*;
use rstest::rstest;

use super::*;

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
            },
            TopicConfig {
                name: "météo".parse().expect("a name"),
                position: at(9, 65),
                functions: vec![(path("audit/log.yaml"), at(9, 22)), (path("collect.yaml"), at(9, 40))],
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
    "1:45: a topic has no key `x` (a topic has `name` and `configs`)"
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
    "{\"name\": \"a\", \"configs\": [\"a\"], \"concurrency\": 5}",
    "1:45: the key `concurrency` of a topic is not supported by this version"
)]
#[case::invisible_key(
    "{\"name\": \"a\", \"configs\": [\"a\"], \"\\u001b[31m\": 5}",
    "1:45: a topic has no key `\\u{1b}[31m` (a topic has `name` and `configs`)"
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
fn all_mistakes_are_told_at_once_in_the_order_of_the_file() {
    let text = r#"{"topics": [
  {"name": "collect", "configs": ["/etc/passwd", "a.yaml", "a.yaml"], "colour": "red"},
  {"name": "a b"},
  {"name": "collect", "configs": [], "params": {}}, // why not
  17,
], "runtime": {}}"#;
    assert_eq!(
        told(text.as_bytes()),
        [
            "2:35: `/etc/passwd` is not a path inside the repository: it is absolute; write it from the repository's root, without the first `/`",
            "2:60: `a.yaml` is listed twice in this topic (first in line 2)",
            "2:71: a topic has no key `colour` (a topic has `name` and `configs`)",
            "3:3: a topic needs the key `configs`",
            "3:12: `a b` is not a topic name: ' ' is not allowed (letters, digits, and -_.:~ are)",
            "4:12: the topic `collect` is given twice (first in line 2) (put all its templates into one `configs` list)",
            "4:34: `configs` is empty, so nothing listens to this topic (list a template, or take the topic out)",
            "4:38: the key `params` of a topic is not supported by this version",
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
