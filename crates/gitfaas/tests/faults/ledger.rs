//! The ledger as the auditor reads it: the embedded store's file by its own queries, and any store as servers tell it.

use std::collections::BTreeMap;
use std::path::Path;

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
            runs: runs.remove(&id).unwrap_or_default(),
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
            runs: item["runs"].as_array().expect("runs").iter().map(run).collect(),
        }));
        let Some(next) = page["next"].as_str() else { return requests };
        path = format!("/api/v1/requests?limit={PAGE}&before={next}");
    }
}

fn run(record: &Value) -> Run {
    Run {
        id: word(&record["id"]),
        function: word(&record["function"]),
        try_no: record["try"].as_u64().expect("a try"),
        phase: word(&record["phase"]),
    }
}

fn word(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("a word: {value}")).to_owned()
}
