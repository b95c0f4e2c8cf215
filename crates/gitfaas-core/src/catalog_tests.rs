use std::cell::RefCell;

use proptest::prelude::*;

use super::config::Config;
use super::*;
use crate::problem::Position;

const COLLECT: &str = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: collect-{{RANDOM}}\n";
const AUDIT: &str = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: audit-{{RANDOM}}\n";
const BROKEN: &str = "broken: [";

/// Two topics that share a template, and one of its own.
const CONFIG: &str = r#"{"topics": [
  {"name": "collect", "configs": ["collect.yaml", "audit/log.yaml"]},
  {"name": "audit", "configs": ["audit/log.yaml"]},
  {"name": "other", "configs": ["other.yaml"]}
]}"#;

fn files(files: &[(&str, &str)]) -> Files {
    let file = |(path, source): &(&str, &str)| {
        let source = match *source {
            "" => Err("does not exist".to_owned()),
            source => Ok(Bytes::copy_from_slice(source.as_bytes())),
        };
        (path.parse().expect("a path"), source)
    };
    files.iter().map(file).collect()
}

fn compile(revision: &str, config: &str, sources: &[(&str, &str)], previous: Option<&Catalog>) -> Catalog {
    let config = Config::parse("topics.json", config.as_bytes()).expect("a right config file");
    Catalog::compile(revision.to_owned(), "topics.json", &config, &files(sources), previous)
}

/// A catalog in which everything is right.
fn good(revision: &str) -> Catalog {
    compile(revision, CONFIG, &[("collect.yaml", COLLECT), ("audit/log.yaml", AUDIT), ("other.yaml", AUDIT)], None)
}

fn topic<'a>(catalog: &'a Catalog, name: &str) -> &'a Topic {
    catalog.topic(&name.parse().expect("a name")).expect("the topic")
}

fn version<'a>(catalog: &'a Catalog, name: &str) -> &'a TopicVersion {
    topic(catalog, name).version.as_ref().expect("a version")
}

/// What a topic serves: revision and sources.
fn served<'a>(catalog: &'a Catalog, name: &str) -> (&'a str, Vec<&'a [u8]>) {
    let version = version(catalog, name);
    (&version.revision, version.functions.iter().map(|function| function.template().source()).collect())
}

fn problems(catalog: &Catalog) -> Vec<String> {
    catalog.problems().into_iter().map(ToString::to_string).collect()
}

fn changes(catalog: &Catalog, previous: &Catalog) -> Vec<(String, Difference)> {
    catalog.changes(previous).into_iter().map(|change| (change.topic.to_string(), change.difference)).collect()
}

#[test]
fn functions_are_compiled_in_the_order_of_the_config_file() {
    let catalog = good("one");
    assert_eq!(catalog.revision(), "one");
    assert_eq!(catalog.topics().map(|topic| topic.name.as_str()).collect::<Vec<_>>(), ["collect", "audit", "other"]);
    assert_eq!(served(&catalog, "collect"), ("one", vec![COLLECT.as_bytes(), AUDIT.as_bytes()]));
    assert_eq!(version(&catalog, "collect").functions[1].name().as_str(), "audit/log.yaml");
    assert!(problems(&catalog).is_empty());
    assert!(catalog.topic(&"colect".parse().expect("a name")).is_none());
}

#[test]
fn a_template_of_several_topics_is_compiled_once() {
    let catalog = good("one");
    let (collect, audit) = (&version(&catalog, "collect").functions[1], &version(&catalog, "audit").functions[0]);
    assert!(Arc::ptr_eq(collect, audit));
    assert!(!Arc::ptr_eq(audit, &version(&catalog, "other").functions[0]), "another path is another function");
}

#[test]
fn what_did_not_change_is_not_compiled_again() {
    let before = good("one");
    let sources = [("collect.yaml", AUDIT), ("audit/log.yaml", AUDIT), ("other.yaml", AUDIT)];
    let after = compile("two", CONFIG, &sources, Some(&before));
    let same = |name: &str, place: usize| {
        Arc::ptr_eq(&version(&before, name).functions[place], &version(&after, name).functions[place])
    };
    assert!(same("audit", 0) && same("collect", 1) && same("other", 0));
    assert!(!same("collect", 0));
    assert_eq!(served(&after, "collect"), ("two", vec![AUDIT.as_bytes(), AUDIT.as_bytes()]));
}

#[test]
fn a_broken_topic_keeps_its_version_while_the_others_move_on() {
    let before = good("one");
    let sources = [("collect.yaml", BROKEN), ("audit/log.yaml", COLLECT), ("other.yaml", AUDIT)];
    let after = compile("two", CONFIG, &sources, Some(&before));
    assert_eq!(served(&after, "collect"), ("one", vec![COLLECT.as_bytes(), AUDIT.as_bytes()]));
    assert_eq!(served(&after, "audit"), ("two", vec![COLLECT.as_bytes()]));
    let stale = topic(&after, "collect").stale.as_ref().expect("stale");
    assert_eq!(stale.revision, "two");
    assert_eq!(stale.problems[0].file, "collect.yaml");
    assert!(stale.problems[0].position.is_some());
    assert!(topic(&after, "audit").stale.is_none() && topic(&after, "other").stale.is_none());
}

#[test]
fn a_broken_topic_stays_at_its_last_good_version_however_often_it_breaks() {
    let sources = [("collect.yaml", BROKEN), ("audit/log.yaml", COLLECT), ("other.yaml", AUDIT)];
    let two = compile("two", CONFIG, &sources, Some(&good("one")));
    let three = compile("three", CONFIG, &sources, Some(&two));
    assert_eq!(served(&three, "collect"), ("one", vec![COLLECT.as_bytes(), AUDIT.as_bytes()]));
    assert_eq!(topic(&three, "collect").stale.as_ref().expect("stale").revision, "three");
    // What the stale topic serves is still known by its bytes.
    let mended = [("collect.yaml", COLLECT), ("audit/log.yaml", AUDIT), ("other.yaml", AUDIT)];
    let four = compile("four", CONFIG, &mended, Some(&three));
    assert_eq!(served(&four, "collect").0, "four");
    assert!(Arc::ptr_eq(&version(&four, "collect").functions[1], &version(&three, "collect").functions[1]));
    assert!(topic(&four, "collect").stale.is_none());
}

#[test]
fn a_topic_that_was_never_right_has_no_version() {
    let catalog = compile("one", CONFIG, &[("collect.yaml", ""), ("audit/log.yaml", ""), ("other.yaml", AUDIT)], None);
    assert!(topic(&catalog, "collect").version.is_none() && topic(&catalog, "audit").version.is_none());
    assert_eq!(served(&catalog, "other").0, "one");
}

#[test]
fn a_missing_file_is_a_mistake_of_each_line_that_names_it() {
    let catalog = compile("one", CONFIG, &[("audit/log.yaml", ""), ("other.yaml", AUDIT)], None);
    assert_eq!(
        problems(&catalog),
        [
            "topics.json:2:35: `collect.yaml` was not read",
            "topics.json:2:51: `audit/log.yaml` does not exist",
            "topics.json:3:33: `audit/log.yaml` does not exist",
        ]
    );
}

#[test]
fn a_mistake_that_several_topics_share_is_told_once() {
    let sources = [("collect.yaml", BROKEN), ("audit/log.yaml", BROKEN), ("other.yaml", AUDIT)];
    let catalog = compile("one", CONFIG, &sources, None);
    let (collect, audit) = (topic(&catalog, "collect"), topic(&catalog, "audit"));
    let stale = |topic: &Topic| topic.stale.as_ref().expect("stale").problems.clone();
    assert!(stale(audit).iter().all(|problem| stale(collect).contains(problem)));
    let files: Vec<&str> = catalog.problems().into_iter().map(|problem| problem.file.as_str()).collect();
    assert!(files.is_sorted(), "{files:?}");
    assert_eq!(catalog.problems().len(), stale(collect).len());
}

#[test]
fn a_flood_of_mistakes_in_one_topic_is_counted_instead_of_kept() {
    let paths: Vec<String> = (0..60).map(|number| format!("{number}.yaml")).collect();
    let config = serde_json::json!({"topics": [{"name": "flood", "configs": paths}]}).to_string();
    let catalog = compile("one", &config, &[], None);
    let stale = topic(&catalog, "flood").stale.as_ref().expect("stale");
    let last = stale.problems.last().expect("problems").to_string();
    assert_eq!(stale.problems.len(), 51);
    assert!(last.ends_with(": 10 more problems of the topic `flood` are not shown"), "{last}");
}

#[test]
fn a_topic_that_left_the_config_file_is_gone() {
    let config = r#"{"topics": [{"name": "other", "configs": ["other.yaml"]}]}"#;
    let after = compile("two", config, &[("other.yaml", AUDIT)], Some(&good("one")));
    assert_eq!(after.topics().len(), 1);
}

#[test]
fn changes_are_told_topic_by_topic() {
    let nothing = Catalog::default();
    let one = good("one");
    let all = |difference| ["collect", "audit", "other"].map(|name| (name.to_owned(), difference)).to_vec();
    assert_eq!(changes(&one, &nothing), all(Difference::Added));
    assert_eq!(changes(&nothing, &one), all(Difference::Removed));
    assert_eq!(changes(&good("two"), &one), []);

    let broken = [("collect.yaml", BROKEN), ("audit/log.yaml", AUDIT), ("other.yaml", COLLECT)];
    let two = compile("two", CONFIG, &broken, Some(&one));
    let told = |name: &str, difference| (name.to_owned(), difference);
    assert_eq!(changes(&two, &one), [told("collect", Difference::Broken), told("other", Difference::Changed)]);
    let three = compile("three", CONFIG, &broken, Some(&two));
    assert_eq!(changes(&three, &two), [], "the same mistake is not news");
    let missing = [("collect.yaml", ""), ("audit/log.yaml", AUDIT), ("other.yaml", COLLECT)];
    let four = compile("four", CONFIG, &missing, Some(&three));
    assert_eq!(changes(&four, &three), [told("collect", Difference::Broken)], "another mistake is");
    assert_eq!(changes(&one, &four), [told("collect", Difference::Mended), told("other", Difference::Changed)]);
}

#[test]
fn another_order_of_functions_is_a_change() {
    let config = CONFIG.replace(r#""collect.yaml", "audit/log.yaml""#, r#""audit/log.yaml", "collect.yaml""#);
    let sources = [("collect.yaml", COLLECT), ("audit/log.yaml", AUDIT), ("other.yaml", AUDIT)];
    let two = compile("two", &config, &sources, Some(&good("one")));
    assert_eq!(changes(&two, &good("one")), [("collect".to_owned(), Difference::Changed)]);
}

/// What a store would keep of a catalog, through JSON.
fn kept(catalog: &Catalog) -> (LiveCatalog, BTreeMap<String, Bytes>) {
    let json = serde_json::to_string(&catalog.live()).expect("JSON");
    let blobs = catalog.sources().map(|(hash, source)| (hash.to_owned(), Bytes::copy_from_slice(source)));
    (serde_json::from_str(&json).expect("the same back"), blobs.collect())
}

#[test]
fn a_restart_serves_what_was_served_and_knows_why_it_is_stale() {
    let sources = [("collect.yaml", BROKEN), ("audit/log.yaml", COLLECT), ("other.yaml", AUDIT)];
    let before = compile("two", CONFIG, &sources, Some(&good("one")));
    let (live, blobs) = kept(&before);
    assert_eq!(blobs.len(), 2, "each content once");
    let loads = RefCell::new(Vec::new());
    let (after, lost) = Catalog::restore(&live, |hash| {
        loads.borrow_mut().push(hash.to_owned());
        blobs.get(hash).cloned()
    });
    assert_eq!(lost, []);
    assert_eq!(after.live(), before.live());
    assert_eq!(served(&after, "collect"), ("one", vec![COLLECT.as_bytes(), AUDIT.as_bytes()]));
    assert_eq!(problems(&after), problems(&before));
    assert_eq!(changes(&after, &before), []);
    assert_eq!(loads.borrow().len(), 4, "each function once: {loads:?}");

    let mended = [("collect.yaml", COLLECT), ("audit/log.yaml", AUDIT), ("other.yaml", AUDIT)];
    let next = compile("three", CONFIG, &mended, Some(&after));
    assert_eq!(served(&next, "collect"), ("three", vec![COLLECT.as_bytes(), AUDIT.as_bytes()]));
    assert_eq!(
        changes(&next, &after),
        [("collect".to_owned(), Difference::Mended), ("audit".to_owned(), Difference::Changed)]
    );
}

#[test]
fn the_commit_of_what_is_served_is_known_after_a_restart_also_with_what_an_older_version_kept() {
    let commit = Commit {
        id: "132f4e7a55".repeat(4),
        author: "Ada \u{202e}".to_owned(),
        time: "2026-11-25T04:05:06Z".parse().ok(),
        subject: "Collect\u{1b}[2J".to_owned(),
        signer: Some("SHA256:x".to_owned()),
    };
    let before = good("main@sha1:132f4e7").of_commit(Some(commit.clone()));
    let (live, blobs) = kept(&before);
    let (after, _) = Catalog::restore(&live, |hash| blobs.get(hash).cloned());
    assert_eq!(after.commit(), Some(&commit));
    assert_eq!(after.live(), before.live());
    let mut older = serde_json::to_value(&live).expect("JSON");
    older.as_object_mut().expect("an object").remove("commit");
    let older: LiveCatalog = serde_json::from_value(older).expect("still read");
    assert_eq!(older.commit, None);
}

#[test]
fn what_is_kept_is_named_by_its_hash() {
    let catalog = good("main@sha1:132f4e7");
    let live = serde_json::to_value(catalog.live()).expect("JSON");
    // printf … | sha256sum
    let hash = "0587506f470cd3341b423ae1f633f438b609620930d9a98c59b8291ca9742740";
    assert_eq!(
        live["topics"][1],
        serde_json::json!({
            "name": "audit",
            "version": {
                "revision": "main@sha1:132f4e7",
                "functions": [{"path": "audit/log.yaml", "sha256": hash}],
            },
        })
    );
    assert!(catalog.sources().any(|source| source == (hash, AUDIT.as_bytes())));
}

#[test]
fn a_lost_or_damaged_source_takes_only_its_topics_down() {
    let before = good("one");
    let (live, blobs) = kept(&before);
    let audit = version(&before, "audit").functions[0].sha256();
    let (collect, audit) = (version(&before, "collect").functions[0].sha256().to_owned(), audit.to_owned());
    let cases = [
        (collect.as_str(), None, "missing", [true, false, false]),
        (audit.as_str(), None, "missing", [true, true, true]),
        (collect.as_str(), Some(Bytes::from_static(b"kind: Job")), "damaged", [true, false, false]),
    ];
    for (hash, instead, why, down) in cases {
        let load = |wanted: &str| if wanted == hash { instead.clone() } else { blobs.get(wanted).cloned() };
        let (after, lost) = Catalog::restore(&live, load);
        assert_eq!(after.topics().map(|topic| topic.version.is_none()).collect::<Vec<_>>(), down, "{why}");
        assert_eq!(after.topics().map(|topic| topic.stale.is_some()).collect::<Vec<_>>(), down, "{why}");
        assert!(!lost.is_empty() && lost.iter().all(|problem| problem.message.contains(why)), "{lost:?}");
        assert_eq!(after.problems(), lost.iter().collect::<Vec<_>>());
        let sources = [("collect.yaml", COLLECT), ("audit/log.yaml", AUDIT), ("other.yaml", AUDIT)];
        let next = compile("two", CONFIG, &sources, Some(&after));
        assert!(next.topics().all(|topic| topic.stale.is_none() && topic.version.is_some()), "{why}");
    }
}

#[test]
fn a_source_that_is_not_understood_any_more_says_what_is_wrong_beside_what_was() {
    let function = LiveFile { path: "collect.yaml".parse().expect("a path"), sha256: sha256(BROKEN.as_bytes()) };
    let before = Problem::at("topics.json", Position { line: 3, column: 5 }, "something else");
    let live = LiveCatalog {
        revision: "two".to_owned(),
        commit: None,
        topics: vec![LiveTopic {
            name: "collect".parse().expect("a name"),
            version: Some(LiveVersion {
                revision: "one".to_owned(),
                functions: vec![function],
                rules: TopicRules::default(),
                schema: None,
            }),
            stale: Some(Stale { revision: "two".to_owned(), problems: vec![before.clone()] }),
        }],
    };
    let (catalog, lost) = Catalog::restore(&live, |_| Some(Bytes::from_static(BROKEN.as_bytes())));
    assert!(topic(&catalog, "collect").version.is_none());
    assert_eq!(lost[0].file, "collect.yaml");
    assert!(catalog.problems().contains(&&before) && catalog.problems().contains(&&lost[0]));
}

const WITH_SCHEMA: &str = r#"{"topics": [
  {"name": "collect", "configs": ["collect.yaml"], "message": {"schema": "schema.json", "maxBytes": 99}},
  {"name": "other", "configs": ["collect.yaml"], "message": {"schema": "schema.json"}}
]}"#;

#[test]
fn a_schema_is_compiled_once_kept_with_the_catalog_and_restored() {
    let sources = [("collect.yaml", COLLECT), ("schema.json", r#"{"type": "object"}"#)];
    let before = compile("one", WITH_SCHEMA, &sources, None);
    assert!(problems(&before).is_empty(), "{:?}", problems(&before));
    let schema = |catalog: &Catalog, name: &str| version(catalog, name).schema.clone().expect("a schema");
    assert!(Arc::ptr_eq(&schema(&before, "collect"), &schema(&before, "other")));
    let again = compile("two", WITH_SCHEMA, &sources, Some(&before));
    assert!(Arc::ptr_eq(&schema(&before, "collect"), &schema(&again, "collect")));
    assert!(again.changes(&before).is_empty());
    let kept: BTreeMap<String, Bytes> =
        again.sources().map(|(hash, source)| (hash.to_owned(), Bytes::copy_from_slice(source))).collect();
    assert_eq!(kept.len(), 2);
    let live = serde_json::from_str(&serde_json::to_string(&again.live()).expect("JSON")).expect("a catalog");
    let (restored, lost) = Catalog::restore(&live, |hash| kept.get(hash).cloned());
    assert_eq!(lost, []);
    assert_eq!(version(&restored, "collect").rules, version(&again, "collect").rules);
    assert!(schema(&restored, "collect").refuses(b"[]").is_some());
    let (damaged, lost) = Catalog::restore(&live, |hash| kept.get(hash).filter(|source| source.len() > 30).cloned());
    assert_eq!(lost[0].file, "schema.json");
    assert!(version_is_absent(&damaged, "collect"), "what it takes is not known, so nothing is taken");
}

fn version_is_absent(catalog: &Catalog, name: &str) -> bool {
    topic(catalog, name).version.is_none()
}

#[test]
fn a_schema_that_breaks_keeps_the_version_before_and_one_that_changes_is_a_change() {
    let sources = [("collect.yaml", COLLECT), ("schema.json", r#"{"type": "object"}"#)];
    let before = compile("one", WITH_SCHEMA, &sources, None);
    let broken = compile("two", WITH_SCHEMA, &[sources[0], ("schema.json", "{\"type\": 1}")], Some(&before));
    assert_eq!(served(&broken, "collect").0, "one");
    assert_eq!(version(&broken, "collect").schema.as_ref().expect("a schema").refuses(b"{}"), None);
    assert!(problems(&broken)[0].starts_with("schema.json:1:10: this is not a JSON Schema"), "{:?}", problems(&broken));
    let absent = compile("two", WITH_SCHEMA, &[sources[0], ("schema.json", "")], Some(&before));
    assert_eq!(problems(&absent)[0], "topics.json:2:74: `schema.json` does not exist");
    let other = compile("three", WITH_SCHEMA, &[sources[0], ("schema.json", "{}")], Some(&before));
    let changed = |name: &str| (name.to_owned(), Difference::Changed);
    assert_eq!(changes(&other, &before), [changed("collect"), changed("other")]);
}

#[test]
fn a_parameter_that_is_nearly_declared_is_a_warning() {
    let config = r#"{"topics": [{"name": "a", "configs": ["a.yaml"], "params": {"replicas": {"type": "integer"}}}]}"#;
    let template =
        "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: a-{{RANDOM}}\ndata:\n  a: '{{replcas}}{{other}}'\n";
    let catalog = compile("one", config, &[("a.yaml", template)], None);
    let warnings: Vec<String> = catalog.warnings().into_iter().map(ToString::to_string).collect();
    assert_eq!(
        warnings,
        [
            "a.yaml:6:7: the topic `a` does not declare the parameter `replcas` (did you mean `replicas`?)",
            "topics.json:1:61: no template of `a` uses the parameter `replicas` (write `{{replicas}}` where it is wanted, or take it out)",
        ]
    );
}

proptest! {
    #[test]
    fn nothing_in_one_topic_s_files_touches_another(source in prop::collection::vec(any::<u8>(), 0..200), tail in ".{0,80}") {
        let before = good("one");
        let mut hostile = COLLECT.as_bytes().to_vec();
        hostile.extend(tail.bytes());
        for source in [source, hostile] {
            let mut files = files(&[("audit/log.yaml", AUDIT), ("other.yaml", COLLECT)]);
            files.0.insert("collect.yaml".parse().expect("a path"), Ok(source.into()));
            let config = Config::parse("topics.json", CONFIG.as_bytes()).expect("a right config file");
            let after = Catalog::compile("two".to_owned(), "topics.json", &config, &files, Some(&before));
            prop_assert_eq!(served(&after, "other"), ("two", vec![COLLECT.as_bytes()]));
            prop_assert_eq!(served(&after, "audit"), ("two", vec![AUDIT.as_bytes()]));
            let collect = topic(&after, "collect");
            let revision = if collect.stale.is_some() { "one" } else { "two" };
            prop_assert_eq!(served(&after, "collect").0, revision);
        }
    }
}
