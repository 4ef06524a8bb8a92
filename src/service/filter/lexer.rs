//! A filter's text as words with their places.

use std::iter::Peekable;
use std::str::Chars;

use crate::service::filter::FilterError;

/// One word of a filter.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Word {
    /// A field, a keyword, a unit, or a bare text.
    Name(String),
    /// A number as it stands there, its unit apart.
    Number(f64),
    /// A text between quotes. Nothing is escaped, as in Porla; the other quote may stand in it.
    Quoted(String),
    /// `=`, `!=`, `<`, `<=`, `>` or `>=`.
    Operator(&'static str),
    Open,
    Close,
    Colon,
    /// What follows the last word.
    End,
}

/// A word, and how many characters stand before it.
pub(super) type Placed = (Word, usize);

struct Lexer<'a> {
    rest: Peekable<Chars<'a>>,
    position: usize,
}

/// All words; the last one is the end.
pub(super) fn words(text: &str) -> Result<Vec<Placed>, FilterError> {
    let mut lexer = Lexer { rest: text.chars().peekable(), position: 0 };
    let mut words = Vec::new();
    loop {
        while lexer.take_if(char::is_whitespace).is_some() {}
        let position = lexer.position;
        let word = lexer.word()?;
        let is_end = word == Word::End;
        words.push((word, position));
        if is_end {
            return Ok(words);
        }
    }
}

impl Lexer<'_> {
    fn next(&mut self) -> Option<char> {
        let letter = self.rest.next()?;
        self.position += 1;
        Some(letter)
    }

    fn take_if(&mut self, is_wanted: impl FnOnce(char) -> bool) -> Option<char> {
        let letter = self.rest.peek().copied().filter(|letter| is_wanted(*letter))?;
        self.next();
        Some(letter)
    }

    fn word(&mut self) -> Result<Word, FilterError> {
        let position = self.position;
        let Some(first) = self.next() else { return Ok(Word::End) };
        match first {
            '(' => Ok(Word::Open),
            ')' => Ok(Word::Close),
            ':' => Ok(Word::Colon),
            '=' => Ok(Word::Operator("=")),
            '<' => Ok(self.or_equal("<", "<=")),
            '>' => Ok(self.or_equal(">", ">=")),
            '!' if self.take_if(|next| next == '=').is_some() => Ok(Word::Operator("!=")),
            '"' | '\'' => self.quoted(first, position),
            '-' | '0'..='9' => self.number(first, position),
            first if is_name_letter(first) => Ok(Word::Name(self.name(first))),
            other => Err(wrong(position, format!("`{other}` means nothing here"))),
        }
    }

    fn or_equal(&mut self, alone: &'static str, with: &'static str) -> Word {
        let is_with = self.take_if(|next| next == '=').is_some();
        Word::Operator(if is_with { with } else { alone })
    }

    fn name(&mut self, first: char) -> String {
        let mut name = String::from(first);
        while let Some(letter) = self.take_if(|next| is_name_letter(next) || next.is_ascii_digit())
        {
            name.push(letter);
        }
        name
    }

    fn quoted(&mut self, quote: char, begin: usize) -> Result<Word, FilterError> {
        let mut text = String::new();
        loop {
            match self.next() {
                Some(letter) if letter == quote => return Ok(Word::Quoted(text)),
                Some(letter) => text.push(letter),
                None => return Err(wrong(begin, format!("this text has no closing {quote}"))),
            }
        }
    }

    fn number(&mut self, first: char, begin: usize) -> Result<Word, FilterError> {
        let mut digits = String::from(first);
        while let Some(digit) = self.take_if(|next| next.is_ascii_digit() || next == '.') {
            digits.push(digit);
        }
        let number =
            digits.parse().map_err(|_| wrong(begin, format!("`{digits}` is no number")))?;
        Ok(Word::Number(number))
    }
}

fn is_name_letter(letter: char) -> bool {
    letter.is_alphabetic() || letter == '_'
}

pub(super) fn wrong(position: usize, message: impl Into<String>) -> FilterError {
    FilterError { position, message: message.into() }
}
