//! Static files: from the folder that http.conf names, and from nowhere else.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;
use std::time::UNIX_EPOCH;

use crate::config::Config;
use crate::config::confined::Folder;
use crate::http::{Answer, Page, files};
use crate::net::Stream;
use crate::session::ANSWER_STALL;
use crate::time::WallMicros;

/// A file that is to be sent behind its head.
pub(super) struct Content {
    file: File,
    /// How many bytes of it were announced.
    pub(super) length: u64,
}

/// The answer to a request for a file: what stands behind `/static`, and an `If-None-Match` header.
/// (http/static-*.)
pub(super) fn answer(
    config: &Config,
    encoded: &[u8],
    if_none_match: &[u8],
    is_logged_in: impl FnOnce() -> bool,
) -> Result<(Answer, Option<Content>), Page> {
    let path = files::relative_path(encoded)?;
    let folder = config.dir.join(&config.http.staticdir);
    let file = open(&folder, &path).map_err(|error| not_found(&path, &error))?;
    let metadata = file.metadata().map_err(|error| not_found(&path, &error))?;
    if !metadata.is_file() {
        return Err(Page::NOT_FOUND);
    }
    if files::is_private(&path) && !is_logged_in() {
        return Err(Page::STATIC);
    }
    let changed = metadata.modified().ok().and_then(|at| at.duration_since(UNIX_EPOCH).ok());
    let changed = changed.unwrap_or_default();
    let tag = files::etag(changed.as_nanos(), metadata.len());
    let fresh = files::matches(if_none_match, &tag);
    let mut answer = if fresh { Answer::new(304, "Not Modified") } else { Answer::ok() }.cacheable();
    answer.header("Content-type", files::content_type(&path).as_bytes());
    answer.header("ETag", tag);
    answer.header("Last-Modified", WallMicros::default().plus(changed).date().http().to_string());
    let content = (!fresh).then_some(Content { file, length: metadata.len() });
    Ok((answer, content))
}

impl Content {
    /// Sends what was announced.
    ///
    /// # Errors
    /// The connection is broken, or the file has become shorter: the connection cannot go on.
    pub(super) fn send(self, stream: &Stream) -> io::Result<()> {
        let mut rest = self.file.take(self.length);
        let mut buffer = vec![0; PIECE.min(self.length as usize)];
        let mut sent = 0;
        while sent < self.length {
            let read = rest.read(&mut buffer)?;
            if read == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            stream.write_all(&buffer[..read], ANSWER_STALL)?;
            sent += read as u64;
        }
        Ok(())
    }
}

fn not_found(path: &str, error: &io::Error) -> Page {
    if error.kind() != io::ErrorKind::NotFound {
        log::debug!("static file {path:?}: {error}");
    }
    Page::NOT_FOUND
}

/// Opens a file beneath the folder. Links may lead about within it, and not out of it.
fn open(folder: &Path, path: &str) -> io::Result<File> {
    Folder::open(folder)?.open_below(Path::new(path))
}

/// How much of a file is read at once.
const PIECE: usize = 64 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_stay_within_the_folder() {
        let folder = std::env::temp_dir().join(format!("amibox-static-{}", std::process::id()));
        let inside = folder.join("static");
        std::fs::create_dir_all(inside.join("sub")).unwrap();
        std::fs::write(inside.join("sub/a.txt"), "a").unwrap();
        std::fs::write(folder.join("secret"), "b").unwrap();
        let link = |to: &str, name: &str| std::os::unix::fs::symlink(to, inside.join(name)).unwrap();
        link("sub/a.txt", "within");
        link("../secret", "out");
        link("/etc/passwd", "away");
        let check = |path, expect| assert_eq!(open(&inside, path).is_ok(), expect, "{path}");
        check("sub/a.txt", true);
        check("within", true);
        check("out", false);
        check("away", false);
        check("sub/none", false);
        check("sub/a.txt/x", false);
        std::fs::remove_dir_all(&folder).unwrap();
    }
}
