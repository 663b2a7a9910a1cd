//! Tokens to bodies and the actions that have bodies, as Go's `text/template/parse` reads them.

use std::collections::BTreeMap;

use super::{
    Condition, MAX_DEPTH, Names, Node, TemplateError,
    lexer::{Token, TokenKind},
    term,
    tokens::Tokens,
};

type Bodies = BTreeMap<String, Vec<Node>>;

pub(super) fn parse(
    text: &str,
    tokens: Vec<Token<'_>>,
    names: &Names,
) -> Result<(Vec<Node>, Bodies), TemplateError> {
    let variables = std::iter::once("$").chain(names.variables.iter().copied()).map(str::to_owned).collect();
    let mut parser = Parser {
        tokens: Tokens::new(text, tokens),
        names,
        variables,
        ranges: 0,
        depth: 0,
        defined: Bodies::new(),
    };
    let (body, end) = parser.body(true)?;
    match end {
        Stop::Text => Ok((body, parser.defined)),
        end => parser.tokens.complain(format!("unexpected {{{{{}}}}}", end.word())),
    }
}

pub(super) struct Parser<'t> {
    pub(super) tokens: Tokens<'t>,
    pub(super) names: &'t Names,
    /// Variables in scope, with their `$`.
    pub(super) variables: Vec<String>,
    /// How many ranges are around.
    ranges: usize,
    pub(super) depth: usize,
    defined: Bodies,
}

/// What a body ends with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stop {
    Text,
    End,
    Else,
}

impl Stop {
    fn word(self) -> &'static str {
        match self {
            Self::Text => "EOF",
            Self::End => "end",
            Self::Else => "else",
        }
    }
}

/// What decides about bodies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Control {
    If,
    With,
    Range,
}

impl Control {
    fn word(self) -> &'static str {
        match self {
            Self::If => "if",
            Self::With => "with",
            Self::Range => "range",
        }
    }

    fn node(self, condition: Condition) -> Node {
        match self {
            Self::If => Node::If(condition),
            Self::With => Node::With(condition),
            Self::Range => Node::Range(condition),
        }
    }
}

impl Parser<'_> {
    pub(super) fn enter(&mut self) -> Result<(), TemplateError> {
        self.depth += 1;
        if self.depth > MAX_DEPTH { self.tokens.complain("too deeply nested") } else { Ok(()) }
    }

    /// Everything up to an `end`, an `else` or the end of the text.
    fn body(&mut self, top: bool) -> Result<(Vec<Node>, Stop), TemplateError> {
        self.enter()?;
        let mut nodes = Vec::new();
        let end = loop {
            let Some(token) = self.tokens.take() else { break Stop::Text };
            if token.kind == TokenKind::Text {
                nodes.push(Node::Text(token.text.to_owned()));
                continue;
            }
            self.tokens.skip_space();
            let word =
                self.tokens.peek().filter(|token| token.kind == TokenKind::Word).map(|token| token.text);
            let Some(word) = word.filter(|word| KEYWORDS.contains(word)) else {
                let pipeline = self.pipeline("command", false)?;
                self.close("command")?;
                nodes.push(Node::Action(pipeline));
                continue;
            };
            self.tokens.take();
            match word {
                "end" => {
                    self.close("end")?;
                    break Stop::End;
                }
                "else" => break Stop::Else,
                "if" => nodes.push(self.control(Control::If)?),
                "with" => nodes.push(self.control(Control::With)?),
                "range" => nodes.push(self.control(Control::Range)?),
                "template" => nodes.push(self.template()?),
                "block" => nodes.push(self.block()?),
                "define" if top => self.define()?,
                "define" => return self.tokens.complain("unexpected {{define}} in command"),
                word if self.ranges == 0 => {
                    return self.tokens.complain(format!("{{{{{word}}}}} outside {{{{range}}}}"));
                }
                word => {
                    self.close(word)?;
                    nodes.push(if word == "break" { Node::Break } else { Node::Continue });
                }
            }
        };
        self.depth -= 1;
        Ok((nodes, end))
    }

    /// The end of an action.
    fn close(&mut self, context: &str) -> Result<(), TemplateError> {
        self.tokens.skip_space();
        if self.tokens.peek().is_none_or(|token| token.kind != TokenKind::Right) {
            return self.tokens.unexpected(context);
        }
        self.tokens.take();
        Ok(())
    }

    fn control(&mut self, control: Control) -> Result<Node, TemplateError> {
        self.enter()?;
        let word = control.word();
        let scope = self.variables.len();
        let pipeline = self.pipeline(word, control == Control::Range)?;
        self.close(word)?;
        self.ranges += usize::from(control == Control::Range);
        let (then, end) = self.body(false)?;
        self.ranges -= usize::from(control == Control::Range);
        let otherwise = match end {
            Stop::Text => return self.tokens.complain("unexpected EOF"),
            Stop::End => Vec::new(),
            Stop::Else => self.otherwise(control)?,
        };
        self.variables.truncate(scope);
        self.depth -= 1;
        Ok(control.node(Condition { pipeline, then, otherwise }))
    }

    /// Behind `else`: a body, or for `if` and `with` another one of them that shares the `end`.
    fn otherwise(&mut self, control: Control) -> Result<Vec<Node>, TemplateError> {
        self.tokens.skip_space();
        let chains = control != Control::Range
            && self
                .tokens
                .peek()
                .is_some_and(|next| next.kind == TokenKind::Word && next.text == control.word());
        if chains {
            self.tokens.take();
            return Ok(vec![self.control(control)?]);
        }
        self.close("else")?;
        match self.body(false)? {
            (body, Stop::End) => Ok(body),
            (_, Stop::Else) => self.tokens.complain("expected end; found {{else}}"),
            (_, Stop::Text) => self.tokens.complain("unexpected EOF"),
        }
    }

    fn name(&mut self, context: &str) -> Result<String, TemplateError> {
        self.tokens.skip_space();
        match self.tokens.peek() {
            Some(token) if token.kind == TokenKind::String => {
                let Some(name) = term::unquoted(token.text) else {
                    return self.tokens.complain("invalid syntax");
                };
                self.tokens.take();
                Ok(name)
            }
            _ => self.tokens.unexpected(context),
        }
    }

    fn template(&mut self) -> Result<Node, TemplateError> {
        let name = self.name("template clause")?;
        self.tokens.skip_space();
        let ends = self.tokens.peek().is_some_and(|token| token.kind == TokenKind::Right);
        let argument = if ends { None } else { Some(self.pipeline("template clause", false)?) };
        self.close("template clause")?;
        Ok(Node::Template { name, argument })
    }

    fn block(&mut self) -> Result<Node, TemplateError> {
        let name = self.name("block clause")?;
        let argument = self.pipeline("block clause", false)?;
        self.close("block clause")?;
        self.definition(name.clone(), "block clause")?;
        Ok(Node::Template { name, argument: Some(argument) })
    }

    fn define(&mut self) -> Result<(), TemplateError> {
        let name = self.name("define clause")?;
        self.close("define clause")?;
        self.definition(name, "define clause")
    }

    /// The body of a named template, which sees no variables but `$`.
    fn definition(&mut self, name: String, context: &str) -> Result<(), TemplateError> {
        let variables = std::mem::replace(&mut self.variables, vec!["$".to_owned()]);
        let ranges = std::mem::take(&mut self.ranges);
        let (body, end) = self.body(false)?;
        if end != Stop::End {
            return self.tokens.complain(format!("unexpected {{{{{}}}}} in {context}", end.word()));
        }
        (self.variables, self.ranges) = (variables, ranges);
        let is_empty = |body: &[Node]| {
            body.iter().all(|node| matches!(node, Node::Text(text) if text.trim().is_empty()))
        };
        match self.defined.get(&name) {
            Some(before) if !is_empty(before) && is_empty(&body) => {}
            Some(before) if !is_empty(before) => {
                return self.tokens.complain(format!("multiple definition of template {name:?}"));
            }
            _ => {
                self.defined.insert(name, body);
            }
        }
        Ok(())
    }
}

/// Words that begin an action of their own.
pub(super) const KEYWORDS: [&str; 10] =
    ["block", "break", "continue", "define", "else", "end", "if", "range", "template", "with"];
