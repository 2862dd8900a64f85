//! A Unix socket that its owner alone can speak to.

use std::{
    fs, io,
    os::unix::fs::{MetadataExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
    sync::Arc,
};

use tokio::{
    net::{UnixListener, UnixStream},
    task::JoinSet,
};

use super::{connection, describe::Methods, hub::Hub};
use crate::exit::{Failure, Result};

/// Programs that speak at once.
const PROGRAMS: usize = 64;

/// Serves whoever connects, until the process ends.
pub(super) async fn listen(path: PathBuf, hub: Arc<Hub>, methods: Arc<Methods>) -> Result<()> {
    let unusable = |error: io::Error| Failure::usage(format!("{} can't be used: {error}.", path.display()));
    if UnixStream::connect(&path).await.is_ok() {
        return Err(Failure::usage(format!("Somebody listens at {} already.", path.display())));
    }
    let listener = bind(&path).map_err(unusable)?;
    let owner = fs::metadata(&path).map_err(unusable)?.uid();
    let _removed_in_the_end = Socket(path.clone());
    let mut programs = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept(), if programs.len() < PROGRAMS => {
                let Ok((stream, _)) = accepted else { continue };
                // The file's mode says so already; not every system heeds it.
                if stream.peer_cred().is_ok_and(|peer| peer.uid() == owner || peer.uid() == 0) {
                    let (input, output) = stream.into_split();
                    programs.spawn(connection::serve(hub.clone(), methods.clone(), input, output));
                }
            }
            Some(_) = programs.join_next() => {}
        }
    }
}

/// Takes the place at once and whole: under another name until nobody else may connect.
fn bind(path: &Path) -> io::Result<UnixListener> {
    let mut aside = path.as_os_str().to_owned();
    aside.push(format!(".{}", std::process::id()));
    let aside = PathBuf::from(aside);
    let listener = UnixListener::bind(&aside)?;
    fs::set_permissions(&aside, fs::Permissions::from_mode(0o600))?;
    // What a process that was killed has left behind is replaced; what is no socket is not.
    if let Ok(there) = fs::symlink_metadata(path)
        && !std::os::unix::fs::FileTypeExt::is_socket(&there.file_type())
    {
        let _ = fs::remove_file(&aside);
        return Err(io::Error::new(io::ErrorKind::AlreadyExists, "there is a file of that name"));
    }
    fs::rename(&aside, path)?;
    Ok(listener)
}

struct Socket(PathBuf);

impl Drop for Socket {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}
