//! Words to the tree of an expression: `or` binds least, then `and`, then `not`.

use crate::service::filter::Compare;
use crate::service::filter::Expr;
use crate::service::filter::FilterError;
use crate::service::filter::TextTest;
use crate::service::filter::field_names;
use crate::service::filter::fields;
use crate::service::filter::flag_names;
use crate::service::filter::lexer;
use crate::service::filter::lexer::Placed;
use crate::service::filter::lexer::Word;
use crate::service::filter::lexer::wrong;

/// How deep parentheses and `not` may nest: each level is a call of the parser.
const DEPTH_MAX: usize = 64;

/// Numbers that a unit stands for; Porla's, powers of 1024 as there.
const UNITS: [(&str, f64); 19] = [
    ("s", 1.0),
    ("m", 60.0),
    ("h", 3_600.0),
    ("d", 86_400.0),
    ("w", 604_800.0),
    ("b", 1.0),
    ("kb", 1_024.0),
    ("mb", 1_048_576.0),
    ("gb", 1_073_741_824.0),
    ("tb", 1_099_511_627_776.0),
    ("pb", 1_125_899_906_842_624.0),
    ("kib", 1_024.0),
    ("mib", 1_048_576.0),
    ("gib", 1_073_741_824.0),
    ("tib", 1_099_511_627_776.0),
    ("bps", 1.0),
    ("kbps", 1_024.0),
    ("mbps", 1_048_576.0),
    ("gbps", 1_073_741_824.0),
];

struct Parser {
    words: Vec<Placed>,
    at: usize,
    depth: usize,
}

/// What stands between a field and its value.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Operator {
    Compare(Compare),
    Contains,
    ContainsAnyCase,
}

/// A value with its place.
enum Value {
    Number(f64),
    Text(String),
}

pub(super) fn parse(text: &str) -> Result<Expr, FilterError> {
    let mut parser = Parser { words: lexer::words(text)?, at: 0, depth: 0 };
    if parser.peek() == &Word::End {
        return Ok(Expr::All(Vec::new()));
    }
    let root = parser.any()?;
    match parser.peek() {
        Word::End => Ok(root),
        _ => Err(parser.expected("`and`, `or` or the end")),
    }
}

impl Parser {
    fn peek(&self) -> &Word {
        // The last word is the end, which nothing goes past.
        self.words.get(self.at).map_or(&Word::End, |(word, _)| word)
    }

    fn position(&self) -> usize {
        self.words.get(self.at).map_or(0, |(_, position)| *position)
    }

    fn next(&mut self) -> Word {
        let word = self.peek().clone();
        self.at = (self.at + 1).min(self.words.len() - 1);
        word
    }

    fn expected(&self, what: &str) -> FilterError {
        let found = match self.peek() {
            Word::End => "the filter ends here".to_owned(),
            Word::Name(name) => format!("here is `{name}`"),
            Word::Number(number) => format!("here is the number {number}"),
            Word::Quoted(_) => "here is a text".to_owned(),
            Word::Operator(operator) => format!("here is `{operator}`"),
            Word::Open => "here is `(`".to_owned(),
            Word::Close => "here is `)`".to_owned(),
            Word::Colon => "here is `:`".to_owned(),
        };
        wrong(self.position(), format!("expected {what}, but {found}"))
    }

    fn take_keyword(&mut self, keyword: &str) -> bool {
        let is_it = matches!(self.peek(), Word::Name(name) if name.eq_ignore_ascii_case(keyword));
        if is_it {
            self.next();
        }
        is_it
    }

    fn any(&mut self) -> Result<Expr, FilterError> {
        let mut parts = vec![self.all()?];
        while self.take_keyword("or") {
            parts.push(self.all()?);
        }
        Ok(joined(parts, Expr::Any))
    }

    fn all(&mut self) -> Result<Expr, FilterError> {
        let mut parts = vec![self.one()?];
        while self.take_keyword("and") {
            parts.push(self.one()?);
        }
        Ok(joined(parts, Expr::All))
    }

    fn one(&mut self) -> Result<Expr, FilterError> {
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            return Err(wrong(self.position(), format!("nested deeper than {DEPTH_MAX}")));
        }
        let expression = if self.take_keyword("not") {
            self.one().map(|inner| Expr::Not(Box::new(inner)))
        } else if self.peek() == &Word::Open {
            self.next();
            self.grouped()
        } else {
            self.test()
        };
        self.depth -= 1;
        expression
    }

    fn grouped(&mut self) -> Result<Expr, FilterError> {
        let inner = self.any()?;
        match self.peek() {
            Word::Close => {
                self.next();
                Ok(inner)
            }
            _ => Err(self.expected("`)`")),
        }
    }

    fn test(&mut self) -> Result<Expr, FilterError> {
        let position = self.position();
        let Word::Name(name) = self.peek().clone() else {
            return Err(self.expected("a field, `is:`, `not` or `(`"));
        };
        self.next();
        let is_flag = name.eq_ignore_ascii_case("is") && self.peek() == &Word::Colon;
        if is_flag {
            self.next();
            return self.flag();
        }
        self.predicate(&name, position)
    }

    fn flag(&mut self) -> Result<Expr, FilterError> {
        let position = self.position();
        let Word::Name(name) = self.peek().clone() else {
            return Err(self.expected("a flag such as `seeding`"));
        };
        self.next();
        fields::find(fields::FLAGS, &name).map(Expr::Flag).ok_or_else(|| {
            let known: Vec<&str> = flag_names().collect();
            wrong(position, format!("there is no flag `{name}`; there are {}", known.join(", ")))
        })
    }

    fn predicate(&mut self, name: &str, position: usize) -> Result<Expr, FilterError> {
        if let Some(field) = fields::find(fields::NUMBERS, name) {
            let compare = self.comparison(name)?;
            let wish = self.number(name)?;
            // What is shown is a 32-bit number; 0.1 must equal itself.
            #[expect(clippy::cast_possible_truncation, reason = "meant to be cut")]
            let wish = if name == "progress" { f64::from(wish as f32) } else { wish };
            return Ok(Expr::Number(field, compare, wish));
        }
        if name == fields::TAGS {
            return self.tag();
        }
        if let Some(field) = fields::find(fields::TEXTS, name) {
            // `error` is a flag too, which has no value; the field wins as soon as one follows.
            let test = match self.operator()? {
                Operator::Compare(compare) => TextTest::Compare(compare),
                Operator::Contains => TextTest::Contains,
                Operator::ContainsAnyCase => TextTest::ContainsAnyCase,
            };
            let wish = self.text(name)?;
            let is_any_case = test == TextTest::ContainsAnyCase;
            let wish = if is_any_case { wish.to_lowercase() } else { wish };
            return Ok(Expr::Text(field, test, wish));
        }
        if let Some(flag) = fields::find(fields::FLAGS, name) {
            return self.flag_value(flag, name);
        }
        let known: Vec<&str> = field_names().collect();
        Err(wrong(position, format!("there is no field `{name}`; there are {}", known.join(", "))))
    }

    /// `private = true`: the same as `is:private`.
    fn flag_value(&mut self, flag: fields::FlagOf, name: &str) -> Result<Expr, FilterError> {
        let position = self.position();
        let is_same = match self.operator()? {
            Operator::Compare(Compare::Equal) => true,
            Operator::Compare(Compare::Different) => false,
            _ => return Err(wrong(position, format!("`{name}` is compared by `=` or `!=`"))),
        };
        let position = self.position();
        let wish = match self.next() {
            Word::Name(word) if word.eq_ignore_ascii_case("true") => true,
            Word::Name(word) if word.eq_ignore_ascii_case("false") => false,
            _ => return Err(wrong(position, format!("`{name}` is true or false"))),
        };
        let flag = Expr::Flag(flag);
        Ok(if wish == is_same { flag } else { Expr::Not(Box::new(flag)) })
    }

    fn tag(&mut self) -> Result<Expr, FilterError> {
        let position = self.position();
        match self.operator()? {
            Operator::Contains => Ok(Expr::HasTag(self.text(fields::TAGS)?)),
            _ => Err(wrong(position, "`tags` is only asked by `contains`")),
        }
    }

    fn operator(&mut self) -> Result<Operator, FilterError> {
        let operator = match self.peek() {
            Word::Operator("=") => Operator::Compare(Compare::Equal),
            Word::Operator("!=") => Operator::Compare(Compare::Different),
            Word::Operator("<") => Operator::Compare(Compare::Less),
            Word::Operator("<=") => Operator::Compare(Compare::LessOrEqual),
            Word::Operator(">") => Operator::Compare(Compare::Greater),
            Word::Operator(">=") => Operator::Compare(Compare::GreaterOrEqual),
            Word::Name(name) if name.eq_ignore_ascii_case("contains") => Operator::Contains,
            Word::Name(name) if name.eq_ignore_ascii_case("icontains") => Operator::ContainsAnyCase,
            _ => return Err(self.expected("an operator: = != < <= > >= contains icontains")),
        };
        self.next();
        Ok(operator)
    }

    fn comparison(&mut self, field: &str) -> Result<Compare, FilterError> {
        let position = self.position();
        match self.operator()? {
            Operator::Compare(compare) => Ok(compare),
            _ => Err(wrong(position, format!("`{field}` is a number: it contains nothing"))),
        }
    }

    fn number(&mut self, field: &str) -> Result<f64, FilterError> {
        let position = self.position();
        match self.value()? {
            Value::Number(number) => Ok(number),
            Value::Text(_) => Err(wrong(position, format!("`{field}` is compared to a number"))),
        }
    }

    fn text(&mut self, field: &str) -> Result<String, FilterError> {
        let position = self.position();
        match self.value()? {
            Value::Text(text) => Ok(text),
            Value::Number(_) => {
                let message = format!("`{field}` is compared to a text, such as \"abc\"");
                Err(wrong(position, message))
            }
        }
    }

    fn value(&mut self) -> Result<Value, FilterError> {
        match self.peek().clone() {
            Word::Number(number) => {
                self.next();
                Ok(Value::Number(number * self.unit()?))
            }
            Word::Quoted(text) | Word::Name(text) => {
                self.next();
                Ok(Value::Text(text))
            }
            _ => Err(self.expected("a value")),
        }
    }

    /// The unit that may stand behind a number.
    fn unit(&mut self) -> Result<f64, FilterError> {
        let Word::Name(name) = self.peek() else { return Ok(1.0) };
        let name = name.to_ascii_lowercase();
        if matches!(name.as_str(), "and" | "or") {
            return Ok(1.0);
        }
        let unit = UNITS.iter().find(|(known, _)| *known == name).map(|(_, factor)| *factor);
        let unit = unit.ok_or_else(|| {
            let message = format!(
                "`{name}` is no unit; there are s m h d w, b kb mb gb tb pb, bps kbps mbps gbps"
            );
            wrong(self.position(), message)
        })?;
        self.next();
        Ok(unit)
    }
}

fn joined(mut parts: Vec<Expr>, join: fn(Vec<Expr>) -> Expr) -> Expr {
    match parts.len() {
        1 => parts.swap_remove(0),
        _ => join(parts),
    }
}
