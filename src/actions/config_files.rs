//! Configuration files over AMI: GetConfig, GetConfigJSON, ListCategories, UpdateConfig and CreateConfig.
//!
//! Every file that a client names is looked for in a confined [`Folder`]; what a file means is not known here.

use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::PoisonError;

use crate::ami::class::truth;
use crate::ami::{Classes, Reply};
use crate::config::confined::{CreateError, Folder, NameError};
use crate::config::edit::{self, apply, operations};
use crate::config::ini::{self, Context, Document, Rendering, Selector, Source};
use crate::switch::{ActionSpec, Argument};

use super::Call;
use super::table::Row;

/// What a client is told where a file cannot be had.
enum Refusal {
    NoName,
    /// Outside the folder.
    Privileges,
    NotFound,
    Invalid,
    Edit(edit::EditError),
    /// The disk.
    Write(String),
}

impl Refusal {
    fn tell(&self, reply: &mut Reply<'_>) {
        match self {
            Refusal::NoName => reply.error("Filename not specified"),
            Refusal::Privileges => reply.error("File requires escalated privileges"),
            Refusal::NotFound => reply.error("Config file not found"),
            Refusal::Invalid => reply.error("Config file has invalid format"),
            Refusal::Edit(error) => reply.error(format_args!("{error}")),
            Refusal::Write(why) => reply.error(format_args!("Save of config failed: {why}")),
        }
    }
}

impl Call<'_> {
    fn folder(&self) -> Result<Folder, Refusal> {
        Folder::open(&self.core.config().dir).map_err(|error| {
            log::error!("{}: {error}", self.core.config().dir.display());
            Refusal::NotFound
        })
    }
}

/// Reads the file that a header names. Some actions call a file that is not there one outside. (config/paths-outside-json.)
fn document(folder: &Folder, name: &[u8], absent: Refusal) -> Result<Document, Refusal> {
    if name.is_empty() {
        return Err(Refusal::NoName);
    }
    let path = folder.find(name).map_err(|error| match error {
        NameError::Outside => Refusal::Privileges,
        NameError::Absent => absent,
    })?;
    match ini::parse(folder, &path) {
        Ok(parsed) if !parsed.invalid => Ok(parsed.document),
        Ok(_) => Err(Refusal::Invalid),
        Err(_) => Err(Refusal::NotFound),
    }
}

fn get_config(call: &Call<'_>, reply: &mut Reply<'_>) {
    let message = call.message;
    let found =
        call.folder().and_then(|folder| document(&folder, message.value("Filename"), Refusal::NotFound));
    let document = match found {
        Ok(document) => document,
        Err(refusal) => return refusal.tell(reply),
    };
    let category = message.value("Category");
    let selector = Selector::parse(message.value("Filter"));
    reply.start("Success");
    let mut any = false;
    for (c, found) in document.select(Some(category), &selector).enumerate() {
        any = true;
        reply.header(&format!("Category-{c:06}"), found.name());
        if found.is_template() {
            reply.header(&format!("IsTemplate-{c:06}"), 1);
        }
        let templates: Vec<&[u8]> = document.templates(found).collect();
        if !templates.is_empty() {
            reply.header(&format!("Templates-{c:06}"), templates.join(&b','));
        }
        for (l, variable) in found.variables().iter().enumerate() {
            let line = [variable.name(), b"=", variable.value()].concat();
            reply.header(&format!("Line-{c:06}-{l:06}"), line);
        }
    }
    if !any && !category.is_empty() {
        reply.line(b"No categories found");
    }
    reply.end();
}

fn get_config_json(call: &Call<'_>, reply: &mut Reply<'_>) {
    let message = call.message;
    let found =
        call.folder().and_then(|folder| document(&folder, message.value("Filename"), Refusal::Privileges));
    let document = match found {
        Ok(document) => document,
        Err(refusal) => return refusal.tell(reply),
    };
    let selector = Selector::parse(message.value("Filter"));
    let mut json = Vec::from(b"{");
    for found in document.select(Some(message.value("Category")), &selector) {
        separate(&mut json);
        quote(found.name(), &mut json);
        json.extend_from_slice(b":{");
        if found.is_template() {
            json.extend_from_slice(b"\"istemplate\":1");
        }
        let templates: Vec<&[u8]> = document.templates(found).collect();
        if !templates.is_empty() {
            member(b"templates", &templates.join(&b','), &mut json);
        }
        for variable in found.variables() {
            member(variable.name(), variable.value(), &mut json);
        }
        json.push(b'}');
    }
    json.push(b'}');
    reply.start("Success").header("JSON", json).end();
}

fn member(name: &[u8], value: &[u8], json: &mut Vec<u8>) {
    separate(json);
    quote(name, json);
    json.push(b':');
    quote(value, json);
}

fn separate(json: &mut Vec<u8>) {
    if json.last() != Some(&b'{') {
        json.push(b',');
    }
}

/// Quotes and backslashes are escaped, and nothing else. (config/getconfigjson-quotes.)
fn quote(text: &[u8], json: &mut Vec<u8>) {
    json.push(b'"');
    for &byte in text {
        if matches!(byte, b'"' | b'\\') {
            json.push(b'\\');
        }
        json.push(byte);
    }
    json.push(b'"');
}

fn list_categories(call: &Call<'_>, reply: &mut Reply<'_>) {
    let name = call.message.value("Filename");
    let document = match call.folder().and_then(|folder| document(&folder, name, Refusal::NotFound)) {
        Ok(document) => document,
        Err(refusal) => return refusal.tell(reply),
    };
    reply.start("Success");
    let mut any = false;
    // (config/listcategories-match-header.)
    let selector = Selector::parse(call.message.value("Match"));
    for (c, found) in document.select(None, &selector).enumerate() {
        any = true;
        reply.header(&format!("Category-{c:06}"), found.name());
    }
    if !any {
        reply.line(b"Error: no categories found");
    }
    reply.end();
}

fn update_config(call: &Call<'_>, reply: &mut Reply<'_>) {
    match update(call) {
        Err(refusal) => return refusal.tell(reply),
        Ok(()) => reply.start("Success").end(),
    }
    // What cannot be reloaded has been written all the same. (config/update-reload-unknown.)
    let reload = call.message.value("Reload");
    // (config/updateconfig-reload-no.)
    if truth(reload) != Some(false) && !reload.is_empty() {
        let module = if truth(reload) == Some(true) { None } else { Some(reload) };
        call.core.reload(module, call.now);
    }
}

/// All or nothing: the files are written once every operation has been done. (config/update-all-or-nothing.)
fn update(call: &Call<'_>) -> Result<(), Refusal> {
    let message = call.message;
    let (source, target) = (message.value("SrcFilename"), message.value("DstFilename"));
    if source.is_empty() || target.is_empty() {
        return Err(Refusal::NoName);
    }
    // Two that change one file must not both begin from what it was.
    let _one_at_a_time = call.core.files.lock().unwrap_or_else(PoisonError::into_inner);
    let folder = call.folder()?;
    let path = folder.find(target).map_err(|_| Refusal::Privileges)?;
    let mut document = document(&folder, source, Refusal::Privileges)?;
    apply(&mut document, &operations(|name| message.get(name))).map_err(Refusal::Edit)?;
    let keep = truth(message.value("PreserveEffectiveContext")) != Some(false);
    let date = call.now.date();
    let rendered = document.render(&Rendering {
        name: target,
        path: &path,
        date: &format!("{} {}", date.day(), date.time()),
        context: if keep { Context::Preserve } else { Context::Follow },
    });
    let inside = |path: &Path| folder.find(path.as_os_str().as_encoded_bytes()).is_ok();
    if !rendered.iter().all(|(path, _)| inside(path)) {
        return Err(Refusal::Privileges);
    }
    // An edit can take away what another line leans on: what could not be read again is not written.
    let after = Overlay { folder: &folder, files: &rendered };
    if !ini::parse(&after, &path).is_ok_and(|parsed| !parsed.invalid) {
        return Err(Refusal::Invalid);
    }
    folder.replace(&rendered).map_err(|error| {
        log::error!("{}: {error}", path.display());
        Refusal::Write(words(&error))
    })
}

/// The folder as it will be once some files have been replaced.
struct Overlay<'a> {
    folder: &'a Folder,
    files: &'a [(PathBuf, Vec<u8>)],
}

impl Source for Overlay<'_> {
    fn root(&self) -> &Path {
        self.folder.root()
    }

    fn read(&self, path: &Path, most: usize) -> io::Result<Vec<u8>> {
        let path = self.root().join(path);
        match self.files.iter().find(|(replaced, _)| *replaced == path) {
            Some((_, bytes)) if bytes.len() <= most => Ok(bytes.clone()),
            Some(_) => Err(io::ErrorKind::FileTooLarge.into()),
            None => self.folder.read(&path, most),
        }
    }

    fn list(&self, folder: &Path) -> io::Result<Vec<OsString>> {
        self.folder.list(folder)
    }
}

fn create_config(call: &Call<'_>, reply: &mut Reply<'_>) {
    let name = call.message.value("Filename").trim_ascii();
    if name.is_empty() {
        return Refusal::NoName.tell(reply);
    }
    let folder = match call.folder() {
        Ok(folder) => folder,
        Err(refusal) => return refusal.tell(reply),
    };
    match folder.create(name) {
        Ok(()) => reply.success("New configuration file created successfully"),
        Err(CreateError::Outside) => Refusal::Privileges.tell(reply),
        Err(CreateError::System(error)) => reply.error(words(&error)),
    }
}

/// What the system says of an error, without its number.
fn words(error: &io::Error) -> String {
    let text = error.to_string();
    text.split(" (os error").next().unwrap_or_default().to_owned()
}

const FILE: Argument = Argument::required(
    "Filename",
    "The file, relative to the config folder. None outside of it can be named.",
);
const CATEGORY: Argument = Argument::optional("Category", "Only categories of this name, in any case.");
const FILTER: Argument = Argument::optional(
    "Filter",
    "Only categories that hold, for each name=value given, a variable that matches both, which are POSIX extended expressions. \
     TEMPLATES=include or TEMPLATES=restrict among them ask for templates too, or only.",
);
const MATCH: Argument = Argument::optional("Match", "Only some categories, as Filter of GetConfig says it.");

pub(super) const ACTIONS: &[Row] = &[
    Row::own(
        ActionSpec::new(
            "GetConfig",
            Classes::SYSTEM.and(Classes::CONFIG),
            "Read a configuration file.",
            &[FILE, CATEGORY, FILTER],
            "Answers with the file as it counts, includes and templates followed: a header Category-000000 for each category, \
             IsTemplate-000000 and Templates-000000 where they apply, and Line-000000-000000 for each variable, as name=value.",
        ),
        get_config,
    ),
    Row::own(
        ActionSpec::new(
            "GetConfigJSON",
            Classes::SYSTEM.and(Classes::CONFIG),
            "Read a configuration file as JSON.",
            &[FILE, CATEGORY, FILTER],
            "Answers with the file as one JSON object in the header JSON: an object for each category, a string for each \
             variable. Names that stand more than once stand there more than once too.",
        ),
        get_config_json,
    ),
    Row::own(
        ActionSpec::new(
            "ListCategories",
            Classes::CONFIG,
            "List the categories of a configuration file.",
            &[FILE, MATCH],
            "Answers with a header Category-000000 for each category in the order of the file, without templates unless Match asks \
             for them.",
        ),
        list_categories,
    ),
    Row::own(
        ActionSpec::new(
            "UpdateConfig",
            Classes::CONFIG,
            "Change a configuration file.",
            &[
                Argument::required("SrcFilename", "The file to read."),
                Argument::required("DstFilename", "The file to write; it must be there already."),
                Argument::optional("Reload", "yes, or a module to reload when it is done."),
                Argument::optional(
                    "PreserveEffectiveContext",
                    "no lets heirs follow a template that changes; else they stay as they were.",
                ),
                Argument::optional(
                    "Action-XXXXXX",
                    "NewCat, RenameCat, DelCat, EmptyCat, Update, Delete, Append or Insert; XXXXXX counts from 000000.",
                ),
                Argument::optional("Cat-XXXXXX", "The category."),
                Argument::optional("Var-XXXXXX", "The variable."),
                Argument::optional("Value-XXXXXX", "The new value, or the category's new name."),
                Argument::optional(
                    "Match-XXXXXX",
                    "The value that it must have had; for NewCat the category to stand before.",
                ),
                Argument::optional("Line-XXXXXX", "Which variable of the category, counted from 0."),
                Argument::optional(
                    "Options-XXXXXX",
                    "allowdups, template, inherit=\"a,b\", catfilter=\"...\", parted by commas.",
                ),
            ],
            "Does one operation after the other, then writes the file: all of them or, where one fails, nothing. Comments, includes, \
             templates and order stay. The file is replaced at once, so that a crash leaves the old one or the new one.",
        ),
        update_config,
    ),
    Row::own(
        ActionSpec::new(
            "CreateConfig",
            Classes::CONFIG,
            "Create an empty configuration file.",
            &[FILE],
            "Fails where something of that name is there already.",
        ),
        create_config,
    ),
];
