//! Messages by SQL, full text and vectors.

use super::difference::{Difference, compare};
use super::model::{ClientState, word_of};
use super::probe::Probe;
use super::random::Random;
use super::statements::conversation_id;

/// Messages that are looked up one by one, and words that must not be found.
const SAMPLE: usize = 24;
/// Most rows one search gives.
const MAX_HITS: usize = 1_000;

pub async fn verify(
    probe: &Probe,
    clients: &[ClientState],
    ghosts: &[&str],
    random: &mut Random,
    full: bool,
) -> Result<(), Difference> {
    counts(probe).await?;
    conversations(probe, clients).await?;
    let all: Vec<&str> =
        clients.iter().flat_map(|client| client.conversations.values().flatten()).map(String::as_str).collect();
    if all.len() < MAX_HITS {
        let text = format!("SELECT content FROM search_messages('codeword', k => {MAX_HITS}, mode => 'text')");
        let found = probe.lines(&text).await?;
        compare(&text, all.iter().map(|content| (*content).to_owned()).collect(), found)?;
    }
    words(probe, &all, ghosts, random, full).await
}

/// In one statement, since agents may be writing.
async fn counts(probe: &Probe) -> Result<(), Difference> {
    let view = "SELECT (SELECT count(*) FROM messages), (SELECT count(*) FROM messages WHERE conversation_id >= ''), \
                (SELECT count(*) FROM messages WHERE message_id >= '00000000-0000-0000-0000-000000000000')";
    let rows = probe.rows(view).await?;
    match rows.as_slice() {
        [counts] if counts.iter().all(|count| Some(count) == counts.first()) => Ok(()),
        _ => Err(Difference::new(view, "three equal counts", format!("{rows:?}"))),
    }
}

/// Each conversation by key, and whole by each kind of search.
async fn conversations(probe: &Probe, clients: &[ClientState]) -> Result<(), Difference> {
    for (owner, client) in clients.iter().enumerate() {
        for (number, contents) in &client.conversations {
            let id = conversation_id(owner, *number);
            let search = |mode: &str| {
                format!(
                    "SELECT content FROM search_messages('codeword', k => {MAX_HITS}, conversation_id => '{id}', \
                     mode => '{mode}')"
                )
            };
            let texts = [
                format!("SELECT content FROM messages WHERE conversation_id = '{id}' ORDER BY seq"),
                search("text"),
                search("vector"),
            ];
            let found = probe.each(&texts).await?;
            if let Some(ordered) = found.first()
                && ordered != contents
            {
                return Err(Difference::new(&texts[0], format!("{contents:?}"), format!("{ordered:?}")));
            }
            for (text, found) in texts.iter().zip(found) {
                compare(text, contents.clone(), found)?;
            }
        }
    }
    Ok(())
}

/// Words of single messages: found when the message is there, by text and as its own nearest vector; else not.
async fn words(
    probe: &Probe,
    all: &[&str],
    ghosts: &[&str],
    random: &mut Random,
    full: bool,
) -> Result<(), Difference> {
    let by_text = |word: &str| format!("SELECT content FROM search_messages('{word}', k => 5, mode => 'text')");
    let chosen: Vec<&str> =
        if full { all.to_vec() } else { (0..SAMPLE).filter_map(|_| random.pick(all).copied()).collect() };
    let texts: Vec<String> = chosen.iter().map(|content| by_text(word_of(content))).collect();
    for ((text, content), found) in texts.iter().zip(&chosen).zip(probe.each(&texts).await?) {
        compare(text, vec![(*content).to_owned()], found)?;
    }
    let nearest = |content: &str| format!("SELECT content FROM search_messages('{content}', k => 3, mode => 'vector')");
    let sampled = &chosen[..chosen.len().min(SAMPLE)];
    let texts: Vec<String> = sampled.iter().map(|content| nearest(content)).collect();
    for ((text, content), found) in texts.iter().zip(sampled).zip(probe.each(&texts).await?) {
        if !found.iter().any(|held| held == content) {
            return Err(Difference::new(text, *content, format!("{found:?}")));
        }
    }
    let gone: Vec<&str> =
        if full { ghosts.to_vec() } else { (0..SAMPLE).filter_map(|_| random.pick(ghosts).copied()).collect() };
    let texts: Vec<String> = gone.iter().map(|word| by_text(word)).collect();
    for (text, found) in texts.iter().zip(probe.each(&texts).await?) {
        compare(text, Vec::new(), found)?;
    }
    Ok(())
}
