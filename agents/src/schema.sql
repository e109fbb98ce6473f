-- System tables of the agents crate. Each statement may be run again; the version is kept in sinew.agent_schema.
CREATE TABLE IF NOT EXISTS sinew.agent_schema (
    id int PRIMARY KEY,
    version int NOT NULL,
    installed_at timestamptz NOT NULL
);

CREATE TABLE IF NOT EXISTS sinew.secrets (
    name text PRIMARY KEY,
    owner text NOT NULL,
    version int NOT NULL,
    env text NOT NULL,
    host text NOT NULL,
    definition jsonb NOT NULL,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL
);

CREATE TABLE IF NOT EXISTS sinew.models (
    name text PRIMARY KEY,
    owner text NOT NULL,
    version int NOT NULL,
    provider text NOT NULL,
    model text,
    base_url text,
    definition jsonb NOT NULL,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL
);

CREATE TABLE IF NOT EXISTS sinew.tools (
    name text PRIMARY KEY,
    owner text NOT NULL,
    version int NOT NULL,
    language text NOT NULL,
    parameters jsonb NOT NULL,
    effect text NOT NULL,
    description text,
    definition jsonb NOT NULL,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL
);

CREATE TABLE IF NOT EXISTS sinew.memories (
    name text PRIMARY KEY,
    owner text NOT NULL,
    version int NOT NULL,
    kinds text NOT NULL,
    definition jsonb NOT NULL,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL
);

CREATE TABLE IF NOT EXISTS sinew.agents (
    id uuid NOT NULL,
    owner text NOT NULL,
    name text NOT NULL,
    version int NOT NULL,
    type text NOT NULL,
    model text NOT NULL,
    memory text,
    tools jsonb NOT NULL,
    prompt text NOT NULL,
    definition jsonb NOT NULL,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    PRIMARY KEY (owner, name)
);
CREATE UNIQUE INDEX IF NOT EXISTS agents_id ON sinew.agents (id);
CREATE INDEX IF NOT EXISTS agents_name ON sinew.agents (name);

CREATE TABLE IF NOT EXISTS sinew.agent_versions (
    id uuid NOT NULL,
    version int NOT NULL,
    owner text NOT NULL,
    name text NOT NULL,
    type text NOT NULL,
    definition jsonb NOT NULL,
    created_at timestamptz NOT NULL,
    PRIMARY KEY (id, version)
);

CREATE TABLE IF NOT EXISTS sinew.agent_runs (
    run_id uuid PRIMARY KEY,
    parent_run_id uuid,
    root_run_id uuid NOT NULL,
    agent text NOT NULL,
    agent_version int NOT NULL,
    conversation_id text NOT NULL,
    user_id text,
    status text NOT NULL,
    stop_reason text,
    input text NOT NULL,
    output text,
    budget jsonb NOT NULL,
    used jsonb NOT NULL,
    priority int NOT NULL,
    error text,
    created_at timestamptz NOT NULL,
    started_at timestamptz,
    finished_at timestamptz,
    agent_id uuid NOT NULL,
    caller text NOT NULL,
    vars jsonb NOT NULL,
    idempotency_key text,
    input_seq bigint NOT NULL,
    output_seq bigint,
    recalled jsonb,
    deadline_at timestamptz,
    next_step int NOT NULL,
    next_event bigint NOT NULL
);
CREATE INDEX IF NOT EXISTS agent_runs_status ON sinew.agent_runs (status);
CREATE INDEX IF NOT EXISTS agent_runs_conversation ON sinew.agent_runs (conversation_id);
CREATE UNIQUE INDEX IF NOT EXISTS agent_runs_idempotency_key
    ON sinew.agent_runs (agent_id, caller, idempotency_key);

CREATE TABLE IF NOT EXISTS sinew.agent_steps (
    run_id uuid NOT NULL,
    step int NOT NULL,
    node text NOT NULL,
    kind text NOT NULL,
    status text NOT NULL,
    attempt int NOT NULL,
    cached bool NOT NULL,
    started_at timestamptz,
    finished_at timestamptz,
    input_ref text,
    output_ref text,
    error text,
    snapshot_lsn bigint,
    PRIMARY KEY (run_id, step)
);

CREATE TABLE IF NOT EXISTS sinew.agent_llm_calls (
    run_id uuid NOT NULL,
    step int NOT NULL,
    attempt int NOT NULL,
    model text NOT NULL,
    provider text NOT NULL,
    status text NOT NULL,
    request_hash text NOT NULL,
    response jsonb,
    reserved_in bigint NOT NULL,
    reserved_out bigint NOT NULL,
    reserved_usd numeric NOT NULL,
    tokens_in bigint,
    tokens_out bigint,
    usd numeric,
    estimated bool NOT NULL,
    error text,
    snapshot_lsn bigint,
    started_at timestamptz NOT NULL,
    finished_at timestamptz,
    PRIMARY KEY (run_id, step, attempt)
);

CREATE TABLE IF NOT EXISTS sinew.agent_tool_calls (
    run_id uuid NOT NULL,
    step int NOT NULL,
    attempt int NOT NULL,
    model_step int NOT NULL,
    call_id text NOT NULL,
    tool text NOT NULL,
    tool_version int,
    effect text,
    arguments jsonb NOT NULL,
    call_hash text NOT NULL,
    cache_key text,
    status text NOT NULL,
    result jsonb,
    truncated bool NOT NULL,
    error text,
    snapshot_lsn bigint,
    started_at timestamptz,
    finished_at timestamptz,
    PRIMARY KEY (run_id, step)
);
CREATE INDEX IF NOT EXISTS agent_tool_calls_cache_key ON sinew.agent_tool_calls (cache_key);

CREATE TABLE IF NOT EXISTS sinew.agent_events (
    run_id uuid NOT NULL,
    seq bigint NOT NULL,
    at timestamptz NOT NULL,
    step int,
    kind text NOT NULL,
    text text NOT NULL,
    data jsonb,
    PRIMARY KEY (run_id, seq)
);

CREATE TABLE IF NOT EXISTS sinew.agent_tasks (
    run_id uuid NOT NULL,
    step int NOT NULL,
    kind text NOT NULL,
    status text NOT NULL,
    priority int NOT NULL,
    attempt int NOT NULL,
    not_before timestamptz NOT NULL,
    lease_epoch bigint,
    lease_expires_at timestamptz,
    created_at timestamptz NOT NULL,
    PRIMARY KEY (run_id, step)
);
CREATE INDEX IF NOT EXISTS agent_tasks_status ON sinew.agent_tasks (status, created_at);

CREATE TABLE IF NOT EXISTS sinew.agent_approvals (
    approval_id uuid PRIMARY KEY,
    run_id uuid NOT NULL,
    step int NOT NULL,
    status text NOT NULL,
    tool text NOT NULL,
    arguments jsonb NOT NULL,
    reason text NOT NULL,
    decided_by text,
    decided_arguments jsonb,
    created_at timestamptz NOT NULL,
    decided_at timestamptz
);
CREATE INDEX IF NOT EXISTS agent_approvals_run ON sinew.agent_approvals (run_id);
