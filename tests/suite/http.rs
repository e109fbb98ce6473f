//! HTTP as it stands on the socket: what is refused, and how; owners of agents.

use serde_json::{Value as JsonValue, json};
use sinew_tests::server::Server;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::wire::with_server;

/// Sends one request as it is written and gives status and body.
async fn exchange(server: &Server, request: &str) -> (u16, JsonValue) {
    let mut socket = tokio::net::TcpStream::connect(("127.0.0.1", server.http_port)).await.expect("HTTP listens");
    socket.write_all(request.as_bytes()).await.expect("the request is sent");
    let mut answer = Vec::new();
    socket.read_to_end(&mut answer).await.expect("the answer ends");
    let answer = String::from_utf8(answer).expect("the answer is text");
    let (head, body) = answer.split_once("\r\n\r\n").expect("a head and a body");
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status");
    (status, serde_json::from_str(body).unwrap_or_else(|error| panic!("{request}: {error} in {answer}")))
}

fn get(target: &str, headers: &str) -> String {
    format!("GET {target} HTTP/1.1\r\nConnection: close\r\n{headers}\r\n")
}

fn post(target: &str, headers: &str, body: &str) -> String {
    let length = body.len();
    format!(
        "POST {target} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Type: application/json\r\n\
         Content-Length: {length}\r\n{headers}\r\n{body}"
    )
}

#[test]
fn what_is_refused_is_refused_in_json() {
    with_server(|server| async move {
        let host = "Host: localhost\r\n";
        let run = "/runs/018f0000-0000-7000-8000-000000000001/cancel";
        let events = "Accept: text/event-stream\r\nLast-Event-ID: 17\r\n";
        let ask = r#"{"input": "x"}"#;
        let cases = [
            (get("/agents/%ff", host), 400),
            (get("/runs/%ff", host), 400),
            (get("/health", "Host: localhost\r\nHost: localhost\r\n"), 400),
            (get("/health", "Host: evil.example\r\n"), 403),
            (get("http://evil.example/health", host), 403),
            (get("http://localhost/health", host), 200),
            (get(&format!("/agents/{}", "a".repeat(9_000)), host), 414),
            (get("/health", &format!("{host}X-Long: {}\r\n", "a".repeat(70_000))), 431),
            (get("/nothing", host), 404),
            (post(run, "", "{"), 400),
            (post(run, "", "[]"), 400),
            (post(run, "", ""), 404),
            (post(run, "", "{}"), 404),
            (post("/agents/nobody/execute", events, ask), 400),
            (post("/agents/nobody/execute", "Last-Event-ID: 17\r\n", ask), 400),
            (post("/agents/nobody/execute", "", ask), 404),
            (post("/agents/create", "", r#"["x"]"#), 400),
            (post("/agents/create", "", r#"{"type": "react"}"#), 400),
            (post("/agents/create", "", r#"{"name": "a", "userId": "sinew$engine"}"#), 400),
            (post("/agents/create", "", r#"{"name": "a", "nonsense": 1}"#), 400),
        ];
        for (request, expected) in cases {
            let (status, body) = exchange(&server, &request).await;
            let shown: String = request.chars().take(200).collect();
            assert_eq!(status, expected, "{shown}: {body}");
            if status != 200 {
                let message = body["error"]["message"].as_str().unwrap_or_default();
                assert!(body["error"]["code"].is_string() && !message.is_empty(), "{shown}: {body}");
                assert!(!message.contains("struct") && !message.contains("a agent"), "{shown}: {body}");
            }
        }
    });
}

#[test]
fn agents_belong_to_the_user_that_the_body_names() {
    with_server(|server| async move {
        let create = async |user: JsonValue| {
            let body = json!({"name": "helper", "userId": user}).to_string();
            let (status, agent) = exchange(&server, &post("/agents/create", "", &body)).await;
            assert_eq!(status, 201, "{agent}");
            agent
        };
        let ann = create("ann".into()).await;
        assert_eq!((&ann["owner"], &ann["version"]), (&json!("ann"), &json!(1)));
        assert_eq!(create("ann".into()).await, ann);
        let bob = create("bob".into()).await;
        assert_eq!(bob["owner"], "bob");
        assert_ne!(bob["id"], ann["id"]);
        // The name alone means nobody's in particular, until the superuser has one.
        let host = "Host: localhost\r\n";
        assert_eq!(exchange(&server, &get("/agents/helper", host)).await.0, 409);
        assert_eq!(create(JsonValue::Null).await["owner"], "sinew");
        assert_eq!(exchange(&server, &get("/agents/helper", host)).await.1["owner"], "sinew");
        let target = format!("/agents/{}", ann["id"].as_str().expect("an id"));
        assert_eq!(exchange(&server, &get(&target, host)).await.1, ann);
        // The user's own comes first.
        let ask = json!({"input": "Who?", "userId": "bob"}).to_string();
        let (status, run) = exchange(&server, &post("/agents/helper/execute", "", &ask)).await;
        assert_eq!(status, 200, "{run}");
        let client = server.connect().await;
        let owner = client.query_one("SELECT a.owner FROM agent_runs r JOIN agents a ON a.id = r.agent_id", &[]).await;
        assert_eq!(owner.expect("one run").get::<_, &str>(0), "bob");
    });
}
