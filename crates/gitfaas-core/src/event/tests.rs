use proptest::prelude::*;

use super::*;

const HEAD: &str = r#""specversion": "1.0", "type": "org.birds.seen", "source": "/garden/east", "id": "F-17""#;

fn read(members: &str) -> Result<Event, EventError> {
    Event::from_json(&Bytes::from(format!("{{{HEAD}{members}}}")))
}

fn event(members: &str) -> Event {
    read(members).unwrap_or_else(|error| panic!("{members}: {error}"))
}

fn refusal(text: &str) -> String {
    Event::from_json(&Bytes::copy_from_slice(text.as_bytes())).expect_err("no event").to_string()
}

/// Content type and data.
fn carried(members: &str) -> (Option<String>, Vec<u8>) {
    let event = event(members);
    (event.content_type, event.data.to_vec())
}

#[test]
fn the_attributes_are_kept_in_their_canonical_text() {
    let event =
        event(r#", "time": "2018-04-05T17:31:00Z", "subject": null, "colour": "Grün 🐦", "count": -5, "tame": true"#);
    let attributes: Vec<_> = event.attributes.clone().into_map().into_iter().collect();
    let expected = [
        ("colour", "Grün 🐦"),
        ("count", "-5"),
        ("id", "F-17"),
        ("source", "/garden/east"),
        ("specversion", "1.0"),
        ("tame", "true"),
        ("time", "2018-04-05T17:31:00Z"),
        ("type", "org.birds.seen"),
    ];
    assert_eq!(attributes, expected.map(|(name, value)| (name.to_owned(), value.to_owned())));
    assert_eq!(event.attributes.identity(), ("/garden/east", "F-17"));
    assert_eq!((event.content_type, event.data.len()), (None, 0), "there are no data");
}

#[test]
fn data_are_what_their_content_type_says() {
    let json = |text: &str| (Some("application/json".to_owned()), text.as_bytes().to_vec());
    assert_eq!(carried(r#", "data": "just a text""#), json("\"just a text\""), "without a content type it is JSON");
    assert_eq!(carried(r#", "data": null"#), json("null"), "which is something");
    assert_eq!(
        carried(r#", "datacontenttype": "application/json", "data": {"b": 1e400, "a": 10000000000000000000000}"#),
        json(r#"{"b": 1e400, "a": 10000000000000000000000}"#)
    );
    assert_eq!(
        carried(r#", "datacontenttype": "TEXT/Json; x=y", "data": [1 ]"#),
        (Some("TEXT/Json; x=y".to_owned()), b"[1 ]".to_vec())
    );
    assert_eq!(
        carried(r#", "datacontenttype": "application/xml", "data": "<much wow=\"xml\"/>\u0000""#),
        (Some("application/xml".to_owned()), b"<much wow=\"xml\"/>\0".to_vec())
    );
    assert_eq!(
        carried(r#", "datacontenttype": "image/png", "data_base64": "iVAA/w==""#),
        (Some("image/png".to_owned()), vec![0x89, 0x50, 0, 0xff])
    );
    assert_eq!(carried(r#", "data_base64": "aGk=""#), (None, b"hi".to_vec()));
    assert_eq!(carried(r#", "data_base64": "eyJhIjoxfQ==", "datacontenttype": "application/json""#), json("{\"a\":1}"));
    assert_eq!(carried(r#", "datacontenttype": "application/json""#), (None, Vec::new()));
}

#[test]
fn what_is_missing_or_wrong_is_named() {
    for name in REQUIRED {
        let without = format!("{{{HEAD}}}").replace(&format!("\"{name}\""), "\"other\"");
        assert_eq!(refusal(&without), format!("the attribute `{name}` of the event is missing"));
        let unset = format!("{{{HEAD}}}").replace(&format!("\"{name}\": \""), &format!("\"{name}\": null, \"x\": \""));
        assert_eq!(refusal(&unset), format!("the attribute `{name}` of the event is missing"));
    }
    for (member, named) in [
        (r#""subject": """#, "the attribute `subject` of the event is empty"),
        (r#""time": "yesterday""#, "the attribute `time` of the event has to be a time of RFC 3339"),
        (r#""dataschema": "/relative""#, "the attribute `dataschema` of the event has to be an absolute URI"),
        (r#""Colour": "red""#, "the attribute `Colour` of the event has a name that"),
        (r#""a_b": "c""#, "the attribute `a_b` of the event has a name that"),
        (r#""": "c""#, "the attribute `` of the event has no name"),
        (r#""count": 2147483648"#, "the attribute `count` of the event has to be a text, a whole number"),
        (r#""count": 1.5"#, "the attribute `count` of the event has to be a text, a whole number"),
        (r#""deep": {"a": 1}"#, "the attribute `deep` of the event has to be a text, a whole number"),
        (r#""bell": "\u0007""#, "the attribute `bell` of the event has a control character"),
        (r#""none": "\ufffe""#, "the attribute `none` of the event has a control character or another"),
        (r#""id": "again""#, "the event has `id` twice"),
        (r#""data": 1, "data_base64": "aGk=""#, "the event has both `data` and `data_base64`"),
        (r#""data_base64": "a%""#, "`data_base64` of the event has to be a text of base64"),
        (r#""data_base64": 5"#, "`data_base64` of the event has to be a text of base64"),
        (r#""datacontenttype": "text/plain", "data": {"a": 1}"#, "`data` of the event has to be a text"),
    ] {
        let said = read(&format!(", {member}")).expect_err(member).to_string();
        assert!(said.starts_with(named), "{member}: {said}");
    }
    let later = refusal(r#"{"specversion": "2.0", "id": "1", "source": "a", "type": "b"}"#);
    assert!(later.contains("`specversion`") && later.contains("`1.0`"), "{later}");
    let blank = refusal(r#"{"specversion": "1.0", "id": "1", "source": "my garden", "type": "b"}"#);
    assert!(blank.contains("`source`"), "{blank}");
}

#[test]
fn what_is_no_object_is_no_event() {
    for text in [
        "",
        " ",
        "null",
        "[]",
        "{",
        "{}x",
        "{\"id\"}",
        "{\"id\": }",
        "{\"id\": 1,}",
        "{1: 2}",
        "{,}",
        "{\"id\": nul}",
        "{\"id\": 1 2}",
    ] {
        refusal(text);
    }
    assert!(refusal("[{}]").contains("at byte 0 there should be `{`"));
    let deep = format!(", \"data\": {}{}", "[".repeat(100_000), "]".repeat(100_000));
    assert_eq!(event(&deep).data.len(), 200_000, "deep is not wrong");
    assert!(read(&format!(", \"deep\": {}", "[".repeat(100_000))).is_err());
    let large = read(&format!(", \"large\": \"{}\"", "x".repeat(MOST))).expect_err("too large");
    assert!(large.to_string().contains("more than 65536 bytes"), "{large}");
}

proptest! {
    #[test]
    fn any_text_comes_back_as_the_data_that_it_was(text in any::<String>(), id in "[!-~]{1,20}") {
        let written = serde_json::json!({
            "specversion": "1.0", "id": id, "source": "s", "type": "t", "datacontenttype": "text/plain", "data": text,
        });
        let event = Event::from_json(&Bytes::from(written.to_string())).expect("an event");
        prop_assert_eq!(event.attributes.get("id"), Some(id.as_str()));
        prop_assert_eq!(&event.data[..], text.as_bytes());
    }

    #[test]
    fn json_data_come_back_as_they_were_written(number in any::<f64>().prop_filter("JSON has no others", |n| n.is_finite()), text in any::<String>()) {
        let written = serde_json::json!([number, {"text": text}]).to_string();
        prop_assert_eq!(&event(&format!(", \"data\" :\t{written}\n")).data[..], written.as_bytes());
    }

    #[test]
    fn anything_is_read_or_refused(mut bytes in proptest::collection::vec(any::<u8>(), 0..200), cut in 0_usize..200) {
        let _: Result<Event, EventError> = Event::from_json(&Bytes::from(bytes.clone()));
        let valid = format!("{{{HEAD}, \"data\": [1, \"a\"], \"x\": true}}");
        bytes.truncate(3);
        let cut = cut.min(valid.len());
        let damaged = [&valid.as_bytes()[..cut], &bytes, &valid.as_bytes()[cut..]].concat();
        if let Ok(event) = Event::from_json(&Bytes::from(damaged)) {
            prop_assert!(REQUIRED.iter().all(|name| event.attributes.get(name).is_some_and(|value| !value.is_empty())));
        }
    }

    #[test]
    fn attributes_that_are_taken_have_plain_names_and_no_control_characters(name in ".{0,70}", value in any::<String>()) {
        let required = REQUIRED.map(|name| (name.to_owned(), "1.0".to_owned()));
        let given = required.into_iter().chain([(name.clone(), value.clone())]).collect();
        if Attributes::new(given).is_ok() {
            prop_assert!(!name.is_empty() && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit()));
            prop_assert!(!value.chars().any(char::is_control));
        }
    }
}
