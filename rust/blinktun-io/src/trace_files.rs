//! Traces of sessions, in files: one for each session of a socket.

use std::collections::HashMap;
use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use blinktun_proto::endpoint::SessionId;

/// Bytes that the trace of one session has at most; then it ends.
const MAX_FILE: u64 = 256 << 20;
/// Files of one socket that are open at once; a session that begins meanwhile has no trace.
const MAX_OPEN: usize = 256;
/// Names that are tried for a file before it is given up. Only a clock that went back makes two alike.
const MAX_NAMES: u32 = 16;

/// Files that this process has begun.
static BEGUN: AtomicU64 = AtomicU64::new(0);

/// The files of one socket.
///
/// A trace is for looking at a problem. If a file cannot be written, its session goes on without one.
pub struct TraceFiles {
    folder: PathBuf,
    role: &'static str,
    files: HashMap<SessionId, TraceFile>,
}

struct TraceFile {
    file: File,
    written: u64,
}

impl TraceFiles {
    /// Files in `folder`, of sessions in a role.
    ///
    /// # Errors
    /// What the system says if there is no such folder and none can be made.
    pub fn new(folder: &Path, role: &'static str) -> io::Result<TraceFiles> {
        make_folder(folder)?;
        Ok(TraceFiles {
            folder: folder.to_owned(),
            role,
            files: HashMap::new(),
        })
    }

    /// Append to the trace of a session.
    ///
    /// # Errors
    /// It has come to its end, or cannot be made or written: it is closed then.
    pub fn write(&mut self, id: SessionId, text: &str) -> io::Result<()> {
        if !self.files.contains_key(&id) {
            if self.files.len() >= MAX_OPEN {
                return Err(io::Error::from(io::ErrorKind::QuotaExceeded));
            }
            let file = create(&self.folder, self.role)?;
            self.files.insert(id, TraceFile { file, written: 0 });
        }
        let written = match self.files.get_mut(&id) {
            Some(trace) => trace.append(text),
            None => Ok(()),
        };
        if written.is_err() {
            self.close(id);
        }
        written
    }

    /// A session has ended.
    pub fn close(&mut self, id: SessionId) {
        self.files.remove(&id);
    }
}

impl TraceFile {
    fn append(&mut self, text: &str) -> io::Result<()> {
        self.written += text.len() as u64;
        if self.written > MAX_FILE {
            return Err(io::Error::from(io::ErrorKind::FileTooLarge));
        }
        self.file.write_all(text.as_bytes())
    }
}

/// A trace tells when its owner did what, so only the owner may read it.
fn make_folder(folder: &Path) -> io::Result<()> {
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder)
}

/// A file that was not there before. Its name has the second in which it began, because the numbers of
/// processes come again.
fn create(folder: &Path, role: &str) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let process = std::process::id();
    let seconds = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_secs());
    let mut result = Err(io::Error::from(io::ErrorKind::AlreadyExists));
    for _ in 0..MAX_NAMES {
        let number = BEGUN.fetch_add(1, Ordering::Relaxed);
        let name = format!("{role}-{seconds}-{process}-{number}.sqlog");
        result = options.open(folder.join(name));
        let is_taken = |error: &io::Error| error.kind() == io::ErrorKind::AlreadyExists;
        if !result.as_ref().is_err_and(is_taken) {
            break;
        }
    }
    result
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(name: &str) -> PathBuf {
        std::env::temp_dir().join(format!("blinktun-traces-{name}-{}", std::process::id()))
    }

    #[test]
    fn each_session_has_a_file_and_nothing_is_overwritten() {
        let folder = folder("each");
        for _ in 0..2 {
            let mut files = TraceFiles::new(&folder, "client").expect("a folder");
            files.write(SessionId(1), "one").expect("written");
            files.write(SessionId(2), "two").expect("written");
            files.write(SessionId(1), ", and more").expect("written");
            files.close(SessionId(1));
        }
        let mut texts: Vec<String> = std::fs::read_dir(&folder)
            .expect("a folder")
            .map(|entry| std::fs::read_to_string(entry.expect("a file").path()).expect("text"))
            .collect();
        texts.sort();
        std::fs::remove_dir_all(&folder).expect("removed");
        assert_eq!(texts, ["one, and more", "one, and more", "two", "two"]);
    }

    #[test]
    fn the_files_that_are_open_are_bounded_and_those_that_were_are_not() {
        let folder = folder("bound");
        let mut files = TraceFiles::new(&folder, "server").expect("a folder");
        let open = MAX_OPEN as u64;
        for id in 0..open {
            files.write(SessionId(id), "x").expect("written");
        }
        for id in open..3 * open {
            assert!(files.write(SessionId(id), "x").is_err());
        }
        for id in 0..8 * open {
            files.close(SessionId(id));
            files.write(SessionId(id + open), "x").expect("written");
        }
        let count = std::fs::read_dir(&folder).expect("a folder").count() as u64;
        std::fs::remove_dir_all(&folder).expect("removed");
        assert_eq!(count, 9 * open);
    }

    #[test]
    fn a_trace_ends_at_its_bound() {
        let folder = folder("end");
        let mut files = TraceFiles::new(&folder, "client").expect("a folder");
        files.write(SessionId(1), "x").expect("written");
        let trace = files.files.get_mut(&SessionId(1)).expect("a file");
        trace.written = MAX_FILE;
        assert!(files.write(SessionId(1), "x").is_err());
        assert!(files.files.is_empty());
        std::fs::remove_dir_all(&folder).expect("removed");
    }
}
