//! The reproducers of `crashes/`: each still shows its bug, the least of it, and nothing
//! else; and every way in of the catalogue has one, and every enabling defect that none needs.
//!
//! A file named after a defect is about that defect alone: what `scripts/crashes` has found,
//! or what `ifscrub minimize` has left of a program written for it, which then says so in a
//! comment and is not replaced by the script.

mod support;

use ifscrub::kern::exec::Outcome;
use ifscrub::program::{Program, Stop};
use ifscrub::stack::{DefectSet, GRAMMARS, Kind, Machine, machine};
use ifscrub::triage::credit::{Credited, credit};
use ifscrub::triage::positions::everywhere;
use ifscrub::triage::replay::{recorded, resolve, run, waits_for_added};
use ifscrub::triage::sets;
use ifscrub::triage::signature::signature;
use std::path::{Path, PathBuf};

/// The reproducers of every kernel.
fn reproducers() -> Vec<PathBuf> {
    let folders = GRAMMARS.iter().map(|g| format!("crashes/{}", g.kernel));
    folders.flat_map(|folder| support::programs_in(&folder)).collect()
}

/// What a file is called, without its kernel and its extension.
fn stem(path: &Path) -> String {
    path.file_stem().expect("a file has a name").to_string_lossy().into_owned()
}

/// Calls `f` with every reproducer, its machine, its defects and its credit.
fn each(mut f: impl FnMut(&str, &Program, DefectSet, &Credited, &mut dyn Machine)) {
    for path in reproducers() {
        let p = support::read(&path);
        let mut m = support::machine_for(&p);
        let set = support::own_defects(&*m, &p);
        let name = support::name_of(&path);
        let credited = credit(&mut *m, &p, set);
        let credited = credited.unwrap_or_else(|| panic!("{name} is clean"));
        f(&name, &p, set, &credited, &mut *m);
    }
}

#[test]
fn every_reproducer_violates_and_has_credit() {
    each(|name, p, set, c, m| {
        assert_eq!(p.header.kernel, m.grammar().id, "{name}");
        let outcome = run(m, p, set, None);
        assert!(!outcome.clean() && outcome.unreached.is_empty(), "{name}: {outcome:?}");
        let words = |set| sets::display(m.defects(), set);
        assert_eq!(words(c.set), words(set), "{name} does not need all of its defects");
        assert_ne!(c.credit, 0, "{name}: no repair alone makes it clean");
        assert_eq!(c.program.ops, p.ops, "{name} goes on after its violation");
    });
}

#[test]
fn every_reproducer_is_about_the_defect_it_is_named_after() {
    for path in reproducers() {
        let p = support::read(&path);
        let mut m = support::machine_for(&p);
        let Some(d) = m.defects().iter().position(|d| d.id == stem(&path)) else { continue };
        let set = support::own_defects(&*m, &p);
        if m.defects()[d].kind == Kind::Enabling {
            // It has no credit beside the ways in that it opens; its repair closes them.
            assert_ne!(set >> d & 1, 0, "{}", path.display());
            let (ordinals, _) = resolve(&mut *m, &p, set, u8::MAX);
            let clean = &mut |_: &mut dyn Machine, _: &Program, o: &Outcome| o.clean();
            let closed = everywhere(&mut *m, &p, &ordinals, set & !(1 << d), Stop::Books, clean);
            assert!(closed, "{} without it", path.display());
            continue;
        }
        let c = credit(&mut *m, &p, set).unwrap_or_else(|| panic!("{} is clean", path.display()));
        // Where it needs another way in, the repair of that one cures it as well.
        let found = sets::display(m.defects(), c.credit & !m.defects()[d].needs);
        assert_eq!(found, m.defects()[d].id, "{}", path.display());
    }
}

#[test]
fn no_reproducer_waits_for_a_lock_that_its_kernel_did_not_have() {
    each(|name, p, set, _, m| {
        let trace = recorded(m, p, set, None).trace;
        let lock = waits_for_added(m, &trace);
        assert_eq!(lock, None, "{name}: somebody waits for a lock of the repaired model");
    });
}

#[test]
fn every_reproducer_is_clean_under_its_repair() {
    each(|name, p, set, c, m| {
        for d in sets::members(c.credit) {
            let id = m.defects()[d].id;
            let repaired = run(m, p, set & !(1 << d), Some(Stop::Books));
            assert!(repaired.clean(), "{name} without {id}: {}", support::shown(&repaired));
        }
        let repaired = run(m, p, 0, Some(Stop::Books));
        assert!(repaired.clean(), "{name} without defects: {}", support::shown(&repaired));
    });
}

#[test]
fn no_operation_of_a_reproducer_can_be_left_out() {
    each(|name, p, set, c, m| {
        let whole = signature(m, c);
        for i in 0..p.ops.len() {
            let mut less = p.clone();
            less.remove_op(i);
            let Some(still) = credit(m, &less, set) else { continue };
            let same = still.credit == c.credit && signature(m, &still) == whole;
            assert!(!same, "{name}: operation {} is not needed", i + 1);
        }
    });
}

#[test]
fn every_report_is_the_expected_one() {
    let paths = reproducers();
    if paths.is_empty() {
        return;
    }
    let mut args = vec!["run".into(), "--expect".into()];
    args.extend(paths.iter().map(|p| p.clone().into_os_string()));
    let o = support::run_ifscrub(args);
    let (out, said) = (support::stdout(&o), support::stderr(&o));
    assert_eq!(o.status.code(), Some(0), "{out}{said}");
    assert_eq!(out.lines().filter(|l| l.ends_with(": as expected")).count(), paths.len(), "{out}");
}

#[test]
fn every_report_belongs_to_a_reproducer() {
    for path in reproducers() {
        let folder = path.parent().expect("a file is in a folder");
        for entry in std::fs::read_dir(folder).expect("the folder of reproducers") {
            let report = entry.expect("a file").path();
            if report.extension().is_some_and(|e| e == "report") {
                assert!(report.with_extension("ops").is_file(), "{}", report.display());
            }
        }
    }
}

/// An enabling defect is found with the ways in that need it. One that none needs, because
/// other defects open them as well, has a reproducer of its own.
#[test]
fn every_way_in_has_a_reproducer_named_after_it() {
    for g in GRAMMARS {
        let m = machine(g.id).expect("every kernel of the grammars has a model");
        let files = support::programs_in(&format!("crashes/{}", g.kernel));
        let names: Vec<_> = files.iter().map(|f| stem(f)).collect();
        let all = m.defects();
        let needed = all.iter().fold(0, |set, d| set | d.needs);
        let shown = all.iter().enumerate().filter(|(i, d)| match d.kind {
            Kind::WayIn => true,
            Kind::Enabling => needed >> i & 1 == 0,
            _ => false,
        });
        let missing: Vec<_> =
            shown.map(|(_, d)| d.id).filter(|id| !names.iter().any(|n| n == id)).collect();
        assert!(missing.is_empty(), "{}: nothing in crashes/ is named {missing:?}", g.kernel);
    }
}
