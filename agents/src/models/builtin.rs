//! The extractive model in the box: no network, no key, no training.
//!
//! It plays its part in the react loop as any model does. Asked a question, it calls `search_memory` and
//! `search_graph` where the agent has them. Given their results, it chooses the sentences and relationships that share
//! most with the question and quotes them, each with the message or node it came from; when nothing shares enough, it
//! says so. It composes nothing, so it cannot make anything up.
//!
//! A sentence's score is the weight of the question's terms in it, where rare terms (over all that was found) weigh
//! more, with a share of the score of the turn before: an answer often stands right behind the question it answers.
//! A sentence counts once however often it was said, and not at all when it says no more than the question does. What the
//! graph knows of a thing that the question names is quoted even where messages share more words with the question.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde_json::{Value as JsonValue, json};
use sinew::CancelToken;

use super::{ChatMessage, ChatModel, ChatRequest, ChatResponse, ModelError, Role, ToolCall};

pub struct BuiltinModel;

/// Lines quoted from messages, and facts from the graph.
const MESSAGE_LINES: usize = 3;
const GRAPH_LINES: usize = 3;

/// Hits asked of each search.
const SEARCH_HITS: u64 = 8;
const SEARCH_NODES: u64 = 5;

/// Characters of a quoted sentence.
const QUOTE_CHARS: usize = 300;

impl ChatModel for BuiltinModel {
    fn complete(&self, request: &ChatRequest, _: Duration, _: &CancelToken) -> Result<ChatResponse, ModelError> {
        let asked = request.messages.iter().rposition(|message| message.role == Role::User);
        let Some(asked) = asked else {
            return Err(ModelError::fatal("the builtin model was asked nothing"));
        };
        let question = &request.messages[asked].content;
        let results: Vec<&ChatMessage> =
            request.messages[asked + 1..].iter().filter(|message| message.role == Role::Tool).collect();
        if results.is_empty() {
            let tool_calls = plan_searches(question, request);
            if !tool_calls.is_empty() {
                return Ok(ChatResponse { tool_calls, ..ChatResponse::default() });
            }
        }
        Ok(ChatResponse { content: answer(question, &results), ..ChatResponse::default() })
    }
}

fn plan_searches(question: &str, request: &ChatRequest) -> Vec<ToolCall> {
    let has = |name: &str| request.tools.iter().any(|tool| tool.name == name);
    let mut calls = Vec::new();
    for (name, k) in [("search_memory", SEARCH_HITS), ("search_graph", SEARCH_NODES)] {
        if has(name) {
            let id = format!("call_{}_{name}", request.iteration);
            calls.push(ToolCall { id, name: name.to_owned(), arguments: json!({"query": question, "k": k}) });
        }
    }
    calls
}

/// Share of the best score that is needed to be quoted.
const QUOTED_SHARE: f64 = 0.45;
/// Share of the best message's score at which what the graph knows of a named thing goes first.
const FIRST_SHARE: f64 = 0.8;

/// Something that may be quoted.
struct Evidence {
    /// As it is shown.
    line: String,
    /// What it says, normalized: said again, it is no further evidence.
    text: String,
    terms: BTreeSet<String>,
    /// Of a message: the sentence's own terms, without those of who said it.
    said: BTreeSet<String>,
    /// Of the graph: the titles of the nodes it is about, as terms.
    about: Vec<BTreeSet<String>>,
    /// Citations, in the order shown.
    citations: Vec<String>,
    /// Evidence of the same source and one position earlier shares some of its score.
    source: String,
    position: i64,
    from_graph: bool,
    /// 0 for the best hit of its search.
    rank: usize,
}

impl Evidence {
    /// Whether it has to do with the question and says more than that.
    fn adds_to(&self, question: &BTreeSet<String>) -> bool {
        self.from_graph || (!self.said.is_disjoint(question) && !self.said.is_subset(question))
    }

    /// Whether the question names a node that this is about.
    fn is_named_in(&self, question: &BTreeSet<String>) -> bool {
        self.about.iter().any(|title| !title.is_empty() && title.is_subset(question))
    }
}

/// The answer from the results of tools.
fn answer(question: &str, results: &[&ChatMessage]) -> String {
    let question_terms = terms(question);
    let mut evidence: Vec<Evidence> = Vec::new();
    let mut failures: Vec<String> = Vec::new();
    for result in results {
        let Ok(result) = serde_json::from_str::<JsonValue>(&result.content) else { continue };
        if let Some(error) = result["error"].as_str() {
            failures.push(error.to_owned());
        }
        collect_messages(&result, question, &mut evidence);
        collect_nodes(&result, &mut evidence);
    }
    let chosen = choose(&question_terms, &evidence);
    if chosen.is_empty() {
        let subject = if question_terms.is_empty() { "that".to_owned() } else { format!("\"{}\"", question.trim()) };
        let mut text = format!("I found nothing about {subject} in the messages or the knowledge graph.");
        if !failures.is_empty() {
            text.push_str(&format!(" (A search failed: {})", failures.join("; ")));
        }
        return text;
    }
    let lines: Vec<String> =
        chosen.into_iter().map(|evidence| format!("- {} {}", evidence.line, evidence.citations.join(" "))).collect();
    format!("Here is what I found:\n{}", lines.join("\n"))
}

fn collect_messages(result: &JsonValue, question: &str, evidence: &mut Vec<Evidence>) {
    let asked = normalized(question);
    for (rank, message) in result["messages"].as_array().map(Vec::as_slice).unwrap_or_default().iter().enumerate() {
        let (Some(conversation), Some(seq)) = (message["conversation_id"].as_str(), message["seq"].as_i64()) else {
            continue;
        };
        let content = message["content"].as_str().unwrap_or_default();
        let role = message["role"].as_str().unwrap_or("user");
        // Earlier answers of agents quote what is found anyway: cite the source, not the quotation.
        if role == "assistant" && (content.contains("[message ") || content.contains("[node ")) {
            continue;
        }
        let who = message["name"].as_str().unwrap_or(role);
        for sentence in sentences(content) {
            if sentence.ends_with('?') || normalized(sentence) == asked {
                continue;
            }
            let said = terms(sentence);
            evidence.push(Evidence {
                line: format!("{who}: \"{}\"", shorten(sentence)),
                text: normalized(sentence),
                terms: said.iter().cloned().chain(terms(who)).collect(),
                said,
                about: Vec::new(),
                citations: vec![format!("[message {conversation}#{seq}]")],
                source: conversation.to_owned(),
                position: seq,
                from_graph: false,
                rank,
            });
        }
    }
}

fn collect_nodes(result: &JsonValue, evidence: &mut Vec<Evidence>) {
    for (rank, node) in result["nodes"].as_array().map(Vec::as_slice).unwrap_or_default().iter().enumerate() {
        let Some(id) = node["id"].as_i64() else { continue };
        let title = node_title(node);
        let source = format!("node {id}");
        let mut words = terms(&title);
        words.extend(labels(node).flat_map(terms));
        let mut properties: Vec<String> = Vec::new();
        for (key, value) in node["properties"].as_object().into_iter().flatten() {
            let Some(text) = property_text(value) else { continue };
            words.extend(terms(key));
            words.extend(terms(&text));
            if text != title {
                properties.push(format!("{key}: {}", shorten(&text)));
            }
        }
        let kinds: Vec<&str> = labels(node).collect();
        let mut line = title.clone();
        if !kinds.is_empty() {
            line.push_str(&format!(" ({})", kinds.join(", ")));
        }
        if !properties.is_empty() {
            line.push_str(&format!(" — {}", properties.join(", ")));
        }
        let citations = vec![format!("[node {id}]")];
        evidence.push(Evidence {
            text: normalized(&line),
            line,
            terms: words,
            said: BTreeSet::new(),
            about: vec![terms(&title)],
            citations,
            source: source.clone(),
            position: 0,
            from_graph: true,
            rank,
        });
        for relationship in node["relationships"].as_array().map(Vec::as_slice).unwrap_or_default() {
            let other = &relationship["node"];
            let (Some(ty), Some(other_id)) = (relationship["type"].as_str(), other["id"].as_i64()) else { continue };
            let outgoing = relationship["outgoing"].as_bool().unwrap_or(true);
            let other_title = node_title(other);
            let (from, to) = if outgoing { (&title, &other_title) } else { (&other_title, &title) };
            let mut words = terms(&title);
            words.extend(terms(&other_title));
            words.extend(terms(&ty.replace('_', " ")));
            words.extend(labels(other).flat_map(terms));
            let line = format!("{from} {} {to}", ty.replace('_', " ").to_lowercase());
            evidence.push(Evidence {
                text: normalized(&line),
                line,
                terms: words,
                said: BTreeSet::new(),
                about: vec![terms(&title), terms(&other_title)],
                citations: vec![format!("[node {id}]"), format!("[node {other_id}]")],
                source: format!("{source} {ty} {other_id}"),
                position: 0,
                from_graph: true,
                rank,
            });
        }
    }
}

fn labels(node: &JsonValue) -> impl Iterator<Item = &str> {
    node["labels"].as_array().into_iter().flatten().filter_map(JsonValue::as_str)
}

/// What a node is called: its name or title, else its number.
fn node_title(node: &JsonValue) -> String {
    let properties = &node["properties"];
    let named = ["name", "title", "text", "label"].iter().find_map(|key| properties[*key].as_str());
    named.map_or_else(|| format!("node {}", node["id"]), str::to_owned)
}

fn property_text(value: &JsonValue) -> Option<String> {
    match value {
        JsonValue::String(text) => Some(text.clone()),
        JsonValue::Number(number) => Some(number.to_string()),
        JsonValue::Bool(b) => Some(b.to_string()),
        _ => None,
    }
}

/// The best evidence, each kind best first, nothing twice. Messages go before facts of the graph, unless the question names
/// what the graph knows about and no message fits it much better.
fn choose<'a>(question: &BTreeSet<String>, evidence: &'a [Evidence]) -> Vec<&'a Evidence> {
    let mut texts: BTreeSet<&str> = BTreeSet::new();
    let evidence: Vec<&'a Evidence> =
        evidence.iter().filter(|item| item.adds_to(question) && texts.insert(&item.text)).collect();
    let mut frequency: BTreeMap<&str, usize> = BTreeMap::new();
    for item in &evidence {
        for term in &item.terms {
            *frequency.entry(term).or_default() += 1;
        }
    }
    let count = evidence.len() as f64;
    let weight = |term: &String| (1.0 + count / (1.0 + frequency.get(term.as_str()).copied().unwrap_or(0) as f64)).ln();
    let total: f64 = question.iter().map(weight).sum();
    if total <= 0.0 {
        return Vec::new();
    }
    let overlap = |item: &Evidence| question.intersection(&item.terms).map(weight).sum::<f64>() / total;
    let mut best_of_turn: BTreeMap<(&str, i64), f64> = BTreeMap::new();
    for item in evidence.iter().copied().filter(|item| !item.from_graph) {
        let best = best_of_turn.entry((&item.source, item.position)).or_default();
        *best = best.max(overlap(item));
    }
    let mut scored: Vec<(f64, &'a Evidence)> = evidence
        .iter()
        .copied()
        .map(|item| {
            let own = overlap(item);
            let before = best_of_turn.get(&(item.source.as_str(), item.position - 1)).copied().unwrap_or(0.0);
            // A long quotation holds more terms by chance; the search's own order breaks near ties.
            let length = 1.0 + (item.terms.len() as f64 / 40.0);
            let score = (own + if own > 0.0 { 0.3 * before } else { 0.0 }) / length - 0.005 * item.rank as f64;
            (score, item)
        })
        .filter(|(_, item)| overlap(item) > 0.0)
        .collect();
    scored.sort_by(|(a, _), (b, _)| b.total_cmp(a));
    let best_of = |from_graph: bool| {
        let first = scored.iter().find(|(_, item)| item.from_graph == from_graph);
        first.map_or(0.0, |(score, _)| *score)
    };
    let (best_message, best_fact) = (best_of(false), best_of(true));
    let best = best_message.max(best_fact);
    let is_quoted = |score: f64, item: &Evidence| {
        score >= best * QUOTED_SHARE || (item.is_named_in(question) && score >= best_fact * QUOTED_SHARE)
    };
    let names_fact =
        scored.iter().any(|(score, item)| item.is_named_in(question) && *score >= best_message * FIRST_SHARE);
    let mut kinds = [(false, MESSAGE_LINES), (true, GRAPH_LINES)];
    if names_fact {
        kinds.reverse();
    }
    let mut chosen: Vec<&Evidence> = Vec::new();
    for (from_graph, limit) in kinds {
        let quoted = scored.iter().filter(|(score, item)| item.from_graph == from_graph && is_quoted(*score, item));
        chosen.extend(quoted.take(limit).map(|(_, item)| *item));
    }
    chosen
}

/// Sentences and lines, without list marks.
fn sentences(text: &str) -> Vec<&str> {
    let mut out = Vec::new();
    for line in text.lines() {
        let mut start = 0;
        let mut characters = line.char_indices().peekable();
        while let Some((position, c)) = characters.next() {
            let ends = matches!(c, '.' | '!' | '?') && characters.peek().is_none_or(|(_, next)| next.is_whitespace());
            if ends {
                let end = position + c.len_utf8();
                out.push(&line[start..end]);
                start = end;
            }
        }
        out.push(&line[start..]);
    }
    out.into_iter().map(|s| s.trim().trim_start_matches(['-', '*', '•']).trim()).filter(|s| !s.is_empty()).collect()
}

fn shorten(sentence: &str) -> String {
    if sentence.chars().count() <= QUOTE_CHARS {
        return sentence.to_owned();
    }
    sentence.chars().take(QUOTE_CHARS).chain("…".chars()).collect()
}

fn normalized(text: &str) -> String {
    text.split(|c: char| !c.is_alphanumeric())
        .filter(|word| !word.is_empty())
        .collect::<Vec<_>>()
        .join(" ")
        .to_lowercase()
}

const STOP_WORDS: &[&str] = &[
    "a", "about", "all", "also", "am", "an", "and", "any", "are", "as", "ask", "asked", "at", "be", "been", "but",
    "by", "can", "could", "did", "do", "does", "for", "from", "had", "has", "have", "he", "her", "him", "his", "how",
    "i", "if", "in", "into", "is", "it", "its", "just", "know", "may", "me", "might", "must", "my", "no", "not", "of",
    "on", "or", "our", "please", "say", "said", "she", "should", "so", "some", "tell", "than", "that", "the", "their",
    "them", "then", "there", "these", "they", "this", "those", "to", "us", "was", "we", "were", "what", "when",
    "where", "which", "who", "whom", "whose", "why", "will", "with", "would", "you", "your",
];

/// Stems of the words that carry meaning.
fn terms(text: &str) -> BTreeSet<String> {
    text.split(|c: char| !c.is_alphanumeric())
        .map(str::to_lowercase)
        .filter(|word| !word.is_empty() && !STOP_WORDS.contains(&word.as_str()))
        .map(|word| stem(&word))
        .collect()
}

/// Strips the commonest English endings, so that "works", "worked" and "working" meet.
fn stem(word: &str) -> String {
    if !word.is_ascii() || word.len() < 4 {
        return word.to_owned();
    }
    for (ending, replacement) in
        [("ies", "y"), ("sses", "ss"), ("ing", ""), ("edly", ""), ("ed", ""), ("es", ""), ("ly", ""), ("s", "")]
    {
        if let Some(stem) = word.strip_suffix(ending) {
            let doubled_s = ending == "s" && (stem.ends_with('s') || stem.ends_with('u'));
            if stem.len() >= 3 && !doubled_s {
                let mut out = format!("{stem}{replacement}");
                let bytes = out.as_bytes();
                let last = bytes[bytes.len() - 1];
                // "planned" gives "plan"; "live", "lived" and "lives" give "liv".
                if replacement.is_empty() && bytes[bytes.len() - 2] == last && !b"lsz".contains(&last) {
                    out.pop();
                }
                return out;
            }
        }
    }
    word.strip_suffix('e').unwrap_or(word).to_owned()
}

#[cfg(test)]
mod tests {
    use super::super::ToolSpec;
    use super::*;

    fn request(messages: Vec<ChatMessage>, tools: &[&str]) -> ChatRequest {
        let tool =
            |name: &&str| ToolSpec { name: (*name).to_owned(), description: String::new(), parameters: json!({}) };
        ChatRequest { messages, tools: tools.iter().map(tool).collect(), max_output_tokens: 500, iteration: 0 }
    }

    fn complete(request: &ChatRequest) -> ChatResponse {
        BuiltinModel.complete(request, Duration::from_secs(1), &CancelToken::default()).expect("it always answers")
    }

    fn ask(question: &str, results: &[JsonValue]) -> String {
        let mut messages = vec![ChatMessage::new(Role::System, "p"), ChatMessage::new(Role::User, question)];
        messages.extend(results.iter().map(|result| ChatMessage::new(Role::Tool, result.to_string())));
        complete(&request(messages, &["search_memory"])).content
    }

    #[test]
    fn plans_the_searches_it_has() {
        let question = || vec![ChatMessage::new(Role::User, "Where does Ann live?")];
        let names = |tools: &[&str]| -> Vec<String> {
            complete(&request(question(), tools)).tool_calls.into_iter().map(|call| call.name).collect()
        };
        assert_eq!(names(&["search_graph", "search_memory", "run_sql"]), ["search_memory", "search_graph"]);
        assert!(names(&["run_sql"]).is_empty());
        assert!(complete(&request(question(), &[])).content.contains("found nothing"));
    }

    #[test]
    fn quotes_the_sentence_that_answers_and_cites_it() {
        let result = json!({"messages": [
            {"conversation_id": "conv-12", "seq": 3, "role": "user", "content": "Where does Ann live now?"},
            {"conversation_id": "conv-12", "seq": 4, "role": "user", "name": "bob",
             "content": "The weather is fine. Ann moved last year and lives in Lisbon. We had coffee."},
            {"conversation_id": "conv-7", "seq": 1, "role": "assistant", "content": "Ann lives in Rome [message x#1]"}]});
        let answer = ask("Where does Ann live now?", &[result]);
        assert!(answer.contains("bob: \"Ann moved last year and lives in Lisbon.\" [message conv-12#4]"), "{answer}");
        assert!(!answer.contains("Rome") && !answer.contains("weather") && !answer.contains("#3]"), "{answer}");
    }

    #[test]
    fn states_relationships_with_both_nodes() {
        let result = json!({"nodes": [{"id": 17, "labels": ["Person"], "properties": {"name": "Ann"},
            "relationships": [
                {"type": "WORKS_AT", "outgoing": true, "node": {"id": 21, "labels": ["Company"], "properties": {"name": "Acme"}}},
                {"type": "OWNS", "outgoing": true, "node": {"id": 22, "labels": ["Dog"], "properties": {"name": "Rex"}}}]}]});
        let answer = ask("Which company does Ann work at?", &[result]);
        assert!(answer.contains("Ann works at Acme [node 17] [node 21]"), "{answer}");
        assert!(!answer.contains("Rex"), "{answer}");
    }

    #[test]
    fn what_is_said_again_or_says_nothing_is_no_evidence() {
        let say = |conversation: &str, seq: i64, name: &str, content: &str| {
            json!({"conversation_id": conversation,
            "seq": seq, "role": "user", "name": name, "content": content})
        };
        let result = json!({"messages": [
            say("a", 1, "Ann", "We should ask Maren Oduya about that."),
            say("b", 1, "Bob", "We should ask Maren Oduya about that."),
            say("c", 1, "Ann", "Maren Oduya keeps the boathouse keys."),
            say("d", 1, "Bob", "Maren Oduya keeps the boathouse keys!"),
            say("e", 1, "Maren Oduya", "The weather is fine.")]});
        let answer = ask("What about Maren Oduya?", &[result]);
        assert_eq!(answer, "Here is what I found:\n- Ann: \"Maren Oduya keeps the boathouse keys.\" [message c#1]");
    }

    #[test]
    fn facts_of_a_named_thing_are_quoted_and_go_first_when_they_fit() {
        let node = json!({"nodes": [{"id": 5, "labels": ["Place"], "properties": {"name": "Buoy 3"},
            "relationships": [{"type": "LOCATED_IN", "outgoing": true,
                "node": {"id": 6, "labels": ["Place"], "properties": {"name": "Eider Sound"}}}]}]});
        let messages = json!({"messages": [
            {"conversation_id": "s", "seq": 1, "role": "user", "content": "Buoy 3 came loose because its shackle broke."},
            {"conversation_id": "s", "seq": 2, "role": "user", "content": "It was decided to take titanium shackles."}]});
        let places = |answer: &str| (answer.find("[message s#1]"), answer.find("[node 5]"));
        let why = ask("Why did buoy 3 break loose, and what was decided?", &[messages.clone(), node.clone()]);
        let (message, fact) = places(&why);
        assert!(message.is_some() && fact.is_some() && message < fact && why.contains("s#2]"), "{why}");
        let place = ask("Where is buoy 3 located?", &[messages, node]);
        let (message, fact) = places(&place);
        assert!(place.contains("Buoy 3 located in Eider Sound [node 5] [node 6]"), "{place}");
        assert!(fact.is_some() && message.is_none_or(|message| fact < Some(message)), "{place}");
    }

    #[test]
    fn says_plainly_when_there_is_nothing() {
        let result =
            json!({"messages": [{"conversation_id": "c", "seq": 1, "role": "user", "content": "Lunch was good."}]});
        let answer = ask("Who designed the bridge?", &[result, json!({"nodes": []})]);
        assert_eq!(
            answer,
            "I found nothing about \"Who designed the bridge?\" in the messages or the knowledge graph."
        );
        assert!(ask("Who?", &[json!({"error": "index is gone"})]).contains("index is gone"));
    }

    #[test]
    fn cites_only_what_tools_returned() {
        let result = json!({"messages": (1..6).map(|seq| json!({"conversation_id": "c", "seq": seq, "role": "user",
            "content": format!("The bridge number {seq} was built by team {seq}.")})).collect::<Vec<_>>()});
        let answer = ask("Who built the bridge?", &[result]);
        let cited = answer.matches("[message c#").count();
        assert_eq!(cited, MESSAGE_LINES, "{answer}");
    }

    #[test]
    fn stems_meet() {
        assert_eq!(stem("works"), stem("working"));
        assert_eq!(stem("lives"), stem("live"));
        assert_eq!(stem("planned"), stem("plans"));
        assert_eq!(stem("companies"), stem("company"));
        assert_eq!(stem("bus"), "bus");
    }
}
