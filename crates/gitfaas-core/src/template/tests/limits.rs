//! What is too large for Linux or Kubernetes.

use rstest::rstest;

use super::{compile, problems, render};
use crate::template::RenderCode;

fn pod(spec: &str) -> String {
    format!("apiVersion: v1\nkind: Pod\nmetadata: {{name: x}}\nspec: {{{spec}}}\n")
}

#[rstest]
#[case("containers: [{env: [{name: ABC, value: '{{x}}'}]}]", 131_072 - 5)]
#[case("containers: [{env: [{name: 'AB{{y}}', value: '{{x}}'}]}]", 131_072 - 5)]
#[case("initContainers: [{env: [{name: ABC, value: 'k={{x}}'}]}]", 131_072 - 7)]
#[case("ephemeralContainers: [{args: [a, '{{x}}']}]", 131_072 - 1)]
#[case("containers: [{command: ['a{{x}}b']}]", 131_072 - 3)]
fn a_string_for_a_program_ends_at_128_kib(#[case] spec: &str, #[case] most: usize) {
    let template = compile(&pod(spec));
    let render = |length| render(&template, &[("x", &"v".repeat(length)), ("y", "C")]);
    assert_eq!(render(most).expect("a pod").len(), 1);
    let error = render(most + 1).expect_err("too long");
    assert_eq!(error.code, RenderCode::TooLarge);
    assert_eq!(error.code.as_str(), "too-large");
    assert!(error.problem.message.contains("131073 bytes; Linux starts no program with more than 131072"), "{error}");
    assert!(error.problem.help.expect("help").contains("{{MESSAGE_URL}}"));
}

#[test]
fn the_length_of_the_message_counts_as_it_is_filled_in() {
    let source = "apiVersion: batch/v1\nkind: Job\nmetadata: {name: x}\n\
                  spec: {template: {spec: {containers: [{env: [{name: MESSAGE, value: '{{MESSAGE}}'}]}]}}}\n";
    let render = |length: usize| {
        let fillings = crate::manifest::Fillings::new(
            &crate::key::LedgerKey::new([3; 32]),
            super::run(),
            crate::id::Try::FIRST,
            &super::url(),
            "A".repeat(length),
        );
        super::with(&[], |values| compile(source).render(&crate::template::Values { fillings: &fillings, ..*values }))
    };
    assert!(render(131_072 - 9).is_ok());
    let error = render(131_072 - 8).expect_err("too long");
    assert_eq!(error.problem.message.find("the environment variable `MESSAGE` takes 131073 bytes"), Some(0));
}

#[test]
fn what_is_too_long_in_the_template_itself_is_told_at_once() {
    let problems = problems(&pod(&format!("containers: [{{args: ['{}']}}]", "v".repeat(131_072))));
    assert_eq!(
        problems,
        ["4:29: this takes 131073 bytes; Linux starts no program with more than 131072 \
         (put it into a ConfigMap and mount it as a file)"]
    );
}

#[test]
fn an_object_stays_below_a_mebibyte() {
    let template = compile("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: x}\ndata: {a: '{{x}}'}\n");
    let length = |value: &str| {
        super::with(&[("x", value)], |values| {
            template.render(values).map(|objects| objects[0].fill(&super::fillings(1)).json.len())
        })
    };
    let empty = length("").expect("small");
    let most = (1 << 20) - 1 - empty;
    assert_eq!(length(&"v".repeat(most)), Ok((1 << 20) - 1));
    assert_eq!(length(&"v".repeat(most + 1)).expect_err("too large").code, RenderCode::TooLarge);
    assert_eq!(length(&"\n".repeat(most / 2 + 1)).expect_err("two bytes each").code, RenderCode::TooLarge);
}
