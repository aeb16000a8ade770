//! Programs that make the models do what generated corpora hardly ever come to: each is
//! clean on the repaired kernel, and what the reported one does is written down beside it.
//! `scripts/coverage --replay DIR/corpus tests/reach` counts them beside a campaign's corpus.

mod support;

use ifscrub::stack::as_reported;
use ifscrub::triage::replay::run;

#[test]
fn every_program_is_clean_on_the_repaired_kernel_and_reaches_its_points() {
    for path in support::programs_in("tests/reach") {
        let p = support::read(&path);
        let outcome = run(&mut *support::machine_for(&p), &p, 0, None);
        assert!(outcome.clean(), "{}: {:?}", path.display(), outcome.violation);
        assert!(outcome.unreached.is_empty(), "{}: {:?}", path.display(), outcome.unreached);
        assert!(!outcome.exhausted, "{}", path.display());
    }
}

#[test]
fn what_the_reported_kernel_does_in_them_is_what_is_written_down() {
    let line = |path: std::path::PathBuf| {
        let p = support::read(&path);
        let mut m = support::machine_for(&p);
        let all = as_reported(m.defects());
        let outcome = run(&mut *m, &p, all, None);
        let what = match (outcome.fault, outcome.violation) {
            (Some(fault), _) => format!("{:?}", fault.kind),
            (None, Some(v)) => v.rule.name.to_string(),
            (None, None) => "clean".to_string(),
        };
        format!("{} {what}\n", path.file_stem().unwrap_or_default().to_string_lossy())
    };
    let all: String = support::programs_in("tests/reach").into_iter().map(line).collect();
    support::expect_file("tests/reach.expected", &all);
}
