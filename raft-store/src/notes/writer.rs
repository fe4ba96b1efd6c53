//! The thread that writes notes: whatever came while it waited for the disk is covered by its next sync. What nobody waits
//! for is not synced for its own sake. After a failed write or sync the process ends, like the log's.

use super::segment::{self, HEAD_BYTES};
use crate::{durable_file, halt::halt};
use std::{
    collections::VecDeque,
    fs::{self, File, OpenOptions},
    io::{self, Write},
    path::{Path, PathBuf},
    time::Duration,
};
use tokio::sync::{mpsc, oneshot};

/// Requests that one sync acknowledges, at most.
const GROUP: usize = 512;
/// Where so many notes were synced together, as many are on their way again: it is worth waiting for them.
const COMPANY: usize = 4;
/// For how long. A sync costs some tens of microseconds of processor time, whatever it covers.
const GATHERING: Duration = Duration::from_micros(500);
/// Bytes of a file, after which the next one begins.
const FILE_BYTES: usize = 1 << 20;

/// What the thread is asked for.
#[derive(Debug)]
pub(super) enum Request {
    /// To write the records of so many notes, and to say when they are on the disk.
    Write { records: Vec<u8>, notes: u64, done: Option<oneshot::Sender<()>> },
    /// To remove the files of which the log has every note, up to this sequence.
    Taken { last: u64 },
}

/// The thread's own.
pub(super) struct Writer {
    folder: PathBuf,
    book: [u8; 16],
    number: u64,
    file: File,
    bytes: usize,
    /// The sequence of the next note.
    next: u64,
    /// The files of this start, by the sequence they begin with.
    files: VecDeque<(u64, PathBuf)>,
}

impl Writer {
    /// Begins a file of this start, and the thread, which ends when nobody can ask it any more.
    pub(super) fn start(
        folder: &Path,
        book: [u8; 16],
        mut requests: mpsc::Receiver<Request>,
    ) -> io::Result<()> {
        let number = segment::next_number(folder)?;
        let (path, file) = begin(folder, &book, (number, 1))?;
        let mut writer = Self {
            folder: folder.to_owned(),
            book,
            number,
            file,
            bytes: HEAD_BYTES,
            next: 1,
            files: VecDeque::from([(1, path)]),
        };
        std::thread::Builder::new().name("notes".to_owned()).spawn(move || {
            let mut company = 0;
            while let Some(first) = requests.blocking_recv() {
                if company >= COMPANY {
                    std::thread::sleep(GATHERING);
                }
                let mut group = vec![first];
                while group.len() < GROUP
                    && let Ok(next) = requests.try_recv()
                {
                    group.push(next);
                }
                company = group.len();
                if let Err(error) = writer.take(group) {
                    halt("writing notes", &error);
                }
            }
        })?;
        Ok(())
    }

    fn take(&mut self, group: Vec<Request>) -> io::Result<()> {
        let (mut out, mut waiting, mut taken) = (Vec::new(), Vec::new(), 0);
        for request in group {
            match request {
                Request::Write { records, notes, done } => {
                    out.extend_from_slice(&records);
                    self.next += notes;
                    waiting.extend(done);
                }
                Request::Taken { last } => taken = last,
            }
        }
        self.file.write_all(&out)?;
        self.bytes += out.len();
        if !waiting.is_empty() {
            self.file.sync_data()?;
        }
        for done in waiting {
            // Nobody waits any more when the session is gone.
            done.send(()).ok();
        }
        if self.bytes > FILE_BYTES {
            let (path, file) = begin(&self.folder, &self.book, (self.number, self.next))?;
            self.files.push_back((self.next, path));
            (self.file, self.bytes) = (file, HEAD_BYTES);
        }
        self.remove(taken)
    }

    /// Removes the files whose notes are all in the log. The last file stays.
    fn remove(&mut self, taken: u64) -> io::Result<()> {
        while let [(_, _), (next, _), ..] = self.files.make_contiguous()
            && *next <= taken.saturating_add(1)
            && let Some((_, path)) = self.files.pop_front()
        {
            match fs::remove_file(path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                Ok(()) | Err(_) => {}
            }
        }
        Ok(())
    }
}

/// A new file, which is there after a crash too.
fn begin(
    folder: &Path,
    book: &[u8; 16],
    (number, first): (u64, u64),
) -> io::Result<(PathBuf, File)> {
    let path = segment::path(folder, number, first);
    durable_file::write(&path, &segment::head(book, first))?;
    let file = OpenOptions::new().append(true).open(&path)?;
    Ok((path, file))
}
