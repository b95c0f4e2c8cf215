//! The ledger as the auditor reads it: the embedded store's file and a Redis by its own queries, and any store as servers
//! tell it.

use std::collections::BTreeMap;
use std::path::Path;

use gitfaas_fixtures::RedisServer;
use rusqlite::{Connection, OpenFlags};
use serde_json::Value;

use crate::audit::{Request, Run};
use crate::support::Server;

/// As many as one answer holds.
const PAGE: usize = 500;

/// Reads the ledger of a data folder that no server uses.
pub(crate) fn of_file(data: &Path) -> Vec<Request> {
    let ledger =
        Connection::open_with_flags(data.join("ledger.db"), OpenFlags::SQLITE_OPEN_READ_WRITE).expect("a ledger");
    let mut runs: BTreeMap<Vec<u8>, Vec<Run>> = BTreeMap::new();
    let mut query = ledger.prepare("SELECT substr(id, 1, 16), record FROM run ORDER BY id").expect("runs");
    let rows = query.query_map((), |row| Ok((row.get::<_, Vec<u8>>(0)?, row.get::<_, String>(1)?))).expect("rows");
    for row in rows {
        let (request, record) = row.expect("a run");
        runs.entry(request).or_default().push(run(&serde_json::from_str(&record).expect("a record")));
    }
    let mut query = ledger
        .prepare("SELECT id, record, body FROM request JOIN payload ON payload.seq = request.payload ORDER BY id")
        .expect("requests");
    let rows =
        query.query_map((), |row| Ok((row.get::<_, Vec<u8>>(0)?, row.get::<_, String>(1)?, row.get::<_, Vec<u8>>(2)?)));
    let requests = rows.expect("rows").map(|row| {
        let (id, record, body) = row.expect("a request");
        let record: Value = serde_json::from_str(&record).expect("a record");
        let message = String::from_utf8_lossy(&body).into_owned();
        Request {
            id: word(&record["id"]),
            topic: word(&record["topic"]),
            message,
            runs: sorted(runs.remove(&id).unwrap_or_default()),
        }
    });
    requests.collect()
}

/// Reads all that a server tells of its ledger, page by page, the newest first; of messages it tells none.
pub(crate) async fn of_server(server: &Server) -> Vec<Request> {
    let mut requests: Vec<Request> = Vec::new();
    let mut path = format!("/api/v1/requests?limit={PAGE}");
    loop {
        let page = server.get(&path).await.json();
        let items = page["items"].as_array().expect("requests");
        requests.extend(items.iter().map(|item| Request {
            id: word(&item["id"]),
            topic: word(&item["topic"]),
            message: String::new(),
            runs: sorted(item["runs"].as_array().expect("runs").iter().map(run).collect()),
        }));
        let Some(next) = page["next"].as_str() else { return requests };
        path = format!("/api/v1/requests?limit={PAGE}&before={next}");
    }
}

/// Reads the ledger in a Redis by a script of its own.
pub(crate) fn of_redis(redis: &RedisServer) -> Vec<Request> {
    let records = |kind: &str, fields: &str| {
        let script = format!(
            "local all = {{}} for _, key in ipairs(redis.call('KEYS', 'gitfaas:{kind}:*')) do \
             all[#all + 1] = redis.call('HMGET', key, {fields}) end return cjson.encode(all)"
        );
        let said = redis.ask(&["EVAL", &script, "0"]);
        // An empty list is an empty object to Lua.
        serde_json::from_str::<Vec<Vec<String>>>(&said).unwrap_or_else(|error| panic!("{error}: {said}"))
    };
    let mut runs: BTreeMap<String, Vec<Run>> = BTreeMap::new();
    for fields in records("run", "'record'") {
        let run = run(&serde_json::from_str(&fields[0]).expect("a record"));
        runs.entry(run.id[..26].to_owned()).or_default().push(run);
    }
    let requests = records("request", "'record', 'payload'").into_iter().map(|fields| {
        let record: Value = serde_json::from_str(&fields[0]).expect("a record");
        let (id, topic, message) = (word(&record["id"]), word(&record["topic"]), fields[1].clone());
        let runs = sorted(runs.remove(&beginning(&id)).unwrap_or_default());
        Request { id, topic, message, runs }
    });
    requests.collect()
}

/// What the runs of a request begin with: the 128 bits of its id, five to a digit.
fn beginning(request: &str) -> String {
    let number = u128::from_str_radix(&request.replace('-', ""), 16).expect("a UUID");
    let digit = |place: u32| char::from(b"0123456789abcdefghijklmnopqrstuv"[(number >> (5 * place) & 31) as usize]);
    (0..26).rev().map(digit).collect()
}

fn run(record: &Value) -> Run {
    Run {
        id: word(&record["id"]),
        function: word(&record["function"]),
        try_no: record["try"].as_u64().expect("a try"),
        phase: word(&record["phase"]),
    }
}

/// However they were listed: the order is that of the config, which the auditor does not know.
fn sorted(mut runs: Vec<Run>) -> Vec<Run> {
    runs.sort_by(|one, other| one.id.cmp(&other.id));
    runs
}

fn word(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("a word: {value}")).to_owned()
}
