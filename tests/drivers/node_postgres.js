// node-postgres with its cursor and copy modules. Usage: node node_postgres.js PORT, against a server started with --demo.
// The modules are looked for in NODE_PATH.

"use strict";

const assert = require("node:assert/strict");
const { Readable, Writable } = require("node:stream");
const { pipeline } = require("node:stream/promises");
const pg = require("pg");
const Cursor = require("pg-cursor");
const copy = require("pg-copy-streams");

const settings = { host: "127.0.0.1", port: Number(process.argv[2]), user: "ann", database: "sinew" };

async function withClient(work) {
  const client = new pg.Client(settings);
  await client.connect();
  try {
    return await work(client);
  } finally {
    await client.end();
  }
}

async function pool() {
  const pool = new pg.Pool({ ...settings, max: 4 });
  try {
    await pool.query("CREATE TABLE node_t (id int PRIMARY KEY, name text, at timestamptz, doc jsonb, tags text[])");
    const at = new Date("2026-01-02T03:04:05.678Z");
    await Promise.all(
      Array.from({ length: 50 }, (_, id) =>
        pool.query("INSERT INTO node_t VALUES ($1, $2, $3, $4, $5)", [
          id, `name ${id}`, at, { id, list: [1, null] }, ["a", 'b "c"'],
        ]),
      ),
    );
    const { rows, rowCount, fields } = await pool.query("SELECT * FROM node_t WHERE id >= $1 ORDER BY id", [48]);
    assert.equal(rowCount, 2);
    assert.deepEqual(fields.map((field) => field.name), ["id", "name", "at", "doc", "tags"]);
    assert.deepEqual(rows[0], { id: 48, name: "name 48", at, doc: { id: 48, list: [1, null] }, tags: ["a", 'b "c"'] });
    // A transaction on one client of the pool.
    const client = await pool.connect();
    try {
      await client.query("BEGIN");
      await client.query("DELETE FROM node_t");
      await assert.rejects(client.query("SELECT 1/0"), { code: "22012" });
      await assert.rejects(client.query("SELECT 1"), { code: "25P02" });
      await client.query("ROLLBACK");
      const counted = await client.query("SELECT count(*)::int AS n FROM node_t");
      assert.equal(counted.rows[0].n, 50);
    } finally {
      client.release();
    }
    await assert.rejects(pool.query("INSERT INTO node_t (id) VALUES (1)"), {
      code: "23505", constraint: "node_t_pkey", table: "node_t", schema: "public",
    });
    await pool.query("DROP TABLE node_t");
  } finally {
    await pool.end();
  }
}

async function prepared() {
  await withClient(async (client) => {
    const query = { name: "add", text: "SELECT $1::int + $2::int AS sum" };
    for (let i = 0; i < 5; i++) {
      const { rows } = await client.query({ ...query, values: [i, 10] });
      assert.equal(rows[0].sum, i + 10);
    }
    const listed = await client.query("SELECT name, from_sql FROM pg_prepared_statements");
    assert.deepEqual(listed.rows, [{ name: "add", from_sql: false }]);
    const binary = await client.query({ text: "SELECT 7::int4 AS a, true AS b, 1.5::float8 AS c", binary: true });
    assert.deepEqual(binary.rows, [{ a: 7, b: true, c: 1.5 }]);
    // Several statements in one message give several results.
    const several = await client.query("SELECT 1 AS a; SELECT 2 AS b");
    assert.deepEqual(several.map((result) => result.rows), [[{ a: 1 }], [{ b: 2 }]]);
    const people = await client.query("MATCH (p:Person) RETURN p.name AS name ORDER BY name LIMIT $1", [2]);
    assert.equal(people.rows.length, 2);
    assert.equal(typeof people.rows[0].name, "string");
  });
}

// The module sends numbers, dates and arrays without a type: they are read as what they stand beside.
async function cypher() {
  await withClient(async (client) => {
    await client.query("SET timezone = 'UTC'");
    const people = Array.from({ length: 500 }, (_, i) => ({ i, name: `name ${i}`, weight: i / 2 + 0.25 }));
    await client.query(
      "UNWIND $1 AS row CREATE (p:NodePerson {seen: datetime('2026-01-02T03:04:05.678Z') + duration({seconds: row.i})}) SET p += row",
      [JSON.stringify(people)],
    );
    try {
      const at = new Date("2026-01-02T03:04:10.678Z");
      const { rows, fields } = await client.query(
        "MATCH (p:NodePerson) WHERE p.i IN $1 AND p.weight < $2 AND p.seen >= $3 RETURN p.i AS i, p.name AS name, p.weight AS weight, p.seen AS seen, p.i + 1 AS next, p ORDER BY i",
        [[1, 5, 6, 400], 100.5, at],
      );
      assert.deepEqual(fields.map((field) => field.dataTypeID), [20, 25, 701, 1184, 20, 3802]);
      assert.deepEqual(rows.map((row) => row.i), ["5", "6"]);
      const { p, ...five } = rows[0];
      assert.deepEqual(five, { i: "5", name: "name 5", weight: 2.75, seen: at, next: "6" });
      assert.deepEqual([p.labels, p.properties.i, p.properties.weight], [["NodePerson"], 5, 2.75]);
      const made = await client.query("CREATE (n:NodePerson) SET n = $1 RETURN n", [{ i: -1, tags: ["a"], weight: 1.5 }]);
      assert.deepEqual(made.rows[0].n.properties, { i: -1, tags: ["a"], weight: 1.5 });
      const names = await client.query("UNWIND $1 AS name MATCH (p:NodePerson {name: name}) RETURN count(*) AS n", [["name 1", "name 2"]]);
      assert.deepEqual(names.rows, [{ n: "2" }]);
      assert.deepEqual((await client.query("UNWIND $1 AS x RETURN x", [[]])).rows, []);
      const cursor = client.query(new Cursor("MATCH (p:NodePerson) WHERE p.i >= $1 RETURN p.i AS i ORDER BY i", [0]));
      let count = 0;
      for (let rows; (rows = await cursor.read(70)).length > 0; count += rows.length) {
        assert.equal(rows[0].i, String(count));
      }
      assert.equal(count, 500);
      await cursor.close();
      await assert.rejects(client.query("MATCH (p:NodePerson) RETURN q"), {
        code: "42703", position: "29", routine: "SyntaxError at compile time: UndefinedVariable",
      });
    } finally {
      await client.query("MATCH (p:NodePerson) DELETE p");
    }
  });
}

async function cursor() {
  await withClient(async (client) => {
    const cursor = client.query(new Cursor("SELECT i FROM generate_series(1, $1::int) i", [2500]));
    let sum = 0;
    let parts = 0;
    for (;;) {
      const rows = await cursor.read(100);
      if (rows.length === 0) break;
      parts += 1;
      for (const row of rows) sum += row.i;
    }
    await cursor.close();
    assert.deepEqual([sum, parts], [(2500 * 2501) / 2, 25]);
    // Closed half way, then another.
    const half = client.query(new Cursor("SELECT generate_series(1, 100000)"));
    assert.equal((await half.read(10)).length, 10);
    await half.close();
    assert.equal((await client.query("SELECT 1 AS one")).rows[0].one, 1);
  });
}

async function notifications() {
  await withClient(async (listener) => {
    const told = new Promise((resolve) => listener.once("notification", resolve));
    await listener.query('LISTEN "Node channel"');
    await withClient((sender) => sender.query("SELECT pg_notify($1, $2)", ["Node channel", "payload ü"]));
    const message = await told;
    assert.deepEqual([message.channel, message.payload], ["Node channel", "payload ü"]);
    await listener.query("UNLISTEN *");
  });
}

async function copies() {
  await withClient(async (client) => {
    await client.query("CREATE TABLE node_copy (a int, b text)");
    const lines = Array.from({ length: 20000 }, (_, i) => `${i}\trow ${i}\n`);
    const into = client.query(copy.from("COPY node_copy FROM STDIN"));
    await pipeline(Readable.from(lines), into);
    assert.equal(into.rowCount, 20000);
    let text = "";
    await pipeline(
      client.query(copy.to("COPY (SELECT * FROM node_copy ORDER BY a) TO STDOUT")),
      new Writable({
        write(chunk, _, done) {
          text += chunk;
          done();
        },
      }),
    );
    assert.equal(text, lines.join(""));
    const bad = client.query(copy.from("COPY node_copy FROM STDIN"));
    await assert.rejects(pipeline(Readable.from(["1\tone\nx\ttwo\n"]), bad), { code: "22P02" });
    await client.query("DROP TABLE node_copy");
  });
}

async function agents() {
  await withClient(async (client) => {
    const { rows } = await client.query("CALL execute_agent($1, $2)", ["assistant", "Who works on the harbour?"]);
    assert.equal(rows[0].status, "succeeded");
    const found = await client.query("SELECT content FROM search_messages($1, k => 3)", ["ferry"]);
    assert.equal(found.rows.length, 3);
  });
}

async function main() {
  await pool();
  await prepared();
  await cypher();
  await cursor();
  await notifications();
  await copies();
  await agents();
  console.log("node-postgres: ok");
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
