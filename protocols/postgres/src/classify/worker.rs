//! The process that runs the grammar: reads texts on standard input, answers on standard output, ends when the input does.
//! It opens nothing, keeps nothing between texts and logs nothing; when the C code in it fails, only it ends.

use std::{
    io::{self, Read, Write},
    process::ExitCode,
    thread,
};

use rustix::process::{Resource, Rlimit, Signal, set_parent_process_death_signal, setrlimit};

use super::{
    Classified, classify,
    wire::{self, Answer, MAX_ANSWER_BYTES, MAX_REQUEST_BYTES, Request},
};

/// The hidden argument with which an executable becomes the worker; its `main` looks for it before anything else and
/// then only calls [`run_grammar_worker`].
pub const WORKER_ARGUMENT: &str = "--grammar-worker";

/// The most address space the worker may have, in bytes. The parse of the longest text takes some hundred MiB.
const MAX_ADDRESS_SPACE_BYTES: u64 = 2 * 1024 * 1024 * 1024;

/// The stack of the thread that parses, in bytes. The tree is at most 100 levels deep; the grammar checks its own depth.
pub(super) const STACK_BYTES: usize = 64 * 1024 * 1024;

/// Runs the worker until standard input ends. Fails when its limits cannot be set or the pipe breaks.
pub fn run_grammar_worker() -> ExitCode {
    if confine().is_err() {
        return ExitCode::FAILURE;
    }
    let work = || serve(&mut io::stdin().lock(), &mut io::stdout().lock());
    match thread::Builder::new().stack_size(STACK_BYTES).spawn(work).map(thread::JoinHandle::join) {
        Ok(Ok(Ok(()))) => ExitCode::SUCCESS,
        Ok(Ok(Err(_)) | Err(_)) | Err(_) => ExitCode::FAILURE,
    }
}

/// No core file (it would hold statements), bounded memory, and an end when the gateway ends.
fn confine() -> io::Result<()> {
    setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) })?;
    setrlimit(
        Resource::As,
        Rlimit { current: Some(MAX_ADDRESS_SPACE_BYTES), maximum: Some(MAX_ADDRESS_SPACE_BYTES) },
    )?;
    set_parent_process_death_signal(Some(Signal::KILL))?;
    Ok(())
}

/// Answers requests until the input ends between two of them.
pub(super) fn serve(input: &mut impl Read, output: &mut impl Write) -> io::Result<()> {
    let malformed = || io::Error::from(io::ErrorKind::InvalidData);
    loop {
        let mut header = [0; 4];
        match input.read_exact(&mut header) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(()),
            Err(error) => return Err(error),
        }
        let length = wire::body_length(header, MAX_REQUEST_BYTES).ok_or_else(malformed)?;
        let mut body = vec![0; length];
        input.read_exact(&mut body)?;
        let Request { number, text } = wire::body(&body).ok_or_else(malformed)?;

        let answer = Answer { number, classified: classify(&text) };
        let framed = wire::frame(&answer, MAX_ANSWER_BYTES).or_else(|| {
            let classified = Classified::opaque(&text, "what the text means is too long to say");
            wire::frame(&Answer { number, classified }, MAX_ANSWER_BYTES)
        });
        output.write_all(&framed.ok_or_else(malformed)?)?;
        output.flush()?;
    }
}
