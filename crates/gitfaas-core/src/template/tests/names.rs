//! Names, given and generated, and who owns an object.

use rstest::rstest;
use serde_json::json;

use super::{compile, fillings, problems, render, run, with};
use crate::id::{RequestId, RunId, Try};
use crate::key::LedgerKey;
use crate::manifest::{Fillings, Hole, Manifest};
use crate::template::{Namespace, RenderCode, Values};

fn job(metadata: &str) -> String {
    format!("apiVersion: batch/v1\nkind: Job\nmetadata: {metadata}\nspec: {{template: {{}}}}\n")
}

fn filled(source: &str, params: &[(&str, &str)], try_no: u32) -> Vec<Manifest> {
    let template = compile(source);
    let manifests = with(params, |values| template.render(values).expect("objects"));
    manifests.iter().map(|manifest| manifest.fill(&fillings(try_no))).collect()
}

#[rstest]
#[case("a-{{RANDOM}}", true)]
#[case("a-{{RUN_ID}}", true)]
#[case("a-{{REQUEST_UUID}}", false)]
#[case("a-{{x}}", false)]
#[case("a-{{NAMESPACE}}", false)]
#[case("a", false)]
fn a_name_is_unique_when_it_holds_what_is_of_one_run(#[case] name: &str, #[case] unique: bool) {
    let template = compile(&job(&format!("{{name: '{name}'}}")));
    assert_eq!(template.headers()[0].unique, unique);
    assert_eq!(template.warnings().is_empty(), unique, "a Job that runs once only is warned of");
    let manifest = with(&[("x", "y")], |values| template.render(values).expect("a job").remove(0));
    assert_eq!(manifest.unique, unique);
}

#[test]
fn a_function_uid_is_unique_where_there_is_room_for_it() {
    let template = compile("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: 'a-{{FUNCTION_UID}}'}\n");
    assert!(template.headers()[0].unique);
    let manifest = with(&[], |values| template.render(values).expect("an object").remove(0)).fill(&fillings(1));
    assert_eq!(manifest.key.name, format!("a-{}", fillings(1).of(Hole::FunctionUid)));
}

#[test]
fn a_warning_says_how_to_make_a_job_run_each_time() {
    let template = compile(&job("{name: my-{{REQUEST_UUID}}}"));
    assert_eq!(
        template.warnings()[0].to_string(),
        "audit/log.yaml:3:18: the Job `my-{{REQUEST_UUID}}` has no name of its own for each run, so it runs once only \
         (write `my-{{REQUEST_UUID}}-{{RANDOM}}`; as it is, Kubernetes gets it as from `kubectl apply`: what differs in \
         the pods of a Job that exists is refused, and one that is over does not run again)"
    );
}

#[test]
fn generated_names_are_those_of_the_try_and_the_document() {
    let source = format!("{}---\n{}", job("{generateName: a-}"), job("{generateName: a-, name: null}"));
    let names = |try_no| filled(&source, &[], try_no).into_iter().map(|manifest| manifest.key.name).collect::<Vec<_>>();
    let random = |try_no| fillings(try_no).of(Hole::Random).into_owned();
    assert_eq!(names(1), [format!("a-{}0", random(1)), format!("a-{}1", random(1))]);
    assert_eq!(names(2), [format!("a-{}0", random(2)), format!("a-{}1", random(2))]);
    let object = render(&compile(&source), &[]).expect("objects").remove(1);
    assert_eq!(object["metadata"]["name"], names(1)[1]);
    assert_eq!(object["metadata"].get("generateName"), None);
    assert!(compile(&source).headers().iter().all(|header| header.unique));
}

#[rstest]
#[case::fixed("a".repeat(70), "")]
#[case::filled("{{x}}".to_owned(), "b")]
fn generated_names_are_cut_to_what_the_kind_takes(#[case] prefix: String, #[case] unit: &str) {
    let value = unit.repeat(100);
    let cron = "apiVersion: batch/v1\nkind: CronJob\nmetadata: {generateName: '".to_owned();
    for (source, length) in [(job(&format!("{{generateName: '{prefix}'}}")), 63), (format!("{cron}{prefix}'}}\n"), 52)]
    {
        let name = filled(&source, &[("x", &value)], 1).remove(0).key.name;
        assert_eq!(name.len(), length);
        assert!(name.ends_with(&format!("{}0", fillings(1).of(Hole::Random))), "{name}");
    }
}

#[test]
fn a_prefix_with_random_in_it_is_kept_whole() {
    let name = filled(&job("{generateName: 'a-{{RANDOM}}-'}"), &[], 1).remove(0).key.name;
    let random = fillings(1).of(Hole::Random).into_owned();
    assert_eq!(name, format!("a-{random}-{random}0"));
}

#[test]
fn a_name_wins_over_a_generated_one() {
    let object = render(&compile(&job("{generateName: a-, name: b-{{RUN_ID}}}")), &[]).expect("a job").remove(0);
    assert_eq!(object["metadata"]["name"], format!("b-{}", run()));
    assert_eq!(object["metadata"].get("generateName"), None);
}

#[rstest]
#[case("{name: 'a-{{x}}'}", "B", "`a-B` cannot be the name of a Job: 'B' is not allowed")]
#[case("{name: '{{x}}'}", "", "`` cannot be the name of a Job: it is empty")]
#[case("{name: 'a-{{x}}'}", "a\nb", "'\\n' is not allowed")]
#[case("{name: '{{x}}-{{RANDOM}}'}", &"a".repeat(51), "it has 64 characters; at most 63")]
#[case("{name: a, namespace: '{{x}}'}", "a.b", "`a.b` cannot be a namespace: '.' is not allowed")]
#[case("{name: a, namespace: '{{x}}'}", "", "`` cannot be a namespace: it is empty")]
#[case("{name: a, labels: {b: '{{x}}'}}", "a b", "`a b` cannot be the value of a label: ' ' is not allowed")]
#[case("{name: a, labels: {b: 'x{{x}}'}}", "{{a}}", "is not allowed")]
#[case("{generateName: '{{x}}'}", "-", "does not begin and end with a letter or digit")]
fn values_that_make_names_invalid_are_the_caller_s_mistake(
    #[case] metadata: &str,
    #[case] value: &str,
    #[case] why: &str,
) {
    let error = render(&compile(&job(metadata)), &[("x", value)]).expect_err("an invalid value");
    assert_eq!(error.code, RenderCode::InvalidParameter);
    assert!(error.problem.message.contains(why), "{error}");
    assert_eq!(error.problem.position.map(|position| position.line), Some(3));
}

#[test]
fn what_the_server_fills_in_wrongly_is_the_template_s_mistake() {
    let error = render(&compile(&job("{name: 'a-{{TOPIC}}'}")), &[]).expect_err("é");
    assert_eq!(error.code, RenderCode::InvalidManifest);
    assert!(error.problem.message.starts_with("`a-météo` cannot be the name of a Job: 'é' is not allowed"));
}

#[rstest]
#[case("{name: a_b}", "write `a-b`")]
#[case("{name: My.Job}", "write `my.job`")]
#[case("{name: '_{{x}}_'}", "write `{{x}}`")]
#[case("{generateName: 'A_'}", "write `a-`")]
#[case("{name: '{{RUN_TOKEN}}'}", "give the Job another name")]
#[case("{name: '{{MESSAGE}}'}", "give the Job another name")]
#[case("{name: '{{FUNCTION_UID}}'}", "give the Job another name")]
#[case("{name: <NAME>}", "replace `<NAME>` by a name")]
#[case("{name: ''}", "give the Job another name")]
#[case("{name: a, namespace: A}", "write the name of a namespace, or `{{NAMESPACE}}` for the one that gitfaas uses")]
fn names_that_can_never_be_valid_are_found_at_once(#[case] metadata: &str, #[case] help: &str) {
    let problems = problems(&job(metadata));
    assert_eq!(problems.len(), 1, "{problems:?}");
    assert!(problems[0].ends_with(&format!("({help})")), "{problems:?}");
}

#[test]
fn rights_do_not_show_in_errors() {
    let error = with(&[("x", "A")], |values| {
        compile("apiVersion: v1\nkind: Pod\nmetadata: {name: '{{x}}-{{FUNCTION_UID}}'}\n").render(values)
    });
    let error = error.expect_err("a capital");
    assert!(error.problem.message.starts_with("`A-{{FUNCTION_UID}}` cannot be"), "{error}");
}

#[test]
fn two_objects_cannot_be_one() {
    assert_eq!(
        problems(&format!("{}---\n{}", job("{name: 'a-{{RANDOM}}'}"), job("{name: 'a-{{RANDOM}}'}"))),
        ["8:18: the Job `a-{{RANDOM}}` is in this file twice (give each a name of its own)"]
    );
    let template = compile(&format!("{}---\n{}", job("{name: a}"), job("{name: '{{x}}'}")));
    assert_eq!(render(&template, &[("x", "a")]).expect_err("twice").code, RenderCode::InvalidParameter);
    assert_eq!(render(&template, &[("x", "b")]).expect("two jobs").len(), 2);
    let config = job("{name: a, namespace: b}").replace("Job", "CronJob");
    assert_eq!(
        compile(&format!("{}---\n{}---\n{config}", job("{name: a}"), job("{name: a, namespace: b}"))).headers().len(),
        3
    );
}

#[test]
fn what_is_recorded_has_holes_instead_of_rights() {
    let source =
        job("{name: 'a-{{RANDOM}}', namespace: b, annotations: {t: '{{RUN_TOKEN}} {{FUNCTION_UID}} {{PAYLOAD}}'}}");
    let manifest = with(&[], |values| compile(&source).render(values).expect("a job").remove(0));
    let recorded = serde_json::to_string(&manifest).expect("JSON");
    for hole in [Hole::Random, Hole::RunToken, Hole::FunctionUid, Hole::Message] {
        assert!(!recorded.contains(fillings(1).of(hole).as_ref()), "{hole:?} in {recorded}");
    }
    let object: serde_json::Value = serde_json::from_str(&manifest.fill(&fillings(2)).json).expect("JSON");
    let of = |hole| fillings(2).of(hole).into_owned();
    assert_eq!(object["metadata"]["name"], format!("a-{}", of(Hole::Random)));
    let rights = format!("{} {} aGVsbG8=", of(Hole::RunToken), of(Hole::FunctionUid));
    assert_eq!(object["metadata"]["annotations"]["t"], rights);
    assert_eq!(object["metadata"]["labels"]["gitfaas.io/try"], json!("2"));
    assert_eq!(manifest.fill(&fillings(2)).key.namespace.as_deref(), Some("b"));
}

#[test]
fn labels_hold_what_labels_can() {
    let source =
        job("{name: a, labels: {a: '', b: A_b.c-1, c: '{{RUN_ID}}', d: '{{RANDOM}}-{{REQUEST_UUID}}', e: '{{x}}'}}");
    let labels = render(&compile(&source), &[("x", "")]).expect("a job").remove(0)["metadata"]["labels"].take();
    assert_eq!(labels["b"], "A_b.c-1");
    assert_eq!(labels["c"], json!(run()));
    for (value, why) in [
        ("-a", "`-a` does not begin and end with a letter or digit"),
        ("{{FUNCTION_UID}}", "it has 77 characters; at most 63 are allowed"),
        ("{{RUN_TOKEN}}", "it cannot hold the message or the run's token, since everybody sees it"),
    ] {
        let problems = problems(&job(&format!("{{name: a, labels: {{a: '{value}'}}}}")));
        assert_eq!(problems.len(), 1);
        assert!(problems[0].contains(&format!("cannot be the value of a label: {why}")), "{problems:?}");
    }
}

#[test]
fn what_is_recorded_is_made_into_another_request_by_its_fillings_alone() {
    let other = RunId::derive(RequestId::from_bytes([9; 16]), &super::FUNCTION.parse().expect("a path"));
    let theirs = Fillings::new(&LedgerKey::new([3; 32]), other, Try(1), &super::url(), "aGVsbG8=");
    let fields = "labels: {run: '{{RUN_ID}}', '{{RUN_ID}}': a}, annotations: {request: '{{REQUEST_UUID}}'}";
    for before in ["a-", "a-long-name-of-many-parts-", "{{RUN_ID}}-", "{{REQUEST_UUID}}-", "é"] {
        for name in [
            "name: '{{RUN_ID}}-{{RANDOM}}'".to_owned(),
            format!("generateName: '{before}{{{{REQUEST_UUID}}}}-{{{{RUN_ID}}}}'"),
        ] {
            let source = job(&format!("{{{name}, {fields}}}"));
            let Ok(template) =
                crate::template::Template::compile(&super::FUNCTION.parse().expect("a path"), source.as_bytes())
            else {
                continue;
            };
            let rendered = |fillings: &Fillings<'_>| {
                with(&[], |values| template.render(&Values { fillings, ..*values })).expect("rendered")
            };
            let ours = fillings(1);
            let recorded = rendered(&ours);
            assert_eq!(recorded, rendered(&theirs), "{source}");
            let filled = recorded[0].fill(&theirs);
            assert!(filled.key.name.len() <= 63, "{}", filled.key.name);
            for id in [super::request().to_string(), run().to_string()] {
                assert!(!filled.json.contains(&id), "{}", filled.json);
            }
        }
    }
}

#[rstest]
#[case("", Namespace::Own)]
#[case("namespace: ''", Namespace::Own)]
#[case("namespace: '{{NAMESPACE}}'", Namespace::Own)]
#[case("namespace: shop", Namespace::Named("shop".to_owned()))]
#[case("namespace: '{{NAMESPACE}}-{{RANDOM}}'", Namespace::Open)]
#[case("namespace: '{{where}}'", Namespace::Open)]
fn a_header_tells_where_an_object_goes_as_far_as_the_template_says(#[case] said: &str, #[case] known: Namespace) {
    let template = compile(&format!("apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: a\n  {said}\n"));
    assert_eq!(template.headers()[0].namespace, known);
}

#[test]
fn a_header_has_a_name_that_is_the_same_for_every_message() {
    let name = |name: &str| {
        let source = format!("apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: '{name}'}}\n");
        compile(&source).headers()[0].name.clone()
    };
    assert_eq!(name("a").as_deref(), Some("a"));
    assert_eq!(name("a-{{x}}"), None);
}
