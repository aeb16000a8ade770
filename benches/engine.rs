//! What the parts of an execution cost, one core: `cargo bench --bench engine`.
//!
//! Programs are made with fixed seeds, and scenarios are those of `corpus/text`. Times
//! are for one item: an operation, or a whole program where the name says so.

use divan::counter::ItemsCount;
use divan::{Bencher, black_box};
use ifscrub::kern::exec::Config;
use ifscrub::program::bytes::{Decoder, encode};
use ifscrub::program::generate::{GenConfig, Generator};
use ifscrub::program::mutate::{crossover_bytes, mutate_bytes};
use ifscrub::program::{Grammar, MAX_OPS, Program, RECORD, text};
use ifscrub::stack::{DefectSet, GRAMMARS, Machine, machine};
use ifscrub::triage::credit::credit;
use ifscrub::triage::minimize::minimize;
use ifscrub::triage::replay::recorded;
use ifscrub::triage::sets;
use std::fmt;
use std::path::{Path, PathBuf};

/// How many programs are gone through in turn.
const PROGRAMS: u64 = 256;

/// The seed of them all.
const SEED: u64 = 1;

fn main() {
    divan::main();
}

/// A kernel, by its name.
#[derive(Clone, Copy)]
struct On(&'static Grammar);

impl fmt::Display for On {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.kernel)
    }
}

impl On {
    fn machine(self) -> Box<dyn Machine> {
        machine(self.0.id).expect("every grammar has a model")
    }

    fn generator(self) -> Generator {
        Generator::new(self.0, GenConfig::default(), SEED)
    }

    fn programs(self) -> Vec<Program> {
        let generator = self.generator();
        (0..PROGRAMS).map(|i| generator.program(i)).collect()
    }

    fn bytes(self) -> Vec<Vec<u8>> {
        let encoded = self.programs().into_iter().map(|p| encode(&p));
        encoded.map(|b| b.expect("generated programs have no names")).collect()
    }
}

fn kernels() -> impl Iterator<Item = On> {
    GRAMMARS.iter().copied().map(On)
}

fn operations(programs: &[Program]) -> ItemsCount {
    ItemsCount::new(programs.iter().map(|p| p.ops.len()).sum::<usize>())
}

/// Bytes to operations.
#[divan::bench(args = kernels())]
fn decode(bencher: Bencher<'_, '_>, on: On) {
    let (bytes, decoder) = (on.bytes(), Decoder::new(GRAMMARS));
    let mut out = decoder.decode(&[]);
    bencher.counter(operations(&on.programs())).bench_local(|| {
        for b in &bytes {
            decoder.decode_into(black_box(b), &mut out);
        }
    });
}

/// Operations out of nothing.
#[divan::bench(args = kernels())]
fn generate(bencher: Bencher<'_, '_>, on: On) {
    let generator = on.generator();
    let mut out = generator.program(0);
    bencher.counter(operations(&on.programs())).bench_local(|| {
        for i in 0..PROGRAMS {
            generator.program_into(black_box(i), &mut out);
        }
    });
}

/// A program changed, as engines do it that keep bytes.
#[divan::bench(args = kernels())]
fn mutate_program(bencher: Bencher<'_, '_>, on: On) {
    let (bytes, decoder) = (on.bytes(), Decoder::new(GRAMMARS));
    let mut buffer = vec![0; (1 + MAX_OPS) * RECORD];
    let room = buffer.len();
    bencher.counter(ItemsCount::new(bytes.len())).bench_local(|| {
        for (seed, b) in (0..).zip(&bytes) {
            buffer[..b.len()].copy_from_slice(b);
            black_box(mutate_bytes(&decoder, &mut buffer, b.len(), room, seed));
        }
    });
}

/// Two programs mixed.
#[divan::bench(args = kernels())]
fn crossover_programs(bencher: Bencher<'_, '_>, on: On) {
    let (bytes, decoder) = (on.bytes(), Decoder::new(GRAMMARS));
    let mut buffer = vec![0; (1 + MAX_OPS) * RECORD];
    bencher.counter(ItemsCount::new(bytes.len() - 1)).bench_local(|| {
        for (seed, pair) in (0..).zip(bytes.windows(2)) {
            black_box(crossover_bytes(&decoder, &pair[0], &pair[1], &mut buffer, seed));
        }
    });
}

/// Boot, teardown and audit: what a program costs before its first operation.
#[divan::bench(args = kernels())]
fn run_empty_program(bencher: Bencher<'_, '_>, on: On) {
    let mut m = on.machine();
    let p = Decoder::new(&[on.0]).decode(&[]);
    bencher.bench_local(|| m.run(black_box(&p), Config::default()));
}

/// Generated programs, from boot to audit, all defects off.
#[divan::bench(args = kernels())]
fn run(bencher: Bencher<'_, '_>, on: On) {
    run_all(bencher, on, Config::default(), |_| {});
}

/// The same for a guided engine: the difference is noting features.
#[divan::bench(args = kernels())]
fn run_with_features(bencher: Bencher<'_, '_>, on: On) {
    run_all(bencher, on, Config { feedback: true, ..Config::default() }, |_| {});
}

/// Without what disturbs them: the difference is preemptions and faults.
#[divan::bench(args = kernels())]
fn run_undisturbed(bencher: Bencher<'_, '_>, on: On) {
    run_all(bencher, on, Config::default(), |p| {
        for op in &mut p.ops {
            (op.preempt_at, op.preempt_for, op.fail) = (0, 0, 0);
        }
    });
}

fn run_all(bencher: Bencher<'_, '_>, on: On, cfg: Config, change: impl Fn(&mut Program)) {
    let (mut m, mut programs) = (on.machine(), on.programs());
    programs.iter_mut().for_each(change);
    bencher.counter(operations(&programs)).bench_local(|| {
        for p in &programs {
            black_box(m.run(black_box(p), cfg));
        }
    });
}

/// With the whole trace, as for reports.
#[divan::bench(args = kernels())]
fn run_recorded(bencher: Bencher<'_, '_>, on: On) {
    let (mut m, programs) = (on.machine(), on.programs());
    bencher.counter(operations(&programs)).bench_local(|| {
        for p in &programs {
            black_box(recorded(&mut *m, black_box(p), 0, None));
        }
    });
}

/// A committed scenario, under the defects of its header.
struct Scenario {
    name: String,
    program: Program,
}

impl fmt::Display for Scenario {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

impl Scenario {
    fn machine(&self) -> (Box<dyn Machine>, DefectSet) {
        let m = machine(self.program.header.kernel).expect("every grammar has a model");
        let set = sets::of_header(m.defects(), &self.program).expect("a header names defects");
        (m, set.unwrap_or(0))
    }
}

fn scenarios() -> Vec<Scenario> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus/text");
    let Ok(entries) = folder.read_dir() else { return Vec::new() };
    let mut files: Vec<PathBuf> = entries.filter_map(|e| Some(e.ok()?.path())).collect();
    files.retain(|f| f.extension().is_some_and(|e| e == "ops"));
    files.sort();
    let scenario = |file: &PathBuf| {
        let source = std::fs::read_to_string(file).expect("a readable scenario");
        let program = text::parse(GRAMMARS, &source).expect("a valid scenario");
        let name = file.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        Scenario { name, program }
    };
    files.iter().map(scenario).collect()
}

/// A scenario replayed.
#[divan::bench(args = scenarios())]
fn run_scenario(bencher: Bencher<'_, '_>, s: &Scenario) {
    let (mut m, defects) = s.machine();
    let cfg = Config { defects, ..Config::default() };
    bencher
        .counter(ItemsCount::new(s.program.ops.len()))
        .bench_local(|| m.run(black_box(&s.program), cfg));
}

/// A scenario's violation credited and minimized; nothing for one that is clean.
#[divan::bench(args = scenarios(), sample_count = 10)]
fn triage_scenario(bencher: Bencher<'_, '_>, s: &Scenario) {
    let (mut m, defects) = s.machine();
    bencher.bench_local(|| {
        let credited = credit(&mut *m, black_box(&s.program), defects)?;
        Some(minimize(&mut *m, credited))
    });
}
