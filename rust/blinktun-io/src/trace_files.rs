//! Traces of sessions, in files: one for each session of a socket.

use std::collections::HashMap;
use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use blinktun_proto::endpoint::SessionId;

/// Bytes that the trace of one session has at most; then it ends.
const MAX_FILE: u64 = 256 << 20;
/// Files that are open at once; later sessions have no trace.
const MAX_OPEN: usize = 256;
/// Names that are tried for a file before it is given up.
const MAX_NAMES: u32 = 1000;

/// The files of one socket.
///
/// A trace is for looking at a problem. If a file cannot be written, its session goes on without one.
pub struct TraceFiles {
    folder: PathBuf,
    role: &'static str,
    /// `None`: it could not be made, or has ended.
    files: HashMap<SessionId, Option<TraceFile>>,
}

struct TraceFile {
    file: BufWriter<File>,
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
    pub fn write(&mut self, id: SessionId, text: &str) {
        let is_full = self.files.len() >= MAX_OPEN;
        let (folder, role) = (&self.folder, self.role);
        let place = self.files.entry(id).or_insert_with(|| {
            let file = if is_full { None } else { create(folder, role) };
            file.map(|file| TraceFile {
                file: BufWriter::new(file),
                written: 0,
            })
        });
        if let Some(trace) = place
            && trace.append(text).is_err()
        {
            *place = None;
        }
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
        self.file.write_all(text.as_bytes())?;
        self.file.flush()
    }
}

/// Who may read it learns when its owner did what: only the owner may.
fn make_folder(folder: &Path) -> io::Result<()> {
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder)
}

/// A file that was not there before.
fn create(folder: &Path, role: &str) -> Option<File> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let process = std::process::id();
    for number in 1..=MAX_NAMES {
        match options.open(folder.join(format!("{role}-{process}-{number}.sqlog"))) {
            Ok(file) => return Some(file),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(_) => return None,
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_session_has_a_file_and_nothing_is_overwritten() {
        let folder = std::env::temp_dir().join(format!("blinktun-traces-{}", std::process::id()));
        for _ in 0..2 {
            let mut files = TraceFiles::new(&folder, "client").expect("a folder");
            files.write(SessionId(1), "one");
            files.write(SessionId(2), "two");
            files.write(SessionId(1), ", and more");
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
}
