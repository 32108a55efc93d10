CREATE SCHEMA holdfast;
CREATE FUNCTION holdfast.clock_ms() RETURNS bigint
    LANGUAGE sql PARALLEL SAFE
    AS $$ select floor(extract(epoch from clock_timestamp()) * 1000)::bigint $$;
CREATE TABLE holdfast.definitions (
    namespace text NOT NULL COLLATE pg_catalog."C",
    id text NOT NULL COLLATE pg_catalog."C",
    kind text NOT NULL,
    manifest_hash text NOT NULL COLLATE pg_catalog."C",
    applied_at bigint NOT NULL
);
CREATE TABLE holdfast.edges (
    upstream text NOT NULL COLLATE pg_catalog."C",
    downstream text NOT NULL COLLATE pg_catalog."C",
    flipped boolean DEFAULT false NOT NULL
)
WITH (fillfactor='85');
CREATE TABLE holdfast.events (
    namespace text NOT NULL COLLATE pg_catalog."C",
    "position" bigint NOT NULL,
    run_id text NOT NULL COLLATE pg_catalog."C",
    root_id text NOT NULL COLLATE pg_catalog."C",
    definition text NOT NULL COLLATE pg_catalog."C",
    name text NOT NULL COLLATE pg_catalog."C",
    number integer NOT NULL,
    type text NOT NULL,
    at bigint NOT NULL,
    data text NOT NULL
)
PARTITION BY RANGE (at);
CREATE TABLE holdfast.events_default (
    namespace text NOT NULL COLLATE pg_catalog."C",
    "position" bigint NOT NULL,
    run_id text NOT NULL COLLATE pg_catalog."C",
    root_id text NOT NULL COLLATE pg_catalog."C",
    definition text NOT NULL COLLATE pg_catalog."C",
    name text NOT NULL COLLATE pg_catalog."C",
    number integer NOT NULL,
    type text NOT NULL,
    at bigint NOT NULL,
    data text NOT NULL
);
CREATE SEQUENCE holdfast.log_ids
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
CREATE TABLE holdfast.logs (
    id bigint DEFAULT nextval('holdfast.log_ids'::regclass) NOT NULL,
    run_id text NOT NULL COLLATE pg_catalog."C",
    epoch integer NOT NULL,
    seq bigint NOT NULL,
    written_at bigint NOT NULL,
    at double precision NOT NULL,
    stream text NOT NULL,
    level text NOT NULL,
    text text NOT NULL,
    fields text
)
PARTITION BY RANGE (written_at);
CREATE TABLE holdfast.logs_default (
    id bigint DEFAULT nextval('holdfast.log_ids'::regclass) NOT NULL,
    run_id text NOT NULL COLLATE pg_catalog."C",
    epoch integer NOT NULL,
    seq bigint NOT NULL,
    written_at bigint NOT NULL,
    at double precision NOT NULL,
    stream text NOT NULL,
    level text NOT NULL,
    text text NOT NULL,
    fields text
);
CREATE TABLE holdfast.manifests (
    hash text NOT NULL COLLATE pg_catalog."C",
    manifest text NOT NULL
);
CREATE TABLE holdfast.members (
    id text NOT NULL COLLATE pg_catalog."C",
    kind text NOT NULL,
    name text NOT NULL,
    namespace text NOT NULL COLLATE pg_catalog."C",
    joined_at bigint NOT NULL,
    lease_until bigint NOT NULL,
    lease_ms bigint NOT NULL,
    unbroken_since bigint NOT NULL,
    ended_at bigint
);
CREATE TABLE holdfast.meta (
    one boolean DEFAULT true NOT NULL,
    incarnation text NOT NULL,
    system_identifier text NOT NULL,
    database_oid bigint NOT NULL,
    topic_floor bigint DEFAULT 0 NOT NULL,
    log_floor bigint DEFAULT 0 NOT NULL,
    CONSTRAINT meta_one_check CHECK (one)
);
CREATE TABLE holdfast.migrations (
    version integer NOT NULL,
    name text NOT NULL,
    applied_at timestamp with time zone DEFAULT now() NOT NULL
);
CREATE TABLE holdfast.names (
    namespace text NOT NULL COLLATE pg_catalog."C",
    kind text NOT NULL COLLATE pg_catalog."C",
    definition text NOT NULL COLLATE pg_catalog."C",
    name text NOT NULL COLLATE pg_catalog."C",
    hash text NOT NULL,
    run_id text NOT NULL COLLATE pg_catalog."C",
    retained_until bigint NOT NULL,
    run_gone boolean DEFAULT false NOT NULL
);
CREATE TABLE holdfast.outbox (
    id bigint NOT NULL,
    namespace text NOT NULL COLLATE pg_catalog."C",
    run_id text NOT NULL COLLATE pg_catalog."C",
    root_id text NOT NULL COLLATE pg_catalog."C",
    definition text NOT NULL COLLATE pg_catalog."C",
    name text NOT NULL COLLATE pg_catalog."C",
    number integer NOT NULL,
    type text NOT NULL,
    at bigint NOT NULL,
    data text NOT NULL
)
WITH (autovacuum_vacuum_scale_factor='0', autovacuum_vacuum_threshold='20000');
ALTER TABLE holdfast.outbox ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME holdfast.outbox_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);
CREATE TABLE holdfast.runs (
    id text NOT NULL COLLATE pg_catalog."C",
    ord bigint NOT NULL,
    root_id text NOT NULL COLLATE pg_catalog."C",
    parent_id text COLLATE pg_catalog."C",
    namespace text NOT NULL COLLATE pg_catalog."C",
    kind text NOT NULL,
    definition text NOT NULL COLLATE pg_catalog."C",
    workflow text COLLATE pg_catalog."C",
    manifest_hash text NOT NULL COLLATE pg_catalog."C",
    name text NOT NULL COLLATE pg_catalog."C",
    item text,
    item_index integer,
    key text,
    depth integer NOT NULL,
    queue text NOT NULL COLLATE pg_catalog."C",
    priority integer NOT NULL,
    rule text NOT NULL,
    status text NOT NULL COLLATE pg_catalog."C",
    generation integer NOT NULL,
    attempt integer NOT NULL,
    epoch integer NOT NULL,
    losses integer NOT NULL,
    takeovers integer NOT NULL,
    input text,
    output text,
    error text,
    blocked_by integer NOT NULL,
    upstream_succeeded integer NOT NULL,
    upstream_failed integer NOT NULL,
    upstream_skipped integer NOT NULL,
    open_children integer NOT NULL,
    children_succeeded integer NOT NULL,
    children_failed integer NOT NULL,
    children_skipped integer NOT NULL,
    wake_at bigint,
    expires_at bigint,
    ran_ms double precision NOT NULL,
    claimed_by text COLLATE pg_catalog."C",
    claimed_at bigint,
    ending text,
    spreading boolean DEFAULT false NOT NULL,
    last_event integer NOT NULL,
    created_at bigint NOT NULL,
    started_at bigint,
    ended_at bigint,
    step_count integer DEFAULT 0 NOT NULL,
    step_bytes bigint DEFAULT 0 NOT NULL
)
WITH (fillfactor='85', autovacuum_vacuum_scale_factor='0.02', autovacuum_analyze_scale_factor='0.02');
ALTER TABLE holdfast.runs ALTER COLUMN ord ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME holdfast.runs_ord_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);
CREATE TABLE holdfast.topics (
    namespace text NOT NULL COLLATE pg_catalog."C",
    last bigint NOT NULL
)
WITH (fillfactor='50');
CREATE TABLE holdfast."values" (
    scope_kind text NOT NULL COLLATE pg_catalog."C",
    scope_id text NOT NULL COLLATE pg_catalog."C",
    generation integer NOT NULL,
    key text NOT NULL COLLATE pg_catalog."C",
    ord bigint NOT NULL,
    version bigint NOT NULL,
    value text NOT NULL,
    writer_run text NOT NULL COLLATE pg_catalog."C",
    writer_epoch integer NOT NULL,
    created_at bigint NOT NULL,
    updated_at bigint NOT NULL,
    expires_at bigint
);
ALTER TABLE holdfast."values" ALTER COLUMN ord ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME holdfast.values_ord_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);
ALTER TABLE ONLY holdfast.events ATTACH PARTITION holdfast.events_default DEFAULT;
ALTER TABLE ONLY holdfast.logs ATTACH PARTITION holdfast.logs_default DEFAULT;
ALTER TABLE ONLY holdfast.definitions
    ADD CONSTRAINT definitions_pkey PRIMARY KEY (namespace, id);
ALTER TABLE ONLY holdfast.edges
    ADD CONSTRAINT edges_pkey PRIMARY KEY (upstream, downstream);
ALTER TABLE ONLY holdfast.manifests
    ADD CONSTRAINT manifests_pkey PRIMARY KEY (hash);
ALTER TABLE ONLY holdfast.members
    ADD CONSTRAINT members_pkey PRIMARY KEY (id);
ALTER TABLE ONLY holdfast.meta
    ADD CONSTRAINT meta_pkey PRIMARY KEY (one);
ALTER TABLE ONLY holdfast.migrations
    ADD CONSTRAINT migrations_pkey PRIMARY KEY (version);
ALTER TABLE ONLY holdfast.names
    ADD CONSTRAINT names_pkey PRIMARY KEY (namespace, kind, definition, name);
ALTER TABLE ONLY holdfast.outbox
    ADD CONSTRAINT outbox_pkey PRIMARY KEY (id);
ALTER TABLE ONLY holdfast.runs
    ADD CONSTRAINT runs_pkey PRIMARY KEY (id);
ALTER TABLE ONLY holdfast.topics
    ADD CONSTRAINT topics_pkey PRIMARY KEY (namespace);
ALTER TABLE ONLY holdfast."values"
    ADD CONSTRAINT values_pkey PRIMARY KEY (scope_kind, scope_id, generation, key);
CREATE INDEX events_of_topic ON ONLY holdfast.events USING btree (namespace, "position");
CREATE INDEX events_default_namespace_position_idx ON holdfast.events_default USING btree (namespace, "position");
CREATE INDEX events_of_run ON ONLY holdfast.events USING btree (run_id, number);
CREATE INDEX events_default_run_id_number_idx ON holdfast.events_default USING btree (run_id, number);
CREATE UNIQUE INDEX logs_default_once ON holdfast.logs_default USING btree (run_id, epoch, seq);
CREATE INDEX logs_of_run ON ONLY holdfast.logs USING btree (run_id, id);
CREATE INDEX logs_default_run_id_id_idx ON holdfast.logs_default USING btree (run_id, id);
CREATE INDEX members_ended ON holdfast.members USING btree (ended_at) WHERE (ended_at IS NOT NULL);
CREATE INDEX members_live ON holdfast.members USING btree (lease_until) WHERE (ended_at IS NULL);
CREATE INDEX names_of_run ON holdfast.names USING btree (run_id);
CREATE INDEX names_retention ON holdfast.names USING btree (retained_until) WHERE run_gone;
CREATE INDEX runs_below ON holdfast.runs USING btree (namespace, status, ord) WHERE ((parent_id IS NOT NULL) AND (ended_at IS NOT NULL) AND (depth IS NOT NULL));
CREATE INDEX runs_child_items ON holdfast.runs USING btree (parent_id, item_index) WHERE (item_index IS NOT NULL);
CREATE INDEX runs_child_names ON holdfast.runs USING btree (parent_id, name) WHERE (parent_id IS NOT NULL);
CREATE INDEX runs_claimed ON holdfast.runs USING btree (claimed_by) WHERE (claimed_by IS NOT NULL);
CREATE INDEX runs_definition_below ON holdfast.runs USING btree (namespace, definition, status, ord) WHERE ((parent_id IS NOT NULL) AND (ended_at IS NOT NULL) AND (name IS NOT NULL));
CREATE INDEX runs_definition_roots ON holdfast.runs USING btree (namespace, definition, status, ord) WHERE ((parent_id IS NULL) AND (ended_at IS NOT NULL) AND (name IS NOT NULL));
CREATE INDEX runs_ended_roots ON holdfast.runs USING btree (ended_at) WHERE ((parent_id IS NULL) AND (ended_at IS NOT NULL));
CREATE INDEX runs_expiry ON holdfast.runs USING btree (expires_at, ord) WHERE ((expires_at IS NOT NULL) AND (ended_at IS NULL) AND (status <> 'cancelling'::text));
CREATE INDEX runs_live ON holdfast.runs USING btree (namespace, status, ord) WHERE ((ended_at IS NULL) AND (depth IS NOT NULL));
CREATE INDEX runs_ready ON holdfast.runs USING btree (namespace, priority DESC, ord) WHERE ((status = 'ready'::text) AND (wake_at IS NULL) AND (priority IS NOT NULL));
CREATE INDEX runs_ready_in_queue ON holdfast.runs USING btree (namespace, queue, priority DESC, ord) WHERE ((status = 'ready'::text) AND (wake_at IS NULL));
CREATE INDEX runs_roots ON holdfast.runs USING btree (namespace, status, ord) WHERE ((parent_id IS NULL) AND (ended_at IS NOT NULL) AND (depth IS NOT NULL));
CREATE INDEX runs_spreading ON holdfast.runs USING btree (root_id, ord) WHERE spreading;
CREATE INDEX runs_tree ON holdfast.runs USING btree (root_id, ord) WHERE (parent_id IS NOT NULL);
CREATE INDEX runs_unreached ON holdfast.runs USING btree (parent_id, ord) WHERE ((parent_id IS NOT NULL) AND (ended_at IS NULL) AND (ending IS NULL));
CREATE INDEX runs_wake ON holdfast.runs USING btree (wake_at, ord) WHERE ((status = 'ready'::text) AND (wake_at IS NOT NULL));
ALTER INDEX holdfast.events_of_topic ATTACH PARTITION holdfast.events_default_namespace_position_idx;
ALTER INDEX holdfast.events_of_run ATTACH PARTITION holdfast.events_default_run_id_number_idx;
ALTER INDEX holdfast.logs_of_run ATTACH PARTITION holdfast.logs_default_run_id_id_idx;
