//! Starting one attempt: its folders, what it is to run, and its supervisor.

use std::io::{self, Write};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::Ordering;
use std::time::Duration;

use gitfaas_core::run::Reason;
use jiff::Timestamp;
use rustix::process::{Pid, PidfdFlags, pidfd_open};

use super::attempt::{self, Asked, Deadline, Look, Plan};
use super::contents;
use super::disk;
use super::env::Env;
use super::expand::expand;
use super::facts::Facts;
use super::jobs::{Job, Shared};
use super::names::pod_name;
use super::objects::Objects;
use super::sandbox::{self, Bind};
use super::settings::is_program;
use super::spec::{Container, Spec, Volume};

/// What came of starting an attempt.
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
    /// It, if it is a child of this process and so has to be collected.
    child: Option<Child>,
}

impl Live {
    pub(super) fn adopted(handle: OwnedFd) -> Self {
        Self { handle, child: None }
    }

    /// Collects one that has ended.
    pub(super) fn collect(self) -> io::Result<()> {
        self.child.map_or(Ok(()), |mut child| child.wait().map(drop))
    }
}

/// The pod that an attempt runs in.
struct Pod {
    number: u32,
    since: Timestamp,
    folder: PathBuf,
    /// Whether nothing has been started in it yet.
    new: bool,
}

/// What an attempt cannot be started for.
enum Obstacle {
    Refused(Reason),
    NotReady(Reason),
}

impl Shared {
    /// Starts attempt `attempt`, which was never started. Blocks.
    pub(super) fn launch(
        &self,
        job: &Job,
        spec: &Spec,
        attempt: u32,
        deadline: Option<Timestamp>,
    ) -> io::Result<Launch> {
        let dir = self.folder.attempt(&job.file, attempt);
        disk::private_dir(&dir)?;
        let Look::Fresh(lock) = attempt::look(&dir)? else {
            return Err(io::Error::other("the attempt was started by somebody else"));
        };
        let pod = self.pod(job, spec, attempt)?;
        let mut plan = match self.plan(job, spec, &pod)? {
            Ok(plan) => plan,
            Err(Obstacle::Refused(reason)) => return Ok(Launch::Refused(reason)),
            Err(Obstacle::NotReady(reason)) => return Ok(Launch::NotReady(reason)),
        };
        plan.deadline = first_deadline(&self.settings, spec, deadline, pod.since);
        attempt::write_plan(&dir, &plan)?;
        let mut complaints = disk::private_file(&dir.join(attempt::COMPLAINT))?;
        // Counted until one comes to life.
        job.false_starts.fetch_add(1, Ordering::Relaxed);
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
        Ok(Launch::Started(Live { handle, child: Some(child) }))
    }

    /// The pod for an attempt: a new one, with nothing in it, unless a container is started again.
    fn pod(&self, job: &Job, spec: &Spec, attempt: u32) -> io::Result<Pod> {
        let now = self.settings.clock.now();
        // The plan of an earlier attempt may not have survived a power loss; then neither has what it wrote, for sure.
        let before = match attempt {
            1 => None,
            _ if !spec.restarts || self.over_deadline(job, attempt - 1)? => None,
            _ => attempt::plan(&self.folder.attempt(&job.file, attempt - 1)).ok().flatten(),
        };
        let (number, since) = before.map_or((attempt, now), |before| (before.pod, before.pod_since));
        self.remove_pods(job, Some(number))?;
        let folder = self.folder.pod(&job.file, number);
        for part in ["home", "tmp"] {
            disk::private_dir(&folder.join(part))?;
        }
        Ok(Pod { number, since, folder, new: number == attempt })
    }

    fn over_deadline(&self, job: &Job, attempt: u32) -> io::Result<bool> {
        let look = attempt::look(&self.folder.attempt(&job.file, attempt))?;
        Ok(matches!(look, Look::Ended(exit) if exit.asked == Some(Asked::PodDeadline)))
    }

    fn plan(&self, job: &Job, spec: &Spec, pod: &Pod) -> io::Result<Result<Plan, Obstacle>> {
        let Some(container) = spec.containers.first() else { return Err(io::Error::other("there is no container")) };
        let hostname = spec.hostname.clone().unwrap_or_else(|| pod_name(&job.key.name, &job.file, pod.number));
        let facts = Facts::new(spec, &job.key, &job.file, hostname.clone(), pod.number);
        let env = match self.contents(job, spec, container, pod, &facts)? {
            Ok(env) => env,
            Err(reason) => return Ok(Err(Obstacle::NotReady(reason))),
        };
        let binds = match binds(spec, container, &pod.folder)? {
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
            container: container.name.clone(),
            pod: pod.number,
            pod_since: pod.since,
            program,
            arg0: name,
            args,
            env: environment(&self.settings.path, hostname, env, &pod.folder),
            dir,
            guarded: false,
            grace_ms: u64::try_from(spec.grace.as_millis()).unwrap_or(u64::MAX),
            deadline: None,
        };
        if binds.is_empty() { Ok(Ok(plan)) } else { Ok(self.guarded(plan, binds, pod).map_err(Obstacle::Refused)) }
    }

    /// Brings what the container takes from elsewhere: the files of a new pod, and its variables.
    fn contents(
        &self,
        job: &Job,
        spec: &Spec,
        container: &Container,
        pod: &Pod,
        facts: &Facts,
    ) -> io::Result<Result<Env, Reason>> {
        let objects = Objects {
            folder: self.settings.objects.as_deref(),
            applied: &self.folder,
            namespace: job.key.namespace.as_deref(),
        };
        if pod.new
            && let Err(reason) = contents::write(&pod.folder, &spec.volumes, &objects, facts)?
        {
            return Ok(Err(reason));
        }
        Env::of(container, &objects, facts)
    }

    /// The same with volumes.
    fn guarded(&self, plan: Plan, mut binds: Vec<Bind>, pod: &Pod) -> Result<Plan, Reason> {
        let unsupported = |message: String| Reason::new("UnsupportedLocally", message);
        let bubblewrap = self.sandbox.program().map_err(unsupported)?;
        // What is not found is told by the supervisor, in the same words as without volumes.
        let Some(program) = &plan.program else { return Ok(plan) };
        // A volume above them must not hide the function's own folders.
        for own in [&pod.folder.join("home"), &pod.folder.join("tmp"), &self.settings.functions] {
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

/// Whichever comes first: the Job's deadline, the pod's, or none.
fn first_deadline(
    settings: &super::Settings,
    spec: &Spec,
    job: Option<Timestamp>,
    pod_since: Timestamp,
) -> Option<Deadline> {
    let later = |time: Timestamp, by: Duration| time.checked_add(by).unwrap_or(Timestamp::MAX);
    // The first attempt is where the Job's own begins.
    let job = job.or_else(|| spec.job_deadline.map(|deadline| later(settings.clock.now(), deadline)));
    let job = job.map(|at| Deadline { at, of_job: true });
    let pod = spec.pod_deadline.map(|deadline| Deadline { at: later(pod_since, deadline), of_job: false });
    job.into_iter().chain(pod).min_by_key(|deadline| deadline.at)
}

/// What a function sees: its manifest's variables, and the few without which little works.
fn environment(path: &str, hostname: String, env: Env, pod: &Path) -> Vec<(String, String)> {
    let place = |part: &str| pod.join(part).to_string_lossy().into_owned();
    let own = [("PATH", path.to_owned()), ("HOME", place("home")), ("TMPDIR", place("tmp")), ("HOSTNAME", hostname)];
    own.into_iter().map(|(name, value)| (name.to_owned(), value)).chain(env.into_vars()).collect()
}

/// The folders of the volumes, made where they are not there yet.
fn binds(spec: &Spec, container: &Container, pod: &Path) -> io::Result<Result<Vec<Bind>, Reason>> {
    let mut binds = Vec::with_capacity(container.mounts.len());
    for mount in &container.mounts {
        let volume = pod.join(format!("volume-{}", mount.volume));
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
