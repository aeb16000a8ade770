//! What makes two violations the same symptom, and the name of it.
//!
//! A [`Symptom`] is what one fast run shows: the rule, the classes of the objects. It is
//! the key by which candidates are compared cheaply. The *signature* is made from the
//! credit where there is one (one race dies in a dozen places, but one repair cures it),
//! else from the symptom and the innermost functions. It never comes from the kernel
//! layer.

use super::credit::Credited;
use super::sets;
use crate::kern::exec::Outcome;
use crate::kern::slab::ObjRef;
use crate::kern::trace::{Func, Trace};
use crate::program::Stop;
use crate::stack::Machine;

/// How many frames tell two places apart.
const FRAMES: usize = 2;

/// What a fast run shows of a violation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Symptom {
    /// Name of the broken rule.
    pub rule: &'static str,
    /// Class of the object; `u8::MAX` for none.
    pub class: u8,
    /// Class of the other object; `u8::MAX` for none.
    pub other: u8,
    /// For programs that stop with the kernel, and for rules about it, its words.
    pub fault: &'static str,
}

impl Symptom {
    /// The symptom of a run that ends as `stop` says; `None` when the run has none.
    ///
    /// A program that stops with the kernel has one only if the kernel noticed.
    pub fn of(outcome: &Outcome, stop: Stop) -> Option<Symptom> {
        let v = outcome.violation?;
        let fault = match (stop, outcome.fault) {
            (Stop::Kernel, fault) => fault?.kind.name(),
            (Stop::Books, Some(fault)) => fault.what,
            (Stop::Books, None) => "",
        };
        Some(Symptom { rule: v.rule.name, class: v.obj.class, other: v.other.class, fault })
    }
}

/// Whether a function belongs to the modelled kernel rather than to the root of a thread.
pub fn is_model(f: &Func) -> bool {
    !f.file.is_empty()
}

/// The innermost functions of the thread that broke the first rule, innermost first.
pub fn frames(trace: &Trace) -> Vec<&'static str> {
    let running = trace.violations.last().and_then(|(_, stacks)| stacks.first());
    let frames = running.map_or(&[][..], |b| b.frames.as_slice());
    frames.iter().filter(|f| is_model(f)).take(FRAMES).map(|f| f.name).collect()
}

/// The signature: `kernel/credit:id+id`, or `kernel/rule:class:holder:inner<outer`.
pub fn signature(m: &dyn Machine, c: &Credited) -> String {
    let kernel = m.grammar().kernel;
    if c.credit != 0 {
        return format!("{kernel}/credit:{}", sets::names(m.defects(), c.credit).join("+"));
    }
    let class = |o: ObjRef| {
        if o.is_none() { "-" } else { m.class_name(o.class) }
    };
    let at = if c.frames.is_empty() { "at-rest".to_string() } else { c.frames.join("<") };
    let (obj, other) = (class(c.violation.obj), class(c.violation.other));
    format!("{kernel}/{}:{obj}:{other}:{at}", c.violation.rule.name)
}

/// A signature as part of an identifier: letters, digits and `_`.
pub fn identifier(signature: &str) -> String {
    signature.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect()
}

/// A signature as a file name: what follows the kernel's name, in letters, digits, `-`.
pub fn file_stem(signature: &str) -> String {
    let own = signature.split_once('/').map_or(signature, |(_, own)| own);
    let own = own.strip_prefix("credit:").unwrap_or(own);
    let safe = |c: char| {
        if c.is_ascii_alphanumeric() || c == '+' { c } else { '-' }
    };
    own.chars().map(safe).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kern::Kernel;
    use crate::program::text;
    use crate::stack::DefectSet;
    use crate::triage::credit::credit;
    use crate::triage::toy::{GRAMMAR, GUESS, Toy, UNLOCKED, UNREFERENCED};

    fn signature_of(ops: &str, defects: DefectSet) -> String {
        let text = format!("# ifscrub 1\nkernel toy\n{ops}");
        let p = text::parse(&[&GRAMMAR], &text).unwrap();
        let mut m = Kernel::<Toy>::new();
        let c = credit(&mut m, &p, defects).unwrap();
        signature(&m, &c)
    }

    #[test]
    fn credit_is_the_signature_wherever_the_race_dies() {
        let racy = 1 << UNLOCKED | 1 << UNREFERENCED;
        let signatures = ["@1", "@2"].map(|at| {
            signature_of(&format!("make d0\nuse d0  preempt {at} for 1\ndrop d0\n"), racy)
        });
        assert_eq!(signatures, ["toy/credit:use-unreferenced"; 2]);
    }

    #[test]
    fn an_identifier_has_letters_digits_and_underscores_only() {
        assert_eq!(identifier("a-1/credit:b+c"), "a_1_credit_b_c");
    }

    #[test]
    fn a_file_name_leaves_the_kernel_to_the_folder() {
        assert_eq!(file_stem("toy/credit:use-unreferenced"), "use-unreferenced");
        assert_eq!(file_stem("toy/rule:a:-:f<g"), "rule-a---f-g");
    }

    #[test]
    fn a_hypothesis_that_is_on_has_credit_like_a_way_in() {
        assert_eq!(signature_of("make d2\nmark d2\n", 1 << GUESS), "toy/credit:guessed-panic");
    }
}
