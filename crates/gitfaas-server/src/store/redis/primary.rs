//! Where the primary is: at its address, or where the Sentinels say.

use std::sync::Once;

use redis::aio::MultiplexedConnection;
use redis::io::tcp::TcpSettings;
use redis::{
    Client, Cmd, ConnectionAddr, ConnectionInfo, IntoConnectionInfo as _, RedisConnectionInfo, RedisError,
    TlsCertificates, Value,
};

use super::link::{CONNECTING, connection};
use super::reply::{self, failure, shown};
use super::settings::{Host, Password, Place, Settings};
use crate::secret::Secret;
use crate::store::StoreError;

/// The client of what is the primary now.
pub(super) async fn find(settings: &Settings) -> Result<Client, StoreError> {
    match settings.address.place() {
        Place::One(host) => client(settings, host, login(settings).await?),
        Place::Sentinels(sentinels, name) => {
            let mut last = None;
            for sentinel in sentinels {
                match ask(settings, sentinel, name).await {
                    Ok(primary) => return Ok(primary),
                    Err(error) => last = Some(error),
                }
            }
            Err(last.unwrap_or_else(reply::unexpected))
        }
    }
}

/// What one Sentinel says, if the one it names takes itself for the primary too.
async fn ask(settings: &Settings, sentinel: &Host, name: &str) -> Result<Client, StoreError> {
    let mut login = RedisConnectionInfo::default().set_skip_set_lib_name();
    if let Some(password) = secret(settings.sentinel_password.as_ref()).await? {
        login = login.set_password(password.reveal());
    }
    let mut asked = connection(&client(settings, sentinel, login)?, CONNECTING).await?;
    let mut command = redis::cmd("SENTINEL");
    command.arg("get-master-addr-by-name").arg(name);
    let answer = said(&mut asked, &command).await?;
    if matches!(answer, Value::Nil) {
        return Err(StoreError::Unavailable(format!(
            "the Sentinel {sentinel} knows no primary called {}",
            shown(name)
        )));
    }
    let [host, port] = reply::exactly(answer)?;
    let port = reply::text(port)?.parse().map_err(|_| reply::unexpected())?;
    let primary = client(settings, &Host { name: reply::text(host)?, port }, self::login(settings).await?)?;
    check(&primary).await?;
    Ok(primary)
}

/// What is answered to a command that is no script.
async fn said(asked: &mut MultiplexedConnection, command: &Cmd) -> Result<Value, StoreError> {
    match asked.send_packed_command(command).await {
        Ok(Value::ServerError(error)) => Err(failure(&RedisError::from(error))),
        Ok(value) => Ok(value),
        Err(error) => Err(failure(&error)),
    }
}

/// A Sentinel can be late: what was demoted would lose what is written to it.
async fn check(client: &Client) -> Result<(), StoreError> {
    let mut asked = connection(client, CONNECTING).await?;
    let role = said(&mut asked, &redis::cmd("ROLE")).await?;
    let role = reply::items(role)?.into_iter().next().map(reply::text).transpose()?;
    if role.as_deref() == Some("master") {
        return Ok(());
    }
    Err(StoreError::Unavailable("the Sentinels have not agreed on a primary yet".to_owned()))
}

async fn login(settings: &Settings) -> Result<RedisConnectionInfo, StoreError> {
    let mut login = RedisConnectionInfo::default().set_db(settings.address.database).set_skip_set_lib_name();
    if let Some(user) = &settings.user {
        login = login.set_username(user);
    }
    if let Some(password) = secret(settings.password.as_ref()).await? {
        login = login.set_password(password.reveal());
    }
    Ok(login)
}

/// A password as it is now.
async fn secret(password: Option<&Password>) -> Result<Option<Secret>, StoreError> {
    let Some(password) = password.cloned() else { return Ok(None) };
    let read = tokio::task::spawn_blocking(move || password.read()).await.map_err(|_| reply::unexpected())?;
    read.map(Some).map_err(|error| StoreError::Unavailable(error.to_string()))
}

fn client(settings: &Settings, host: &Host, login: RedisConnectionInfo) -> Result<Client, StoreError> {
    let address = if settings.address.tls {
        provider();
        ConnectionAddr::TcpTls { host: host.name.clone(), port: host.port, insecure: false, tls_params: None }
    } else {
        ConnectionAddr::Tcp(host.name.clone(), host.port)
    };
    let info: Result<ConnectionInfo, _> = address.into_connection_info();
    // What is asked must not wait for the answer to what was asked before.
    let tcp = TcpSettings::default().set_nodelay(true);
    let info = info.map(|info| info.set_redis_settings(login).set_tcp_settings(tcp));
    let made = info.and_then(|info| {
        if !settings.address.tls {
            return Client::open(info);
        }
        let certificates = TlsCertificates { client_tls: None, root_cert: settings.authorities.clone() };
        Client::build_with_tls(info, certificates)
    });
    made.map_err(|error| {
        StoreError::Refused(format!("{host} cannot be reached like that: {}", shown(&error.to_string())))
    })
}

/// TLS is done by ring in the whole process.
fn provider() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        // Somebody else may have said so before.
        let _ = rustls::crypto::ring::default_provider().install_default();
    });
}
