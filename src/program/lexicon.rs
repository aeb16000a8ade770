//! The words of a grammar as numbers, for the [generator](super::generate) and the
//! [mutator](super::mutate).
//!
//! Both prefer what a program has named before, and so ask hundreds of times for each program
//! whether two words are the same and where one stands among the choices of an argument. A
//! [`Lexicon`] knows: it is made once for each grammar. What it says is what comparing the
//! words themselves would.

use super::{Arg, Grammar, MAX_ARGS, Points};

/// The number of a word: equal words have one number, whichever list they stand in.
pub(super) type Word = u16;

/// No word at all.
pub(super) const NO_WORD: Word = Word::MAX;

/// Stands for no place in [`Choices::place`].
const NOWHERE: u8 = u8::MAX;

/// The choices of some arguments: equal lists are kept once.
#[derive(Clone, Debug)]
struct List {
    choices: &'static [&'static str],
    /// The word of each choice.
    words: Vec<Word>,
    /// For each word the number of the first choice that is it, or [`NOWHERE`].
    places: Vec<u8>,
}

/// An argument and its choices as numbers.
#[derive(Clone, Copy, Debug)]
pub(super) struct Choices<'l> {
    /// The argument.
    pub arg: &'static Arg,
    list: &'l List,
}

impl Choices<'_> {
    /// How many.
    pub fn len(self) -> usize {
        self.list.words.len()
    }

    /// The word of choice number `value`.
    pub fn word(self, value: u8) -> Option<Word> {
        self.list.words.get(usize::from(value)).copied()
    }

    /// The words of all.
    pub fn words(&self) -> &[Word] {
        &self.list.words
    }

    /// Where a word stands among the choices.
    pub fn place(self, word: Word) -> Option<u8> {
        self.list.places.get(usize::from(word)).copied().filter(|&place| place != NOWHERE)
    }
}

/// A grammar, and its words as numbers.
#[derive(Clone, Debug)]
pub struct Lexicon {
    grammar: &'static Grammar,
    words: Vec<&'static str>,
    lists: Vec<List>,
    /// For each opcode the number of its verb's arguments, and the list of each.
    args: Vec<(&'static [Arg], [u8; MAX_ARGS])>,
    /// For each opcode.
    points: Vec<Points>,
    booted: Vec<Word>,
    twins: Vec<[Word; 2]>,
}

impl Lexicon {
    /// The words of `grammar`.
    ///
    /// # Panics
    ///
    /// If its arguments have more than 256 different lists of choices.
    pub fn new(grammar: &'static Grammar) -> Lexicon {
        let mut lexicon = Lexicon {
            grammar,
            words: Vec::new(),
            lists: Vec::new(),
            args: vec![(&[], [0; MAX_ARGS]); 256],
            points: (0..=u8::MAX).map(|code| grammar.points_of(code)).collect(),
            booted: Vec::new(),
            twins: Vec::new(),
        };
        for verb in grammar.verbs {
            let mut lists = [0; MAX_ARGS];
            for (list, arg) in lists.iter_mut().zip(verb.args) {
                *list = lexicon.list(arg.choices);
            }
            lexicon.args[usize::from(verb.code)] = (verb.args, lists);
        }
        lexicon.booted = grammar.booted.iter().map(|word| lexicon.intern(word)).collect();
        let twins = grammar.twins.iter();
        lexicon.twins = twins.map(|&pair| pair.map(|word| lexicon.intern(word))).collect();
        let all = lexicon.words.len();
        for list in &mut lexicon.lists {
            list.places = vec![NOWHERE; all];
            for (i, &word) in list.words.iter().enumerate().rev() {
                list.places[usize::from(word)] = u8::try_from(i).unwrap_or(NOWHERE);
            }
        }
        lexicon
    }

    /// The number of a word, a new one if need be.
    fn intern(&mut self, word: &'static str) -> Word {
        let known = self.words.iter().position(|&w| w == word);
        let number = known.unwrap_or_else(|| {
            self.words.push(word);
            self.words.len() - 1
        });
        Word::try_from(number).expect("a grammar has fewer words than that")
    }

    /// The number of a list of choices, a new one if need be.
    fn list(&mut self, choices: &'static [&'static str]) -> u8 {
        let known = self.lists.iter().position(|list| list.choices == choices);
        let number = known.unwrap_or_else(|| {
            let words = choices.iter().map(|word| self.intern(word)).collect();
            self.lists.push(List { choices, words, places: Vec::new() });
            self.lists.len() - 1
        });
        u8::try_from(number).expect("at most 256 lists of choices")
    }

    /// Whose words they are.
    pub fn grammar(&self) -> &'static Grammar {
        self.grammar
    }

    /// The arguments of the verb with opcode `code`.
    pub(super) fn args(&self, code: u8) -> impl ExactSizeIterator<Item = Choices<'_>> + Clone {
        let (args, lists) = &self.args[usize::from(code)];
        let lists = lists.iter().map(|&list| &self.lists[usize::from(list)]);
        args.iter().zip(lists).map(|(arg, list)| Choices { arg, list })
    }

    /// Argument number `i` of the verb with opcode `code`.
    pub(super) fn arg(&self, code: u8, i: usize) -> Option<Choices<'_>> {
        let (args, lists) = &self.args[usize::from(code)];
        let list = &self.lists[usize::from(*lists.get(i)?)];
        args.get(i).map(|arg| Choices { arg, list })
    }

    /// [`Grammar::points_of`].
    pub(super) fn points_of(&self, code: u8) -> Points {
        self.points[usize::from(code)]
    }

    /// [`Grammar::booted`].
    pub(super) fn booted(&self) -> &[Word] {
        &self.booted
    }

    /// [`Grammar::twins`].
    pub(super) fn twins(&self) -> &[[Word; 2]] {
        &self.twins
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{ADDRESSES, FIRST, GRAMMARS, INTERFACES};
    use super::*;

    #[test]
    fn equal_words_have_one_number_and_stand_where_the_choices_say() {
        for g in GRAMMARS {
            let lexicon = Lexicon::new(g);
            let all: Vec<_> = g.verbs.iter().flat_map(|v| lexicon.args(v.code)).collect();
            assert_eq!(all.len(), g.verbs.iter().map(|v| v.args.len()).sum::<usize>());
            for (one, other) in all.iter().flat_map(|a| all.iter().map(move |b| (a, b))) {
                for (i, word) in one.arg.choices.iter().enumerate() {
                    let number = one.word(i as u8).expect("each choice has a word");
                    let place = other.arg.choices.iter().position(|w| w == word);
                    assert_eq!(other.place(number).map(usize::from), place, "{word}");
                }
                assert_eq!(one.words().len(), one.len());
            }
        }
    }

    #[test]
    fn what_is_no_choice_has_no_word_and_no_place() {
        let lexicon = Lexicon::new(&FIRST);
        let address = lexicon.arg(1, 1).expect("SIOCSIFADDR has an address");
        assert_eq!(address.arg.choices, ADDRESSES);
        assert_eq!(address.word(ADDRESSES.len() as u8), None);
        assert_eq!(address.place(NO_WORD), None);
        let interface = lexicon.arg(1, 0).expect("SIOCSIFADDR has an interface");
        assert_eq!(interface.len(), INTERFACES.len());
        assert_eq!(address.place(interface.words()[0]), None);
        assert!(lexicon.arg(1, 2).is_none() && lexicon.args(4).len() == 0);
    }
}
