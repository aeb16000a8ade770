//! `ifscrub status`: how a campaign goes.

use super::file::{STANDARD, unreadable};
use super::output::{emit, emit_json, note, styled, write_file};
use super::{AS_EXPECTED, CliError, Done};
use crate::status::follow::Follow;
use crate::status::html;
use crate::status::page::{View, page};
use crate::status::summary::summary;
use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use terminal_size::{Height, Width, terminal_size};

/// The file of a campaign's folder that is read.
const FILE: &str = "status.jsonl";

/// How long to wait before looking at the file again.
const PAUSE: Duration = Duration::from_millis(500);

/// Width where there is no terminal to fit.
const WIDTH: usize = 100;

/// What to do when there is no status.
const REMEDY: &str = "name the folder of a campaign that scripts/fuzz has left";

/// Show how a campaign goes.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
On a terminal the page is drawn anew until the campaign ends or ^C is pressed.

Examples:
  ifscrub status campaigns/dragonfly-2007-none
  ifscrub status --once campaigns/dragonfly-2007-none
  ifscrub status --html status.html campaigns/dragonfly-2007-none
  ifscrub status --json campaigns/dragonfly-2007-none | jq .left")]
pub struct Args {
    /// Folder of the campaign, with its status.jsonl, or the file itself
    #[arg(value_name = "DIR")]
    folder: PathBuf,
    /// Draw the page once
    #[arg(long)]
    once: bool,
    /// Write a page for browsers, with plots, that needs nothing else; - for stdout
    #[arg(long, value_name = "FILE", conflicts_with = "json")]
    html: Option<PathBuf>,
    /// Print JSON: a summary
    #[arg(long)]
    json: bool,
}

/// Runs the command.
pub fn status(args: &Args) -> Done {
    let path = file_of(&args.folder)?;
    let mut follow = Follow::new(path.clone());
    read(&mut follow, &path)?;
    let status = follow.status();
    if status.is_empty() {
        let problem = "is no status of a campaign: no line of it is one";
        return Err(CliError::path(&path, problem).help(REMEDY));
    }
    if args.json {
        emit_json(&summary(&status))?;
    } else if let Some(out) = &args.html
        && out.as_os_str() == STANDARD
    {
        emit(html::html(&status))?;
    } else if let Some(out) = &args.html {
        write_file(out, html::html(&status).as_bytes())?;
        note(&format!("wrote {}", out.display()));
    } else if args.once || !std::io::stdout().is_terminal() {
        emit(page(&status, view(false)))?;
    } else {
        live(follow, &path)?;
    }
    Ok(AS_EXPECTED)
}

/// The status file of a campaign's folder.
fn file_of(folder: &Path) -> Result<PathBuf, CliError> {
    match std::fs::metadata(folder) {
        Ok(about) if about.is_dir() => {
            let path = folder.join(FILE);
            match path.exists() {
                true => Ok(path),
                false => {
                    let problem = format!("holds no {FILE}");
                    Err(CliError::path(folder, problem).help(REMEDY))
                }
            }
        }
        Ok(_) => Ok(folder.to_path_buf()),
        Err(e) => Err(CliError::path(folder, format!("cannot be read: {e}")).help(REMEDY)),
    }
}

/// Reads what is new; whether there was anything.
fn read(follow: &mut Follow, path: &Path) -> Result<bool, CliError> {
    follow.read().map_err(|e| unreadable(path, &e))
}

/// What a page is drawn for now.
fn view(live: bool) -> View {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).ok();
    let now = now.and_then(|d| i64::try_from(d.as_secs()).ok());
    // Without one on stdout, the size would be that of another stream's.
    let terminal = terminal_size().filter(|_| std::io::stdout().is_terminal());
    let (width, height) = room(terminal, live);
    View { width, height, now, styled: styled() }
}

/// Columns and lines for a page: a page that is drawn once may be longer than the terminal.
fn room(terminal: Option<(Width, Height)>, live: bool) -> (usize, usize) {
    match terminal {
        // The last line is the cursor's.
        Some((Width(w), Height(h))) if live => (usize::from(w), usize::from(h).max(2) - 1),
        Some((Width(w), _)) => (usize::from(w), usize::MAX),
        None => (WIDTH, usize::MAX),
    }
}

/// Draws the page until the campaign ends. It stays on the screen, which is the ordinary
/// one: there is nothing to put right when the user has had enough.
fn live(mut follow: Follow, path: &Path) -> Result<(), CliError> {
    // What was there before scrolls away instead of being overwritten.
    let height = terminal_size().map_or(24, |(_, Height(h))| usize::from(h));
    emit("\n".repeat(height))?;
    let mut status = follow.status();
    loop {
        let drawn = page(&status, view(true)).replace('\n', "\x1b[K\r\n");
        emit(format!("\x1b[H{drawn}\x1b[J"))?;
        if status.end.is_some() {
            return Ok(());
        }
        sleep(PAUSE);
        if read(&mut follow, path)? {
            status = follow.status();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_as_wide_as_the_terminal_and_as_high_only_when_it_is_drawn_anew() {
        let terminal = Some((Width(70), Height(30)));
        assert_eq!([room(terminal, false), room(terminal, true)], [(70, usize::MAX), (70, 29)]);
        assert_eq!(room(None, false), (WIDTH, usize::MAX));
    }
}
