//! The ports of a Service as v1.20 wants them applied.
//!
//! There, the protocol is a part of what tells ports apart, and is asked for before it is given its default.

use serde_json::Value;

/// The Service with the default protocol written out; `None` when it is right as it is.
pub(super) fn with_protocols(json: &str) -> Option<String> {
    let mut service: Value = serde_json::from_str(json).ok()?;
    let ports = service.get_mut("spec")?.get_mut("ports")?.as_array_mut()?;
    let mut silent: Vec<_> =
        ports.iter_mut().filter_map(Value::as_object_mut).filter(|port| !port.contains_key("protocol")).collect();
    if silent.is_empty() {
        return None;
    }
    for port in &mut silent {
        port.insert("protocol".to_owned(), "TCP".into());
    }
    Some(service.to_string())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_port_without_a_protocol_has_tcp() {
        let service = json!({"spec": {"ports": [{"port": 80}, {"port": 53, "protocol": "UDP"}]}}).to_string();
        let applied: Value = serde_json::from_str(&with_protocols(&service).expect("changed")).expect("json");
        assert_eq!(applied["spec"]["ports"], json!([{"port": 80, "protocol": "TCP"}, {"port": 53, "protocol": "UDP"}]));
        assert_eq!(with_protocols(&applied.to_string()), None);
    }

    #[test]
    fn what_has_no_ports_is_left_as_it_is() {
        for service in [json!({"spec": {}}), json!({"spec": {"ports": "80"}}), json!({})] {
            assert_eq!(with_protocols(&service.to_string()), None);
        }
    }
}
