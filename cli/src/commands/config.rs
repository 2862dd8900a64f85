//! `wheesht config`: the file with settings.

use std::{fs, path::Path, process::Command};

use serde_json::json;

use crate::{
    args::{ConfigAction, Global},
    config::{self, Config, TEMPLATE},
    exit::{Failure, Result},
    output::Output,
};

pub(crate) fn run(global: &Global, out: Output, action: ConfigAction) -> Result<()> {
    let path = config::path(global)?;
    match action {
        ConfigAction::Path => {
            out.result(&json!({ "type": "path", "path": path }), |_| path.display().to_string())
        }
        ConfigAction::Show => {
            let config = Config::read(global)?;
            let text = toml::to_string(&config).map_err(std::io::Error::other)?;
            out.result(&json!({ "type": "config", "config": config }), |_| text.trim_end().to_owned())
        }
        ConfigAction::Edit => edit(global, out, &path),
    }
}

fn edit(global: &Global, out: Output, path: &Path) -> Result<()> {
    if !path.exists() {
        let parent = path.parent().unwrap_or(Path::new("."));
        fs::create_dir_all(parent)
            .and_then(|()| fs::write(path, TEMPLATE))
            .map_err(|error| Failure::usage(format!("{} can't be written: {error}.", path.display())))?;
    }
    let editor = ["VISUAL", "EDITOR"]
        .into_iter()
        .find_map(|name| std::env::var(name).ok().filter(|it| !it.is_empty()));
    let editor = editor.unwrap_or_else(|| if cfg!(windows) { "notepad" } else { "vi" }.to_owned());
    // As everyone does it: the variable may hold arguments.
    let mut words = editor.split_whitespace();
    let ended = Command::new(words.next().unwrap_or("vi")).args(words).arg(path).status();
    match ended {
        Ok(status) if status.success() => {}
        Ok(_) => return Err(Failure::usage(format!("{editor} ended with an error."))),
        Err(error) => {
            return Err(Failure::usage(format!("{editor} can't be started: {error}."))
                .next(format!("Set EDITOR, or edit {} yourself.", path.display())));
        }
    }
    Config::read(global)?;
    out.line(format!("{} is good.", path.display()))
}
