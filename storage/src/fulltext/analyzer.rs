//! From text to terms.
//!
//! | analyzer | does |
//! |---|---|
//! | `english` (default) | words, lower case, accents folded, English stems |
//! | `simple` | words, lower case, accents folded |
//!
//! A word is a run of letters and digits. Text in scripts written without spaces (Han, kana, Hangul excepted) is cut
//! into overlapping pairs of characters, which find any substring of two or more characters.

use tantivy::tokenizer::{
    AsciiFoldingFilter, Language, LowerCaser, RemoveLongFilter, Stemmer, TextAnalyzer, Token, TokenStream, Tokenizer,
    TokenizerManager,
};

/// Longer words (encoded data, mostly) are not indexed, in bytes.
const MAX_WORD_BYTES: usize = 255;

/// Names that `CREATE … INDEX` accepts.
pub fn analyzer_names() -> &'static [&'static str] {
    &["english", "simple"]
}

/// None for an unknown name. An empty name is the default.
pub(crate) fn analyzer(name: &str) -> Option<TextAnalyzer> {
    let words = TextAnalyzer::builder(WordTokenizer::default())
        .filter(RemoveLongFilter::limit(MAX_WORD_BYTES))
        .filter(LowerCaser)
        .filter(AsciiFoldingFilter);
    match name {
        "english" | "" => Some(words.filter(Stemmer::new(Language::English)).build()),
        "simple" => Some(words.build()),
        _ => None,
    }
}

/// Under its names, for schemas that refer to analyzers.
pub(crate) fn tokenizer_manager() -> TokenizerManager {
    // The ones tantivy wants for fields that are not text come with it.
    let manager = TokenizerManager::default();
    for name in analyzer_names() {
        if let Some(analyzer) = analyzer(name) {
            manager.register(name, analyzer);
        }
    }
    manager
}

/// Lower case and accents folded, but not stemmed: for prefixes, patterns and fuzzy terms.
pub(crate) fn fold(text: &str) -> String {
    let mut analyzer = TextAnalyzer::builder(tantivy::tokenizer::RawTokenizer::default())
        .filter(LowerCaser)
        .filter(AsciiFoldingFilter)
        .build();
    let mut folded = String::with_capacity(text.len());
    analyzer.token_stream(text).process(&mut |token| folded.push_str(&token.text));
    folded
}

/// Terms of a text, in order.
pub(crate) fn terms(analyzer: &mut TextAnalyzer, text: &str) -> Vec<String> {
    let mut terms = Vec::new();
    analyzer.token_stream(text).process(&mut |token| terms.push(token.text.clone()));
    terms
}

/// Splits text into words and pairs of unspaced characters.
#[derive(Clone, Default)]
pub(crate) struct WordTokenizer {
    token: Token,
}

pub(crate) struct WordTokenStream<'a> {
    text: &'a str,
    /// Where to look for the next token.
    position: usize,
    /// The last token was a pair whose second character begins the next one.
    in_pairs: bool,
    token: &'a mut Token,
}

/// Scripts without spaces between words.
fn is_unspaced(c: char) -> bool {
    matches!(c,
        '\u{3040}'..='\u{30ff}' | '\u{3400}'..='\u{4dbf}' | '\u{4e00}'..='\u{9fff}' | '\u{f900}'..='\u{faff}'
        | '\u{20000}'..='\u{3ffff}' | '\u{0e00}'..='\u{0eff}' | '\u{1780}'..='\u{17ff}' | '\u{1000}'..='\u{109f}')
}

impl Tokenizer for WordTokenizer {
    type TokenStream<'a> = WordTokenStream<'a>;

    fn token_stream<'a>(&'a mut self, text: &'a str) -> WordTokenStream<'a> {
        self.token.reset();
        WordTokenStream { text, position: 0, in_pairs: false, token: &mut self.token }
    }
}

impl WordTokenStream<'_> {
    fn emit(&mut self, from: usize, to: usize) -> bool {
        self.token.position = self.token.position.wrapping_add(1);
        (self.token.offset_from, self.token.offset_to) = (from, to);
        self.token.text.clear();
        self.token.text.push_str(&self.text[from..to]);
        true
    }
}

impl TokenStream for WordTokenStream<'_> {
    fn advance(&mut self) -> bool {
        loop {
            let rest = &self.text[self.position..];
            let is_part = |c: char| c.is_alphanumeric() || is_unspaced(c);
            let Some((skipped, first)) = rest.char_indices().find(|(_, c)| is_part(*c)) else {
                self.position = self.text.len();
                return false;
            };
            let from = self.position + skipped;
            let after_pair = std::mem::take(&mut self.in_pairs) && skipped == 0;
            if !is_unspaced(first) {
                let word = &self.text[from..];
                let end = word.find(|c: char| !c.is_alphanumeric() || is_unspaced(c)).unwrap_or(word.len());
                self.position = from + end;
                return self.emit(from, from + end);
            }
            let second = from + first.len_utf8();
            self.position = second;
            match self.text[second..].chars().next().filter(|c| is_unspaced(*c)) {
                Some(c) => {
                    self.in_pairs = true;
                    return self.emit(from, second + c.len_utf8());
                }
                // The last character of a run is already part of a pair.
                None if after_pair => {}
                None => return self.emit(from, second),
            }
        }
    }

    fn token(&self) -> &Token {
        self.token
    }

    fn token_mut(&mut self) -> &mut Token {
        self.token
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(name: &str, text: &str, expected: &[&str]) {
        let mut analyzer = analyzer(name).expect("known analyzer");
        assert_eq!(terms(&mut analyzer, text), expected, "{name}: {text}");
    }

    #[test]
    fn words_are_folded_and_stemmed() {
        check("english", "Running CAFÉS, e-mail!", &["run", "cafe", "e", "mail"]);
        check("simple", "Running CAFÉS", &["running", "cafes"]);
        check("english", " ...", &[]);
        check("simple", &format!("{} ok", "x".repeat(300)), &["ok"]);
    }

    #[test]
    fn unspaced_scripts_become_pairs() {
        check("simple", "東京都 xy京", &["東京", "京都", "xy", "京"]);
        check("simple", "東", &["東"]);
        assert!(analyzer("klingon").is_none());
    }

    #[test]
    fn folding_keeps_one_piece() {
        assert_eq!(fold("Über-Straße"), "uber-strasse");
    }
}
