//! `ifscrub defects`: the catalogue of switches.

use super::file::kernel;
use super::output::{emit, emit_json};
use super::{AS_EXPECTED, Done};
use crate::stack::{Defect, Kind, Model};
use crate::triage::sets;
use serde_json::{Value, json};

/// List the defects that can be switched on.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  ifscrub defects
  ifscrub defects --kernel dragonfly-2007 --json | jq -r '.[].id'")]
pub struct Args {
    /// Only those of this kernel
    #[arg(long, value_name = "KERNEL")]
    kernel: Option<String>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Runs the command.
pub fn defects(models: &'static [Model], args: &Args) -> Done {
    let only = args.kernel.as_deref().map(|k| kernel(models, k)).transpose()?;
    let mut all = Vec::new();
    let mut table = String::new();
    for model in only.map_or(models, std::slice::from_ref) {
        let (kernel, defects) = (model.grammar().kernel, model.machine().defects());
        all.extend(defects.iter().map(|d| describe(kernel, defects, d)));
        table += &print(kernel, defects);
    }
    match args.json {
        true => emit_json(&json!(all))?,
        false => emit(table)?,
    }
    Ok(AS_EXPECTED)
}

fn describe(kernel: &str, all: &[Defect], d: &Defect) -> Value {
    json!({
        "id": d.id,
        "kernel": kernel,
        "class": d.class,
        "kind": d.kind.name(),
        "reach": d.reach.name(),
        "needs": sets::names(all, d.needs),
        "source": d.source,
        "what": d.what,
        "repair": d.repair,
    })
}

fn print(kernel: &str, all: &[Defect]) -> String {
    let repairs = all.iter().filter(|d| d.kind == Kind::Repair).count();
    let mut out = format!("{kernel}: {} defects", all.len() - repairs);
    if repairs != 0 {
        out += &format!(", {repairs} proposed repairs");
    }
    out += "\n";
    let width = |f: fn(&Defect) -> &str| all.iter().map(|d| f(d).len()).max().unwrap_or(0);
    let (id, kind) = (width(|d| d.id), width(|d| d.kind.name()));
    let (reach, class) = (width(|d| d.reach.name()), width(|d| d.class));
    for d in all {
        let columns = format!(
            "  {:id$}  {:kind$}  {:reach$}  {:class$}  {}",
            d.id,
            d.kind.name(),
            d.reach.name(),
            d.class,
            d.source
        );
        out += &format!("{columns}\n      {}\n      repair: {}\n", d.what, d.repair);
        if d.needs != 0 {
            out += &format!("      needs:  {}\n", sets::display(all, d.needs));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stack::Stack;
    use crate::triage::toy::Toy;

    #[test]
    fn a_proposed_repair_is_listed_and_not_counted_as_a_defect() {
        let list = print("toy", Toy::defects());
        assert!(list.starts_with("toy: 5 defects, 3 proposed repairs\n"), "{list}");
        assert!(list.contains("use-asserts"), "{list}");
    }
}
