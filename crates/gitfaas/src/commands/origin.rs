//! Where the functions of a server come from: what the arguments name, opened.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use gitfaas_server::source::Source;
use gitfaas_server::source::directory::DirectorySource;
use gitfaas_server::source::git::{
    Address, Bounds, GitSettings, GitSource, HttpSettings, ProxySettings, Reference, Refused, SshSettings, checked_user,
};

use super::machine;
use crate::cli::{GitArgs, Serve, YesNo};
use crate::exit::Usage;

/// A source, and the folders of a server that serves it.
pub(super) struct Origin {
    /// What is served.
    pub(super) source: Arc<dyn Source>,
    /// All that the server has to remember is in this folder.
    pub(super) data: PathBuf,
    /// Where functions on this machine are started.
    pub(super) functions: PathBuf,
}

/// Opens what `serve` is to serve.
///
/// # Errors
/// [`Usage`], when it is not said, said twice, or refused; and when a folder cannot be used.
pub(super) fn open(arguments: &Serve) -> anyhow::Result<Origin> {
    let config_path = &arguments.settings.policy.config_path;
    let poll = arguments.following.poll.0;
    let asked = arguments.settings.data.data.as_deref();
    match (&arguments.dir, &arguments.git.git_url) {
        (Some(dir), None) => directory(dir, config_path, poll, asked),
        (None, Some(url)) => {
            let settings = git(url, &arguments.git, config_path, poll).map_err(|Refused(why)| Usage(why))?;
            repository(settings, asked)
        }
        (None, None) => Err(Usage("where do functions come from? give --git-url URL or --dir DIR".to_owned()).into()),
        (Some(_), Some(_)) => {
            Err(Usage("functions come from one place: give --git-url URL or --dir DIR, not both".to_owned()).into())
        }
    }
}

fn directory(dir: &Path, config_path: &str, poll: Option<Duration>, asked: Option<&Path>) -> anyhow::Result<Origin> {
    let source = local(dir, config_path)?.polled(poll);
    let functions = source.root().to_owned();
    Ok(Origin { data: machine::data_folder(asked, &functions)?, source: Arc::new(source), functions })
}

/// Opens the folder that the command line names.
///
/// # Errors
/// [`Usage`], when it is no folder that can be read.
pub(super) fn local(dir: &Path, config_path: &str) -> anyhow::Result<DirectorySource> {
    Ok(DirectorySource::new(dir, config_path).map_err(|error| Usage(error.message))?)
}

fn repository(settings: GitSettings, asked: Option<&Path>) -> anyhow::Result<Origin> {
    let data = machine::data_folder(asked, Path::new(&settings.address.to_string()))?;
    // Nothing is checked out: what a function needs is in its manifest or its image.
    let functions = data.join("empty");
    std::fs::create_dir_all(&functions).with_context(|| format!("cannot use {}", functions.display()))?;
    let folder = data.join("git");
    let source =
        GitSource::open(settings, folder.clone()).with_context(|| format!("cannot use {}", folder.display()))?;
    Ok(Origin { source: Arc::new(source), data, functions })
}

fn git(url: &str, arguments: &GitArgs, config_path: &str, poll: Option<Duration>) -> Result<GitSettings, Refused> {
    let address = Address::parse(url)?;
    if address.is_in_the_clear() && arguments.git_plain_http == YesNo::No {
        return Err(Refused::new(
            "http:// shows the functions and the token to everybody on the way: give https://, or --git-plain-http yes",
        ));
    }
    if let Some(user) = &arguments.git_user {
        checked_user(user)?;
    }
    let proxy = arguments.git_proxy.as_deref();
    let proxy = proxy.map(|url| ProxySettings::parse(url, arguments.git_proxy_password_file.clone())).transpose()?;
    Ok(GitSettings {
        address: address.asked_by(arguments.git_user.as_deref()),
        reference: reference(arguments)?,
        config_path: config_path.to_owned(),
        http: HttpSettings {
            user: arguments.git_user.clone(),
            token: arguments.git_token_file.clone(),
            ca: arguments.git_ca_file.clone(),
            client_cert: arguments.git_client_cert.clone(),
            client_key: arguments.git_client_key.clone(),
            proxy,
        },
        ssh: SshSettings {
            key: arguments.git_ssh_key.clone(),
            passphrase: arguments.git_ssh_passphrase_file.clone(),
            known_hosts: arguments.git_known_hosts.clone(),
            strict: arguments.git_strict_host_keys == YesNo::Yes,
            connect: arguments.git_stall,
            stall: arguments.git_stall,
        },
        signers: arguments.git_signers.clone(),
        bounds: Bounds { stall: arguments.git_stall, time: arguments.git_time, size: arguments.git_max_size },
        poll,
    })
}

fn reference(arguments: &GitArgs) -> Result<Reference, Refused> {
    match (&arguments.git_branch, &arguments.git_tag, &arguments.git_commit) {
        (_, _, Some(commit)) => Reference::commit(commit),
        (_, Some(tag), _) => Reference::tag(tag),
        (branch, ..) => Reference::branch(branch.as_deref().unwrap_or("main")),
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;
    use crate::cli::{Cli, Command};

    fn refusal(typed: &str) -> String {
        let data = tempfile::tempdir().expect("a folder");
        let typed = format!("gitfaas serve --data {} {typed}", data.path().display());
        let Command::Serve(serve) = Cli::try_parse_from(typed.split_whitespace()).expect("arguments").command else {
            panic!("serve")
        };
        let error = open(&serve).err().expect("refused");
        assert!(error.downcast_ref::<Usage>().is_some(), "{error:#}");
        assert!(!data.path().join("git").exists(), "nothing was begun");
        error.to_string()
    }

    #[test]
    fn where_functions_come_from_is_said_once() {
        assert!(refusal("").contains("--git-url"), "neither");
        assert!(refusal("--dir . --git-url https://host/birds").contains("not both"), "both");
    }

    #[test]
    fn what_is_refused_is_refused_before_anything_is_begun() {
        for url in ["ext::sh", "file:///srv/birds", "git://host/birds", "ssh://-oProxyCommand=x/birds", "/srv/birds"] {
            refusal(&format!("--git-url {url}"));
        }
        refusal("--git-url https://host/birds --git-branch=--upload-pack=x");
        refusal("--git-url https://host/birds --git-commit main");
        refusal("--git-url https://host/birds --git-user a:b");
        refusal("--git-url https://host/birds --git-proxy socks4://host");
        assert!(refusal("--git-url http://host/birds").contains("--git-plain-http"));
    }

    #[test]
    fn no_secret_in_an_address_is_repeated() {
        for typed in
            ["--git-url https://ada:s3cret@host/birds", "--git-url https://host/b --git-proxy http://a:s3cret@p"]
        {
            let refusal = refusal(typed);
            assert!(!refusal.contains("s3cret"), "{refusal}");
        }
    }
}
