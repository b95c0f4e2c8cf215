//! git's own CGI behind nginx: TLS, basic auth, client certificates, and answers that can be made to fail.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::authority::{Authority, EXPIRED, Identity, VALID};
use super::eventually;
use super::port::Port;
use super::process::{Process, find_all, output};
use super::repository::{NAME, Repository, environment, isolated};

/// Who may read at first, and with what.
pub(crate) const USER: &str = "robot";
pub(crate) const TOKEN: &str = "first-token";

/// A server, over the repositories of one folder.
pub(crate) struct HttpsServer {
    programs: [PathBuf; 3],
    root: PathBuf,
    // Its paths are in the configuration.
    folder: tempfile::TempDir,
    ports: Ports,
    authority: Authority,
    stranger: Authority,
    running: Option<[Process; 2]>,
}

struct Ports {
    /// With TLS.
    usual: Port,
    /// With TLS, for those who identify themselves by a certificate.
    guarded: Port,
    /// Without TLS.
    plain: Port,
}

/// The certificate that the server has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Leaf {
    Right,
    Expired,
    WrongName,
    UnknownAuthority,
    /// That of its authority itself.
    Authority,
}

/// What the server answers instead of what it has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Answer {
    /// 401, with words that say why.
    TokenExpired,
    Forbidden,
    /// 403, with what was sent to identify with.
    Echo,
    NotFound,
    Broken,
    /// 503 and 429, with a `Retry-After` of seven seconds.
    Unavailable,
    TooMany,
    /// To another path of the server, as that of a repository that was renamed.
    MovedPath,
    /// To another name of the machine.
    MovedHost,
    /// To the same without TLS.
    MovedToPlain,
    /// To itself.
    MovedForEver,
    /// A page for people.
    Page,
    /// The files of the repository, as a server does that knows nothing of Git.
    Dumb,
    /// The repository, by the first version of the protocol only.
    OldProtocol,
    /// The repository, to everybody.
    Open,
}

/// A request that was answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Logged {
    pub(crate) method: String,
    pub(crate) target: String,
    pub(crate) status: u16,
    /// The bytes of the body.
    pub(crate) sent: u64,
    /// The port that was asked, and by which user name.
    pub(crate) port: u16,
    pub(crate) user: String,
}

impl HttpsServer {
    /// A server over the folder of this repository, which answers; nothing where a program is missing.
    pub(crate) async fn over(repository: &Repository) -> Option<Self> {
        let programs = find_all("Git over https", ["nginx", "fcgiwrap", "openssl"])?;
        let folder = tempfile::tempdir().expect("a folder");
        let ports = Ports { usual: Port::free(), guarded: Port::free(), plain: Port::free() };
        let authority = Authority::new(&programs[2], folder.path().join("authority"), "the test's authority");
        let stranger = Authority::new(&programs[2], folder.path().join("stranger"), "somebody else's authority");
        let mut server = Self { programs, root: repository.root(), folder, ports, authority, stranger, running: None };
        server.write("nginx.conf", &server.configuration());
        std::fs::create_dir(server.file("answers")).expect("created");
        server.users(&[(USER, TOKEN)]);
        server.hands_out(TOKEN);
        server.presents(Leaf::Right);
        server.start().await;
        Some(server)
    }

    pub(crate) async fn start(&mut self) {
        let log = self.file("said");
        let socket = self.file("cgi.sock");
        drop(std::fs::remove_file(&socket));
        let mut cgi = Command::new(&self.programs[1]);
        environment(&mut cgi, self.folder.path());
        let cgi = Process::start(cgi.args(["-c", "4", "-s", &format!("unix:{}", socket.display())]), &log);
        eventually("the CGI listens", async || socket.exists().then_some(())).await;
        let mut nginx = Command::new(&self.programs[0]);
        nginx.arg("-e").arg(&log).arg("-p").arg(self.folder.path()).arg("-c").arg(self.file("nginx.conf"));
        let nginx = Process::start(&mut nginx, &log).listening(self.ports.usual.number(), &log).await;
        self.running = Some([nginx, cgi]);
    }

    /// Ends it; who connects is refused from now on.
    pub(crate) async fn stop(&mut self) {
        self.running = None;
        // What nginx started listens too, and is only told to end.
        let address = ("127.0.0.1", self.port());
        eventually("nobody listens", async || std::net::TcpStream::connect(address).is_err().then_some(())).await;
    }

    pub(crate) fn url(&self) -> String {
        format!("https://127.0.0.1:{}/{NAME}", self.port())
    }

    pub(crate) fn port(&self) -> u16 {
        self.ports.usual.number()
    }

    /// Where it wants a certificate of who asks.
    pub(crate) fn guarded_url(&self) -> String {
        format!("https://127.0.0.1:{}/{NAME}", self.ports.guarded.number())
    }

    pub(crate) fn plain_url(&self) -> String {
        format!("http://127.0.0.1:{}/{NAME}", self.ports.plain.number())
    }

    /// The certificate of the authority that signed the server's.
    pub(crate) fn authority(&self) -> PathBuf {
        self.authority.certificate()
    }

    /// The same of an authority that has nothing to do with it.
    pub(crate) fn stranger(&self) -> PathBuf {
        self.stranger.certificate()
    }

    /// A certificate that the guarded port accepts, and one that it does not.
    pub(crate) fn client(&self) -> Identity {
        self.authority.signs("client", "DNS:client.example", VALID)
    }

    pub(crate) fn foreign_client(&self) -> Identity {
        self.stranger.signs("client", "DNS:client.example", VALID)
    }

    /// What `gitfaas serve` is told so that it can read from here, but the URL.
    pub(crate) fn arguments(&self) -> Vec<String> {
        let [token, authority] = [self.token_file(), self.authority()].map(|path| path.display().to_string());
        ["--git-user", USER, "--git-token-file", &token, "--git-ca-file", &authority].map(str::to_owned).to_vec()
    }

    /// The file of the token that gitfaas has.
    pub(crate) fn token_file(&self) -> PathBuf {
        self.file("token")
    }

    /// Puts a token into the file that gitfaas has it from.
    pub(crate) fn hands_out(&self, token: &str) {
        self.write("token", &format!("{token}\n"));
    }

    /// Lets exactly these read from now on.
    pub(crate) fn users(&self, users: &[(&str, &str)]) {
        let lines: Vec<String> = users.iter().map(|(user, token)| format!("{user}:{{PLAIN}}{token}\n")).collect();
        self.write("users", &lines.concat());
    }

    /// Has this certificate from the next connection on.
    pub(crate) fn presents(&self, leaf: Leaf) {
        let names = "IP:127.0.0.1,DNS:localhost";
        let identity = match leaf {
            Leaf::Right => self.authority.signs("server", names, VALID),
            Leaf::Expired => self.authority.signs("server", names, EXPIRED),
            Leaf::WrongName => self.authority.signs("server", "DNS:elsewhere.example", VALID),
            Leaf::Authority => self.authority.itself(),
            Leaf::UnknownAuthority => self.stranger.signs("server", names, VALID),
        };
        let text = |path: &Path| std::fs::read_to_string(path).expect("read");
        // In one file, so that nobody finds a certificate beside the key of another.
        self.write("server.pem", &(text(&identity.key) + &text(&identity.certificate)));
    }

    /// Answers so from the next request on.
    pub(crate) fn answers(&self, answer: Answer) {
        self.answers_as_usual();
        if answer == Answer::Dumb {
            output(isolated(self.folder.path()).current_dir(self.root.join(NAME)).arg("update-server-info"));
        }
        std::fs::write(self.file("answers").join(answer.file()), "").expect("written");
    }

    pub(crate) fn answers_as_usual(&self) {
        for entry in std::fs::read_dir(self.file("answers")).expect("a folder").flatten() {
            std::fs::remove_file(entry.path()).expect("removed");
        }
    }

    /// The requests that were answered, in order; one is there a moment after its answer.
    pub(crate) fn requests(&self) -> Vec<Logged> {
        let text = std::fs::read_to_string(self.file("requests")).unwrap_or_default();
        let lines = text.lines().map(|line| line.split('\t').collect::<Vec<_>>());
        lines
            .map(|fields| Logged {
                method: fields[0].to_owned(),
                target: fields[1].to_owned(),
                status: fields[2].parse().expect("a status"),
                sent: fields[3].parse().expect("a number"),
                port: fields[4].parse().expect("a port"),
                user: fields[5].to_owned(),
            })
            .collect()
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Writes a file whole, so that nobody reads half of it.
    fn write(&self, name: &str, text: &str) {
        let draft = self.file("draft");
        std::fs::write(&draft, text).expect("written");
        std::fs::rename(draft, self.file(name)).expect("renamed");
    }

    fn configuration(&self) -> String {
        let folder = self.folder.path().display();
        // Those who read a certificate at each connection are not who started the server, but where that is root.
        let user = if rustix::process::geteuid().is_root() { "user root;" } else { "" };
        let [usual, guarded, plain] = [&self.ports.usual, &self.ports.guarded, &self.ports.plain].map(Port::number);
        let rules = self.rules(usual, plain);
        let temporary: String = ["client_body", "fastcgi", "proxy", "scgi", "uwsgi"]
            .map(|kind| format!("{kind}_temp_path {folder}/temporary-{kind};\n"))
            .concat();
        format!(
            r"daemon off; {user} worker_processes 1; pid {folder}/pid; error_log {folder}/said notice;
events {{ worker_connections 512; }}
http {{
{temporary}
log_format lines '$request_method	$request_uri	$status	$body_bytes_sent	$server_port	$remote_user';
access_log {folder}/requests lines;
client_max_body_size 0;
ssl_session_tickets off; ssl_session_cache off;
# A name with a variable is read anew at each connection.
map $ssl_server_name $leaf {{ default server; }}
ssl_certificate {folder}/$leaf.pem; ssl_certificate_key {folder}/$leaf.pem;
server {{
    listen 127.0.0.1:{plain}; listen 127.0.0.1:{usual} ssl;
{rules}}}
server {{
    listen 127.0.0.1:{guarded} ssl; ssl_client_certificate {ca}; ssl_verify_client on;
{rules}}}
}}
",
            ca = self.authority().display()
        )
    }

    /// What a request is answered with.
    fn rules(&self, usual: u16, plain: u16) -> String {
        let folder = self.folder.path().display();
        let backend = Path::new(&output(isolated(self.folder.path()).arg("--exec-path"))).join("git-http-backend");
        let file = |answer: Answer| format!("{folder}/answers/{}", answer.file());
        let when = |answer: Answer, then: &str| format!("    if (-f {}) {{ {then} }}\n", file(answer));
        let moved = |answer: Answer, to: &str| format!("        if (-f {}) {{ return 302 {to}; }}\n", file(answer));
        let answers = [
            when(
                Answer::TokenExpired,
                r#"set $challenge 'Basic realm="functions"'; return 401 "the token has expired\n";"#,
            ),
            when(Answer::Forbidden, r#"return 403 "you may not read this\n";"#),
            when(Answer::Echo, r#"return 403 "you sent $http_authorization\n";"#),
            when(Answer::NotFound, r#"return 404 "no such repository\n";"#),
            when(Answer::Broken, r#"return 500 "something broke\n";"#),
            when(Answer::Unavailable, r#"set $wait 7; return 503 "down for maintenance\n";"#),
            when(Answer::TooMany, r#"set $wait 7; return 429 "too many requests\n";"#),
            when(Answer::Page, r#"return 200 "<!DOCTYPE html><title>Welcome</title>\n";"#),
            when(Answer::Dumb, "rewrite ^(.*)$ /dumb$1 last;"),
            when(Answer::OldProtocol, r#"set $protocol "";"#),
            when(Answer::Open, "set $realm off;"),
        ]
        .concat();
        let moved = [
            moved(Answer::MovedPath, "/moved$request_uri"),
            moved(Answer::MovedHost, &format!("https://localhost:{usual}/moved$request_uri")),
            moved(Answer::MovedToPlain, &format!("http://127.0.0.1:{plain}/moved$request_uri")),
            moved(Answer::MovedForEver, "$request_uri"),
        ]
        .concat();
        format!(
            r#"    set $realm functions; set $protocol $http_git_protocol; set $wait ""; set $challenge "";
    add_header Retry-After $wait always; add_header WWW-Authenticate $challenge always;
{answers}    auth_basic $realm; auth_basic_user_file {folder}/users;
    default_type text/html;
    fastcgi_param SCRIPT_FILENAME {backend}; fastcgi_param GIT_PROJECT_ROOT {root}; fastcgi_param GIT_HTTP_EXPORT_ALL "";
    fastcgi_param REMOTE_USER $remote_user; fastcgi_param QUERY_STRING $args; fastcgi_param REQUEST_METHOD $request_method;
    fastcgi_param CONTENT_TYPE $content_type; fastcgi_param CONTENT_LENGTH $content_length;
    fastcgi_param HTTP_GIT_PROTOCOL $protocol if_not_empty;
    location /dumb/ {{ internal; alias {root}/; }}
    fastcgi_param PATH_INFO $path;
    location ~ ^/moved(/.*)$ {{ set $path $1; fastcgi_pass unix:{folder}/cgi.sock; }}
    location / {{
{moved}        set $path $uri; fastcgi_pass unix:{folder}/cgi.sock;
    }}
"#,
            backend = backend.display(),
            root = self.root.display(),
        )
    }
}

impl Answer {
    fn file(self) -> String {
        format!("{self:?}")
    }
}
