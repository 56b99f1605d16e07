//! Uploads: a form's file, streamed beside its place and renamed into it.

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use crate::http::multipart::{self, Item, Multipart};
use crate::http::{Answer, Page};

/// Takes a body of that `Content-Type` and stores the files in it. What is not finished leaves nothing behind.
pub(super) struct Upload<'a> {
    folder: &'a Path,
    /// Makes the temporary names of this upload its own.
    unique: u64,
    form: Multipart,
    open: Option<Part>,
    stored: usize,
}

/// A file on its way.
struct Part {
    file: File,
    temporary: PathBuf,
    place: PathBuf,
}

/// Refused, for that reason.
struct Refused(Page);

impl From<multipart::Malformed> for Refused {
    fn from(_: multipart::Malformed) -> Refused {
        Refused(Page::BODY)
    }
}

impl<'a> Upload<'a> {
    pub(super) fn new(folder: &'a Path, content_type: &[u8], unique: u64) -> Result<Upload<'a>, Page> {
        let form = Multipart::new(content_type).ok_or(Page::BODY)?;
        Ok(Upload { folder, unique, form, open: None, stored: 0 })
    }

    /// Takes some of the body.
    pub(super) fn take(&mut self, bytes: &[u8]) -> Result<(), Page> {
        let Upload { folder, unique, form, open, stored } = self;
        let fed = form.feed(bytes, |item| {
            match item {
                Item::Part { file: Some(name), .. } => {
                    let name = multipart::file_name(name).ok_or(Refused(Page::BODY))?;
                    if *stored >= MAX_FILES {
                        return Err(Refused(Page::BODY_SIZE));
                    }
                    *open = Some(Part::create(folder, name, *unique)?);
                }
                Item::Part { .. } => {}
                Item::Content(bytes) => {
                    if let Some(part) = open {
                        part.file.write_all(bytes).map_err(|error| failed(&part.temporary, &error))?;
                    }
                }
                Item::PartEnd => {
                    if let Some(part) = open.take() {
                        part.finish()?;
                        *stored += 1;
                    }
                }
            }
            Ok(())
        });
        fed.map_err(|Refused(page)| page)
    }

    /// The answer, once the whole body is there.
    pub(super) fn answer(self) -> Result<Answer, Page> {
        if !self.form.is_done() || self.stored == 0 {
            return Err(Page::BODY);
        }
        let mut answer = Answer::ok();
        answer.header("Content-type", "text/plain");
        answer.body = b"File successfully uploaded.\r\n".to_vec();
        Ok(answer)
    }
}

impl Part {
    fn create(folder: &Path, name: &str, unique: u64) -> Result<Part, Refused> {
        let place = folder.join(name);
        let temporary = folder.join(format!(".{name}.{unique:016x}"));
        let mut options = OpenOptions::new();
        let file = options.write(true).create_new(true).mode(0o640).open(&temporary);
        let file = file.map_err(|error| failed(&temporary, &error))?;
        Ok(Part { file, temporary, place })
    }

    /// A file is there whole or not at all.
    fn finish(self) -> Result<(), Refused> {
        let renamed = fs::rename(&self.temporary, &self.place);
        renamed.map_err(|error| failed(&self.place, &error))?;
        log::info!("uploaded: {}", self.place.display());
        Ok(())
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        // Renamed, it is gone already.
        let _ = fs::remove_file(&self.temporary);
    }
}

fn failed(path: &Path, error: &std::io::Error) -> Refused {
    log::warn!("upload: {}: {error}", path.display());
    Refused(Page::INTERNAL)
}

/// How much one upload may hold.
pub(super) const MAX_UPLOAD: u64 = 32 << 20;

/// How many files one upload may hold.
const MAX_FILES: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;

    const TYPE: &[u8] = b"multipart/form-data; boundary=b";

    fn upload(folder: &Path, body: &str) -> Result<Answer, Page> {
        let mut upload = Upload::new(folder, TYPE, 1)?;
        for piece in body.replace('|', "\r\n").as_bytes().chunks(5) {
            upload.take(piece)?;
        }
        upload.answer()
    }

    #[test]
    fn files_are_there_whole_or_not_at_all() {
        let folder = std::env::temp_dir().join(format!("amibox-upload-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let names = || {
            let mut names: Vec<_> = fs::read_dir(&folder)
                .unwrap()
                .map(|entry| entry.unwrap().file_name().into_string().unwrap())
                .collect();
            names.sort();
            names
        };
        let part = |name: &str, content: &str| {
            format!("--b|Content-Disposition: form-data; name=f; filename=\"{name}\"||{content}|")
        };
        assert!(upload(&folder, &format!("{}--b--|", part("../a.txt", "one"))).is_ok());
        assert_eq!(names(), ["a.txt"]);
        assert_eq!(fs::read(folder.join("a.txt")).unwrap(), b"one");
        assert_eq!(upload(&folder, &part("b.txt", "two")).err(), Some(Page::BODY));
        assert_eq!(upload(&folder, &format!("{}--b--|", part(".hidden", "x"))).err(), Some(Page::BODY));
        assert_eq!(upload(&folder, "--b--|").err(), Some(Page::BODY));
        assert_eq!(names(), ["a.txt"]);
        assert!(Upload::new(&folder, b"text/plain", 1).is_err());
        fs::remove_dir_all(&folder).unwrap();
    }
}
