//! COPY's options: what they mean, and which may stand together.

use sqlparser::ast::Ident;

use super::Binder;
use crate::error::{QueryError, Result, sqlstate};
use crate::sql::copy_syntax::{CopyOption, OptionValue};
use crate::statement::{CopyFormat, CopyHeader, CopyOptions};

/// Columns that an option names; None is all of them.
pub(super) type ForcedColumns = Option<Vec<Ident>>;

/// What the options say. Columns are still to be looked up.
pub(super) struct ReadOptions {
    pub options: CopyOptions,
    pub force_quote: ForcedColumns,
    pub force_not_null: Vec<Ident>,
    pub force_null: Vec<Ident>,
}

impl Binder<'_> {
    /// The options of COPY `to` the client, or from it. Errors are PostgreSQL's, in its order.
    pub(super) fn copy_options(&self, given: &[CopyOption], to: bool) -> Result<ReadOptions> {
        let mut read = Given::default();
        for option in given {
            let position =
                self.source.and_then(|text| super::super::position::character_position(text, option.location));
            read.take(option, to).map_err(|(error, placed)| if placed { error.at(position) } else { error })?;
        }
        read.settle(to)
    }
}

#[derive(Default)]
struct Given {
    format: Option<CopyFormat>,
    freeze: Option<bool>,
    delimiter: Option<String>,
    null: Option<String>,
    header: Option<CopyHeader>,
    quote: Option<String>,
    escape: Option<String>,
    encoding: Option<()>,
    force_quote: Option<ForcedColumns>,
    force_not_null: Option<Vec<Ident>>,
    force_null: Option<Vec<Ident>>,
}

/// An error and whether it is shown at the option.
type Refused = (QueryError, bool);

fn put<T>(slot: &mut Option<T>, value: T) -> Result<(), Refused> {
    if slot.is_some() {
        return Err((QueryError::syntax("conflicting or redundant options", None), true));
    }
    *slot = Some(value);
    Ok(())
}

fn invalid(message: String) -> Refused {
    (QueryError::new(sqlstate::INVALID_PARAMETER_VALUE, message), true)
}

/// The text of an option that needs one.
fn text(option: &CopyOption) -> Result<String, Refused> {
    match &option.value {
        OptionValue::Text(text) => Ok(text.clone()),
        OptionValue::None => Err((QueryError::syntax(format!("{} requires a parameter", option.name), None), false)),
        OptionValue::Star => Ok("*".to_owned()),
        OptionValue::List(_) => {
            Err((QueryError::syntax(format!("{} requires a string value", option.name), None), false))
        }
    }
}

fn switch(option: &CopyOption) -> Option<bool> {
    match &option.value {
        OptionValue::None => Some(true),
        OptionValue::Text(text) => match text.to_lowercase().as_str() {
            "true" | "on" | "1" => Some(true),
            "false" | "off" | "0" => Some(false),
            _ => None,
        },
        OptionValue::Star | OptionValue::List(_) => None,
    }
}

fn columns(option: &CopyOption) -> Result<Vec<Ident>, Refused> {
    match &option.value {
        OptionValue::List(columns) => Ok(columns.clone()),
        _ => Err(invalid(format!("argument to option \"{}\" must be a list of column names", option.name))),
    }
}

impl Given {
    fn take(&mut self, option: &CopyOption, to: bool) -> Result<(), Refused> {
        match option.name.as_str() {
            "format" => {
                let name = text(option)?;
                let format = match name.as_str() {
                    "text" => CopyFormat::Text,
                    "csv" => CopyFormat::Csv,
                    "binary" => CopyFormat::Binary,
                    _ => return Err(invalid(format!("COPY format \"{name}\" not recognized"))),
                };
                put(&mut self.format, format)
            }
            "freeze" => {
                let on = switch(option)
                    .ok_or_else(|| (QueryError::syntax("freeze requires a Boolean value", None), false))?;
                put(&mut self.freeze, on)
            }
            "delimiter" => put(&mut self.delimiter, text(option)?),
            "null" => put(&mut self.null, text(option)?),
            "header" => put(&mut self.header, header(option, to)?),
            "quote" => put(&mut self.quote, text(option)?),
            "escape" => put(&mut self.escape, text(option)?),
            "force_quote" if option.value == OptionValue::Star => put(&mut self.force_quote, None),
            "force_quote" => put(&mut self.force_quote, Some(columns(option)?)),
            "force_not_null" => put(&mut self.force_not_null, columns(option)?),
            "force_null" => put(&mut self.force_null, columns(option)?),
            "encoding" => {
                check_encoding(&text(option)?)?;
                put(&mut self.encoding, ())
            }
            name => Err((QueryError::syntax(format!("option \"{name}\" not recognized"), None), true)),
        }
    }

    fn settle(self, to: bool) -> Result<ReadOptions> {
        let unsupported = |message: &str| Err(QueryError::new(sqlstate::FEATURE_NOT_SUPPORTED, message));
        let invalid = |message: String| Err(QueryError::new(sqlstate::INVALID_PARAMETER_VALUE, message));
        let format = self.format.unwrap_or(CopyFormat::Text);
        let csv = format == CopyFormat::Csv;
        let binary = format == CopyFormat::Binary;
        if binary && self.delimiter.is_some() {
            return Err(QueryError::syntax("cannot specify DELIMITER in BINARY mode", None));
        }
        if binary && self.null.is_some() {
            return Err(QueryError::syntax("cannot specify NULL in BINARY mode", None));
        }
        let delimiter = self.delimiter.unwrap_or_else(|| if csv { "," } else { "\t" }.to_owned());
        let null = self.null.unwrap_or_else(|| if csv { "" } else { "\\N" }.to_owned());
        let delimiter = one_byte(&delimiter, "delimiter")?;
        if matches!(delimiter, b'\n' | b'\r') {
            return invalid("COPY delimiter cannot be newline or carriage return".to_owned());
        }
        if null.contains(['\n', '\r']) {
            return invalid("COPY null representation cannot use newline or carriage return".to_owned());
        }
        let unsafe_in_text = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, b'\\' | b'.');
        if !csv && unsafe_in_text(delimiter) {
            return invalid(format!("COPY delimiter cannot be \"{}\"", char::from(delimiter)));
        }
        let header = self.header.unwrap_or(CopyHeader::None);
        if binary && header != CopyHeader::None {
            return unsupported("cannot specify HEADER in BINARY mode");
        }
        if !csv && self.quote.is_some() {
            return unsupported("COPY quote available only in CSV mode");
        }
        let quote = one_byte(self.quote.as_deref().unwrap_or("\""), "quote")?;
        if csv && delimiter == quote {
            return invalid("COPY delimiter and quote must be different".to_owned());
        }
        if !csv && self.escape.is_some() {
            return unsupported("COPY escape available only in CSV mode");
        }
        let escape = self.escape.map_or(Ok(quote), |escape| one_byte(&escape, "escape"))?;
        for (given, name, when_to) in [
            (self.force_quote.is_some(), "quote", true),
            (self.force_not_null.is_some(), "not null", false),
            (self.force_null.is_some(), "null", false),
        ] {
            if given && !csv {
                return unsupported(&format!("COPY force {name} available only in CSV mode"));
            }
            if given && to != when_to {
                let using = if when_to { "TO" } else { "FROM" };
                return unsupported(&format!("COPY force {name} only available using COPY {using}"));
            }
        }
        if null.as_bytes().contains(&delimiter) {
            return unsupported("COPY delimiter must not appear in the NULL specification");
        }
        if csv && null.as_bytes().contains(&quote) {
            return unsupported("CSV quote character must not appear in the NULL specification");
        }
        // FREEZE changes nothing here: rows need no freezing.
        let options = CopyOptions {
            format,
            delimiter,
            null,
            header,
            quote,
            escape,
            force_quote: Vec::new(),
            force_not_null: Vec::new(),
            force_null: Vec::new(),
        };
        Ok(ReadOptions {
            options,
            force_quote: self.force_quote.unwrap_or_else(|| Some(Vec::new())),
            force_not_null: self.force_not_null.unwrap_or_default(),
            force_null: self.force_null.unwrap_or_default(),
        })
    }
}

fn header(option: &CopyOption, to: bool) -> Result<CopyHeader, Refused> {
    if let Some(on) = switch(option) {
        return Ok(if on { CopyHeader::Line } else { CopyHeader::None });
    }
    match &option.value {
        OptionValue::Text(text) if text.eq_ignore_ascii_case("match") && to => {
            let message = "cannot use \"match\" with HEADER in COPY TO";
            Err((QueryError::new(sqlstate::FEATURE_NOT_SUPPORTED, message), false))
        }
        OptionValue::Text(text) if text.eq_ignore_ascii_case("match") => Ok(CopyHeader::Match),
        _ => Err((QueryError::syntax("header requires a Boolean value or \"match\"", None), false)),
    }
}

fn one_byte(text: &str, what: &str) -> Result<u8> {
    match text.as_bytes() {
        [byte] => Ok(*byte),
        _ => Err(QueryError::new(
            sqlstate::FEATURE_NOT_SUPPORTED,
            format!("COPY {what} must be a single one-byte character"),
        )),
    }
}

/// Encodings that PostgreSQL knows besides UTF-8, as [`plain`] writes them.
const OTHER_ENCODINGS: &[&str] = &[
    "abc",
    "alt",
    "big5",
    "eucjis2004",
    "euccn",
    "eucjp",
    "euckr",
    "euctw",
    "gb18030",
    "gbk",
    "iso88591",
    "iso885910",
    "iso885913",
    "iso885914",
    "iso885915",
    "iso885916",
    "iso88592",
    "iso88593",
    "iso88594",
    "iso88595",
    "iso88596",
    "iso88597",
    "iso88598",
    "iso88599",
    "johab",
    "koi8",
    "koi8r",
    "koi8u",
    "latin1",
    "latin10",
    "latin2",
    "latin3",
    "latin4",
    "latin5",
    "latin6",
    "latin7",
    "latin8",
    "latin9",
    "mskanji",
    "muleinternal",
    "shiftjis",
    "shiftjis2004",
    "sjis",
    "sqlascii",
    "tcvn",
    "uhc",
    "vscii",
    "win",
    "win1250",
    "win1251",
    "win1252",
    "win1253",
    "win1254",
    "win1255",
    "win1256",
    "win1257",
    "win1258",
    "win866",
    "win874",
    "windows1250",
    "windows1251",
    "windows1252",
    "windows866",
    "windows936",
    "windows949",
    "windows950",
];

/// An encoding's name without what its spelling may vary in.
fn plain(name: &str) -> String {
    name.chars().filter(char::is_ascii_alphanumeric).collect::<String>().to_lowercase()
}

/// 0A000 for an encoding that is none of ours, 22023 for one that is none at all.
fn check_encoding(name: &str) -> Result<(), Refused> {
    match plain(name).as_str() {
        "utf8" | "unicode" => Ok(()),
        known if OTHER_ENCODINGS.contains(&known) => {
            Err((QueryError::unsupported(format!("COPY with the encoding {name}")), true))
        }
        _ => Err(invalid("argument to option \"encoding\" must be a valid encoding name".to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sqlparser::tokenizer::Location;

    fn read(given: &[(&str, &str)], to: bool) -> Result<ReadOptions> {
        let mut options = Given::default();
        for (name, value) in given {
            let value = match *value {
                "" => OptionValue::None,
                "*" => OptionValue::Star,
                value if value.starts_with('(') => OptionValue::List(vec![Ident::new(value.trim_matches(['(', ')']))]),
                value => OptionValue::Text(value.to_owned()),
            };
            let option = CopyOption { name: (*name).to_owned(), value, location: Location::new(1, 1) };
            options.take(&option, to).map_err(|(error, _)| error)?;
        }
        options.settle(to)
    }

    #[test]
    fn defaults_follow_the_format() {
        let text = read(&[], false).expect("text").options;
        assert_eq!((text.format, text.delimiter, text.null.as_str()), (CopyFormat::Text, b'\t', "\\N"));
        let csv = read(&[("format", "csv"), ("escape", "\\")], false).expect("csv").options;
        assert_eq!((csv.format, csv.delimiter, csv.null.as_str(), csv.quote), (CopyFormat::Csv, b',', "", b'"'));
        assert_eq!(csv.escape, b'\\');
    }

    #[test]
    fn what_cannot_stand_together_is_refused() {
        let check = |given: &[(&str, &str)], to: bool, code: &str, message: &str| {
            let error = read(given, to).err().unwrap_or_else(|| panic!("{given:?} is accepted"));
            assert_eq!((error.sqlstate(), error.0.message.as_str()), (code, message), "{given:?}");
        };
        check(&[("format", "foo")], false, "22023", "COPY format \"foo\" not recognized");
        check(&[("header", ""), ("header", "off")], false, "42601", "conflicting or redundant options");
        check(&[("delimiter", "ab")], true, "0A000", "COPY delimiter must be a single one-byte character");
        check(&[("delimiter", "é")], true, "0A000", "COPY delimiter must be a single one-byte character");
        check(&[("delimiter", "a")], true, "22023", "COPY delimiter cannot be \"a\"");
        check(&[("format", "binary"), ("header", "")], true, "0A000", "cannot specify HEADER in BINARY mode");
        check(&[("header", "match")], true, "0A000", "cannot use \"match\" with HEADER in COPY TO");
        check(&[("header", "foo")], false, "42601", "header requires a Boolean value or \"match\"");
        check(&[("force_quote", "*")], true, "0A000", "COPY force quote available only in CSV mode");
        let csv = |name: &'static str, value: &'static str| [("format", "csv"), (name, value)];
        check(&csv("force_quote", "(a)"), false, "0A000", "COPY force quote only available using COPY TO");
        check(&csv("force_null", "(a)"), true, "0A000", "COPY force null only available using COPY FROM");
        check(&csv("null", "a\"b"), true, "0A000", "CSV quote character must not appear in the NULL specification");
        check(
            &csv("force_null", "*"),
            false,
            "22023",
            "argument to option \"force_null\" must be a list of column names",
        );
        check(&[("encoding", "LATIN1")], false, "0A000", "COPY with the encoding LATIN1 is not supported");
        check(&[("delimiter", "")], false, "42601", "delimiter requires a parameter");
        check(&[("freeze", "7")], false, "42601", "freeze requires a Boolean value");
        check(&[("on_error", "ignore")], false, "42601", "option \"on_error\" not recognized");
    }
}
