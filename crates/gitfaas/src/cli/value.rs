//! Arguments that are more than text: how each is read.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use gitfaas_core::id::{RequestId, RunId};

use super::RunOrRequest;

/// Where a message comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Data {
    /// What stands on stdin.
    Stdin,
    /// A file.
    File(PathBuf),
    /// The argument itself.
    Text(String),
}

/// `-` and `@-` are stdin, `@FILE` a file, and anything else is the message.
#[expect(clippy::unnecessary_wraps, reason = "clap wants a function that may fail")]
pub(super) fn data(given: &str) -> Result<Data, String> {
    Ok(match given.strip_prefix('@') {
        Some("-") => Data::Stdin,
        Some(path) => Data::File(path.into()),
        None if given == "-" => Data::Stdin,
        None => Data::Text(given.to_owned()),
    })
}

/// `NAME=VALUE`; the value may be empty and may contain `=`.
pub(super) fn param(given: &str) -> Result<(String, String), String> {
    match given.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err("write it as name=value".to_owned()),
    }
}

/// Where to listen: an address of this machine with a port.
pub(super) fn listen(given: &str) -> Result<SocketAddr, String> {
    given.parse().map_err(|_| "write it as ADDRESS:PORT, such as 127.0.0.1:5001".to_owned())
}

/// Seconds as a plain number, or `90s`, `5m`, `1h30m`.
pub(super) fn duration(given: &str) -> Result<Duration, String> {
    if let Ok(seconds) = given.parse::<u32>() {
        return Ok(Duration::from_secs(seconds.into()));
    }
    let wrong = || "write it as seconds, or as 90s, 5m, 1h30m".to_owned();
    let span: jiff::SignedDuration = given.parse().map_err(|_| wrong())?;
    span.try_into().map_err(|_| wrong())
}

/// The same, but some of it: no time at all would refuse everybody.
pub(super) fn some_time(given: &str) -> Result<Duration, String> {
    match duration(given)? {
        Duration::ZERO => Err("it must be more than nothing".to_owned()),
        time => Ok(time),
    }
}

/// The name of a namespace, as Kubernetes takes it.
pub(super) fn namespace(given: &str) -> Result<String, String> {
    let inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let bytes = given.as_bytes();
    let ends = [bytes.first(), bytes.last()].into_iter().all(|end| end.is_some_and(|byte| inner(*byte)));
    if ends && bytes.len() <= 63 && bytes.iter().all(|byte| inner(*byte) || *byte == b'-') {
        return Ok(given.to_owned());
    }
    Err("write at most 63 lower-case letters, digits and hyphens, a letter or digit first and last".to_owned())
}

/// The name of a function: a label that leaves room for what makes the name of a Job its run's own.
pub(super) fn function_name(given: &str) -> Result<String, String> {
    const LONGEST: usize = 50;
    match namespace(given) {
        Ok(name) if name.len() <= LONGEST => Ok(name),
        Ok(_) => Err(format!("write at most {LONGEST} characters: it is the beginning of the names of Jobs")),
        Err(why) => Err(why),
    }
}

/// A size as Kubernetes writes it.
pub(super) fn quantity(given: &str) -> Result<String, String> {
    let number = given.trim_end_matches(|unit: char| unit.is_ascii_alphabetic());
    let unit = &given[number.len()..];
    let units = ["", "k", "Ki", "M", "Mi", "G", "Gi", "T", "Ti", "P", "Pi"];
    if units.contains(&unit) && number.parse::<u64>().is_ok_and(|number| number > 0) {
        return Ok(given.to_owned());
    }
    Err("write a number with a unit, such as 500Mi or 2Gi".to_owned())
}

/// The 32 characters of a run id, or the UUID of a request.
pub(super) fn run_or_request(given: &str) -> Result<RunOrRequest, String> {
    if let Ok(request) = given.parse::<RequestId>() {
        return Ok(RunOrRequest::Request(request));
    }
    given.parse::<RunId>().map(RunOrRequest::Run).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn data_is_stdin_a_file_or_itself() {
        assert_eq!(data("-"), Ok(Data::Stdin));
        assert_eq!(data("@-"), Ok(Data::Stdin));
        assert_eq!(data("@a/b.json"), Ok(Data::File("a/b.json".into())));
        assert_eq!(data("-5"), Ok(Data::Text("-5".to_owned())));
        assert_eq!(data(""), Ok(Data::Text(String::new())));
    }

    #[test]
    fn a_param_is_cut_at_its_first_equals_sign() {
        assert_eq!(param("query=a=b"), Ok(("query".to_owned(), "a=b".to_owned())));
        assert_eq!(param("empty="), Ok(("empty".to_owned(), String::new())));
        assert!(param("replicas").is_err());
        assert!(param("=3").is_err());
    }

    #[test]
    fn an_address_to_listen_on_has_a_port() {
        assert_eq!(listen("127.0.0.2:5003"), Ok(SocketAddr::from(([127, 0, 0, 2], 5003))));
        for wrong in ["", "5001", "localhost", "127.0.0.1:70000"] {
            assert!(listen(wrong).is_err_and(|said| said.contains("127.0.0.1:5001")), "{wrong}");
        }
    }

    #[test]
    fn times_are_seconds_or_spelled() {
        assert_eq!(duration("90"), Ok(Duration::from_secs(90)));
        assert_eq!(duration("1h30m"), Ok(Duration::from_mins(90)));
        assert_eq!(duration("250ms"), Ok(Duration::from_millis(250)));
        for wrong in ["", "soon", "-5s", "5 parsecs", "99999999999"] {
            assert!(duration(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_limit_of_no_time_is_refused() {
        assert_eq!(some_time("1ms"), Ok(Duration::from_millis(1)));
        assert!(some_time("0").is_err() && some_time("0s").is_err());
    }

    #[test]
    fn a_namespace_is_a_label() {
        assert_eq!(namespace("team-1"), Ok("team-1".to_owned()));
        for wrong in ["", "-a", "a-", "A", "a.b", "a/b", &"a".repeat(64)] {
            assert!(namespace(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn sizes_are_those_of_kubernetes() {
        for right in ["1", "500Mi", "2Gi", "3T"] {
            assert_eq!(quantity(right), Ok(right.to_owned()));
        }
        for wrong in ["", "Gi", "0Gi", "-1Gi", "1 Gi", "1Xi", "1.5GiB"] {
            assert!(quantity(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn logs_are_asked_for_by_run_or_by_request() {
        let request = "0199d3b4-58c1-7a52-9d3e-1f2a3b4c5d6e";
        assert_eq!(run_or_request(&format!("r-{request}")), Ok(RunOrRequest::Request(request.parse().expect("an id"))));
        let run = "01j79r8m61f999qfg0000000016c3tn1";
        assert_eq!(run_or_request(run), Ok(RunOrRequest::Run(run.parse().expect("an id"))));
        assert!(run_or_request("../../etc").is_err());
    }
}
