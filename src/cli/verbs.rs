//! `ifscrub verbs`: what a program of a kernel can say.

use super::file::kernel;
use super::output::{emit, emit_json};
use super::{AS_EXPECTED, Done};
use crate::program::{Arg, Grammar, Verb};
use crate::stack::Model;
use serde_json::{Value, json};

/// What a program is but for its verbs, in short.
const FORMAT: &str = "\
A program is text: the line `# ifscrub 1`, then `kernel NAME` and, as far as they are not to
be the default, `ncpus N`, `stop books|kernel`, `defects none|NAMES`, `thresholds real|small`,
`ifindex N`, then at most 64 operations, one a line. An operation is a verb, its arguments,
of those in brackets any or none (the first choice is the default), and what disturbs it:
`preempt NAME#n for N` (NAME: a yield point; N: operations issued meanwhile), `fail NAME#n`
(NAME: a fallible call; `#n..`: and from there on), or `@n` for the n-th of any name.
`ifscrub run --trace FILE` prints the names that an operation passes. `#` begins a comment.
";

/// List the verbs of a kernel's programs, with their arguments.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Below the verbs it says how a program is written; docs/format.md says all of it.

Examples:
  ifscrub verbs
  ifscrub verbs --kernel freebsd-14 --json | jq -r '.[].name'")]
pub struct Args {
    /// Only those of this kernel
    #[arg(long, value_name = "KERNEL")]
    kernel: Option<String>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Runs the command.
pub fn verbs(models: &'static [Model], args: &Args) -> Done {
    let only = args.kernel.as_deref().map(|k| kernel(models, k)).transpose()?;
    let grammars = only.map_or(models, std::slice::from_ref).iter().map(Model::grammar);
    match args.json {
        true => {
            let all = grammars.flat_map(|g| g.verbs.iter().map(|v| describe(g, v)));
            emit_json(&json!(all.collect::<Vec<_>>()))?;
        }
        false => emit(grammars.map(print).collect::<String>() + "\n" + FORMAT)?,
    }
    Ok(AS_EXPECTED)
}

fn describe(g: &Grammar, v: &Verb) -> Value {
    let arg = |a: &Arg| json!({ "key": a.key, "choices": a.choices });
    json!({
        "name": v.name,
        "kernel": g.kernel,
        "arguments": v.args.iter().map(arg).collect::<Vec<_>>(),
        "help": v.help,
    })
}

/// A verb a line, with what it does below; what an argument may be is said once for all of
/// the same choices, by letters.
fn print(g: &Grammar) -> String {
    let mut sets: Vec<&[&str]> = Vec::new();
    let mut out = format!("{}: {} verbs\n", g.kernel, g.verbs.len());
    for v in g.verbs {
        out += &format!("  {}", v.name);
        for a in v.args {
            let known = sets.iter().position(|s| *s == a.choices);
            let set = known.unwrap_or_else(|| {
                sets.push(a.choices);
                sets.len() - 1
            });
            out += &match a.key {
                "" => format!(" {}", letter(set)),
                key => format!(" [{key} {}]", letter(set)),
            };
        }
        out += &format!("\n      {}\n", v.help);
    }
    for (i, set) in sets.iter().enumerate() {
        out += &format!("  {}: {}\n", letter(i), set.join(", "));
    }
    out
}

/// `A`, `B` ... `Z`, `A1` ...
fn letter(i: usize) -> String {
    let letter = char::from(b'A' + (i % 26) as u8);
    if i < 26 { letter.to_string() } else { format!("{letter}{}", i / 26) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stack::GRAMMARS;

    #[test]
    fn every_verb_is_listed_with_its_arguments_and_what_it_does() {
        for g in GRAMMARS {
            let list = print(g);
            for v in g.verbs {
                assert!(list.contains(&format!("\n  {}", v.name)), "{}", v.name);
                assert!(list.contains(&format!("\n      {}\n", v.help)), "{}", v.name);
                for a in v.args {
                    assert!(list.contains(&format!(": {}\n", a.choices.join(", "))), "{}", v.name);
                }
            }
        }
        let list = print(GRAMMARS[0]);
        assert!(list.contains("\n  SIOCSIFADDR "), "{list}");
        assert!(list.contains(" [cpu "), "{list}");
    }
}
