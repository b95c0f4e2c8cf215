//! Starting one container: its folders, what it is to run, and its supervisor.

use std::collections::HashMap;
use std::io::{self, Write};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use gitfaas_core::run::Reason;
use jiff::Timestamp;
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use tokio::net::unix::pipe::Receiver;

use super::attempt::{self, Deadline, Look, Plan};
use super::contents;
use super::disk;
use super::env::Env;
use super::expand::expand;
use super::facts::Facts;
use super::jobs::{Job, Shared};
use super::objects::Objects;
use super::progress::later;
use super::sandbox::{self, Bind};
use super::settings::is_program;
use super::spec::{Container, Spec, Volume};
use super::start::Start;

/// What came of a start.
pub(super) enum Launch {
    Started(Live),
    /// This machine cannot run it, and why.
    Refused(Reason),
    /// Something that it needs is not there yet.
    NotReady(Reason),
}

/// A living supervisor.
pub(super) struct Live {
    /// Becomes readable when it ends.
    pub(super) handle: OwnedFd,
    ended: Option<Receiver>,
    /// It, if it is a child of this process and so has to be collected.
    child: Option<Child>,
}

impl Live {
    pub(super) fn adopted(handle: OwnedFd) -> Self {
        Self { handle, ended: None, child: None }
    }

    /// Becomes readable when it ends, for the runtime that this is called in.
    pub(super) fn ended(&mut self) -> io::Result<&Receiver> {
        let ended = match self.ended.take() {
            Some(ended) => ended,
            // A process handle is no pipe, but all that is done with this one is to wait until it is readable, which the
            // runtime does for any descriptor. (Its type for any descriptor cannot be made without unsafe code.)
            None => Receiver::from_owned_fd_unchecked(self.handle.try_clone()?)?,
        };
        Ok(self.ended.insert(ended))
    }

    /// Asks it to end, within the grace that it knows. Safe to repeat.
    pub(super) fn ask_to_end(&self) -> io::Result<()> {
        match pidfd_send_signal(&self.handle, Signal::TERM) {
            Ok(()) | Err(rustix::io::Errno::SRCH) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// Collects one that has ended.
    pub(super) fn collect(self) -> io::Result<()> {
        self.child.map_or(Ok(()), |mut child| child.wait().map(drop))
    }
}

/// What a start is made from.
pub(super) struct Order<'a> {
    pub(super) spec: &'a Spec,
    /// `None` while nothing of the Job has been started.
    pub(super) job_deadline: Option<Timestamp>,
    /// When each start was made.
    pub(super) began: &'a HashMap<Start, Timestamp>,
    pub(super) may_start: bool,
}

impl Order<'_> {
    /// Whichever comes first: the Job's deadline, the pod's, or none.
    fn deadline(&self, pod: u32, now: Timestamp) -> Option<Deadline> {
        // The first start is where the Job's own begins, and a pod's first one where the pod's does.
        let job = self.job_deadline.or_else(|| Some(later(now, self.spec.job_deadline?)));
        let since = self.began.iter().filter(|(start, _)| start.pod == pod).map(|(_, at)| *at).min().unwrap_or(now);
        let pod = self.spec.pod_deadline.map(|deadline| Deadline { at: later(since, deadline), of_job: false });
        job.map(|at| Deadline { at, of_job: true }).into_iter().chain(pod).min_by_key(|deadline| deadline.at)
    }
}

/// What a container is started in.
struct Place<'a> {
    container: &'a Container,
    /// The pod's folder.
    pod: PathBuf,
    /// The container's own, in the pod's.
    own: PathBuf,
    hostname: String,
    facts: Facts,
    /// Whether nothing has been started in the pod yet.
    new: bool,
}

/// What a container cannot be started for.
enum Obstacle {
    Refused(Reason),
    NotReady(Reason),
}

impl Shared {
    /// Starts a container, which was not started under this name; `new` says whether it is the first of its pod. Blocks.
    pub(super) fn launch(&self, job: &Job, order: &Order<'_>, start: &Start, new: bool) -> io::Result<Launch> {
        let dir = self.folder.start(&job.file, start);
        disk::private_dir(&dir)?;
        let Look::Fresh(lock) = attempt::look(&dir)? else {
            return Err(io::Error::other("the attempt was started by somebody else"));
        };
        let place = self.place(job, order.spec, start, new)?;
        let mut plan = match self.plan(job, order.spec, &place)? {
            Ok(plan) => plan,
            Err(Obstacle::Refused(reason)) => return Ok(Launch::Refused(reason)),
            Err(Obstacle::NotReady(reason)) => return Ok(Launch::NotReady(reason)),
        };
        plan.group = self.limits.group(&format!("{}.{start}", job.file), &place.container.resources);
        plan.deadline = order.deadline(start.pod, self.settings.clock.now());
        attempt::write_plan(&dir, &plan)?;
        let mut complaints = disk::private_file(&dir.join(attempt::COMPLAINT))?;
        // Counted until it comes to life.
        self.count_false_start(job, start);
        let supervisor = &self.settings.supervisor;
        let spawned = Command::new(&supervisor.program)
            .args(&supervisor.args)
            .arg(&dir)
            .env_clear()
            // No folder of anybody's stays in use because of it.
            .current_dir("/")
            .stdin(lock)
            .stdout(Stdio::null())
            .stderr(complaints.try_clone()?)
            .spawn();
        let child = match spawned {
            Ok(child) => child,
            Err(error) => {
                let message = format!("cannot start {}: {error}", supervisor.program.display());
                complaints.write_all(message.as_bytes())?;
                return Err(io::Error::new(error.kind(), message));
            }
        };
        let handle = pidfd_open(Pid::from_child(&child), PidfdFlags::empty())?;
        Ok(Launch::Started(Live { handle, ended: None, child: Some(child) }))
    }

    /// Where a container is started: folders are made where they are not there yet.
    fn place<'a>(&self, job: &Job, spec: &'a Spec, start: &Start, new: bool) -> io::Result<Place<'a>> {
        let all = spec.init.iter().chain(&spec.containers);
        let container = all
            .into_iter()
            .find(|container| container.name == start.container)
            .ok_or_else(|| io::Error::other(format!("there is no container {}", start.container)))?;
        let (pod, own) = (self.folder.pod(&job.file, start.pod), self.folder.container(&job.file, spec, start));
        for part in ["home", "tmp"] {
            disk::private_dir(&own.join(part))?;
        }
        let facts = Facts::new(spec, &job.key, &self.settings.namespace, &job.file, start);
        let hostname = spec.hostname.clone().unwrap_or_else(|| facts.hostname());
        Ok(Place { container, pod, own, hostname, facts, new })
    }

    fn plan(&self, job: &Job, spec: &Spec, place: &Place<'_>) -> io::Result<Result<Plan, Obstacle>> {
        let container = place.container;
        let env = match self.contents(job, spec, place)? {
            Ok(env) => env,
            Err(reason) => return Ok(Err(Obstacle::NotReady(reason))),
        };
        let binds = match binds(spec, place)? {
            Ok(binds) => binds,
            Err(reason) => return Ok(Err(Obstacle::Refused(reason))),
        };
        let dir = match &container.working_dir {
            Some(dir) => self.settings.functions.join(dir),
            None => self.settings.functions.clone(),
        };
        let mounted = |path: &Path| binds.iter().any(|bind| path.starts_with(&bind.at));
        if !mounted(&dir) && !dir.is_dir() {
            let message = format!("its workingDir, {}, is no folder of this machine", dir.display());
            return Ok(Err(Obstacle::Refused(Reason::new("WorkingDirMissing", message))));
        }
        let mut words = container.argv.iter().map(|word| expand(word, |name| env.get(name)));
        let name = words.next().unwrap_or_default();
        let args = words.collect();
        let path = env.get("PATH").unwrap_or(&self.settings.path);
        let program = find(&name, path, &dir, mounted);
        let plan = Plan {
            program,
            arg0: name,
            args,
            env: environment(&self.settings.path, place, env),
            dir,
            guarded: false,
            group: None,
            grace_ms: u64::try_from(spec.grace.as_millis()).unwrap_or(u64::MAX),
            deadline: None,
        };
        if binds.is_empty() { Ok(Ok(plan)) } else { Ok(self.guarded(plan, binds, place).map_err(Obstacle::Refused)) }
    }

    /// Brings what the container takes from elsewhere: the files of a new pod, and its variables.
    fn contents(&self, job: &Job, spec: &Spec, place: &Place<'_>) -> io::Result<Result<Env, Reason>> {
        let objects = Objects {
            folder: self.settings.objects.as_deref(),
            applied: &self.folder,
            namespace: job.key.namespace.as_deref(),
            usual: &self.settings.namespace,
        };
        if place.new
            && let Err(reason) = contents::write(&place.pod, &spec.volumes, &objects, &place.facts)?
        {
            return Ok(Err(reason));
        }
        Env::of(place.container, &objects, &place.facts)
    }

    /// The same with volumes.
    fn guarded(&self, plan: Plan, mut binds: Vec<Bind>, place: &Place<'_>) -> Result<Plan, Reason> {
        let unsupported = |message: String| Reason::new("UnsupportedLocally", message);
        let bubblewrap = self.sandbox.program().map_err(unsupported)?;
        // What is not found is told by the supervisor, in the same words as without volumes.
        let Some(program) = &plan.program else { return Ok(plan) };
        // A volume above them must not hide the function's own folders.
        for own in [&place.own.join("home"), &place.own.join("tmp"), &self.settings.functions] {
            if binds.iter().any(|bind| own.starts_with(&bind.at)) {
                binds.push(Bind { at: own.clone(), from: own.clone(), read_only: false });
            }
        }
        let mut args = sandbox::arguments(&binds, &plan.dir)
            .map_err(|error| unsupported(format!("its volumes cannot be mounted: {error}")))?;
        args.extend(["--".to_owned(), program.to_string_lossy().into_owned()]);
        args.extend(plan.args);
        let program = Some(bubblewrap.to_owned());
        Ok(Plan { program, arg0: "bwrap".to_owned(), args, dir: "/".into(), guarded: true, ..plan })
    }
}

/// What a function sees: its manifest's variables, and the few without which little works.
fn environment(path: &str, place: &Place<'_>, env: Env) -> Vec<(String, String)> {
    let folder = |part: &str| place.own.join(part).to_string_lossy().into_owned();
    let hostname = place.hostname.clone();
    let own = [("PATH", path.to_owned()), ("HOME", folder("home")), ("TMPDIR", folder("tmp")), ("HOSTNAME", hostname)];
    own.into_iter().map(|(name, value)| (name.to_owned(), value)).chain(env.into_vars()).collect()
}

/// The folders of the volumes, made where they are not there yet.
fn binds(spec: &Spec, place: &Place<'_>) -> io::Result<Result<Vec<Bind>, Reason>> {
    let mut binds = Vec::with_capacity(place.container.mounts.len());
    for mount in &place.container.mounts {
        let volume = place.pod.join(format!("volume-{}", mount.volume));
        let from = volume.join(&mount.sub_path);
        disk::private_dir(&volume)?;
        // What is in a volume of files is all there is to be; in others a folder is made where there is none.
        let scratch = matches!(spec.volumes.get(mount.volume), Some(Volume::Scratch));
        let made = if scratch { disk::private_dir(&from) } else { Ok(()) };
        // An earlier attempt in this pod may have put a link or a file there.
        let real = made.and_then(|()| Ok((from.canonicalize()?, volume.canonicalize()?)));
        if !real.is_ok_and(|(from, volume)| from.starts_with(volume)) {
            let what = if scratch { "no folder" } else { "nothing" };
            let message = format!("the subPath `{}` is {what} in its volume", mount.sub_path);
            return Ok(Err(Reason::new("SubPath", message)));
        }
        binds.push(Bind { at: PathBuf::from(&mount.path), from, read_only: mount.read_only });
    }
    Ok(Ok(binds))
}

/// The program called `name`, as `execvp` finds it; what lies in a volume is not looked for, only named.
fn find(name: &str, path: &str, dir: &Path, mounted: impl Fn(&Path) -> bool) -> Option<PathBuf> {
    if name.contains('/') {
        let program = dir.join(name);
        return (mounted(&program) || program.exists()).then_some(program);
    }
    std::env::split_paths(path)
        .map(|place| dir.join(place).join(name))
        .find(|program| mounted(program) || is_program(program))
}
