use super::*;

fn one(source: &str) -> Node {
    let mut documents = read(source).expect("valid YAML");
    assert_eq!(documents.len(), 1);
    documents.remove(0)
}

fn error(source: &str) -> YamlError {
    read(source).expect_err("invalid YAML").remove(0)
}

#[test]
fn every_node_knows_its_line_and_column() {
    let node = one("a: 1\nbé: {c: 'x'}\n");
    let c = node.get("bé").and_then(|b| b.get("c")).expect("c");
    assert_eq!(c.position, Position { line: 2, column: 9 });
    assert_eq!(c.value, Value::String("x".to_owned()));
    assert!(!c.plain);
    assert!(node.get("a").expect("a").plain);
}

#[test]
fn a_key_given_twice_is_an_error_with_both_lines() {
    let error = error("a: 1\nb: 2\n\"a\": 3\n");
    assert_eq!(error.position, Position { line: 3, column: 1 });
    assert_eq!(error.message, "the key `a` is given twice; the first is in line 1");
}
