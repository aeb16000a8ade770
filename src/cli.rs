//! The command line.
//!
//! `hunt` looks for violations, `run` replays programs, `minimize` and `credit` triage
//! one and `triage` many, `matrix` says what proposed repairs do about a panic, `convert`
//! changes the form of a program, `defects` lists the switches and `verbs` what programs can
//! say, `status` shows how a campaign goes, `corpus` keeps what it grows. Results go to
//! stdout, everything else to stderr. Exit codes: 0 as expected, 1 a violation (or a defect
//! not found), 2 bad input, 3 a bug of the harness itself.
//!
//! It works on a list of [`Model`]s. A stack outside of this library gets all of the above
//! by a `main` that calls [`run_with`] with its own list.

mod convert;
mod corpus;
mod defects;
mod file;
mod findings;
mod hunt;
mod matrix;
mod output;
mod run;
mod status;
mod triage;
mod verbs;

use crate::hunt::HarnessBug;
use crate::hunt::round::words;
use crate::program::generate::WALK;
use crate::stack::{MODELS, Model};
use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};
use std::ffi::OsString;
use std::io::ErrorKind;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::process::ExitCode;
use std::sync::LazyLock;
use thiserror::Error;

/// Nothing found that should not be, everything found that should be.
const AS_EXPECTED: u8 = 0;
/// A violation, or a defect that was not found.
const VIOLATION: u8 = 1;
/// Bad input.
const BAD_INPUT: u8 = 2;
/// The harness itself is wrong.
const HARNESS_BUG: u8 = 3;

/// Finds lifetime bugs of network-stack objects by running small programs of ioctl-like
/// operations against executable models of BSD kernels.
#[derive(Debug, Parser)]
#[command(name = "ifscrub", version = VERSION.as_str(), after_help = AFTER_HELP)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

/// With the number under which a seed means the same programs.
static VERSION: LazyLock<String> =
    LazyLock::new(|| format!("{} (walk {WALK})", env!("CARGO_PKG_VERSION")));

const AFTER_HELP: &str = "\
Exit codes: 0 as expected, 1 violation (or a defect not found), 2 bad input, 3 harness bug.

Examples:
  ifscrub hunt                              # go for the reported panics
  ifscrub run crashes/dragonfly-2007/*.ops  # replay programs
  ifscrub defects                           # what can be switched on
  ifscrub verbs                             # what a program can say";

/// The same for models of which nobody has reported a panic.
const OWN_ABOUT: &str = "Finds lifetime bugs of reference-counted objects by running small \
programs of operations against an executable model";
const OWN_AFTER_HELP: &str = "\
Exit codes: 0 as expected, 1 violation (or a defect not found), 2 bad input, 3 harness bug.

Examples, ifscrub being this command:
  ifscrub hunt --defects as-reported  # go for the defects
  ifscrub run found/*.ops             # replay programs
  ifscrub defects                     # what can be switched on
  ifscrub verbs                       # what a program can say";

/// The command line for a list of models.
fn command(models: &[Model]) -> clap::Command {
    let command = Cli::command();
    if hunt::goals(models).next().is_some() {
        return command;
    }
    let own = |hunt: clap::Command| {
        hunt.after_help(hunt::OWN_AFTER_HELP)
            .mut_arg("reported", |arg| arg.hide(true))
            .mut_arg("runs", |arg| arg.help("Number of programs"))
    };
    command.about(OWN_ABOUT).after_help(OWN_AFTER_HELP).mut_subcommand("hunt", own)
}

#[derive(Debug, Subcommand)]
enum Command {
    Hunt(hunt::Args),
    Run(run::Args),
    Minimize(triage::MinimizeArgs),
    Credit(triage::CreditArgs),
    Triage(findings::Args),
    Matrix(matrix::Args),
    Convert(convert::Args),
    Defects(defects::Args),
    Verbs(verbs::Args),
    Status(status::Args),
    Corpus(corpus::Args),
}

/// Why a command could not do its work.
#[derive(Debug, Error)]
enum CliError {
    /// The input, or where output should go, is wrong.
    #[error("{place}: {problem}{help}", help = remedy.as_ref().map_or(String::new(), |r| format!("\nhelp: {r}")))]
    Input {
        /// File, with its line if it has one, or option.
        place: String,
        /// What is wrong.
        problem: String,
        /// What to do about it.
        remedy: Option<String>,
    },
    /// A bug of this program.
    #[error("{0}\nThis is a bug of ifscrub, not of the modelled kernel. The program was:\n{program}", program = .0.program)]
    Harness(#[from] HarnessBug),
}

impl CliError {
    fn new(place: impl ToString, problem: impl ToString) -> Self {
        CliError::Input { place: place.to_string(), problem: problem.to_string(), remedy: None }
    }

    fn path(path: &Path, problem: impl ToString) -> Self {
        CliError::new(path.display(), problem)
    }

    /// Adds what to do about it.
    fn help(mut self, text: impl ToString) -> Self {
        if let CliError::Input { remedy, .. } = &mut self {
            *remedy = Some(text.to_string());
        }
        self
    }

    fn exit_code(&self) -> u8 {
        match self {
            CliError::Input { .. } => BAD_INPUT,
            CliError::Harness(_) => HARNESS_BUG,
        }
    }
}

/// What a command returns: its exit code.
type Done = Result<u8, CliError>;

/// The whole program.
pub fn main() -> ExitCode {
    ExitCode::from(run_with(MODELS, std::env::args_os()))
}

/// The whole program for a list of models, the first of which is the default: takes a
/// command line, beginning with the name of the program, and returns the exit code.
///
/// ```
/// use ifscrub::stack::MODELS;
///
/// let code = ifscrub::cli::run_with(MODELS, ["mine", "hunt", "--defects", "none", "--runs", "64"]);
/// assert_eq!(code, 0);
/// ```
pub fn run_with<A>(models: &'static [Model], args: impl IntoIterator<Item = A>) -> u8
where
    A: Into<OsString> + Clone,
{
    let matches = command(models).try_get_matches_from(args);
    let command = match matches.and_then(|matches| Cli::from_arg_matches(&matches)) {
        Ok(cli) => cli.command,
        Err(e) => {
            // Help, or what is wrong with the arguments; a reader that went away is no error.
            let printed = e.print();
            let lost = printed.is_err_and(|e| e.kind() != ErrorKind::BrokenPipe);
            return if e.use_stderr() || lost { BAD_INPUT } else { AS_EXPECTED };
        }
    };
    let done = catch_unwind(AssertUnwindSafe(|| dispatch(models, command)));
    let done = done.unwrap_or_else(|panic| {
        let program = "(not known: outside a run)".to_string();
        Err(HarnessBug { message: words(&*panic), program }.into())
    });
    match done {
        Ok(code) => code,
        Err(e) => {
            output::note(&format!("ifscrub: {e}"));
            e.exit_code()
        }
    }
}

/// How many threads a command works with: as many as were asked for, else one per CPU.
fn jobs(asked: Option<u16>) -> usize {
    let cpus = || std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    asked.map_or_else(cpus, usize::from)
}

fn dispatch(models: &'static [Model], command: Command) -> Done {
    match command {
        Command::Hunt(args) => hunt::hunt(models, &args),
        Command::Run(args) => run::run(models, &args),
        Command::Minimize(args) => triage::minimize(models, &args),
        Command::Credit(args) => triage::credit(models, &args),
        Command::Triage(args) => findings::triage(models, &args),
        Command::Matrix(args) => matrix::matrix(models, &args),
        Command::Convert(args) => convert::convert(models, &args),
        Command::Defects(args) => defects::defects(models, &args),
        Command::Verbs(args) => verbs::verbs(models, &args),
        Command::Status(args) => status::status(&args),
        Command::Corpus(args) => corpus::corpus(models, &args),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent_and_every_subcommand_has_examples() {
        let mut cli = Cli::command();
        cli.clone().debug_assert();
        let mut asked = 0;
        let mut ask = |sub: &mut clap::Command| {
            let help = sub.render_long_help().to_string();
            assert!(help.contains("Examples:"), "{}", sub.get_name());
            assert!(help.contains("--json"), "{}", sub.get_name());
            asked += 1;
        };
        for sub in cli.get_subcommands_mut().filter(|sub| sub.get_name() != "help") {
            ask(sub);
            // The one that clap adds has only words.
            let own = sub.get_subcommands_mut().filter(|sub| sub.get_name() != "help");
            own.for_each(&mut ask);
        }
        assert!(asked > 12, "{asked}");
    }

    #[test]
    fn models_without_a_reported_panic_have_no_help_about_one() {
        let help = |models: &[Model]| {
            let mut cli = command(models);
            let hunt = cli.find_subcommand_mut("hunt").unwrap().render_long_help().to_string();
            hunt + &cli.render_long_help().to_string()
        };
        for word in ["BSD", "the reports", "dragonfly", "--reported"] {
            assert!(help(MODELS).contains(word) && !help(&[]).contains(word), "{word}");
        }
    }

    #[test]
    fn an_error_has_a_place_a_problem_and_a_remedy() {
        let e = CliError::new("x.ops", "is empty").help("write something");
        assert_eq!(e.to_string(), "x.ops: is empty\nhelp: write something");
        assert_eq!(e.exit_code(), BAD_INPUT);
    }
}
