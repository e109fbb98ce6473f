CREATE TABLE sinew.conversations (
    conversation_id text PRIMARY KEY,
    user_id text,
    title text,
    memory text,
    metadata jsonb NOT NULL DEFAULT '{}',
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz
);

CREATE TABLE sinew.messages (
    conversation_id text NOT NULL,
    seq bigint NOT NULL,
    message_id uuid NOT NULL,
    role text NOT NULL CHECK (role IN ('system', 'user', 'assistant', 'tool', 'developer')),
    content text,
    name text,
    tool_calls jsonb,
    tool_call_id text,
    metadata jsonb NOT NULL DEFAULT '{}',
    token_count int,
    run_id uuid,
    embedding_pending bool NOT NULL DEFAULT false,
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (conversation_id, seq),
    UNIQUE (message_id),
    CONSTRAINT messages_conversation_id_fkey FOREIGN KEY (conversation_id)
        REFERENCES sinew.conversations (conversation_id) ON UPDATE CASCADE ON DELETE CASCADE
);
