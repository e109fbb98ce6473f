-- psql's commands over tables, constraints, indexes, views, sequences and comments of every kind. The output is compared
-- with psql_catalog.out; what differs from PostgreSQL 15's is said in docs/clients.md.
\set ON_ERROR_STOP on
SET client_min_messages = warning;
DROP SCHEMA IF EXISTS pc_shop CASCADE;
CREATE SCHEMA pc_shop;
SET search_path = pc_shop;
CREATE TABLE customers (
    id serial PRIMARY KEY,
    name varchar(80) NOT NULL,
    email text UNIQUE,
    balance numeric(10,2) NOT NULL DEFAULT 0,
    tags text[] DEFAULT '{}',
    meta jsonb,
    created_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT balance_positive CHECK (balance >= 0)
);
CREATE TABLE orders (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    customer_id int NOT NULL REFERENCES customers (id) ON DELETE CASCADE,
    placed date DEFAULT CURRENT_DATE,
    note text DEFAULT 'none',
    ratio double precision DEFAULT -1,
    flag boolean DEFAULT false,
    token uuid,
    UNIQUE (customer_id, placed)
);
CREATE INDEX orders_note_idx ON orders (note);
CREATE INDEX orders_placed_idx ON orders (placed DESC NULLS LAST, customer_id);
CREATE UNIQUE INDEX orders_token_idx ON orders (token);
CREATE TABLE order_lines (
    order_id bigint REFERENCES orders,
    line int,
    product varchar(20) NOT NULL,
    quantity int NOT NULL CHECK (quantity > 0),
    PRIMARY KEY (order_id, line)
);
CREATE TABLE "Odd Name" ("Id" int PRIMARY KEY, "select" text, b bytea, r real, i interval, s smallint, ts timestamp, j json);
CREATE TABLE returns (
    a int,
    order_id bigint,
    line int,
    FOREIGN KEY (order_id, line) REFERENCES order_lines (order_id, line) MATCH FULL ON UPDATE SET NULL ON DELETE SET DEFAULT
);
CREATE VIEW big_orders AS SELECT id, customer_id, note FROM orders WHERE ratio > 0.5;
CREATE SEQUENCE counter START WITH 10 INCREMENT BY 5;
COMMENT ON TABLE orders IS 'what people bought';
COMMENT ON COLUMN orders.note IS 'free text';
COMMENT ON VIEW big_orders IS 'worth a look';

\dn pc_*
\dn+ public
\dt
\d customers
\d+ orders
\d order_lines
\d "Odd Name"
\d returns
\d+ big_orders
\d orders_placed_idx
\d counter
\d orders_id_seq
\d customers_id_seq
\d
\di
\dv
\ds
\dm
\dE
\dp
\ddp
\sv big_orders
\dd
\df+ now
\dT vector
\dT+ uuid
\dx
\du
\dg
\db
\dL
\dA
\dO
\dD
\dy
\dRp
\dRs
\des
\dew
\deu
\det
\dX
\dP
\dc
\dl
\drds
\dF
\dFd
\dFp
\dFt
\dAf hnsw
\dconfig search_path
\dconfig+ statement_timeout
\sf now
\dt pc_*.orders
\d *order*
\dt nothing
\dtiSv pg_am
SELECT setting, unit, category, context, vartype, min_val, max_val, boot_val FROM pg_settings WHERE name = 'lock_timeout';
SELECT enumvals FROM pg_settings WHERE name = 'default_transaction_isolation';
DROP SCHEMA pc_shop CASCADE;
