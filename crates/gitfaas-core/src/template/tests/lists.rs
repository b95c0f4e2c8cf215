//! Lists of objects, and files of several documents.

use super::{compile, problems, render};
use crate::template::RenderCode;

#[test]
fn lists_are_taken_apart_also_within_lists() {
    let source = "apiVersion: v1\nkind: List\nitems:\n- apiVersion: v1\n  kind: Pod\n  metadata: {name: a}\n- apiVersion: v1\n  \
                  kind: List\n  items:\n  - {apiVersion: v1, kind: ConfigMap, metadata: {name: b}}\n  - {apiVersion: v1, kind: \
                  Role, metadata: {name: c}}\n---\napiVersion: v1\nkind: PodList\nitems: [{metadata: {name: d}}]\n";
    let template = compile(source);
    let kinds: Vec<_> = template.headers().iter().map(|header| header.kind.as_deref().expect("a kind")).collect();
    assert_eq!(kinds, ["Pod", "ConfigMap", "Role", "Pod"]);
    assert_eq!(template.headers()[1].position.line, 10);
    let objects = render(&template, &[]).expect("objects");
    assert_eq!(objects[3]["apiVersion"], "v1");
    assert_eq!(objects[3]["metadata"]["name"], "d");
}

#[test]
fn a_kind_that_only_ends_like_a_list_is_an_object() {
    let template = compile("apiVersion: example.dev/v1\nkind: AllowList\nmetadata: {name: a}\nspec: {}\n");
    assert_eq!(template.headers()[0].kind.as_deref(), Some("AllowList"));
}

#[test]
fn a_value_cannot_make_a_list() {
    let template = compile("apiVersion: v1\nkind: '{{k}}'\nmetadata: {name: a}\nitems: [{kind: Role}]\n");
    for kind in ["List", "RoleList"] {
        let error = render(&template, &[("k", kind)]).expect_err("a list");
        assert_eq!(error.code, RenderCode::InvalidParameter);
        assert_eq!(error.code.as_str(), "invalid-parameter");
    }
    assert_eq!(render(&template, &[("k", "Basket")]).expect("an object")[0]["kind"], "Basket");
}

#[test]
fn what_is_no_object_is_told() {
    assert_eq!(
        problems("- a\n---\nx\n---\napiVersion: v1\nkind: List\nitems: {a: b}\n"),
        [
            "1:1: a manifest is a mapping, and this is a list (begin with `apiVersion:` and `kind:`)",
            "3:1: a manifest is a mapping, and this is a string (begin with `apiVersion:` and `kind:`)",
            "7:8: the `items` of a List are no list (write the objects as a list)",
        ]
    );
    for empty in ["", "\n", "# nothing\n", "---\n---\n", "apiVersion: v1\nkind: List\nitems:\n"] {
        assert_eq!(problems(empty), [" the file has no object (write a manifest into it)"], "{empty:?}");
    }
}

#[test]
fn what_names_an_object_must_be_there() {
    assert_eq!(
        problems(
            "a: b\n---\napiVersion: a/b/c\nkind: 'Job '\nmetadata: {}\n---\napiVersion: v1\nkind: Pod\nmetadata: []\n"
        ),
        [
            "1:1: `apiVersion` is missing (write, for example, `apiVersion: batch/v1`)",
            "1:1: `kind` is missing (write, for example, `kind: Job`)",
            "1:1: `metadata` is missing (write `metadata:` with `name:` below it)",
            "3:1: `metadata.name` is missing (write `name: something-{{RANDOM}}` below `metadata:`)",
            "3:13: `a/b/c` is no apiVersion (a group and a version, such as `batch/v1`, or `v1`) (write, for example, `batch/v1`)",
            "4:7: `Job ` is no kind (at most 63 letters and digits, such as `Job`) (write, for example, `Job`)",
            "9:11: `metadata` is a mapping, and this is a list (write `metadata:` with `name:` below it)",
        ]
    );
}

#[test]
fn problems_without_end_are_counted() {
    let problems = problems(&"---\na: b\n".repeat(50));
    assert_eq!(problems.len(), 101);
    assert_eq!(problems[100], " 50 more problems (correct these first)");
}
