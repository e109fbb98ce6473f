//! What a prompt would get of a conversation, packed to a token budget.

use sinew::Result;

use crate::engine::Unit;
use crate::rows::{Rows, Select};
use crate::tools::Recalled;

/// One line of a context.
#[derive(Clone, Debug, PartialEq)]
pub struct ContextLine {
    pub role: String,
    pub content: String,
    /// `window` or `search`, with the message: `window conv-1#4`.
    pub source: String,
}

/// Newest messages looked at for the window.
const WINDOW_LIMIT: usize = 200;

/// Share of the budget that search hits may take, so that a talkative search leaves room for the conversation.
const SEARCH_SHARE: f64 = 0.4;

/// Search hits (best first, within their share) and behind them the newest messages of the conversation, oldest first. No
/// message comes twice; one that does not fit whole is left out.
pub fn pack_context(
    conversation_id: &str,
    hits: &[Recalled],
    window: &[(i64, String, String)],
    max_tokens: i64,
    count_tokens: &dyn Fn(&str) -> u32,
) -> Vec<ContextLine> {
    let cost = |text: &str| i64::from(count_tokens(text)) + 4;
    let mut found: Vec<ContextLine> = Vec::new();
    let mut left_for_search = (max_tokens as f64 * SEARCH_SHARE) as i64;
    let mut used = 0;
    let mut taken: Vec<i64> = Vec::new();
    for hit in hits {
        let tokens = cost(&hit.content);
        if tokens > left_for_search {
            continue;
        }
        left_for_search -= tokens;
        used += tokens;
        if hit.conversation_id == conversation_id {
            taken.push(hit.seq);
        }
        found.push(ContextLine {
            role: hit.role.clone(),
            content: hit.content.clone(),
            source: format!("search {}#{}", hit.conversation_id, hit.seq),
        });
    }
    let mut turns: Vec<ContextLine> = Vec::new();
    // Newest first: what is left out is the oldest.
    for (seq, role, content) in window {
        if taken.contains(seq) {
            continue;
        }
        let tokens = cost(content);
        if used + tokens > max_tokens {
            break;
        }
        used += tokens;
        turns.push(ContextLine {
            role: role.clone(),
            content: content.clone(),
            source: format!("window {conversation_id}#{seq}"),
        });
    }
    turns.reverse();
    found.extend(turns);
    found
}

/// The newest messages of a conversation, newest first: (seq, role, content).
pub fn newest_messages(rows: &dyn Rows, conversation_id: &str) -> Result<Vec<(i64, String, String)>> {
    let select = Select::from("messages")
        .equal("conversation_id", conversation_id)
        .order_by(&["seq"])
        .descending()
        .limit(WINDOW_LIMIT);
    let mut out = Vec::new();
    for record in rows.select(select)? {
        let content = record.opt_text("content").unwrap_or_default();
        if !content.trim().is_empty() {
            out.push((record.int("seq")?, record.text("role")?, content));
        }
    }
    Ok(out)
}

/// Removes a conversation's messages; the conversation and its runs stay. Gives their number.
pub fn clear_messages(unit: &Unit<'_>, conversation_id: &str) -> Result<i64> {
    Ok(unit.rows.delete("messages", &[("conversation_id", conversation_id.into())])? as i64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> u32 {
        text.split_whitespace().count() as u32
    }

    #[test]
    fn packs_hits_then_the_newest_turns() {
        let hit = |conversation: &str, seq, content: &str| Recalled {
            conversation_id: conversation.to_owned(),
            seq,
            role: "user".to_owned(),
            content: content.to_owned(),
        };
        let hits = [hit("a", 1, "one two"), hit("b", 9, "a very long message of many words that cannot fit")];
        let turn = |seq: i64, content: &str| (seq, "user".to_owned(), content.to_owned());
        let window = [turn(4, "newest"), turn(3, "before that"), turn(1, "one two"), turn(0, "oldest")];
        let lines = pack_context("a", &hits, &window, 20, &words);
        let sources: Vec<&str> = lines.iter().map(|line| line.source.as_str()).collect();
        // 6 tokens of the hit, 5 and 6 of the turns; the oldest would make 22.
        assert_eq!(sources, ["search a#1", "window a#3", "window a#4"]);
        assert!(pack_context("a", &hits, &window, 0, &words).is_empty());
    }
}
