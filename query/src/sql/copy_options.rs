//! Values of COPY's boolean options as the parser takes them: `on`, `off`, 1 and 0, quoted or not, become TRUE and FALSE.

use sqlparser::keywords::Keyword;
use sqlparser::tokenizer::{Token, TokenWithSpan, Word};

/// Rewrites the word behind FREEZE and HEADER inside a COPY statement's parentheses.
pub(super) fn with_boolean_options(mut tokens: Vec<TokenWithSpan>) -> Vec<TokenWithSpan> {
    let mut significant = (0..tokens.len()).filter(|at| !matches!(tokens[*at].token, Token::Whitespace(_)));
    let is_copy = significant.next().is_some_and(|at| keyword(&tokens[at].token) == Some(Keyword::COPY));
    if !is_copy {
        return tokens;
    }
    let positions: Vec<usize> = significant.collect();
    for pair in positions.windows(3) {
        let [before, option, value] = *pair else { continue };
        let opens = matches!(tokens[before].token, Token::LParen | Token::Comma);
        let is_boolean = matches!(keyword(&tokens[option].token), Some(Keyword::FREEZE | Keyword::HEADER));
        if opens
            && is_boolean
            && let Some(on) = boolean(&tokens[value].token)
        {
            let (text, keyword) = if on { ("true", Keyword::TRUE) } else { ("false", Keyword::FALSE) };
            tokens[value].token = Token::Word(Word { value: text.to_owned(), quote_style: None, keyword });
        }
    }
    tokens
}

fn keyword(token: &Token) -> Option<Keyword> {
    match token {
        Token::Word(word) if word.quote_style.is_none() => Some(word.keyword),
        _ => None,
    }
}

/// As PostgreSQL reads an option's boolean.
fn boolean(token: &Token) -> Option<bool> {
    let text = match token {
        Token::Word(word) => &word.value,
        Token::SingleQuotedString(text) | Token::Number(text, _) => text,
        _ => return None,
    };
    match text.to_ascii_lowercase().as_str() {
        "true" | "on" | "1" => Some(true),
        "false" | "off" | "0" => Some(false),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use sqlparser::ast::{CopyOption, Statement};

    #[test]
    fn booleans_are_read_in_every_form() {
        let check = |text: &str, expected: CopyOption| {
            let statement = crate::sql::parse::parse_statement(text).expect(text);
            let Statement::Copy { options, .. } = statement else { panic!("{text}") };
            assert_eq!(options, [expected], "{text}");
        };
        check("COPY t FROM STDIN WITH (FREEZE on)", CopyOption::Freeze(true));
        check("copy t from stdin with (freeze 'off')", CopyOption::Freeze(false));
        check("COPY t FROM STDIN (HEADER 1)", CopyOption::Header(true));
        check("COPY t FROM STDIN (HEADER)", CopyOption::Header(true));
        check("COPY t FROM STDIN (HEADER FALSE)", CopyOption::Header(false));
    }
}
