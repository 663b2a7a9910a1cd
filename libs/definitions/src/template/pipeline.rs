//! Tokens to pipelines: declared variables, commands, operands.

use super::{
    Command, Operand, Pipeline, TemplateError,
    lexer::TokenKind,
    parser::{KEYWORDS, Parser},
    term,
};

impl Parser<'_> {
    pub(super) fn pipeline(&mut self, context: &str, ranges: bool) -> Result<Pipeline, TemplateError> {
        self.enter()?;
        let (variables, assigns) = self.declaration(context, ranges)?;
        let mut commands = Vec::new();
        loop {
            self.tokens.skip_space();
            commands.push(self.command(context)?);
            self.tokens.skip_space();
            if !self.tokens.mark("|") {
                break;
            }
            // Go takes a pipe with nothing behind it.
            self.tokens.skip_space();
            if self.at_end() {
                break;
            }
        }
        for (index, command) in commands.iter().enumerate().skip(1) {
            let literal = matches!(
                command.0.first(),
                Some(
                    Operand::Dot
                        | Operand::Nil
                        | Operand::Bool(_)
                        | Operand::Number(_)
                        | Operand::Character(_)
                        | Operand::Text(_)
                )
            );
            if literal {
                let stage = index + 1;
                return self.tokens.complain(format!("non executable command in pipeline stage {stage}"));
            }
        }
        self.depth -= 1;
        Ok(Pipeline { variables, assigns, commands })
    }

    /// `$x :=`, `$x =` and, in a range, `$i, $x :=`; nothing where the pipeline begins with something else.
    fn declaration(&mut self, context: &str, ranges: bool) -> Result<(Vec<String>, bool), TemplateError> {
        let start = self.tokens.position();
        let mut variables = Vec::new();
        loop {
            self.tokens.skip_space();
            let Some(token) = self.tokens.peek().filter(|token| token.kind == TokenKind::Variable) else {
                break;
            };
            self.tokens.take();
            self.tokens.skip_space();
            variables.push(token.text.to_owned());
            let declares = self.tokens.mark(":=");
            if declares || self.tokens.mark("=") {
                if declares {
                    // In Go the value may already refer to them.
                    self.variables.extend(variables.iter().cloned());
                } else {
                    self.known(variables.iter())?;
                }
                return Ok((variables, !declares));
            }
            if !self.tokens.mark(",") {
                break;
            }
            if !ranges || variables.len() > 1 {
                return self.tokens.complain(format!("too many declarations in {context}"));
            }
        }
        self.tokens.return_to(start);
        Ok((Vec::new(), false))
    }

    fn known<'n>(&self, mut names: impl Iterator<Item = &'n String>) -> Result<(), TemplateError> {
        match names.find(|name| !self.variables.contains(name)) {
            Some(name) => self.tokens.complain(format!("undefined variable {name:?}")),
            None => Ok(()),
        }
    }

    fn command(&mut self, context: &str) -> Result<Command, TemplateError> {
        let mut operands = Vec::new();
        while let Some(operand) = self.operand()? {
            operands.push(operand);
            match self.tokens.peek() {
                Some(token) if token.kind == TokenKind::Space => self.tokens.skip_space(),
                Some(token) if token.kind == TokenKind::Right || matches!(token.text, "|" | ")") => break,
                _ => return self.tokens.unexpected("operand"),
            }
        }
        if operands.is_empty() {
            let ends = self.at_end() || self.tokens.peek().is_some_and(|token| token.text == "|");
            return if ends {
                self.tokens.complain(format!("missing value for {context}"))
            } else {
                self.tokens.unexpected(context)
            };
        }
        Ok(Command(operands))
    }

    /// Whether nothing of a pipeline follows.
    fn at_end(&self) -> bool {
        let next = self.tokens.peek();
        next.is_some_and(|token| {
            token.kind == TokenKind::Right || (token.kind == TokenKind::Mark && token.text == ")")
        })
    }

    /// A term and the fields behind it.
    fn operand(&mut self) -> Result<Option<Operand>, TemplateError> {
        let Some(term) = self.term()? else { return Ok(None) };
        let mut fields = Vec::new();
        while let Some(token) = self.tokens.peek().filter(|token| token.kind == TokenKind::Field) {
            self.tokens.take();
            fields.push(token.text[1..].to_owned());
        }
        if fields.is_empty() {
            return Ok(Some(term));
        }
        Ok(Some(match term {
            Operand::Field(mut path) => {
                path.extend(fields);
                Operand::Field(path)
            }
            Operand::Variable { name, .. } => Operand::Variable { name, fields },
            of @ (Operand::Pipeline(_) | Operand::Function(_)) => Operand::Chain { of: Box::new(of), fields },
            _ => return self.tokens.complain(format!("unexpected . after term in .{}", fields.join("."))),
        }))
    }

    fn term(&mut self) -> Result<Option<Operand>, TemplateError> {
        let Some(token) = self.tokens.peek() else { return self.tokens.unexpected("command") };
        let term = match token.kind {
            TokenKind::Dot => Operand::Dot,
            TokenKind::Number if term::has_value(token.text) => Operand::Number(token.text.to_owned()),
            TokenKind::Number => return self.tokens.complain(format!("integer overflow: {:?}", token.text)),
            TokenKind::Character if term::is_character(token.text) => {
                Operand::Character(token.text.to_owned())
            }
            TokenKind::Character => {
                return self.tokens.complain(format!("malformed character constant: {}", token.text));
            }
            TokenKind::Field => Operand::Field(vec![token.text[1..].to_owned()]),
            TokenKind::String => match term::unquoted(token.text) {
                Some(text) => Operand::Text(text),
                None => return self.tokens.complain("invalid syntax"),
            },
            TokenKind::Variable => {
                let name = token.text.to_owned();
                self.known(std::iter::once(&name))?;
                Operand::Variable { name, fields: Vec::new() }
            }
            TokenKind::Word => match token.text {
                "true" | "false" => Operand::Bool(token.text == "true"),
                "nil" => Operand::Nil,
                word if self.names.has_function(word) => Operand::Function(word.to_owned()),
                word if KEYWORDS.contains(&word) => return self.tokens.unexpected("operand"),
                word => return self.tokens.complain(format!("function {word:?} not defined")),
            },
            TokenKind::Mark if token.text == "(" => return self.parenthesis().map(Some),
            _ => return Ok(None),
        };
        self.tokens.take();
        Ok(Some(term))
    }

    fn parenthesis(&mut self) -> Result<Operand, TemplateError> {
        self.tokens.take();
        let pipeline = self.pipeline("parenthesized pipeline", false)?;
        self.tokens.skip_space();
        if !self.tokens.mark(")") {
            return self.tokens.unexpected("parenthesized pipeline");
        }
        Ok(Operand::Pipeline(Box::new(pipeline)))
    }
}
