//! Lines of `known_hosts` as they are found, and as nobody should write them.

use proptest::prelude::*;
use rstest::rstest;

use super::*;

const ED25519: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl";
const ECDSA: &str = "ecdsa-sha2-nistp256 AAAAE2VjZHNhLXNoYTItbmlzdHAyNTYAAAAIbmlzdHAyNTYAAABBBLD7amUYhOpk/L5ypXtYy5tCJz/onz3uxDNtbcoI/e8XCFxkXH3OvgJ0Dlw2s6W9s7GfsVXFzGGIXk28JQsliBk=";

fn file(text: &str) -> KnownHosts {
    KnownHosts::parse(text.as_bytes(), "FILE".to_owned())
}

/// The numbers of the lines with a key of this host.
fn lines(text: &str, host: &str, port: u16) -> Vec<usize> {
    let parsed = file(text);
    assert_eq!(parsed.broken, []);
    parsed.of(host, port).keys.iter().map(|known| known.line).collect()
}

#[rstest]
#[case::the_name("birds.example", "birds.example", 22, true)]
#[case::another_name("birds.example", "birds.example.org", 22, false)]
#[case::in_any_case("Birds.EXAMPLE", "bIRDS.example", 22, true)]
#[case::one_of_several("a.example,birds.example,192.0.2.7", "birds.example", 22, true)]
#[case::an_address("192.0.2.7", "192.0.2.7", 22, true)]
#[case::an_address_of_ipv6("2001:db8::7", "2001:DB8::7", 22, true)]
#[case::another_port("birds.example", "birds.example", 2222, false)]
#[case::its_port("[birds.example]:2222", "birds.example", 2222, true)]
#[case::the_usual_port_with_brackets("[birds.example]:22", "birds.example", 22, false)]
#[case::ipv6_and_port("[2001:db8::7]:2222", "2001:db8::7", 2222, true)]
#[case::any_characters("*.example", "birds.example", 22, true)]
#[case::no_characters("birds*.example", "birds.example", 22, true)]
#[case::several_stars("*b*s*.ex*", "birds.example", 22, true)]
#[case::stars_that_do_not_fit("*b*z*.ex*", "birds.example", 22, false)]
#[case::one_character("bird?.example", "birds.example", 22, true)]
#[case::one_character_too_many("birds?.example", "birds.example", 22, false)]
#[case::everything("*", "birds.example", 2222, true)]
#[case::any_port("[*.example]:*", "birds.example", 2222, true)]
#[case::not_this_one("*.example,!birds.example", "birds.example", 22, false)]
#[case::not_this_one_said_first("!birds.example,*.example", "birds.example", 22, false)]
#[case::not_another_one("*.example,!cats.example", "birds.example", 22, true)]
#[case::only_what_it_is_not("!cats.example", "birds.example", 22, false)]
#[case::commas_too_many(",,birds.example,", "birds.example", 22, true)]
fn a_line_is_about(#[case] hosts: &str, #[case] host: &str, #[case] port: u16, #[case] expected: bool) {
    assert_eq!(!lines(&format!("{hosts} {ED25519}\n"), host, port).is_empty(), expected);
}

#[test]
fn a_hashed_host_is_known_by_its_name_and_port_only() {
    // What `ssh-keygen -H` of OpenSSH 9.2 made of `birds.example` and `[birds.example]:2222`.
    let text = format!(
        "|1|McHGUgWV8o9BZcJiTTJB7KEuDyE=|1nJCY1X7cEzxc2IwYpXXsMciJgM= {ED25519}\n|1|6jd5SaZviZiTMQ1ojuXWTFNSU3M=|40rHKvOiW+lJmT1jtXUxN1sJWjA= {ED25519}\n"
    );
    assert_eq!(lines(&text, "Birds.example", 22), [1]);
    assert_eq!(lines(&text, "birds.example", 2222), [2]);
    assert_eq!(lines(&text, "cats.example", 22), [0_usize; 0]);
}

#[test]
fn what_is_around_lines_does_not_matter() {
    let text = format!(
        "\u{feff}# known\r\n\r\n  birds.example\t{ED25519}   somebody@somewhere with words \r\n#birds.example {ECDSA}\n\t\n birds.example,x {ECDSA}"
    );
    assert_eq!(lines(&text, "birds.example", 22), [3, 6]);
}

#[test]
fn marks_say_what_a_key_is_for() {
    let text = format!(
        "@cert-authority *.example {ECDSA}\n@revoked * {ED25519}\nbirds.example {ED25519}\n[birds.example]:2222 {ECDSA}\n@revoked cats.example {ECDSA}\n"
    );
    let numbers = |keys: &[KnownKey]| keys.iter().map(|key| key.line).collect::<Vec<_>>();
    let usual = file(&text).of("birds.example", 22);
    assert_eq!(numbers(&usual.keys), [3]);
    assert_eq!(numbers(&usual.authorities), [1]);
    assert_eq!(numbers(&usual.revoked), [2]);
    assert_eq!(numbers(&usual.elsewhere), [0_usize; 0]);
    let other = file(&text).of("birds.example", 2222);
    assert_eq!(numbers(&other.keys), [4]);
    assert_eq!(numbers(&other.elsewhere), [3]);
    assert_eq!(numbers(&other.authorities), [0_usize; 0]);
    // What is revoked for a host is revoked at each of its ports.
    assert_eq!(numbers(&file(&text).of("cats.example", 2222).revoked), [2, 5]);
}

#[test]
fn a_broken_line_does_not_take_the_others_with_it() {
    let wrong_kind = ED25519.replace("ssh-ed25519", "ssh-rsa");
    let cut = &ED25519[..40];
    let long = "x".repeat(LONGEST);
    let text = format!(
        "birds.example\nbirds.example {cut}\nbirds.example {wrong_kind}\n@blessed birds.example {ED25519}\n|1|salt {ED25519}\n|1|c2FsdA==|aGFzaA== {ED25519}\n|2|c2FsdA==|aGFzaA== {ED25519}\n, {ED25519}\n@revoked\n{long}\nbirds.example 1024 35 1234567\nbirds.example {ED25519}\n"
    );
    let mut bytes = text.into_bytes();
    bytes.extend(b"b\xffrds.example ssh-ed25519 AAAA\n");
    bytes.extend(format!("birds.example {ECDSA}").as_bytes());
    let parsed = KnownHosts::parse(&bytes, "FILE".to_owned());
    let numbers: Vec<usize> = parsed.broken.iter().map(|broken| broken.line).collect();
    assert_eq!(numbers, [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 13]);
    let known: Vec<usize> = parsed.of("birds.example", 22).keys.iter().map(|known| known.line).collect();
    assert_eq!(known, [12, 14]);
}

#[test]
fn many_stars_take_no_time() {
    let hosts = format!("{}b", "*a".repeat(4000));
    assert_eq!(lines(&format!("{hosts} {ED25519}"), &"a".repeat(250), 22), [0_usize; 0]);
}

proptest! {
    #[test]
    fn nothing_in_a_file_is_a_panic(content in proptest::collection::vec(any::<u8>(), 0..400), host in ".{0,40}", port: u16) {
        KnownHosts::parse(&content, "FILE".to_owned()).of(&host, port);
    }

    #[test]
    fn nothing_that_resembles_a_line_is_a_panic(
        mark in "(@revoked |@cert-authority |@[a-z]{0,3} ?)?",
        hosts in r"(\|1\|[A-Za-z0-9+/=|]{0,40}|[!*?,.\[\]:a-z]{0,30})",
        key in "[A-Za-z0-9+/=]{0,120}",
        host in "[a-z.]{0,20}",
    ) {
        let text = format!("{mark}{hosts} ssh-ed25519 {key}\n{mark}{hosts} {ED25519}\n");
        KnownHosts::parse(text.as_bytes(), "FILE".to_owned()).of(&host, 22);
    }

    #[test]
    fn wildcards_match_what_trying_everything_finds(pattern in "[ab*?]{0,12}", text in "[ab]{0,12}") {
        prop_assert_eq!(glob(pattern.as_bytes(), text.as_bytes()), tried(pattern.as_bytes(), text.as_bytes()));
    }
}

/// Tries everything that each star may stand for.
fn tried(pattern: &[u8], text: &[u8]) -> bool {
    match pattern {
        [] => text.is_empty(),
        [b'*', rest @ ..] => (0..=text.len()).any(|skipped| tried(rest, &text[skipped..])),
        [byte, rest @ ..] => {
            text.first().is_some_and(|first| *byte == b'?' || byte == first) && tried(rest, &text[1..])
        }
    }
}
