//! tokio-postgres: types in binary both ways, pipelines, COPY in binary, notifications.

use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use futures::{StreamExt, TryStreamExt};
use tokio_postgres::binary_copy::{BinaryCopyInWriter, BinaryCopyOutStream};
use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{AsyncMessage, NoTls};

use crate::wire::with_server;

#[test]
fn values_of_every_frequent_type_go_there_and_back() {
    with_server(|server| async move {
        let client = server.connect().await;
        client
            .batch_execute(
                "CREATE TABLE t (b bool, s int2, i int4, l int8, r float4, d float8, t text, v varchar, x bytea, \
                 at timestamptz, o oid, ia int4[], ta text[], c char(3))",
            )
            .await
            .unwrap();
        let at = SystemTime::UNIX_EPOCH + Duration::from_micros(1_767_323_045_678_901);
        let bytes: &[u8] = &[0, 1, 255];
        let ints = vec![Some(1i32), None, Some(-3)];
        let texts = vec!["a".to_owned(), "b \"c\", {d}".to_owned()];
        let values: [&(dyn ToSql + Sync); 14] = [
            &true,
            &-7i16,
            &42i32,
            &(1i64 << 40),
            &0.25f32,
            &1.5f64,
            &"täxt",
            &"var",
            &bytes,
            &at,
            &77u32,
            &ints,
            &texts,
            &"ab",
        ];
        let insert = "INSERT INTO t VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)";
        assert_eq!(client.execute(insert, &values).await.unwrap(), 1);
        let nulls: Vec<Option<&str>> = vec![None];
        client.execute("INSERT INTO t (t) VALUES ($1)", &[&nulls[0]]).await.unwrap();
        let row = client.query_one("SELECT * FROM t WHERE b", &[]).await.unwrap();
        assert!(row.get::<_, bool>(0));
        assert_eq!((row.get::<_, i16>(1), row.get::<_, i32>(2), row.get::<_, i64>(3)), (-7, 42, 1 << 40));
        assert_eq!((row.get::<_, f32>(4), row.get::<_, f64>(5)), (0.25, 1.5));
        assert_eq!((row.get::<_, &str>(6), row.get::<_, &str>(7), row.get::<_, &[u8]>(8)), ("täxt", "var", bytes));
        assert_eq!((row.get::<_, SystemTime>(9), row.get::<_, u32>(10)), (at, 77));
        assert_eq!((row.get::<_, Vec<Option<i32>>>(11), row.get::<_, Vec<String>>(12)), (ints, texts));
        assert_eq!(row.get::<_, &str>(13), "ab ");
        let row = client.query_one("SELECT * FROM t WHERE b IS NULL", &[]).await.unwrap();
        assert!((0..14).all(|column| row.columns()[column].type_().oid() > 0));
        assert_eq!((row.get::<_, Option<i32>>(2), row.get::<_, Option<Vec<i32>>>(11)), (None, None));
    });
}

#[test]
fn statements_are_pipelined() {
    with_server(|server| async move {
        let client = Arc::new(server.connect().await);
        client.batch_execute("CREATE TABLE t (a int)").await.unwrap();
        let insert = client.prepare("INSERT INTO t VALUES ($1)").await.unwrap();
        let numbers: Vec<i32> = (0..200).collect();
        let all = numbers.iter().map(|number| {
            let (client, insert) = (Arc::clone(&client), insert.clone());
            async move { client.execute(&insert, &[number]).await.unwrap() }
        });
        assert_eq!(futures::future::join_all(all).await.iter().sum::<u64>(), 200);
        // An error among others touches only its own statement.
        let (good, bad, more) = futures::join!(
            client.query_one("SELECT count(*) FROM t", &[]),
            client.query_one("SELECT 1/0", &[]),
            client.query_one("SELECT sum(a) FROM t", &[]),
        );
        assert_eq!((good.unwrap().get::<_, i64>(0), more.unwrap().get::<_, i64>(0)), (200, 19_900));
        assert!(bad.is_err());
    });
}

#[test]
fn copy_in_binary() {
    with_server(|server| async move {
        let client = server.connect().await;
        client.batch_execute("CREATE TABLE t (a int PRIMARY KEY, b text, c float8)").await.unwrap();
        let types = [Type::INT4, Type::TEXT, Type::FLOAT8];
        let sink = client.copy_in("COPY t FROM STDIN (FORMAT binary)").await.unwrap();
        let mut writer = pin!(BinaryCopyInWriter::new(sink, &types));
        for a in 0..3_000i32 {
            let text = (a % 3 != 0).then(|| format!("row {a}"));
            writer.as_mut().write(&[&a, &text, &f64::from(a)]).await.unwrap();
        }
        assert_eq!(writer.as_mut().finish().await.unwrap(), 3_000);
        let stream = client.copy_out("COPY (SELECT * FROM t ORDER BY a) TO STDOUT (FORMAT binary)").await.unwrap();
        let rows: Vec<_> = BinaryCopyOutStream::new(stream, &types).try_collect().await.unwrap();
        assert_eq!(rows.len(), 3_000);
        assert_eq!((rows[4].get::<i32>(0), rows[4].get::<Option<&str>>(1)), (4, Some("row 4")));
        assert_eq!((rows[3].get::<Option<&str>>(1), rows[3].get::<f64>(2)), (None, 3.0));
    });
}

#[test]
fn notifications_arrive_on_an_idle_connection() {
    with_server(|server| async move {
        let config = format!("host=127.0.0.1 port={} user=ann", server.port);
        let (listener, mut connection) = tokio_postgres::connect(&config, NoTls).await.unwrap();
        let (told, mut notifications) = futures::channel::mpsc::unbounded();
        tokio::spawn(async move {
            while let Some(Ok(message)) = futures::future::poll_fn(|cx| connection.poll_message(cx)).await {
                if let AsyncMessage::Notification(notification) = message {
                    let _ = told.unbounded_send(notification);
                }
            }
        });
        listener.batch_execute("LISTEN events").await.unwrap();
        let sender = server.connect().await;
        for payload in ["one", "two"] {
            sender.execute("SELECT pg_notify('events', $1)", &[&payload]).await.unwrap();
        }
        for payload in ["one", "two"] {
            let notification = notifications.next().await.expect("the connection is open");
            assert_eq!((notification.channel(), notification.payload()), ("events", payload));
        }
    });
}
