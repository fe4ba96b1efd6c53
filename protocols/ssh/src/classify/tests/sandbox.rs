//! Every line of the corpus, run by bash in a root of its own under `strace`: what it really executes and changes.
//!
//! It needs `unshare` and `strace`, and a machine that lets them work. Programs that the machine does not have are not
//! compared, and too few of them fail the test.

use super::{corpus::Case, *};
use std::{
    fs,
    path::Path,
    process::{Child, Command, Stdio},
};

const SANDBOX: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/src/classify/tests/sandbox.sh");
/// Sandboxes side by side.
const SHARDS: usize = 4;
/// Lines whose effect must have been seen and be as the corpus says; the others need what the machine does not have.
const LEAST_COMPARED: usize = 400;
/// Where the sandbox has its home and its logs.
const HOME: &str = "/tmp/h";
const LOGS: &[&str] = &["/var/log/syslog", "/var/log/auth.log", "/var/log/app.log"];
const PROGRAM_FOLDERS: &[&str] = &["/usr/sbin", "/usr/bin", "/sbin", "/bin"];
/// Files that every program opens for writing, to no effect.
const NO_FILES: &[&str] = &["/dev/null", "/dev/tty"];

/// A program that works in `/proc`, so that what it opens is not below the sandbox' home.
const GOES_ELSEWHERE: &str = "pidof";

/// What a line did.
#[derive(Default)]
pub(super) struct Seen {
    pub(super) programs: BTreeSet<String>,
    pub(super) changes: Vec<String>,
    /// Files below the sandbox' home and logs that were opened.
    opened: BTreeSet<String>,
}

impl Seen {
    fn effect(&self) -> String {
        let mut words: Vec<&str> = self.programs.iter().map(String::as_str).collect();
        if !self.changes.is_empty() {
            words.push("changes");
        }
        if words.is_empty() { "-".to_owned() } else { words.join(" ") }
    }
}

fn start(folder: &Path) -> Child {
    let own =
        ["--user", "--map-root-user", "--mount", "--pid", "--fork", "--uts", "--ipc", "--net"];
    Command::new("unshare")
        .args(own)
        .args(["--kill-child", "bash", SANDBOX])
        .arg(folder)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("unshare is installed")
}

/// Runs the lines; the traces are in the folder of their shard.
pub(super) fn run<'a>(lines: impl IntoIterator<Item = (usize, &'a [u8])>, folder: &Path) {
    let shard = |number: usize| folder.join((number % SHARDS).to_string());
    for number in 0..SHARDS {
        fs::create_dir(shard(number)).unwrap();
    }
    for (number, line) in lines {
        fs::write(shard(number).join(format!("{number}.line")), line).unwrap();
    }
    let started: Vec<Child> = (0..SHARDS).map(|number| start(&shard(number))).collect();
    for child in started {
        let ended = child.wait_with_output().unwrap();
        let said = String::from_utf8_lossy(&ended.stderr);
        assert!(ended.status.success(), "the sandbox does not work here: {said}");
    }
}

/// What the line of this number did.
pub(super) fn seen_of(number: usize, folder: &Path) -> Seen {
    let trace = folder.join((number % SHARDS).to_string()).join(format!("{number}.trace"));
    seen(&String::from_utf8_lossy(&fs::read(trace).unwrap()))
}

/// Reads strace's lines: `PID call(arguments) = result`, or `<unfinished ...>` at the end.
fn seen(trace: &str) -> Seen {
    let mut seen = Seen::default();
    let mut shell_began = false;
    for line in trace.lines() {
        let Some((_, call)) = line.split_once(' ') else { continue };
        let Some((name, arguments)) = call.trim_start().split_once('(') else { continue };
        let texts: Vec<&str> = arguments.split('"').skip(1).step_by(2).collect();
        match name {
            "execve" | "execveat" if !shell_began => shell_began = true,
            "execve" | "execveat" => {
                let path = texts.first().unwrap();
                seen.programs.insert(path.rsplit('/').next().unwrap().to_owned());
            }
            "open" | "openat" | "openat2" => opened(texts.first().unwrap(), arguments, &mut seen),
            // The end of a call that was written down when it began, and what happens to a process.
            name if name.starts_with(['<', '+', '-']) => {}
            _ => seen.changes.push(call.to_owned()),
        }
    }
    assert!(shell_began, "nothing was traced: {trace}");
    seen
}

fn opened(path: &str, arguments: &str, seen: &mut Seen) {
    let writes = ["O_WRONLY", "O_RDWR", "O_CREAT", "O_TRUNC", "O_APPEND"];
    if writes.iter().any(|flag| arguments.contains(flag)) {
        if !NO_FILES.contains(&path) {
            seen.changes.push(path.to_owned());
        }
        return;
    }
    let inside = path.strip_prefix(HOME).map(|rest| rest.trim_start_matches('/'));
    // `find` remembers where it was by opening it; what is relative to another folder was found in that one.
    let begins_here = arguments.starts_with("AT_FDCWD") && path != ".";
    let relative = inside.or_else(|| (!path.starts_with('/') && begins_here).then_some(path));
    if let Some(inside) = relative {
        let parts: Vec<_> = inside.split('/').filter(|part| !matches!(*part, "" | ".")).collect();
        // Programs look for settings of their own.
        if parts.first().is_none_or(|first| !first.starts_with('.')) {
            seen.opened.insert(std::iter::once("~").chain(parts).collect::<Vec<_>>().join("/"));
        }
    } else if LOGS.contains(&path) {
        seen.opened.insert(path.to_owned());
    }
}

/// Whether a demand of the line covers the file: it names it, or a folder above it, or a pattern in its folder.
fn covers(demand: &Demand, file: &str) -> bool {
    match &demand.resource {
        Resource::Path { path } => {
            let path = &path.replace(HOME, "~");
            let folder = path.find(['*', '?']).and_then(|at| path.get(..at));
            let below = |folder: &str| {
                file == folder
                    || file.strip_prefix(folder).is_some_and(|rest| rest.starts_with('/'))
            };
            below(path) || folder.is_some_and(|folder| below(folder.rsplit_once('/').unwrap().0))
        }
        Resource::Target
        | Resource::Relation { .. }
        | Resource::Program { .. }
        | Resource::ApiObject { .. }
        | Resource::Url { .. } => false,
    }
}

pub(super) fn is_installed(program: &str) -> bool {
    PROGRAM_FOLDERS.iter().any(|folder| Path::new(folder).join(program).exists())
}

/// Whether what the corpus says of a line can be seen on this machine.
fn can_be_compared(case: &Case) -> bool {
    let own = |word: &str| matches!(word, "-" | "changes" | "script.sh");
    case.effect != "?" && case.effect.split(' ').all(|word| own(word) || is_installed(word))
}

#[test]
fn no_line_that_is_taken_for_a_plain_read_writes_or_runs_another_program() {
    let cases = corpus::cases();
    let folder = tempfile::tempdir().unwrap();
    let tried = || cases.iter().filter(|case| case.effect != "not-run");
    run(tried().map(|case| (case.number, case.line.as_slice())), folder.path());
    let (mut compared, mut wrong) = (0, Vec::new());
    for case in tried() {
        let seen = seen_of(case.number, folder.path());
        let line = String::from_utf8_lossy(&case.line);
        let classified = classify(&case.line);
        let named = programs(&classified);
        let complain = |what: String| format!("{}: {line}: {what}", case.number);
        if class_of(&classified) != Class::Opaque {
            let unnamed = seen.programs.iter().filter(|name| !is_named(name, &named));
            wrong.extend(unnamed.map(|name| complain(format!("{name} runs and is not named"))));
        }
        if classified.effect() == Effect::Passing {
            wrong.extend(seen.changes.iter().map(|change| complain(format!("changes {change}"))));
        }
        if class_of(&classified) == Class::Plain && !named.contains(GOES_ELSEWHERE) {
            let bare =
                |file: &&String| !classified.demands.iter().any(|demand| covers(demand, file));
            let unasked = seen.opened.iter().filter(bare);
            wrong.extend(
                unasked.map(|file| complain(format!("reads {file}, which was not asked for"))),
            );
        }
        if can_be_compared(case) {
            compared += 1;
            if seen.effect() != case.effect {
                wrong.push(complain(format!("did `{}`, not `{}`", seen.effect(), case.effect)));
            }
        }
    }
    assert!(wrong.is_empty(), "{} findings:\n{}", wrong.len(), wrong.join("\n"));
    assert!(compared >= LEAST_COMPARED, "only {compared} lines could be compared");
}

/// Whether a program that ran was asked for. A named program that runs others is judged with what it runs.
fn is_named(program: &str, named: &BTreeSet<String>) -> bool {
    let stem = |name: &String| name.rsplit('/').next() == Some(program);
    named.iter().any(stem)
        || named.iter().any(|name| !catalogue::readers().any(|reader| reader.name == name))
}
