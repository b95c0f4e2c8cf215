//! How long a Job may stay in the cluster.
//!
//! Kubernetes deletes a finished Job when its time to live is over. Until its end is settled and its logs are kept, it is
//! made with a longer one, so that a server that was away finds it again; its own is written beside it and given back.

use std::time::Duration;

use serde_json::{Map, Value, json};

/// The annotation with a Job's own time to live, in seconds.
const OWN: &str = "gitfaas.io/ttl-seconds-after-finished";
/// The label of a Job that is settled and whose logs are kept: nobody looks at it any more.
pub(super) const RELEASED: &str = "gitfaas.io/released";

/// The Job with at least this time to live; `None` when it is right as it is.
pub(super) fn raised(json: &str, floor: Duration) -> Option<String> {
    let mut job: Value = serde_json::from_str(json).ok()?;
    let ttl = job.get_mut("spec")?.get_mut("ttlSecondsAfterFinished")?;
    let own = ttl.as_u64().filter(|own| *own < floor.as_secs())?;
    *ttl = floor.as_secs().into();
    let annotations = job.get_mut("metadata")?.as_object_mut()?.entry("annotations").or_insert_with(|| json!({}));
    annotations.as_object_mut()?.insert(OWN.to_owned(), own.to_string().into());
    Some(job.to_string())
}

/// What is changed about a Job that is released; `None` when it was not made by [`raised`] or is released already.
pub(super) fn released(job: &Value) -> Value {
    let metadata = job.get("metadata");
    let own = metadata.and_then(|metadata| metadata.get("annotations")?.get(OWN)?.as_str()?.parse::<u32>().ok());
    let uid = metadata.and_then(|metadata| metadata.get("uid")).cloned().unwrap_or_default();
    let mut patch = Map::new();
    // Not another Job that has the name by now.
    patch.insert("metadata".to_owned(), json!({"uid": uid, "labels": {RELEASED: "true"}}));
    if let Some(own) = own {
        patch.insert("spec".to_owned(), json!({"ttlSecondsAfterFinished": own}));
    }
    patch.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: Duration = Duration::from_hours(24);

    #[test]
    fn a_short_life_is_lengthened_and_given_back() {
        let job = r#"{"metadata": {"name": "a", "uid": "u"}, "spec": {"ttlSecondsAfterFinished": 60}}"#;
        let raised: Value = serde_json::from_str(&raised(job, DAY).expect("raised")).expect("json");
        assert_eq!(raised["spec"]["ttlSecondsAfterFinished"], 86_400);
        let patch = released(&raised);
        assert_eq!(patch["spec"]["ttlSecondsAfterFinished"], 60);
        assert_eq!(patch["metadata"], json!({"uid": "u", "labels": {"gitfaas.io/released": "true"}}));
    }

    #[test]
    fn a_job_that_stays_longer_or_for_good_is_left_as_it_is() {
        for spec in [r#"{"ttlSecondsAfterFinished": 86400}"#, "{}", r#"{"ttlSecondsAfterFinished": null}"#] {
            let job = format!(r#"{{"metadata": {{"name": "a"}}, "spec": {spec}}}"#);
            assert_eq!(raised(&job, DAY), None);
            assert_eq!(released(&serde_json::from_str(&job).expect("json")).get("spec"), None);
        }
    }

    #[test]
    fn a_time_to_live_of_nothing_is_one() {
        let job = r#"{"metadata": {"name": "a", "annotations": {"b": "c"}}, "spec": {"ttlSecondsAfterFinished": 0}}"#;
        let raised: Value = serde_json::from_str(&raised(job, DAY).expect("raised")).expect("json");
        assert_eq!(raised["metadata"]["annotations"]["b"], "c");
        assert_eq!(released(&raised)["spec"]["ttlSecondsAfterFinished"], 0);
    }
}
