//! The "Complete example" of the README of the Python gitfaas: a secret, a fresh volume, and nothing left a minute later.

use std::time::Duration;

use serde_json::{Value, json};

use crate::support::{Namespace, Repository, ended, python_image, within};

/// What the manifest says, in seconds.
const TTL: u64 = 60;

/// The README's, which also looks at what it was given.
const HANDLER: &str = "import base64, os

def main():
    message = base64.b64decode(os.environ['MESSAGE']).decode('utf-8')
    print('message = ', message)
    print('secret = ', open('/var/somefolder/secrets/secret-name').read())
    print('volume = ', os.listdir('/mnt/disk'))
    with open('/mnt/disk/file', 'w') as file:
        file.write(message)
    print('volume = ', os.listdir('/mnt/disk'))

main()
";

/// Its mistakes corrected and its words in angle brackets filled in.
fn template(namespace: &str) -> String {
    let (image, handler) = (python_image(), json!(HANDLER));
    format!(
        r#"apiVersion: batch/v1
kind: Job
metadata:
  name: some-pod-name-{{{{RANDOM}}}}
  namespace: {namespace}
spec:
  ttlSecondsAfterFinished: {TTL}
  backoffLimit: 0
  template:
    spec:
      containers:
      - name: myfunction
        image: {image}
        command: ["python3", "-c", {handler}]
        env:
        - name: MESSAGE
          value: "{{{{MESSAGE}}}}"
        - name: REQUEST_UUID
          value: "{{{{REQUEST_UUID}}}}"
        volumeMounts:
          - name: my-light-volume
            mountPath: /mnt/disk/
          - name: my-projected-secrets
            mountPath: /var/somefolder/secrets
      restartPolicy: Never
      volumes:
        - name: my-projected-secrets
          projected:
            defaultMode: 420
            sources:
            - secret:
                items:
                - key: secret-name
                  path: secret-name
                name: secret-name
        - name: my-light-volume
          ephemeral:
            volumeClaimTemplate:
              metadata:
                labels:
                  type: my-volume
              spec:
                accessModes: [ "ReadWriteOnce" ]
                storageClassName: "csi-cinder-high-speed"
                resources:
                  requests:
                    storage: 1Gi
"#
    )
}

/// The claims with the label of the example's volume.
async fn claims(namespace: &Namespace) -> Vec<Value> {
    let mut claims = namespace.list("v1", "persistentvolumeclaims").await;
    claims.retain(|claim| claim["metadata"]["labels"]["type"] == "my-volume");
    claims
}

#[tokio::test]
async fn the_complete_example_has_a_fresh_volume_which_goes_with_its_pod() {
    let Some(namespace) = Namespace::new("the complete example").await else { return };
    namespace.kubectl(&["create", "secret", "generic", "secret-name", "--from-literal=secret-name=open sesame"]);
    let repository = Repository::with(&[("mytopic", &[("some.yaml", &template(&namespace.name))])]);
    let server = namespace.serve(repository.path()).await;
    let request = server.publish("mytopic", r#"{ "hello": "world" }"#).await;
    let path = format!("/api/v1/requests/{request}");
    let view = ended(&server, &request).await;
    assert_eq!(view["phase"], "succeeded", "{view:#}");
    let claims_then = claims(&namespace).await;
    assert_eq!((claims_then.len(), &claims_then[0]["status"]["phase"]), (1, &json!("Bound")), "{claims_then:#?}");
    let volume = claims_then[0]["spec"]["volumeName"].as_str().expect("a volume").to_owned();

    let most = Duration::from_secs(TTL) + Duration::from_mins(2);
    within(most, "the Job, its pod, its claim and its volume are gone", async || {
        let jobs = namespace.list("batch/v1", "jobs").await.len();
        let pods = namespace.list("v1", "pods").await.len();
        let volume = namespace.api.get(&format!("/api/v1/persistentvolumes/{volume}")).await;
        (jobs + pods + claims(&namespace).await.len() == 0 && volume.is_none()).then_some(())
    })
    .await;
    let run = view["runs"][0]["id"].as_str().expect("a run");
    let log = server.get(&format!("/api/v1/runs/{run}/logs")).await.text();
    let expected = "message =  { \"hello\": \"world\" }\nsecret =  open sesame\nvolume =  []\nvolume =  ['file']\n";
    assert_eq!(log, expected);
    assert_eq!(server.get(&path).await.json(), view, "as it was while there was a pod");
}
