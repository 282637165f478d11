//! Traces of a world's sessions, in files: one for each session, if the environment names a folder.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::Write;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};

use blinktun_proto::endpoint::SessionId;

use crate::Side;

/// The environment variable that names the folder, as other tools that write qlog have it.
pub const VARIABLE: &str = "QLOGDIR";

/// Worlds of this process that have traces.
static WORLDS: AtomicU32 = AtomicU32::new(0);

/// The files of one world.
pub struct Traces {
    folder: PathBuf,
    /// The test, its seed, and which of its worlds this is.
    name: String,
    files: HashMap<(Side, SessionId), File>,
}

/// Whether worlds have traces.
pub fn are_wanted() -> bool {
    std::env::var_os(VARIABLE).is_some()
}

impl Traces {
    /// The files of a new world; `None` if the environment names no folder.
    pub fn begin(seed: u64) -> Option<Traces> {
        let folder = PathBuf::from(std::env::var_os(VARIABLE)?);
        let thread = std::thread::current();
        let test = thread.name().unwrap_or("world").replace("::", "-");
        let world = WORLDS.fetch_add(1, Ordering::Relaxed);
        Some(Traces {
            folder,
            name: format!("{test}-seed{seed}-{world}"),
            files: HashMap::new(),
        })
    }

    /// Append to the trace of one session.
    ///
    /// # Panics
    /// If it cannot be written.
    pub fn write(&mut self, side: Side, id: SessionId, text: &str) {
        let (folder, name) = (&self.folder, &self.name);
        let file = self.files.entry((side, id)).or_insert_with(|| {
            fs::create_dir_all(folder).expect("the folder of traces");
            let file = format!("{name}-{side:?}-{}.sqlog", id.0).to_lowercase();
            File::create(folder.join(file)).expect("a trace")
        });
        file.write_all(text.as_bytes()).expect("a trace");
    }
}
