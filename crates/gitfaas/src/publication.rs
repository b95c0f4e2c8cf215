//! What is to be published: read from where the arguments say, and given a content type.
//!
//! Used by `publish`, which sends it, and by `render`, which only looks what it would do.

use std::io::Read as _;

use anyhow::Context as _;
use bytes::Bytes;
use gitfaas_core::message::Params;
use serde::de::IgnoredAny;

use crate::cli::{Data, MessageArgs};
use crate::exit::Usage;

/// A message, ready to be published.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Publication {
    /// Its bytes.
    pub(crate) payload: Bytes,
    /// Its content type; `None` for an empty message.
    pub(crate) content_type: Option<String>,
    /// Its query parameters.
    pub(crate) params: Params,
}

/// Reads what the arguments name.
///
/// # Errors
/// When a file cannot be read, or a parameter is given twice.
pub(crate) fn read(arguments: &MessageArgs) -> anyhow::Result<Publication> {
    let params = unique(&arguments.params)?;
    let payload = payload(arguments.data.as_ref())?;
    let content_type = arguments.content_type.clone().or_else(|| content_type_of(&payload).map(ToOwned::to_owned));
    Ok(Publication { payload, content_type, params })
}

fn payload(data: Option<&Data>) -> anyhow::Result<Bytes> {
    match data {
        None => Ok(Bytes::new()),
        Some(Data::Text(text)) => Ok(text.clone().into()),
        Some(Data::File(path)) => {
            let bytes = std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
            Ok(bytes.into())
        }
        Some(Data::Stdin) => {
            let mut bytes = Vec::new();
            std::io::stdin().lock().read_to_end(&mut bytes).context("cannot read stdin")?;
            Ok(bytes.into())
        }
    }
}

fn unique(pairs: &[(String, String)]) -> Result<Params, Usage> {
    let mut params = Params::new();
    for (name, value) in pairs {
        if params.insert(name.clone(), value.clone()).is_some() {
            return Err(Usage(format!("the parameter `{name}` is given twice")));
        }
    }
    Ok(params)
}

/// What the bytes look like. Only what surely is JSON is called so, because the server refuses what claims to be
/// JSON and is not.
fn content_type_of(payload: &[u8]) -> Option<&'static str> {
    if payload.is_empty() {
        return None;
    }
    let Ok(text) = std::str::from_utf8(payload) else { return Some("application/octet-stream") };
    if serde_json::from_str::<IgnoredAny>(text).is_ok() {
        return Some("application/json");
    }
    // Text never contains a NUL; archives and images whose other bytes happen to be UTF-8 do.
    Some(if text.contains('\0') { "application/octet-stream" } else { "text/plain" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_content_type_is_what_the_data_surely_is() {
        assert_eq!(content_type_of(b""), None);
        assert_eq!(content_type_of(b" {\"a\": [1, null]}\n"), Some("application/json"));
        assert_eq!(content_type_of(b"42"), Some("application/json"));
        assert_eq!(content_type_of(b"{\"a\": 1} trailing"), Some("text/plain"));
        assert_eq!(content_type_of("été\r\n".as_bytes()), Some("text/plain"));
        assert_eq!(content_type_of(b"a\0b"), Some("application/octet-stream"));
        assert_eq!(content_type_of(&[0x1f, 0x8b, 0x08]), Some("application/octet-stream"));
        assert_eq!(content_type_of(b"{\"a\": \"\xff\"}"), Some("application/octet-stream"));
    }

    fn arguments(data: Option<Data>, params: &[(&str, &str)]) -> MessageArgs {
        let params = params.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        MessageArgs { data, params, content_type: None }
    }

    #[test]
    fn a_file_is_read_as_it_is() {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("in.bin");
        std::fs::write(&path, [0, 0xff, b'\n']).expect("a file");
        let read = read(&arguments(Some(Data::File(path)), &[])).expect("it is there");
        assert_eq!(read.payload.as_ref(), [0, 0xff, b'\n']);
        assert_eq!(read.content_type.as_deref(), Some("application/octet-stream"));
    }

    #[test]
    fn a_file_that_is_missing_is_named() {
        let error = read(&arguments(Some(Data::File("no/such.json".into())), &[])).expect_err("nothing is there");
        assert!(format!("{error:#}").starts_with("cannot read no/such.json: "), "{error:#}");
    }

    #[test]
    fn what_is_given_wins_over_what_it_looks_like() {
        let mut given = arguments(Some(Data::Text("{}".to_owned())), &[("b", "2"), ("a", "1")]);
        given.content_type = Some("plain/text".to_owned());
        let read = read(&given).expect("it is fine");
        assert_eq!(read.content_type.as_deref(), Some("plain/text"));
        assert_eq!(read.params.len(), 2);
    }

    #[test]
    fn a_parameter_given_twice_is_a_usage_error() {
        let error = read(&arguments(None, &[("a", "1"), ("a", "2")])).expect_err("twice");
        assert!(error.is::<Usage>(), "{error}");
    }
}
