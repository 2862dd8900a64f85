//! `wheesht completions` and `wheesht man`: what a shell and a manual want to know, made from the definition of the command line.

use std::{fs, io, path::Path};

use clap::CommandFactory as _;
use clap_complete::Shell;

use crate::{
    args::Args,
    exit::{Failure, Result},
    output::Output,
};

pub(crate) fn completions(out: Output, shell: Shell) -> Result<()> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Args::command(), "wheesht", &mut script);
    out.raw(&String::from_utf8(script).map_err(io::Error::other)?)
}

pub(crate) fn man(out: Output, directory: Option<&Path>) -> Result<()> {
    let Some(directory) = directory else {
        let mut page = Vec::new();
        clap_mangen::Man::new(Args::command()).render(&mut page)?;
        return out.raw(&String::from_utf8(page).map_err(io::Error::other)?);
    };
    let unwritable =
        |error: io::Error| Failure::usage(format!("{} can't be written: {error}.", directory.display()));
    fs::create_dir_all(directory).map_err(unwritable)?;
    clap_mangen::generate_to(Args::command(), directory).map_err(unwritable)
}
