//! A primary, its replica, and three Sentinels that make the replica the primary when the other one is gone.

use std::fmt::Write as _;
use std::net::SocketAddr;

use tempfile::TempDir;

use crate::address;
use crate::program::{self, Process};
use crate::redis::{self, Options, RedisServer};

/// What the Sentinels call the primary.
pub const NAME: &str = "ledger";
/// After so many milliseconds without an answer a server is taken for gone.
const GONE_AFTER: u32 = 500;

/// The five servers, for as long as it is kept.
#[derive(Debug)]
pub struct SentinelSet {
    servers: [RedisServer; 2],
    sentinels: Vec<Sentinel>,
}

#[derive(Debug)]
struct Sentinel {
    address: SocketAddr,
    password: Option<String>,
    process: Process,
    _folder: TempDir,
}

impl SentinelSet {
    /// Whether they can be started here; where not, it is said that `what` is left out.
    pub fn is_there(what: &str) -> bool {
        program::are_there(what, &["redis-server", "redis-cli", "redis-sentinel"])
    }

    /// Starts all of them, and returns when the replica has what the primary has and the Sentinels know one another.
    pub fn start(options: &Options) -> Self {
        let primary = RedisServer::start(options.clone());
        let replica = RedisServer::start(Options { replica_of: Some(primary.address()), ..options.clone() });
        replica.says(&["MASTER <-> REPLICA sync: Finished with success"]);
        let sentinels: Vec<_> = (0..3).map(|_| Sentinel::start(primary.address(), options)).collect();
        for sentinel in &sentinels {
            sentinel.process.says_times(&["+sentinel "], 2);
            sentinel.process.says(&["+slave "]);
        }
        Self { servers: [primary, replica], sentinels }
    }

    /// What was the primary at first.
    pub fn primary(&self) -> &RedisServer {
        &self.servers[0]
    }

    /// What was its replica at first.
    pub fn replica(&self) -> &RedisServer {
        &self.servers[1]
    }

    /// What the Sentinels take for the primary now, and the other one.
    pub fn now(&self) -> [&RedisServer; 2] {
        let [first, second] = &self.servers;
        if self.sentinels[0].names_primary() == first.address() { [first, second] } else { [second, first] }
    }

    /// Waits until the primary has its replica, which has all that it has, and the Sentinels would take it.
    pub fn whole(&self) {
        program::until("the replica follows", || {
            let [primary, replica] = self.now();
            let follows = primary.ask_again(&["INFO", "replication"])?.contains("state=online");
            let taken = self.sentinels.iter().all(|sentinel| sentinel.takes(replica.address()));
            (follows && taken).then_some(())
        });
    }

    /// The addresses of the Sentinels.
    pub fn sentinels(&self) -> Vec<SocketAddr> {
        self.sentinels.iter().map(|sentinel| sentinel.address).collect()
    }

    /// The URL of what they watch.
    pub fn url(&self) -> String {
        let hosts: Vec<_> = self.sentinels().iter().map(SocketAddr::to_string).collect();
        format!("redis+sentinel://{}/{NAME}", hosts.join(","))
    }

    /// Waits until all of them have changed to another primary so many times.
    pub fn switched(&self, times: usize) {
        for sentinel in &self.sentinels {
            sentinel.process.says_times(&["+switch-master "], times);
        }
    }
}

impl Sentinel {
    fn ask(&self, words: &[&str]) -> String {
        program::output(redis::ask(self.address, self.password.as_deref()).args(words))
    }

    fn names_primary(&self) -> SocketAddr {
        let named = self.ask(&["SENTINEL", "get-master-addr-by-name", NAME]);
        let (ip, port) = named.split_once('\n').expect("an address and a port");
        SocketAddr::new(ip.parse().expect("an address"), port.parse().expect("a port"))
    }

    /// Whether it could make a server the primary.
    fn takes(&self, replica: SocketAddr) -> bool {
        let told = self.ask(&["SENTINEL", "replicas", NAME]);
        let mut lines = told.lines();
        let known = lines.any(|line| line == replica.to_string());
        known
            && lines.skip_while(|line| *line != "flags").nth(1) == Some("slave")
            && told.contains("master-link-status\nok")
    }

    fn start(primary: SocketAddr, options: &Options) -> Self {
        let address = address::own(26379);
        let folder = tempfile::tempdir().expect("a folder");
        let (ip, port) = (address.ip(), address.port());
        let mut file = format!(
            "bind {ip}\nport {port}\nprotected-mode no\nsentinel announce-ip {ip}\n\
             sentinel monitor {NAME} {} {} 2\nsentinel down-after-milliseconds {NAME} {GONE_AFTER}\n\
             sentinel failover-timeout {NAME} 3000\n",
            primary.ip(),
            primary.port()
        );
        if let Some(password) = &options.password {
            // The same for the servers, the Sentinels, and by which these know one another.
            let _ = writeln!(file, "sentinel auth-pass {NAME} {password}");
            let _ = writeln!(file, "requirepass {password}\nsentinel sentinel-pass {password}");
        }
        std::fs::write(folder.path().join("sentinel.conf"), file).expect("written");
        let program = program::find("redis-sentinel").expect("redis-sentinel is installed");
        let process = Process::start(&program, folder.path(), &["sentinel.conf"]);
        process.says(&["+monitor master "]);
        Self { address, password: options.password.clone(), process, _folder: folder }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_replica_is_the_primary_when_that_is_gone() {
        if !SentinelSet::is_there("a failover by Sentinel") {
            return;
        }
        let set = SentinelSet::start(&Options::default());
        set.primary().ask(&["SET", "one", "1"]);
        set.primary().ask(&["WAIT", "1", "0"]);
        set.primary().kill();
        set.switched(1);
        assert!(set.replica().ask(&["ROLE"]).starts_with("master"));
        assert_eq!(set.replica().ask(&["GET", "one"]), "1");
        assert_eq!(set.now().map(RedisServer::address), [set.replica(), set.primary()].map(RedisServer::address));
    }
}
