use proptest::prelude::*;

use super::*;

type Headers<'h> = &'h [(&'static str, &'h str)];

const MAIN: Option<&str> = Some("refs/heads/main");

/// What comes of a delivery with these headers and this body.
fn judged(provider: Provider, secrets: &[u8], headers: Headers<'_>, body: &[u8]) -> Result<Verdict, Refused> {
    let secrets = Secrets::of_file(secrets).expect("secrets");
    let header = |name: &str| headers.iter().find(|(known, _)| *known == name).map(|(_, value)| *value);
    let mut delivery = Delivery::begin(provider, header, &secrets)?;
    body.chunks(7).for_each(|piece| delivery.take(piece));
    delivery.end(MAIN)
}

/// The HMAC-SHA-256 of `body` in hex, made as RFC 2104 says it, and so in another way than what is tested.
fn signed(secret: &[u8], body: &[u8]) -> String {
    use sha2::{Digest as _, Sha256};
    let mut key = [0; 64];
    if secret.len() > 64 {
        key[..32].copy_from_slice(&Sha256::digest(secret));
    } else {
        key[..secret.len()].copy_from_slice(secret);
    }
    let inner = Sha256::digest([&key.map(|byte| byte ^ 0x36)[..], body].concat());
    let outer = Sha256::digest([&key.map(|byte| byte ^ 0x5c)[..], &inner[..]].concat());
    outer.iter().fold(String::new(), |hex, byte| format!("{hex}{byte:02x}"))
}

fn github(secret: &[u8], body: &[u8], more: Headers<'_>) -> Result<Verdict, Refused> {
    let signature = format!("sha256={}", signed(secret, body));
    let mut headers = vec![("x-hub-signature-256", signature.as_str()), ("x-github-event", "push")];
    headers.retain(|(name, _)| more.iter().all(|(other, _)| other != name));
    headers.extend_from_slice(more);
    judged(Provider::GitHub, b"s3cret", &headers, body)
}

fn is_unsigned(told: &Result<Verdict, Refused>) -> bool {
    matches!(told, Err(Refused::Unsigned(_)))
}

fn nothing(told: Result<Verdict, Refused>) -> String {
    match told {
        Ok(Verdict::Nothing(why)) => why,
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_vector_that_github_publishes_holds() {
    let signature = "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17";
    let headers = [("x-hub-signature-256", signature), ("x-github-event", "ping")];
    let told = judged(Provider::GitHub, b"It's a Secret to Everybody\n", &headers, b"Hello, World!");
    assert_eq!(nothing(told), "the webhook works");
    assert!(is_unsigned(&judged(Provider::GitHub, b"It's a Secret to Everybody\n", &headers, b"Hello, World")));
}

#[test]
fn the_vector_that_standard_webhooks_publishes_holds() {
    let headers = [
        ("webhook-id", "msg_p5jXN8AQM9LWM0D4loKWxJek"),
        ("webhook-timestamp", "1614265330"),
        (
            "webhook-signature",
            "v1,bm9ldHUjKzFob2VudXRob2VodWUzMjRvdWVvdW9ldQo= v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
        ),
    ];
    let secret = b"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    let body = br#"{"test": 2432232314}"#;
    assert_eq!(judged(Provider::Generic, secret, &headers, body), Ok(Verdict::Look));
    assert!(is_unsigned(&judged(Provider::Generic, secret, &headers, br#"{"test": 2432232315}"#)));
    for without in 0..3 {
        let mut fewer = headers.to_vec();
        fewer.remove(without);
        assert!(is_unsigned(&judged(Provider::Generic, secret, &fewer, body)), "without {}", headers[without].0);
    }
}

proptest! {
    #[test]
    fn any_flipped_bit_is_refused(
        body in proptest::collection::vec(any::<u8>(), 1..200),
        secret in "[!-~]{1,90}",
        place in any::<proptest::sample::Index>(),
        part in 0..3,
    ) {
        let (mut body, mut secret) = (body, secret.into_bytes());
        let mut signature = format!("sha256={}", signed(&secret, &body)).into_bytes();
        let headers = |signature: &[u8]| String::from_utf8(signature.to_vec()).ok();
        let judge = |secret: &[u8], signature: &str, body: &[u8]| {
            judged(Provider::Generic, secret, &[("x-signature", signature)], body)
        };
        let right = headers(&signature).expect("text");
        prop_assert_eq!(judge(&secret, &right, &body).map(|_| ()), Ok(()));
        let flipped = match part { 0 => &mut body, 1 => &mut secret, _ => &mut signature };
        let bit = place.index(flipped.len() * 8);
        flipped[bit / 8] ^= 1 << (bit % 8);
        // A line break ends a secret, and what is no text is no header.
        prop_assume!(!secret.contains(&b'\n') && !secret.ends_with(b"\r"));
        let Some(signature) = headers(&signature) else { return Ok(()) };
        prop_assert!(is_unsigned(&judge(&secret, &signature, &body)));
    }
}

#[test]
fn what_is_not_signed_as_its_provider_signs_is_refused_before_its_body_is_read() {
    let secrets = Secrets::of_file(b"s3cret").expect("secrets");
    let body = b"x";
    let (right, upper) = (signed(b"s3cret", body), signed(b"s3cret", body).to_uppercase());
    let (prefixed, sha1) = (format!("sha256={right}"), format!("sha1={}", &right[..40]));
    let cases: &[(Provider, Headers<'_>)] = &[
        (Provider::GitHub, &[]),
        (Provider::GitHub, &[("x-hub-signature", &sha1)]),
        (Provider::GitHub, &[("x-hub-signature-256", &right)]),
        (Provider::GitHub, &[("x-hub-signature-256", &sha1)]),
        (Provider::GitHub, &[("x-hub-signature-256", &upper)]),
        (Provider::GitHub, &[("x-hub-signature-256", "sha256=")]),
        (Provider::GitHub, &[("x-hub-signature-256", &prefixed[..prefixed.len() - 1])]),
        (Provider::GitHub, &[("x-gitea-signature", &right)]),
        (Provider::GitHub, &[("x-gitlab-token", "s3cret")]),
        (Provider::GitLab, &[]),
        (Provider::GitLab, &[("x-gitlab-token", "s3cre")]),
        (Provider::GitLab, &[("x-gitlab-token", "")]),
        (Provider::GitLab, &[("x-hub-signature-256", &prefixed)]),
        (Provider::GitLab, &[("webhook-signature", "v1,")]),
        (Provider::Gitea, &[]),
        (Provider::Gitea, &[("x-gitea-signature", "")]),
        (Provider::Gitea, &[("x-gitea-signature", &prefixed)]),
        (Provider::Gitea, &[("x-gitea-signature", &upper)]),
        (Provider::Gitea, &[("x-hub-signature-256", &prefixed), ("x-gitea-signature", "0")]),
        (Provider::Generic, &[]),
        (Provider::Generic, &[("x-signature", &right)]),
        (Provider::Generic, &[("x-hub-signature-256", &prefixed)]),
    ];
    for (provider, headers) in cases {
        let header = |name: &str| headers.iter().find(|(known, _)| *known == name).map(|(_, value)| *value);
        let begun = Delivery::begin(*provider, header, &secrets);
        let refused = begun.err().unwrap_or_else(|| panic!("{provider:?} {headers:?}"));
        assert!(matches!(refused, Refused::Unsigned(_)), "{provider:?} {headers:?}: {refused:?}");
        assert!(!refused.to_string().contains("s3cret"), "{refused}");
    }
}

#[test]
fn each_provider_says_in_its_own_way_that_something_was_pushed() {
    let body = br#"{"ref": "refs/heads/main", "commits": []}"#;
    let hex = signed(b"s3cret", body);
    let prefixed = format!("sha256={hex}");
    let cases: &[(Provider, Headers<'_>)] = &[
        (Provider::GitHub, &[("x-hub-signature-256", &prefixed), ("x-github-event", "push")]),
        (Provider::GitLab, &[("x-gitlab-token", "s3cret"), ("x-gitlab-event", "Push Hook")]),
        (Provider::GitLab, &[("x-gitlab-token", "s3cret"), ("x-gitlab-event", "Tag Push Hook")]),
        (Provider::Gitea, &[("x-gitea-signature", &hex), ("x-gitea-event", "push")]),
        (Provider::Gitea, &[("x-forgejo-signature", &hex), ("x-forgejo-event", "push"), ("x-gitea-event", "push")]),
        (Provider::Gitea, &[("x-hub-signature-256", &prefixed), ("x-gitea-event", "push")]),
        (Provider::Generic, &[("x-signature", &prefixed)]),
    ];
    for (provider, headers) in cases {
        assert_eq!(judged(*provider, b"old\ns3cret\n", headers, body), Ok(Verdict::Look), "{provider:?} {headers:?}");
        assert!(judged(*provider, b"old\nother\n", headers, body).is_err(), "{provider:?} {headers:?}");
    }
}

#[test]
fn a_gitlab_that_signs_is_believed_by_its_signature() {
    use base64::Engine as _;
    let body = br#"{"object_kind": "push", "ref": "refs/heads/main"}"#;
    let key = [7; 32];
    let secret = format!("whsec_{}", base64::engine::general_purpose::STANDARD.encode(key));
    let hex = signed(&key, &[&b"1a2b.1764043506."[..], body].concat());
    let bytes: Vec<u8> =
        (0..32).map(|place| u8::from_str_radix(&hex[2 * place..2 * place + 2], 16).expect("hex")).collect();
    let signature = format!("v1,{}", base64::engine::general_purpose::STANDARD.encode(bytes));
    let headers = |time| {
        [
            ("webhook-id", "1a2b"),
            ("webhook-timestamp", time),
            ("webhook-signature", signature.as_str()),
            ("x-gitlab-event", "Push Hook"),
        ]
    };
    let secrets = format!("a token\n{secret}\n");
    let judge = |time| judged(Provider::GitLab, secrets.as_bytes(), &headers(time), body);
    assert_eq!(judge("1764043506"), Ok(Verdict::Look));
    assert!(is_unsigned(&judge("1764043507")), "the time is signed");
}

#[test]
fn only_a_push_to_what_is_followed_matters() {
    let push = |reference: &str| github(b"s3cret", format!(r#"{{"after": "0", "ref": {reference}}}"#).as_bytes(), &[]);
    assert_eq!(push(r#""refs/heads/main""#), Ok(Verdict::Look));
    assert_eq!(push(r#""refs\/heads\/main""#), Ok(Verdict::Look), "spelled as JSON may");
    for other in ["refs/heads/maintenance", "refs/tags/main", "main", "refs/heads/Main", ""] {
        let why = nothing(push(&format!("\"{other}\"")));
        assert_eq!(why, format!("the push is to {other}, and refs/heads/main is followed"));
    }
    for malformed in ["1", "null", "[]", "{}", "\"a\", \"ref\": \"refs/heads/main\""] {
        assert!(matches!(push(malformed), Err(Refused::Malformed(_))), "{malformed}");
    }
}

#[test]
fn a_source_without_references_is_looked_at_after_any_push() {
    let secrets = Secrets::of_file(b"s3cret").expect("secrets");
    let body = br#"{"ref": "refs/heads/any"}"#;
    let signature = format!("sha256={}", signed(b"s3cret", body));
    let header = |name: &str| match name {
        "x-hub-signature-256" => Some(signature.as_str()),
        "x-github-event" => Some("push"),
        _ => None,
    };
    let mut delivery = Delivery::begin(Provider::GitHub, header, &secrets).expect("signed");
    delivery.take(body);
    assert_eq!(delivery.end(None), Ok(Verdict::Look));
}

#[test]
fn what_is_no_push_is_told_so() {
    let told = |event| github(b"s3cret", b"{}", &[("x-github-event", event)]);
    assert_eq!(nothing(told("issues")), "`issues` is no push, and only pushes matter here");
    assert_eq!(nothing(told("ping")), "the webhook works");
    let signature = format!("sha256={}", signed(b"s3cret", b"{}"));
    let without = judged(Provider::GitHub, b"s3cret", &[("x-hub-signature-256", &signature)], b"{}");
    assert_eq!(without, Err(Refused::Malformed("the header x-github-event is missing".to_owned())));
    let wrong = github(b"other", b"{}", &[("x-github-event", "ping")]);
    assert!(is_unsigned(&wrong), "also a ping has to be signed");
}

#[test]
fn a_form_holds_the_same() {
    let form = ("content-type", "application/x-www-form-urlencoded; charset=utf-8");
    let push = |body: &str| github(b"s3cret", body.as_bytes(), &[form]);
    assert_eq!(push("payload=%7B%22ref%22%3A+%22refs%2Fheads%2Fmain%22%7D"), Ok(Verdict::Look));
    assert_eq!(push("a=b&payload=%7b%22ref%22:%22refs/heads/main%22%7d&c=d"), Ok(Verdict::Look));
    assert!(nothing(push("payload=%7B%22ref%22%3A%22refs%2Fheads%2Fx%22%7D")).contains("refs/heads/x"));
    for malformed in ["", "payload", "payload=", "payload=%7", "payload=%zz", "ref=refs/heads/main", "{}"] {
        assert!(matches!(push(malformed), Err(Refused::Malformed(_))), "{malformed}");
    }
    let other = br#"{"ref": "refs/heads/x"}"#;
    let signature = format!("sha256={}", signed(b"s3cret", other));
    let unasked = judged(Provider::Generic, b"s3cret", &[("x-signature", &signature), form], other);
    assert!(nothing(unasked).contains("refs/heads/x"), "what curl calls a form is none");
    let body = "payload=%7B%22ref%22%3A%22refs%2Fheads%2Fmain%22%7D";
    let of_json = signed(b"s3cret", br#"{"ref":"refs/heads/main"}"#);
    let gitea = [("x-gitea-signature", of_json.as_str()), ("x-gitea-event", "push"), form];
    match judged(Provider::Gitea, b"s3cret", &gitea, body.as_bytes()) {
        Err(Refused::Unsigned(why)) => assert!(why.contains("application/json"), "{why}"),
        other => panic!("{other:?}"),
    }
}

#[test]
fn of_a_large_delivery_only_the_beginning_is_kept_and_all_of_it_is_signed() {
    let large = |reference: &str, filling: &str| {
        format!(r#"{{"ref": "{reference}", "commits": [{{"é": "{}"}}]}}"#, filling.repeat(3_000_000 / filling.len()))
    };
    assert_eq!(github(b"s3cret", large("refs/heads/main", "x").as_bytes(), &[]), Ok(Verdict::Look));
    let why = nothing(github(b"s3cret", large("refs/heads/x", "日").as_bytes(), &[]));
    assert!(why.contains("refs/heads/x"), "{why}");
    // What was pushed stands where it is not read any more: that is found out by looking.
    let late = format!(r#"{{"commits": "{}", "ref": "refs/heads/x"}}"#, "\\n".repeat(KEPT));
    assert_eq!(github(b"s3cret", late.as_bytes(), &[]), Ok(Verdict::Look));
    let nested = format!(r#"{{"a": {}"#, "[".repeat(KEPT * 2));
    assert_eq!(github(b"s3cret", nested.as_bytes(), &[]), Ok(Verdict::Look));
    let broken = format!(r#"{{"a": nonsense{}"#, " ".repeat(KEPT));
    assert!(matches!(github(b"s3cret", broken.as_bytes(), &[]), Err(Refused::Malformed(_))));
    let mut changed = large("refs/heads/main", "x").into_bytes();
    let signature = format!("sha256={}", signed(b"s3cret", &changed));
    *changed.last_mut().expect("an end") = b' ';
    let headers = [("x-hub-signature-256", signature.as_str()), ("x-github-event", "push")];
    assert!(is_unsigned(&judged(Provider::GitHub, b"s3cret", &headers, &changed)));
}

proptest! {
    #[test]
    fn whoever_signs_may_send_anything(body in proptest::collection::vec(any::<u8>(), 0..300), form in any::<bool>()) {
        let signature = format!("sha256={}", signed(b"s3cret", &body));
        let kind = if form { "application/x-www-form-urlencoded" } else { "application/octet-stream" };
        let told = judged(Provider::Generic, b"s3cret", &[("x-signature", &signature), ("content-type", kind)], &body);
        prop_assert_eq!(told, Ok(Verdict::Look));
        // No provider's parser is led astray by it.
        let told = github(b"s3cret", &body, &[("content-type", kind)]);
        prop_assert!(matches!(told, Err(Refused::Malformed(_))), "{:?}", told);
    }
}
