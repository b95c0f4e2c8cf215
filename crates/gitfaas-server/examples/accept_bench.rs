//! Measures the embedded store on this machine's disk, `accept_bench FOLDER [RETAINED]`, or the one in a Redis beside that
//! Redis alone, `accept_bench redis://HOST:PORT [RETAINED]`.
//!
//! Everything is a ratio within one run. The ledgers it makes in the folder are removed again; what it leaves in the Redis
//! begins with `accept-bench`.

#![expect(clippy::print_stdout, reason = "its output is what it is for")]

use std::error::Error;
use std::io::Write as _;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use gitfaas_core::id::{RequestId, RunId};
use gitfaas_core::manifest::{Hole, Holed, RecordedManifest};
use gitfaas_core::message::MessageMeta;
use gitfaas_core::request::{Lineage, Request};
use gitfaas_core::run::{Phase, Run};
use gitfaas_server::clock::{Clock, SystemClock};
use gitfaas_server::store::embedded::EmbeddedStore;
use gitfaas_server::store::redis::{RedisStore, Settings, inspect};
use gitfaas_server::store::{Accept, Room, Store};
use redis::IntoConnectionInfo as _;
use redis::io::tcp::TcpSettings;

type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

const MEASURED: Duration = Duration::from_secs(4);

fn main() -> Outcome<()> {
    let mut arguments = std::env::args_os().skip(1);
    let folder = arguments.next().ok_or("usage: accept_bench FOLDER|URL [RETAINED]")?;
    let retained: u64 = match arguments.next() {
        Some(number) => number.to_string_lossy().parse()?,
        None => 100_000,
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    if let Some(url) = folder.to_str().filter(|text| text.starts_with("redis")) {
        return runtime.block_on(measure_redis(url, retained));
    }
    let folder = Path::new(&folder).join("accept-bench");
    std::fs::create_dir_all(&folder)?;
    let measured = runtime.block_on(measure(&folder, retained));
    std::fs::remove_dir_all(&folder)?;
    measured
}

async fn measure(folder: &Path, retained: u64) -> Outcome<()> {
    println!("fdatasyncs a second of 4 KiB appended to a file: {:.0}", fsyncs(folder)?);
    let store: Arc<dyn Store> = Arc::new(EmbeddedStore::open(&folder.join("rates"))?);
    let alone = accepts(&store, 1).await?;
    println!("accepts a second, 1 at a time: {alone:.0}");
    for at_once in [16, 64, 256] {
        let rate = accepts(&store, at_once).await?;
        println!("accepts a second, {at_once} at a time: {rate:.0}, {:.1} times one at a time", rate / alone);
    }
    store.close().await;
    std::fs::remove_dir_all(folder.join("rates"))?;
    large(&folder.join("large"), retained).await
}

/// In turns with `XADD` of as many bytes over one connection too, so that both have the same disk and the same machine.
async fn measure_redis(url: &str, retained: u64) -> Outcome<()> {
    let settings = Settings { prefix: "accept-bench".to_owned(), ..Settings::new(url.parse()?) };
    let store: Arc<dyn Store> = Arc::new(RedisStore::open(settings.clone()).await?);
    for warning in inspect(&settings).await?.warnings() {
        println!("{warning}");
    }
    let info = url.into_connection_info()?.set_tcp_settings(TcpSettings::default().set_nodelay(true));
    let client = redis::Client::open(info)?;
    for at_once in [1, 16, 64, 256] {
        let (mut accepted, mut raw) = (0.0, 0.0);
        for _ in 0..3 {
            raw += adds(&client, at_once).await? / 3.0;
            accepted += accepts(&store, at_once).await? / 3.0;
        }
        println!("{at_once} at a time: {accepted:.0} accepts a second, {raw:.0} XADD, {:.2} of it", accepted / raw);
    }
    let before = inspect(&settings).await?.used_memory;
    fill(&store, retained).await?;
    let each = inspect(&settings).await?.used_memory.saturating_sub(before) / retained.max(1);
    println!("memory of Redis for each of {retained} requests: {each} bytes");
    let (accept, read) = latencies(&store).await?;
    println!("accept, p50: {accept:.1?}; read, p50: {read:.1?}");
    let (begun, mut expired) = (Instant::now(), 0);
    while expired < retained {
        expired += store.expire(jiff::Timestamp::MAX, jiff::Timestamp::MAX, 200).await? as u64;
    }
    println!("expire of {expired}: {:.1?}", begun.elapsed());
    store.close().await;
    Ok(())
}

async fn adds(client: &redis::Client, at_once: usize) -> Outcome<f64> {
    let connection = client.get_multiplexed_async_connection().await?;
    let begun = Instant::now();
    let tasks: Vec<_> = (0..at_once)
        .map(|_| {
            let mut connection = connection.clone();
            tokio::spawn(async move {
                let mut count = 0_u32;
                while begun.elapsed() < MEASURED {
                    let mut add = redis::cmd("XADD");
                    // What an accept has in its request, payload, run and manifests.
                    add.arg("accept-bench-stream").arg("*").arg("m").arg(&[7_u8; 2048][..]);
                    connection.send_packed_command(&add).await?;
                    count += 1;
                }
                Outcome::Ok(count)
            })
        })
        .collect();
    let mut count = 0;
    for task in tasks {
        count += task.await??;
    }
    redis::cmd("DEL").arg("accept-bench-stream").query_async::<()>(&mut connection.clone()).await?;
    Ok(f64::from(count) / begun.elapsed().as_secs_f64())
}

async fn large(folder: &Path, retained: u64) -> Outcome<()> {
    let begun = Instant::now();
    let mut store: Arc<dyn Store> = Arc::new(EmbeddedStore::open(folder)?);
    println!("open, empty: {:.1?}", begun.elapsed());
    let empty = latencies(&store).await?;
    let before = resident()?;
    fill(&store, retained).await?;
    println!("memory after {retained} requests: {before} KiB before, {} KiB after", resident()?);
    let full = latencies(&store).await?;
    let ratio = |one: Duration, other: Duration| one.as_secs_f64() / other.as_secs_f64();
    println!("accept, p50: {:.1?} empty, {:.1?} full, {:.2} times", empty.0, full.0, ratio(full.0, empty.0));
    println!("read, p50: {:.1?} empty, {:.1?} full, {:.2} times", empty.1, full.1, ratio(full.1, empty.1));
    store.close().await;
    drop(store);
    let begun = Instant::now();
    store = Arc::new(EmbeddedStore::open(folder)?);
    println!("open with {retained} requests: {:.1?}", begun.elapsed());
    println!("ledger: {} MiB", std::fs::metadata(folder.join("ledger.db"))?.len() >> 20);
    let begun = Instant::now();
    store.count().await?;
    println!("count: {:.1?}", begun.elapsed());
    let begun = Instant::now();
    let expired = store.expire(jiff::Timestamp::MAX, jiff::Timestamp::MAX, 500).await?;
    println!("expire of {expired}: {:.1?}", begun.elapsed());
    store.close().await;
    Ok(())
}

fn fsyncs(folder: &Path) -> Outcome<f64> {
    let path = folder.join("raw");
    let mut file = std::fs::File::create(&path)?;
    let (begun, mut count) = (Instant::now(), 0_u32);
    while begun.elapsed() < MEASURED / 2 {
        file.write_all(&[7; 4096])?;
        file.sync_data()?;
        count += 1;
    }
    let rate = f64::from(count) / begun.elapsed().as_secs_f64();
    std::fs::remove_file(path)?;
    Ok(rate)
}

async fn accepts(store: &Arc<dyn Store>, at_once: usize) -> Outcome<f64> {
    let begun = Instant::now();
    let tasks: Vec<_> = (0..at_once)
        .map(|_| {
            let store = Arc::clone(store);
            tokio::spawn(async move {
                let mut count = 0_u32;
                while begun.elapsed() < MEASURED {
                    store.accept(message()?).await?;
                    count += 1;
                }
                Outcome::Ok(count)
            })
        })
        .collect();
    let mut count = 0;
    for task in tasks {
        count += task.await??;
    }
    Ok(f64::from(count) / begun.elapsed().as_secs_f64())
}

/// Requests that are over, as most of those retained are.
async fn fill(store: &Arc<dyn Store>, retained: u64) -> Outcome<()> {
    let tasks: Vec<_> = (0..64)
        .map(|task| {
            let store = Arc::clone(store);
            let mine = retained / 64 + u64::from(task < retained % 64);
            tokio::spawn(async move {
                for _ in 0..mine {
                    let mut accept = message()?;
                    for (run, _) in &mut accept.runs {
                        run.phase = Phase::Succeeded;
                        run.due_at = None;
                        run.finished_at = Some(SystemClock.now());
                    }
                    store.accept(accept).await?;
                }
                Outcome::Ok(())
            })
        })
        .collect();
    for task in tasks {
        task.await??;
    }
    Ok(())
}

/// The median of an accept, and of reading a request with its runs.
async fn latencies(store: &Arc<dyn Store>) -> Outcome<(Duration, Duration)> {
    let (mut accepts, mut reads) = (Vec::new(), Vec::new());
    for _ in 0..3_000 {
        let accept = message()?;
        let id = accept.request.id;
        let begun = Instant::now();
        store.accept(accept).await?;
        accepts.push(begun.elapsed());
        let begun = Instant::now();
        store.request(id).await?;
        store.runs(id).await?;
        reads.push(begun.elapsed());
    }
    accepts.sort_unstable();
    reads.sort_unstable();
    Ok((accepts[1_500], reads[1_500]))
}

/// A message of one function, with a manifest of the usual size.
fn message() -> Outcome<Accept> {
    static MADE: AtomicU64 = AtomicU64::new(0);
    let now = SystemClock.now();
    let mut rest = [0; 10];
    rest[2..].copy_from_slice(&MADE.fetch_add(1, Ordering::Relaxed).to_be_bytes());
    let unix = u64::try_from(now.as_millisecond())?;
    let id = RequestId::new(uuid::Builder::from_unix_timestamp_millis(unix, &rest).into_uuid());
    let payload = Bytes::from_static(&[b'x'; 256]);
    let request = Request {
        id,
        topic: "collect".parse()?,
        revision: "main@sha1:132f4e7".to_owned(),
        received_at: now,
        meta: MessageMeta { content_type: Some("application/json".to_owned()), ..MessageMeta::default() },
        size: 256,
        lineage: Lineage::default(),
        replay_of: None,
    };
    let mut name = Holed::default();
    name.push_text("collect-");
    name.push_hole(Hole::Random);
    let mut json = name.clone();
    json.push_text(&"y".repeat(800));
    let manifest = RecordedManifest {
        api_version: "batch/v1".to_owned(),
        kind: "Job".to_owned(),
        namespace: None,
        name,
        unique: true,
        json,
    };
    let function = "collect.yaml".parse()?;
    let run = Run::planned(RunId::derive(id, &function), request.topic.clone(), function, 0, now);
    Ok(Accept { request, payload, runs: vec![(run, vec![manifest])], idempotency: None, room: Room::ENDLESS })
}

/// Resident memory of this process in KiB.
fn resident() -> Outcome<u64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).ok_or("no VmRSS")?;
    Ok(line.trim().trim_end_matches(" kB").parse()?)
}
