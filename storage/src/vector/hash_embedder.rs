//! A text embedder without model or data files: feature hashing.
//!
//! Each stemmed word and each character trigram of a word is hashed to one of 256 dimensions and a sign (Weinberger et
//! al., "Feature Hashing for Large Scale Multitask Learning", ICML 2009: signs keep inner products unbiased under
//! collisions), weighted by 1 + ln(count), and the sum is scaled to length one. Words carry meaning, trigrams
//! misspellings and word forms; very frequent English words count little. It finds texts that share words, not texts
//! that share only meaning.

use tantivy::tokenizer::{AsciiFoldingFilter, Language, LowerCaser, Stemmer, TextAnalyzer, TokenStream};

use crate::embed::Embedder;
use crate::fulltext::WordTokenizer;

const DIMENSIONS: usize = 256;
const WORD_WEIGHT: f32 = 1.0;
const STOP_WORD_WEIGHT: f32 = 0.1;
/// The trigrams of one word share this weight.
const TRIGRAM_WEIGHT: f32 = 0.5;
const WORD_SEED: u64 = 0x5157;
const TRIGRAM_SEED: u64 = 0x3367;

/// Lower-case words that say little about a text, sorted.
const STOP_WORDS: &[&str] = &[
    "a", "about", "all", "also", "am", "an", "and", "any", "are", "as", "at", "be", "been", "but", "by", "can",
    "could", "did", "do", "does", "for", "from", "had", "has", "have", "he", "her", "him", "his", "how", "i", "if",
    "in", "into", "is", "it", "its", "just", "me", "my", "no", "not", "of", "on", "or", "our", "out", "s", "she",
    "should", "so", "some", "t", "than", "that", "the", "their", "them", "then", "there", "these", "they", "this",
    "those", "to", "up", "us", "was", "we", "were", "what", "when", "where", "which", "who", "why", "will", "with",
    "would", "you", "your",
];

/// The default embedder, `hash-256`: 256 dimensions, deterministic on every machine.
#[derive(Clone, Copy, Debug, Default)]
pub struct HashEmbedder;

/// A feature's dimension and sign, from one hash.
fn feature(text: &[u8], seed: u64) -> (usize, f32) {
    let hash = xxhash_rust::xxh3::xxh3_64_with_seed(text, seed);
    let sign = if hash >> 63 == 0 { 1.0 } else { -1.0 };
    (hash as usize % DIMENSIONS, sign)
}

impl Embedder for HashEmbedder {
    fn name(&self) -> &str {
        "hash-256"
    }

    fn dimension_count(&self) -> u32 {
        DIMENSIONS as u32
    }

    fn embed(&self, text: &str) -> Vec<f32> {
        let mut analyzer =
            TextAnalyzer::builder(WordTokenizer::default()).filter(LowerCaser).filter(AsciiFoldingFilter).build();
        let mut stemmer = TextAnalyzer::builder(WholeToken::default()).filter(Stemmer::new(Language::English)).build();
        // Ordered, so that sums are taken in the same order every time.
        let mut words = std::collections::BTreeMap::<String, u32>::new();
        analyzer.token_stream(text).process(&mut |token| {
            *words.entry(token.text.clone()).or_insert(0) += 1;
        });
        let mut vector = vec![0.0f32; DIMENSIONS];
        for (word, count) in &words {
            let stop_word = STOP_WORDS.binary_search(&word.as_str()).is_ok();
            let frequency = 1.0 + (*count as f32).ln();
            stemmer.token_stream(word).process(&mut |stem| {
                let (dimension, sign) = feature(stem.text.as_bytes(), WORD_SEED);
                let weight = if stop_word { STOP_WORD_WEIGHT } else { WORD_WEIGHT };
                vector[dimension] += sign * weight * frequency;
            });
            if stop_word {
                continue;
            }
            let padded: Vec<char> = std::iter::once('^').chain(word.chars()).chain(std::iter::once('$')).collect();
            let trigrams = padded.windows(3);
            // Together the trigrams weigh TRIGRAM_WEIGHT as a vector, however long the word is.
            let weight = TRIGRAM_WEIGHT * frequency / (trigrams.len() as f32).sqrt();
            for trigram in trigrams {
                let (dimension, sign) = feature(String::from_iter(trigram).as_bytes(), TRIGRAM_SEED);
                vector[dimension] += sign * weight;
            }
        }
        let norm = vector.iter().map(|x| x * x).sum::<f32>().sqrt();
        if norm > 0.0 {
            vector.iter_mut().for_each(|x| *x /= norm);
        }
        vector
    }
}

/// Gives the whole text as one token, so that the stemmer can be applied to a word by itself.
type WholeToken = tantivy::tokenizer::RawTokenizer;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::VectorMetric;
    use crate::vector::vector_distance;

    #[test]
    fn stop_words_are_sorted() {
        assert!(STOP_WORDS.is_sorted());
    }

    #[test]
    fn unit_length_deterministic_and_zero_for_nothing() {
        let vector = HashEmbedder.embed("Where is my order?");
        assert_eq!(vector.len(), 256);
        assert!((vector.iter().map(|x| x * x).sum::<f32>() - 1.0).abs() < 1e-5);
        assert_eq!(vector, HashEmbedder.embed("Where is my order?"));
        assert!(HashEmbedder.embed(" ?! ").iter().all(|x| *x == 0.0));
    }

    #[test]
    fn related_texts_are_nearer() {
        let distance = |a, b| vector_distance(VectorMetric::Cosine, &HashEmbedder.embed(a), &HashEmbedder.embed(b));
        let question = "How do I return a damaged parcel?";
        assert!(
            distance(question, "Returning damaged parcels is free") < distance(question, "The weather is nice today")
        );
        // A misspelling stays near through its trigrams.
        assert!(distance("refund policy", "refnud policy") < distance("refund policy", "opening hours"));
    }
}
