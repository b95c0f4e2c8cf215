//! Files of a repository that were made to hurt: they are refused, or read, in a time that their size explains.

use std::fmt::Write as _;

use gitfaas_core::problem::Problem;
use gitfaas_core::template::Template;
use rstest::rstest;

const HEAD: &str = "apiVersion: v1\nkind: Example\nmetadata: {name: x}\nspec:\n";

fn compile(source: &str) -> Result<Template, Vec<Problem>> {
    Template::compile(&"hostile.yaml".parse().expect("a path"), source.as_bytes())
}

/// The message of the first problem.
fn refusal(source: &str) -> String {
    compile(source).expect_err("a problem").remove(0).message
}

#[test]
fn a_bomb_of_forty_levels_is_refused() {
    let mut source = format!("{HEAD}  a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
    for level in 1..=40 {
        let before = format!("*a{}", level - 1);
        writeln!(source, "  a{level}: &a{level} [{}]", vec![before; 10].join(", ")).expect("text grows");
    }
    assert_eq!(refusal(&source), "the anchors and aliases of this document grow too large");
}

#[test]
fn a_bomb_of_merges_is_refused() {
    let mut source = format!("{HEAD}  a0: &a0 {{k: [1, 2, 3]}}\n");
    for level in 1..=40 {
        let before = level - 1;
        writeln!(source, "  a{level}: &a{level} {{<<: *a{before}, x{level}: *a{before}, y{level}: *a{before}}}")
            .expect("text grows");
    }
    assert_eq!(refusal(&source), "the anchors and aliases of this document grow too large");
}

#[test]
fn a_large_text_cannot_be_multiplied() {
    let aliases = vec!["*a"; 1_000].join(", ");
    let source = format!("{HEAD}  a: &a {}\n  b: [{aliases}]\n", "x".repeat(100_000));
    assert_eq!(refusal(&source), "the anchors and aliases of this document grow too large");
}

#[test]
fn what_contains_itself_is_refused() {
    assert_eq!(refusal(&format!("{HEAD}  a: &a [*a]\n")), "the value of an anchor cannot contain itself");
    assert_eq!(refusal(&format!("{HEAD}  a: &a {{b: {{<<: *a}}}}\n")), "the value of an anchor cannot contain itself");
}

#[rstest]
#[case::flow_lists("[".repeat(50_000))]
#[case::flow_mappings("{a: ".repeat(50_000))]
#[case::block_lists(format!("  {}x", "- ".repeat(50_000)))]
#[case::closed_lists(format!("  a: {}{}", "[".repeat(150), "]".repeat(150)))]
#[case::block_mappings((0..400).map(|depth| format!("{}a:\n", " ".repeat(depth + 1))).collect::<Vec<_>>().concat())]
fn what_is_too_deep_is_refused(#[case] spec: String) {
    assert_eq!(refusal(&format!("{HEAD}{spec}\n")), "nested deeper than 100 levels");
}

#[test]
fn aliases_cannot_nest_deeper_than_what_is_written_out() {
    let mut source = format!("{HEAD}  a0: &a0 x\n");
    for level in 1..=40 {
        writeln!(source, "  a{level}: &a{level} [[[*a{}]]]", level - 1).expect("text grows");
    }
    assert_eq!(refusal(&source), "nested deeper than 100 levels");
}

#[test]
fn a_file_that_is_too_large_is_refused() {
    assert_eq!(refusal(&" ".repeat(5 << 20)), "the file has 5242880 bytes; at most 4194304 are read");
}

/// Each of these took long in some reader of YAML or of templates.
#[rstest]
#[case::braces("{".repeat(300_000))]
#[case::open_placeholders("{{a ".repeat(100_000))]
#[case::blank_placeholders(format!("a: {}", "{{ ".repeat(100_000)))]
#[case::wide_placeholder(format!("a: {{{{{}", " ".repeat(300_000)))]
#[case::long_name(format!("a: {{{{{}}}}}", "a".repeat(300_000)))]
#[case::placeholders("- {{a}}\n".repeat(30_000))]
#[case::backslashes(format!("a: {}{{{{a}}}}", "\\".repeat(300_000)))]
#[case::documents("---\n".repeat(50_000))]
#[case::objects("--- {a: b}\n".repeat(10_000))]
#[case::comments("# a\n".repeat(80_000))]
#[case::quotes(format!("a: \"{}", "\\\"".repeat(100_000)))]
#[case::keys("a? b: ".repeat(50_000))]
#[case::explicit_keys("? ".repeat(50_000))]
#[case::anchors("- &a *a\n".repeat(30_000))]
#[case::redefined(format!("- &a x\n{}", "- &a [*a]\n".repeat(5_000)))]
#[case::tags("- !!int x\n".repeat(20_000))]
#[case::twice("a: 1\n".repeat(30_000))]
#[case::directives("%YAML 1.1\n".repeat(30_000))]
#[case::plain(format!("a: {}", "b\n  ".repeat(80_000)))]
#[case::folded(format!("a: >\n{}", "  b\n\n".repeat(60_000)))]
#[case::indents(format!("{}a: 1", " ".repeat(300_000)))]
#[case::tabs("\t".repeat(300_000))]
#[case::filled_keys((0..20_000).map(|n| format!("{{{{a{n}}}}}: 1\n")).collect::<Vec<_>>().concat())]
#[case::mis_indented(format!("{}x:\n y\n", "  a:\n    b: 1\n".repeat(20_000)))]
fn what_is_slow_elsewhere_is_answered(#[case] source: String) {
    assert!(compile(&source).is_err());
}
