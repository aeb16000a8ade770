//! Sets of defects as people write them: `none`, `as-reported`, or a list of names.
//!
//! A set is a bit per defect of the stack ([`Machine::defects`](crate::stack::Machine)).
//! A name in a list brings along what that defect needs. An unknown name is an error that
//! says which one was probably meant, never an empty set.

use crate::program::Program;
use crate::stack::{Defect, DefectSet, Kind, as_reported, with_needs};
use thiserror::Error;

/// The environment variable that says which defects are on when neither the program's
/// header nor the command line does.
pub const VARIABLE: &str = "IFSCRUB_DEFECTS";

/// A name that no defect of the kernel has.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("no defect is called `{name}`{}", suggestion.as_ref().map_or(String::new(), |s| format!("; did you mean `{s}`?")))]
pub struct UnknownDefect {
    /// The name as given.
    pub name: String,
    /// The nearest name there is, when it is near.
    pub suggestion: Option<&'static str>,
}

/// The set that `text` means: `none`, `as-reported`, or names separated by commas and
/// blanks; with what they need.
///
/// # Errors
///
/// The first unknown name.
pub fn parse(defects: &[Defect], text: &str) -> Result<DefectSet, UnknownDefect> {
    from_names(defects, words(text))
}

/// The words of a list, separated by commas and blanks.
pub fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| c == ',' || c.is_whitespace()).filter(|w| !w.is_empty())
}

/// The set of these names, each of which may also be `none` or `as-reported`.
///
/// # Errors
///
/// The first unknown name.
pub fn from_names<'a>(
    defects: &[Defect],
    names: impl IntoIterator<Item = &'a str>,
) -> Result<DefectSet, UnknownDefect> {
    let mut set = 0;
    for name in names {
        set |= match name {
            "none" => 0,
            "as-reported" => as_reported(defects),
            _ => match defects.iter().position(|d| d.id == name) {
                Some(i) => 1 << i,
                None => {
                    let words = defects.iter().map(|d| d.id).chain(["none", "as-reported"]);
                    let suggestion = nearest(name, words);
                    return Err(UnknownDefect { name: name.to_string(), suggestion });
                }
            },
        };
    }
    Ok(with_needs(defects, set))
}

/// The set of each of several kernels that one list means: a name need only exist in one
/// of them, and counts in every one where it does.
///
/// # Errors
///
/// The first name that none of them knows.
pub fn across(kernels: &[&[Defect]], text: &str) -> Result<Vec<DefectSet>, UnknownDefect> {
    for word in words(text) {
        let mut known = kernels.iter().map(|defects| from_names(defects, [word]));
        if !known.clone().any(|set| set.is_ok())
            && let Some(Err(unknown)) = known.next()
        {
            return Err(unknown);
        }
    }
    let set = |defects: &&[Defect]| {
        words(text).filter_map(|w| from_names(defects, [w]).ok()).fold(0, |all, set| all | set)
    };
    Ok(kernels.iter().map(set).collect())
}

/// The set of exactly these defects, without what they need; a name that no defect of the
/// kernel has counts for nothing ([`check_ids`]).
pub fn of_ids<'a>(defects: &[Defect], ids: impl IntoIterator<Item = &'a str>) -> DefectSet {
    let bit = |id: &str| defects.iter().position(|d| d.id == id).map_or(0, |i| 1 << i);
    ids.into_iter().fold(0, |set, id| set | bit(id))
}

/// Whether each of these is the name of a defect of one of several kernels, and no word for
/// several of them.
///
/// # Errors
///
/// The first that is none.
pub fn check_ids<'a>(
    kernels: &[&[Defect]],
    ids: impl IntoIterator<Item = &'a str>,
) -> Result<(), UnknownDefect> {
    let all = || kernels.iter().flat_map(|defects| defects.iter()).map(|d| d.id);
    match ids.into_iter().find(|id| all().all(|known| known != *id)) {
        None => Ok(()),
        Some(id) => Err(UnknownDefect { name: id.to_string(), suggestion: nearest(id, all()) }),
    }
}

/// The set of the program's own `defects` line, if it has one.
///
/// # Errors
///
/// The first unknown name.
pub fn of_header(defects: &[Defect], p: &Program) -> Result<Option<DefectSet>, UnknownDefect> {
    let Some(names) = &p.header.defects else {
        return Ok(None);
    };
    from_names(defects, names.iter().map(String::as_str)).map(Some)
}

/// The defects of a set, by ascending bit.
pub fn members(set: DefectSet) -> impl DoubleEndedIterator<Item = usize> {
    (0..DefectSet::BITS as usize).filter(move |i| set >> i & 1 != 0)
}

/// The names of a set, by ascending bit.
pub fn names(defects: &[Defect], set: DefectSet) -> Vec<&'static str> {
    members(set).filter_map(|i| defects.get(i)).map(|d| d.id).collect()
}

/// A set as one word or list: `none` or the names.
pub fn display(defects: &[Defect], set: DefectSet) -> String {
    match set {
        0 => "none".to_string(),
        _ => names(defects, set).join(" "),
    }
}

/// The defects of one kind.
pub fn of_kind(defects: &[Defect], kind: Kind) -> DefectSet {
    let all = defects.iter().enumerate();
    all.filter(|(_, d)| d.kind == kind).fold(0, |set, (i, _)| set | 1 << i)
}

/// What is a mistake in a set: all but proposed repairs, which triage leaves as they are.
pub fn mistakes(defects: &[Defect], set: DefectSet) -> DefectSet {
    set & !of_kind(defects, Kind::Repair)
}

/// What a hunt keeps account of: the mistakes of a set but latent ones, and but enabling
/// ones that no way in needs, which nothing could be credited to.
pub fn hunted(defects: &[Defect], set: DefectSet) -> DefectSet {
    let needed = defects.iter().fold(0, |needed, d| needed | d.needs);
    let unneeded = of_kind(defects, Kind::Enabling) & !needed;
    mistakes(defects, set) & !of_kind(defects, Kind::Latent) & !unneeded
}

/// What is to be found of a set: what is hunted but for enabling defects, which are found
/// through their ways in.
pub fn goals(defects: &[Defect], set: DefectSet) -> DefectSet {
    hunted(defects, set) & !of_kind(defects, Kind::Enabling)
}

/// The candidate nearest to `word`, when it is near enough to be meant.
pub fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let near = |c: &str| {
        let d = distance(word, c);
        // A word left unfinished is meant too: `c1-ifinit` for `c1-ifinit-serializer`.
        if word.len() >= 4 && c.starts_with(word) { 1 } else { d }
    };
    let best = candidates.into_iter().map(|c| (near(c), c)).min_by_key(|&(d, _)| d);
    best.filter(|&(d, c)| d <= (c.len() / 3).max(1)).map(|(_, c)| c)
}

fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().take(64).enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], i + 1);
        for (j, y) in b.iter().enumerate() {
            let substituted = diagonal + usize::from(x != *y);
            diagonal = row[j + 1];
            row[j + 1] = substituted.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stack::Stack;
    use crate::triage::toy::{FORGOTTEN, GUESS, Toy, UNLOCKED, UNREFERENCED};

    #[test]
    fn a_name_brings_what_it_needs() {
        let set = parse(Toy::defects(), "use-unreferenced").unwrap();
        assert_eq!(set, 1 << UNREFERENCED | 1 << UNLOCKED);
    }

    #[test]
    fn lists_take_commas_and_blanks_and_none_is_empty() {
        let set = parse(Toy::defects(), "drop-forgets-marked, guessed-panic").unwrap();
        assert_eq!(set, 1 << FORGOTTEN | 1 << GUESS);
        assert_eq!(parse(Toy::defects(), "none").unwrap(), 0);
    }

    #[test]
    fn as_reported_leaves_hypotheses_out() {
        assert_eq!(parse(Toy::defects(), "as-reported").unwrap() >> GUESS & 1, 0);
    }

    #[test]
    fn what_is_latent_was_reported_and_is_not_hunted() {
        let all = crate::stack::freebsd::Freebsd::defects();
        let latent = of_kind(all, Kind::Latent);
        assert_eq!(names(all, latent), ["detach-first-ifa-only", "in-ifinfo-not-deferred"]);
        let reported = as_reported(all);
        assert_eq!((reported & latent, mistakes(all, reported) & latent), (latent, latent));
        // Other defects open the ways that the flush leaves open.
        let unneeded = parse(all, "rt-flushifroutes-normal-priority").unwrap();
        assert_eq!(hunted(all, reported), reported & !latent & !unneeded);
        assert_eq!(hunted(Toy::defects(), 1 << UNLOCKED), 1 << UNLOCKED, "it is needed");
    }

    #[test]
    fn a_proposed_repair_is_no_mistake_and_was_not_reported() {
        let all = Toy::defects();
        let repairs = of_kind(all, Kind::Repair);
        assert_ne!(repairs, 0);
        assert_eq!(mistakes(all, repairs | 1 << GUESS), 1 << GUESS);
        assert_eq!(as_reported(all) & repairs, 0);
    }

    #[test]
    fn across_kernels_a_name_need_only_exist_in_one() {
        let (all, none) = (Toy::defects(), &[][..]);
        assert_eq!(across(&[none, all], "guessed-panic").unwrap(), [0, 1 << GUESS]);
        assert_eq!(across(&[none, none], "as-reported").unwrap(), [0, 0]);
        assert_eq!(across(&[all, none], "").unwrap(), [0, 0]);
        assert!(across(&[none, all], "guessed-panic,zzz").is_err());
    }

    #[test]
    fn ids_are_names_alone_and_bring_nothing_along() {
        let all = Toy::defects();
        assert_eq!(of_ids(all, ["use-unreferenced", "no-such-thing"]), 1 << UNREFERENCED);
        assert_eq!(
            of_ids(all, words("use-unreferenced, guessed-panic")),
            1 << UNREFERENCED | 1 << GUESS
        );
        let check = |ids: &str| check_ids(&[&[], all], words(ids));
        assert_eq!(check("guessed-panic unlocked"), Ok(()));
        assert_eq!(check("unlocked as-reported").unwrap_err().name, "as-reported");
        assert_eq!(check("guesed-panic").unwrap_err().suggestion, Some("guessed-panic"));
    }

    #[test]
    fn a_misspelt_name_gets_a_suggestion() {
        let e = parse(Toy::defects(), "grow-rolback-twice").unwrap_err();
        assert_eq!(e.suggestion, Some("grow-rollback-twice"));
        assert!(e.to_string().contains("did you mean"));
    }

    #[test]
    fn a_name_from_nowhere_gets_none() {
        assert_eq!(parse(Toy::defects(), "zzz").unwrap_err().suggestion, None);
    }
}
