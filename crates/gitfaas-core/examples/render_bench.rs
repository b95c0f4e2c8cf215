//! Measures what a message costs: `cargo run --release -p gitfaas-core --example render_bench`.

use std::hint::black_box;
use std::io::Write as _;
use std::time::{Duration, Instant};

use gitfaas_core::admission::{Policy, admit};
use gitfaas_core::catalog::params::ParamRules;
use gitfaas_core::id::{RequestId, RunId, Try};
use gitfaas_core::key::LedgerKey;
use gitfaas_core::manifest::Fillings;
use gitfaas_core::message::Params;
use gitfaas_core::template::{Template, Values};
use gitfaas_core::topic::TopicName;
use gitfaas_core::url::BaseUrl;

const JOB: &str = r#"apiVersion: batch/v1
kind: Job
metadata:
  name: collect-{{RANDOM}}
  namespace: pipelines
  labels:
    app: collect
spec:
  ttlSecondsAfterFinished: 60
  backoffLimit: 2
  template:
    metadata:
      labels:
        app: collect
    spec:
      containers:
      - name: collect
        image: registry.example/collect:1.4.2
        command: ["python3", "handler.py"]
        env:
        - name: MESSAGE
          value: "{{MESSAGE}}"
        - name: REQUEST_UUID
          value: "{{REQUEST_UUID}}"
        - name: DAY
          value: "{{day}}"
        resources:
          requests: {cpu: 100m, memory: 64Mi}
          limits: {memory: 256Mi}
        volumeMounts:
        - name: scratch
          mountPath: /mnt/disk
      restartPolicy: Never
      volumes:
      - name: scratch
        emptyDir: {}
"#;
const ROUNDS: u32 = 20_000;

/// The best of several runs: the others measured the machine.
fn measure(mut work: impl FnMut()) -> Duration {
    let run = |work: &mut dyn FnMut()| {
        let begin = Instant::now();
        (0..ROUNDS).for_each(|_| work());
        begin.elapsed() / ROUNDS
    };
    (0..10).map(|_| run(&mut work)).min().unwrap_or_default()
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let function = "collect.yaml".parse()?;
    let topic: TopicName = "timeToCollect".parse()?;
    let template = Template::compile(&function, JOB.as_bytes()).map_err(|problems| format!("{problems:?}"))?;
    let request: RequestId = "0199d3b4-58c1-7a52-9d3e-1f2a3b4c5d6e".parse()?;
    let run = RunId::derive(request, &function);
    let params: Params = [("day".to_owned(), "2026-11-23".to_owned())].into();
    let key = LedgerKey::new([7; 32]);
    let fillings = Fillings::new(&key, run, Try::FIRST, &BaseUrl::default(), "eyAiaGVsbG8iOiAid29ybGQiIH0=");
    let values = Values {
        topic: &topic,
        revision: "main@sha1:132f4e719c0f5e8b1a3d7c6e2f4a8b9c0d1e2f3a",
        namespace: "gitfaas",
        traceparent: None,
        params: &params,
        rules: &ParamRules::default(),
        fillings: &fillings,
    };
    let compile = measure(|| drop(black_box(Template::compile(&function, black_box(JOB.as_bytes())))));
    let render = measure(|| drop(black_box(template.render(black_box(&values)))));
    let manifests = template.render(&values)?;
    let fill = measure(|| drop(black_box(manifests[0].fill(black_box(&fillings)))));
    let policy = Policy::default();
    let whole = measure(|| {
        for manifest in template.render(black_box(&values)).iter().flatten() {
            drop(black_box(admit(&policy, manifest.fill(&fillings))));
        }
    });
    writeln!(
        std::io::stdout(),
        "source {} bytes, object {} bytes\ncompile {compile:?}\nrender {render:?}\nfill {fill:?}\nrender, fill and admit {whole:?}",
        JOB.len(),
        manifests[0].fill(&fillings).json.len()
    )?;
    Ok(())
}
