CREATE TABLE alembic_version (
	version_num VARCHAR(32) NOT NULL, 
	CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num)
);

CREATE TABLE facts (
	name VARCHAR(64) NOT NULL, 
	value TEXT NOT NULL, 
	CONSTRAINT pk_facts PRIMARY KEY (name)
);

CREATE TABLE rate_windows (
	"key" VARCHAR(128) NOT NULL, 
	counts JSON NOT NULL, 
	updated_at BIGINT NOT NULL, 
	CONSTRAINT pk_rate_windows PRIMARY KEY ("key")
);

CREATE TABLE tenants (
	id VARCHAR(64) NOT NULL, 
	name VARCHAR NOT NULL, 
	store VARCHAR NOT NULL, 
	created_at BIGINT NOT NULL, 
	settings JSON NOT NULL, 
	CONSTRAINT pk_tenants PRIMARY KEY (id), 
	CONSTRAINT uq_tenants_name UNIQUE (name)
);

CREATE TABLE audit_entries (
	id VARCHAR(64) NOT NULL, 
	at BIGINT NOT NULL, 
	actor_type VARCHAR(16) NOT NULL, 
	actor_id VARCHAR(64) NOT NULL, 
	actor_name VARCHAR NOT NULL, 
	action VARCHAR(64) NOT NULL, 
	target_type VARCHAR(32) NOT NULL, 
	target_id VARCHAR NOT NULL, 
	"before" JSON, 
	"after" JSON, 
	diff JSON NOT NULL, 
	request_id VARCHAR(64) NOT NULL, 
	ip VARCHAR, 
	user_agent VARCHAR, 
	outcome VARCHAR(16) NOT NULL, 
	tenant_id VARCHAR(64) NOT NULL, 
	CONSTRAINT pk_audit_entries PRIMARY KEY (id), 
	CONSTRAINT fk_audit_entries_tenant_id FOREIGN KEY(tenant_id) REFERENCES tenants (id)
);

CREATE INDEX ix_audit_entries_tenant_id ON audit_entries (tenant_id);

CREATE INDEX ix_audit_action ON audit_entries (tenant_id, action, id);

CREATE INDEX ix_audit_actor ON audit_entries (tenant_id, actor_id, id);

CREATE INDEX ix_audit_target ON audit_entries (tenant_id, target_id, id);

CREATE INDEX ix_audit_time ON audit_entries (tenant_id, at, id);

CREATE TABLE events (
	id VARCHAR(64) NOT NULL, 
	at BIGINT NOT NULL, 
	type VARCHAR(64) NOT NULL, 
	data JSON NOT NULL, 
	request_id VARCHAR(64) NOT NULL, 
	relayed_at BIGINT, 
	tenant_id VARCHAR(64) NOT NULL, attempts INTEGER DEFAULT '0' NOT NULL, next_at BIGINT DEFAULT '0' NOT NULL, 
	CONSTRAINT pk_events PRIMARY KEY (id), 
	CONSTRAINT fk_events_tenant_id FOREIGN KEY(tenant_id) REFERENCES tenants (id)
);

CREATE INDEX ix_events_tenant_id ON events (tenant_id);

CREATE INDEX ix_events_time ON events (tenant_id, at, id);

CREATE TABLE idempotency_keys (
	id VARCHAR(64) NOT NULL, 
	principal_id VARCHAR(64) NOT NULL, 
	route VARCHAR NOT NULL, 
	"key" VARCHAR(255) NOT NULL, 
	fingerprint VARCHAR(64) NOT NULL, 
	created_at BIGINT NOT NULL, 
	status INTEGER NOT NULL, 
	headers JSON NOT NULL, 
	body TEXT NOT NULL, 
	tenant_id VARCHAR(64) NOT NULL, 
	CONSTRAINT pk_idempotency_keys PRIMARY KEY (id), 
	CONSTRAINT uq_idempotency_key UNIQUE (tenant_id, principal_id, route, "key"), 
	CONSTRAINT fk_idempotency_keys_tenant_id FOREIGN KEY(tenant_id) REFERENCES tenants (id)
);

CREATE INDEX ix_idempotency_keys_tenant_id ON idempotency_keys (tenant_id);

CREATE INDEX ix_idempotency_created ON idempotency_keys (created_at);

CREATE TABLE jobs (
	id VARCHAR(64) NOT NULL, 
	kind VARCHAR(64) NOT NULL, 
	"key" VARCHAR NOT NULL, 
	payload JSON NOT NULL, 
	created_at BIGINT NOT NULL, 
	run_at BIGINT NOT NULL, 
	attempts INTEGER NOT NULL, 
	lease VARCHAR(64), 
	lease_until BIGINT, 
	last_error TEXT, 
	tenant_id VARCHAR(64) NOT NULL, leased_by VARCHAR, set_at BIGINT, 
	CONSTRAINT pk_jobs PRIMARY KEY (id), 
	CONSTRAINT uq_jobs_key UNIQUE (tenant_id, kind, "key"), 
	CONSTRAINT fk_jobs_tenant_id FOREIGN KEY(tenant_id) REFERENCES tenants (id)
);

CREATE INDEX ix_jobs_tenant_id ON jobs (tenant_id);

CREATE INDEX ix_jobs_due ON jobs (kind, run_at);

CREATE INDEX ix_jobs_run_at ON jobs (run_at);

CREATE TABLE users (
	email VARCHAR NOT NULL, 
	email_key VARCHAR NOT NULL, 
	name VARCHAR NOT NULL, 
	role VARCHAR(16) NOT NULL, 
	status VARCHAR(16) NOT NULL, 
	invitation VARCHAR(64), 
	invitation_expires_at BIGINT, 
	last_active_at BIGINT, 
	external_id VARCHAR, 
	scim JSON, 
	id VARCHAR(64) NOT NULL, 
	created_at BIGINT NOT NULL, 
	updated_at BIGINT NOT NULL, 
	version INTEGER NOT NULL, 
	tenant_id VARCHAR(64) NOT NULL, 
	CONSTRAINT pk_users PRIMARY KEY (id), 
	CONSTRAINT uq_users_invitation UNIQUE (invitation), 
	CONSTRAINT uq_users_email UNIQUE (tenant_id, email_key), 
	CONSTRAINT fk_users_tenant_id FOREIGN KEY(tenant_id) REFERENCES tenants (id)
);

CREATE INDEX ix_users_tenant_id ON users (tenant_id);

CREATE INDEX ix_users_external ON users (tenant_id, external_id);

CREATE TABLE tokens (
	name VARCHAR NOT NULL, 
	role VARCHAR(16) NOT NULL, 
	owner_id VARCHAR(64) NOT NULL, 
	prefix VARCHAR(40) NOT NULL, 
	digest VARCHAR(64) NOT NULL, 
	previous VARCHAR(64), 
	previous_valid_until BIGINT, 
	api_version VARCHAR(10) NOT NULL, 
	purpose VARCHAR(16) NOT NULL, 
	expires_at BIGINT, 
	revoked_at BIGINT, 
	last_used_at BIGINT, 
	id VARCHAR(64) NOT NULL, 
	created_at BIGINT NOT NULL, 
	updated_at BIGINT NOT NULL, 
	version INTEGER NOT NULL, 
	tenant_id VARCHAR(64) NOT NULL, region VARCHAR(63), 
	CONSTRAINT pk_tokens PRIMARY KEY (id), 
	CONSTRAINT uq_tokens_digest UNIQUE (digest), 
	CONSTRAINT uq_tokens_previous UNIQUE (previous), 
	CONSTRAINT fk_tokens_owner_id FOREIGN KEY(owner_id) REFERENCES users (id), 
	CONSTRAINT fk_tokens_tenant_id FOREIGN KEY(tenant_id) REFERENCES tenants (id)
);

CREATE INDEX ix_tokens_tenant_id ON tokens (tenant_id);

CREATE INDEX ix_tokens_owner_id ON tokens (owner_id);

CREATE TABLE webhooks (
	url TEXT NOT NULL, 
	events JSON NOT NULL, 
	description TEXT NOT NULL, 
	api_version VARCHAR(10) NOT NULL, 
	secret TEXT NOT NULL, 
	previous_secret TEXT, 
	previous_valid_until BIGINT, 
	status VARCHAR(16) NOT NULL, 
	disabled_reason VARCHAR(16), 
	disabled_at BIGINT, 
	sequence INTEGER NOT NULL, 
	failing_since BIGINT, 
	last_success_at BIGINT, 
	last_delivery JSON, 
	created_by VARCHAR(64) NOT NULL, 
	id VARCHAR(64) NOT NULL, 
	created_at BIGINT NOT NULL, 
	updated_at BIGINT NOT NULL, 
	version INTEGER NOT NULL, 
	tenant_id VARCHAR(64) NOT NULL, 
	CONSTRAINT pk_webhooks PRIMARY KEY (id), 
	CONSTRAINT fk_webhooks_tenant_id FOREIGN KEY(tenant_id) REFERENCES tenants (id)
);

CREATE INDEX ix_webhooks_tenant_id ON webhooks (tenant_id);

CREATE TABLE webhook_deliveries (
	webhook_id VARCHAR(64) NOT NULL, 
	event_id VARCHAR(64) NOT NULL, 
	event_type VARCHAR(100) NOT NULL, 
	body TEXT NOT NULL, 
	status VARCHAR(16) NOT NULL, 
	reason VARCHAR(16), 
	attempts INTEGER NOT NULL, 
	tries INTEGER NOT NULL, 
	since BIGINT NOT NULL, 
	next_at BIGINT, 
	last_status_code INTEGER, 
	last_error VARCHAR(32), 
	delivered_at BIGINT, 
	id VARCHAR(64) NOT NULL, 
	created_at BIGINT NOT NULL, 
	updated_at BIGINT NOT NULL, 
	version INTEGER NOT NULL, 
	tenant_id VARCHAR(64) NOT NULL, 
	CONSTRAINT pk_webhook_deliveries PRIMARY KEY (id), 
	CONSTRAINT fk_webhook_deliveries_webhook_id FOREIGN KEY(webhook_id) REFERENCES webhooks (id), 
	CONSTRAINT fk_webhook_deliveries_tenant_id FOREIGN KEY(tenant_id) REFERENCES tenants (id)
);

CREATE INDEX ix_webhook_deliveries_tenant_id ON webhook_deliveries (tenant_id);

CREATE INDEX ix_webhook_deliveries_webhook_id_created_at ON webhook_deliveries (webhook_id, created_at);

CREATE TABLE webhook_attempts (
	id VARCHAR(64) NOT NULL, 
	delivery_id VARCHAR(64) NOT NULL, 
	number INTEGER NOT NULL, 
	at BIGINT NOT NULL, 
	status_code INTEGER, 
	error VARCHAR(32), 
	latency_ms DOUBLE NOT NULL, 
	excerpt TEXT NOT NULL, 
	tenant_id VARCHAR(64) NOT NULL, 
	CONSTRAINT pk_webhook_attempts PRIMARY KEY (id), 
	CONSTRAINT fk_webhook_attempts_delivery_id FOREIGN KEY(delivery_id) REFERENCES webhook_deliveries (id), 
	CONSTRAINT fk_webhook_attempts_tenant_id FOREIGN KEY(tenant_id) REFERENCES tenants (id)
);

CREATE INDEX ix_webhook_attempts_tenant_id ON webhook_attempts (tenant_id);

CREATE INDEX ix_webhook_attempts_delivery_id ON webhook_attempts (delivery_id);

CREATE TABLE probe_runners (
	token_id VARCHAR(64) NOT NULL, 
	region VARCHAR(63) NOT NULL, 
	seen_at BIGINT NOT NULL, 
	version VARCHAR(64) NOT NULL, 
	capabilities JSON NOT NULL, 
	tenant_id VARCHAR(64) NOT NULL, 
	CONSTRAINT pk_probe_runners PRIMARY KEY (token_id), 
	CONSTRAINT fk_probe_runners_tenant_id FOREIGN KEY(tenant_id) REFERENCES tenants (id)
);

CREATE INDEX ix_probe_runners_tenant_id ON probe_runners (tenant_id);

CREATE TABLE synthetics (
	name VARCHAR(200) NOT NULL, 
	"key" VARCHAR(200) NOT NULL, 
	type VARCHAR(16) NOT NULL, 
	target TEXT NOT NULL, 
	regions JSON NOT NULL, 
	interval_ms INTEGER NOT NULL, 
	timeout_ms INTEGER NOT NULL, 
	retries INTEGER NOT NULL, 
	"plan" JSON NOT NULL, 
	secrets TEXT, 
	secret_names JSON NOT NULL, 
	min_failing_regions INTEGER NOT NULL, 
	failure_threshold INTEGER NOT NULL, 
	success_threshold INTEGER NOT NULL, 
	severity VARCHAR(32) NOT NULL, 
	service VARCHAR(200), 
	state VARCHAR(16) NOT NULL, 
	state_since BIGINT NOT NULL, 
	escalation_policy_id VARCHAR(64), 
	created_by VARCHAR(64) NOT NULL, 
	deleted_at BIGINT, 
	expires_at BIGINT, 
	id VARCHAR(64) NOT NULL, 
	created_at BIGINT NOT NULL, 
	updated_at BIGINT NOT NULL, 
	version INTEGER NOT NULL, 
	tenant_id VARCHAR(64) NOT NULL, 
	CONSTRAINT pk_synthetics PRIMARY KEY (id), 
	CONSTRAINT fk_synthetics_tenant_id FOREIGN KEY(tenant_id) REFERENCES tenants (id), 
	CONSTRAINT uq_synthetics_tenant_key UNIQUE (tenant_id, "key")
);

CREATE INDEX ix_synthetics_tenant_id ON synthetics (tenant_id);

CREATE TABLE synthetic_regions (
	synthetic_id VARCHAR(64) NOT NULL, 
	region VARCHAR(63) NOT NULL, 
	anchor BIGINT NOT NULL, 
	next_at BIGINT NOT NULL, 
	result_id VARCHAR(64), 
	failures INTEGER NOT NULL, 
	successes INTEGER NOT NULL, 
	failing BOOLEAN NOT NULL, 
	completed INTEGER NOT NULL, 
	succeeded INTEGER NOT NULL, 
	last_result_id VARCHAR(64), 
	tenant_id VARCHAR(64) NOT NULL, 
	CONSTRAINT pk_synthetic_regions PRIMARY KEY (synthetic_id, region), 
	CONSTRAINT fk_synthetic_regions_synthetic_id FOREIGN KEY(synthetic_id) REFERENCES synthetics (id), 
	CONSTRAINT fk_synthetic_regions_tenant_id FOREIGN KEY(tenant_id) REFERENCES tenants (id)
);

CREATE INDEX ix_synthetic_regions_due ON synthetic_regions (tenant_id, region, next_at);

CREATE INDEX ix_synthetic_regions_tenant_id ON synthetic_regions (tenant_id);

CREATE TABLE synthetic_results (
	synthetic_id VARCHAR(64) NOT NULL, 
	run_id VARCHAR(64) NOT NULL, 
	region VARCHAR(63) NOT NULL, 
	"trigger" VARCHAR(16) NOT NULL, 
	status VARCHAR(16) NOT NULL, 
	lease VARCHAR(64), 
	lease_until BIGINT, 
	runner VARCHAR(64), 
	started_at BIGINT, 
	completed_at BIGINT, 
	expires_at BIGINT, 
	failure_reason VARCHAR(64), 
	detail TEXT NOT NULL, 
	duration_ms DOUBLE, 
	outcome JSON NOT NULL, 
	failing BOOLEAN NOT NULL, 
	counters JSON NOT NULL, 
	stored BOOLEAN, 
	id VARCHAR(64) NOT NULL, 
	created_at BIGINT NOT NULL, 
	updated_at BIGINT NOT NULL, 
	version INTEGER NOT NULL, 
	tenant_id VARCHAR(64) NOT NULL, 
	CONSTRAINT pk_synthetic_results PRIMARY KEY (id), 
	CONSTRAINT fk_synthetic_results_synthetic_id FOREIGN KEY(synthetic_id) REFERENCES synthetics (id), 
	CONSTRAINT fk_synthetic_results_tenant_id FOREIGN KEY(tenant_id) REFERENCES tenants (id)
);

CREATE INDEX ix_synthetic_results_check ON synthetic_results (tenant_id, synthetic_id, created_at, id);

CREATE INDEX ix_synthetic_results_ended ON synthetic_results (synthetic_id, completed_at);

CREATE INDEX ix_synthetic_results_expiry ON synthetic_results (expires_at);

CREATE INDEX ix_synthetic_results_run ON synthetic_results (tenant_id, run_id);

CREATE INDEX ix_synthetic_results_status ON synthetic_results (tenant_id, status);

CREATE INDEX ix_synthetic_results_stored ON synthetic_results (tenant_id, stored);

CREATE INDEX ix_synthetic_results_tenant_id ON synthetic_results (tenant_id);

CREATE TABLE synthetic_tallies (
	synthetic_id VARCHAR(64) NOT NULL, 
	region VARCHAR(63) NOT NULL, 
	"trigger" VARCHAR(16) NOT NULL, 
	hour BIGINT NOT NULL, 
	success INTEGER NOT NULL, 
	failure INTEGER NOT NULL, 
	blocked INTEGER NOT NULL, 
	runner_lost INTEGER NOT NULL, 
	cancelled INTEGER NOT NULL, 
	expires_at BIGINT NOT NULL, 
	tenant_id VARCHAR(64) NOT NULL, 
	CONSTRAINT pk_synthetic_tallies PRIMARY KEY (synthetic_id, region, "trigger", hour), 
	CONSTRAINT fk_synthetic_tallies_synthetic_id FOREIGN KEY(synthetic_id) REFERENCES synthetics (id), 
	CONSTRAINT fk_synthetic_tallies_tenant_id FOREIGN KEY(tenant_id) REFERENCES tenants (id)
);

CREATE INDEX ix_synthetic_tallies_expiry ON synthetic_tallies (expires_at);

CREATE INDEX ix_synthetic_tallies_tenant_id ON synthetic_tallies (tenant_id);

CREATE TABLE synthetic_screenshots (
	synthetic_id VARCHAR(64) NOT NULL, 
	result_id VARCHAR(64) NOT NULL, 
	name VARCHAR(100) NOT NULL, 
	content BLOB NOT NULL, 
	id VARCHAR(64) NOT NULL, 
	created_at BIGINT NOT NULL, 
	updated_at BIGINT NOT NULL, 
	version INTEGER NOT NULL, 
	tenant_id VARCHAR(64) NOT NULL, 
	CONSTRAINT pk_synthetic_screenshots PRIMARY KEY (id), 
	CONSTRAINT fk_synthetic_screenshots_result_id FOREIGN KEY(result_id) REFERENCES synthetic_results (id), 
	CONSTRAINT fk_synthetic_screenshots_synthetic_id FOREIGN KEY(synthetic_id) REFERENCES synthetics (id), 
	CONSTRAINT fk_synthetic_screenshots_tenant_id FOREIGN KEY(tenant_id) REFERENCES tenants (id)
);

CREATE INDEX ix_synthetic_screenshots_age ON synthetic_screenshots (tenant_id, created_at, id);

CREATE INDEX ix_synthetic_screenshots_tenant_id ON synthetic_screenshots (tenant_id);

CREATE INDEX ix_synthetic_screenshots_result ON synthetic_screenshots (result_id);

CREATE INDEX ix_synthetic_tallies_hour ON synthetic_tallies (synthetic_id, hour);

CREATE TABLE slos (
	service VARCHAR(63) NOT NULL, 
	name VARCHAR(200) NOT NULL, 
	"key" VARCHAR(300) NOT NULL, 
	objective VARCHAR(16) NOT NULL, 
	window JSON NOT NULL, 
	indicator JSON NOT NULL, 
	min_events INTEGER NOT NULL, 
	archived_at BIGINT, 
	id VARCHAR(64) NOT NULL, 
	created_at BIGINT NOT NULL, 
	updated_at BIGINT NOT NULL, 
	version INTEGER NOT NULL, 
	tenant_id VARCHAR(64) NOT NULL, escalation_policy_id VARCHAR(64), 
	CONSTRAINT pk_slos PRIMARY KEY (id), 
	CONSTRAINT uq_slos_key UNIQUE (tenant_id, "key"), 
	CONSTRAINT fk_slos_tenant_id FOREIGN KEY(tenant_id) REFERENCES tenants (id)
);

CREATE INDEX ix_slos_tenant_id ON slos (tenant_id);

CREATE INDEX ix_slos_service ON slos (tenant_id, service, name);

CREATE TABLE slo_terms (
	id VARCHAR(64) NOT NULL, 
	slo_id VARCHAR(64) NOT NULL, 
	objective VARCHAR(16) NOT NULL, 
	window JSON NOT NULL, 
	indicator JSON NOT NULL, 
	valid_from BIGINT NOT NULL, 
	valid_until BIGINT, 
	tenant_id VARCHAR(64) NOT NULL, 
	CONSTRAINT pk_slo_terms PRIMARY KEY (id), 
	CONSTRAINT fk_slo_terms_slo_id FOREIGN KEY(slo_id) REFERENCES slos (id), 
	CONSTRAINT fk_slo_terms_tenant_id FOREIGN KEY(tenant_id) REFERENCES tenants (id)
);

CREATE INDEX ix_slo_terms_tenant_id ON slo_terms (tenant_id);

CREATE INDEX ix_slo_terms_slo ON slo_terms (tenant_id, slo_id, valid_from);

CREATE TABLE scim_groups (
	name_key VARCHAR NOT NULL, 
	attributes JSON NOT NULL, 
	id VARCHAR(64) NOT NULL, 
	created_at BIGINT NOT NULL, 
	updated_at BIGINT NOT NULL, 
	version INTEGER NOT NULL, 
	tenant_id VARCHAR(64) NOT NULL, 
	CONSTRAINT pk_scim_groups PRIMARY KEY (id), 
	CONSTRAINT fk_scim_groups_tenant_id FOREIGN KEY(tenant_id) REFERENCES tenants (id)
);

CREATE INDEX ix_scim_groups_tenant_id ON scim_groups (tenant_id);

CREATE INDEX ix_scim_groups_name ON scim_groups (tenant_id, name_key);

CREATE TABLE scim_members (
	group_id VARCHAR(64) NOT NULL, 
	member_id VARCHAR NOT NULL, 
	attributes JSON NOT NULL, 
	tenant_id VARCHAR(64) NOT NULL, 
	CONSTRAINT pk_scim_members PRIMARY KEY (group_id, member_id), 
	CONSTRAINT fk_scim_members_group_id FOREIGN KEY(group_id) REFERENCES scim_groups (id) ON DELETE CASCADE, 
	CONSTRAINT fk_scim_members_tenant_id FOREIGN KEY(tenant_id) REFERENCES tenants (id)
);

CREATE INDEX ix_scim_members_tenant_id ON scim_members (tenant_id);

CREATE INDEX ix_scim_members_member_id ON scim_members (member_id);

CREATE TABLE runbook_runs (
	runbook_id VARCHAR(64) NOT NULL, 
	runbook_version INTEGER NOT NULL, 
	name VARCHAR(200) NOT NULL, 
	services JSON NOT NULL, 
	requester_id VARCHAR(64) NOT NULL, 
	requester_name VARCHAR(200) NOT NULL, 
	agent_id VARCHAR(64), 
	action_id VARCHAR(64), 
	incident_id VARCHAR(64), 
	dry_run BOOLEAN NOT NULL, 
	content JSON NOT NULL, 
	content_hash VARCHAR(64) NOT NULL, 
	sealed TEXT NOT NULL, 
	status VARCHAR(20) NOT NULL, 
	reason TEXT, 
	position INTEGER NOT NULL, 
	approvals JSON NOT NULL, 
	expires_at BIGINT NOT NULL, 
	started_at BIGINT, 
	deadline_at BIGINT, 
	ended_at BIGINT, 
	cancelled_by VARCHAR(64), 
	id VARCHAR(64) NOT NULL, 
	created_at BIGINT NOT NULL, 
	updated_at BIGINT NOT NULL, 
	version INTEGER NOT NULL, 
	tenant_id VARCHAR(64) NOT NULL, 
	CONSTRAINT pk_runbook_runs PRIMARY KEY (id), 
	CONSTRAINT fk_runbook_runs_tenant_id FOREIGN KEY(tenant_id) REFERENCES tenants (id)
);

CREATE INDEX ix_runbook_runs_action ON runbook_runs (tenant_id, action_id);

CREATE INDEX ix_runbook_runs_ended ON runbook_runs (tenant_id, ended_at);

CREATE INDEX ix_runbook_runs_incident ON runbook_runs (tenant_id, incident_id);

CREATE INDEX ix_runbook_runs_runbook ON runbook_runs (tenant_id, runbook_id, created_at, id);

CREATE INDEX ix_runbook_runs_tenant_id ON runbook_runs (tenant_id);

CREATE TABLE runbook_switches (
	stopped BOOLEAN NOT NULL, 
	reason TEXT, 
	changed_by VARCHAR(64) NOT NULL, 
	id VARCHAR(64) NOT NULL, 
	created_at BIGINT NOT NULL, 
	updated_at BIGINT NOT NULL, 
	version INTEGER NOT NULL, 
	tenant_id VARCHAR(64) NOT NULL, 
	CONSTRAINT pk_runbook_switches PRIMARY KEY (id), 
	CONSTRAINT fk_runbook_switches_tenant_id FOREIGN KEY(tenant_id) REFERENCES tenants (id), 
	CONSTRAINT uq_runbook_switches_tenant UNIQUE (tenant_id)
);

CREATE INDEX ix_runbook_switches_tenant_id ON runbook_switches (tenant_id);

CREATE TABLE runbooks (
	name VARCHAR(200) NOT NULL, 
	description TEXT NOT NULL, 
	service VARCHAR(200), 
	parameters JSON NOT NULL, 
	steps JSON NOT NULL, 
	guardrails JSON NOT NULL, 
	approval_policy JSON NOT NULL, 
	sealed TEXT NOT NULL, 
	created_by VARCHAR(64) NOT NULL, 
	id VARCHAR(64) NOT NULL, 
	created_at BIGINT NOT NULL, 
	updated_at BIGINT NOT NULL, 
	version INTEGER NOT NULL, 
	tenant_id VARCHAR(64) NOT NULL, 
	CONSTRAINT pk_runbooks PRIMARY KEY (id), 
	CONSTRAINT fk_runbooks_tenant_id FOREIGN KEY(tenant_id) REFERENCES tenants (id), 
	CONSTRAINT uq_runbooks_tenant_name UNIQUE (tenant_id, name)
);

CREATE INDEX ix_runbooks_service ON runbooks (tenant_id, service);

CREATE INDEX ix_runbooks_tenant_id ON runbooks (tenant_id);

CREATE TABLE runbook_step_runs (
	run_id VARCHAR(64) NOT NULL, 
	position INTEGER NOT NULL, 
	name VARCHAR(200) NOT NULL, 
	type VARCHAR(16) NOT NULL, 
	status VARCHAR(20) NOT NULL, 
	attempt INTEGER NOT NULL, 
	started_at BIGINT NOT NULL, 
	ended_at BIGINT, 
	until_at BIGINT, 
	output TEXT NOT NULL, 
	truncated BOOLEAN NOT NULL, 
	exit_code INTEGER, 
	detail TEXT NOT NULL, 
	approvals JSON NOT NULL, 
	tenant_id VARCHAR(64) NOT NULL, 
	CONSTRAINT pk_runbook_step_runs PRIMARY KEY (run_id, position), 
	CONSTRAINT fk_runbook_step_runs_run_id FOREIGN KEY(run_id) REFERENCES runbook_runs (id), 
	CONSTRAINT fk_runbook_step_runs_tenant_id FOREIGN KEY(tenant_id) REFERENCES tenants (id)
);

CREATE INDEX ix_runbook_step_runs_tenant_id ON runbook_step_runs (tenant_id);

CREATE TABLE push_groups (
	"key" VARCHAR(64) NOT NULL, 
	labels JSON NOT NULL, 
	families JSON NOT NULL, 
	content BLOB NOT NULL, 
	octets BIGINT NOT NULL, 
	pushed_at BIGINT, 
	failed_at BIGINT, 
	sampled_ms BIGINT NOT NULL, 
	id VARCHAR(64) NOT NULL, 
	created_at BIGINT NOT NULL, 
	updated_at BIGINT NOT NULL, 
	version INTEGER NOT NULL, 
	tenant_id VARCHAR(64) NOT NULL, 
	CONSTRAINT pk_push_groups PRIMARY KEY (id), 
	CONSTRAINT fk_push_groups_tenant_id FOREIGN KEY(tenant_id) REFERENCES tenants (id), 
	CONSTRAINT uq_push_groups_tenant_id_key UNIQUE (tenant_id, "key")
);

CREATE INDEX ix_push_groups_tenant_id ON push_groups (tenant_id);

CREATE TABLE oncall_departures (
	user_id VARCHAR(64) NOT NULL, 
	at BIGINT NOT NULL, 
	tenant_id VARCHAR(64) NOT NULL, 
	CONSTRAINT pk_oncall_departures PRIMARY KEY (user_id), 
	CONSTRAINT fk_oncall_departures_tenant_id FOREIGN KEY(tenant_id) REFERENCES tenants (id)
);

CREATE INDEX ix_oncall_departures_tenant_id ON oncall_departures (tenant_id);

CREATE TABLE oncall_schedules (
	name VARCHAR(200) NOT NULL, 
	description TEXT NOT NULL, 
	timezone VARCHAR(64) NOT NULL, 
	layers JSON NOT NULL, 
	former JSON NOT NULL, 
	ical_digest VARCHAR(64), 
	ical_created_by VARCHAR(64), 
	ical_created_at BIGINT, 
	id VARCHAR(64) NOT NULL, 
	created_at BIGINT NOT NULL, 
	updated_at BIGINT NOT NULL, 
	version INTEGER NOT NULL, 
	tenant_id VARCHAR(64) NOT NULL, 
	CONSTRAINT pk_oncall_schedules PRIMARY KEY (id), 
	CONSTRAINT fk_oncall_schedules_tenant_id FOREIGN KEY(tenant_id) REFERENCES tenants (id)
);

CREATE INDEX ix_oncall_schedules_tenant_id ON oncall_schedules (tenant_id);

CREATE INDEX ix_oncall_schedules_time ON oncall_schedules (tenant_id, created_at, id);

CREATE TABLE oncall_overrides (
	schedule_id VARCHAR(64) NOT NULL, 
	user_id VARCHAR(64) NOT NULL, 
	starts_at BIGINT NOT NULL, 
	ends_at BIGINT NOT NULL, 
	reason TEXT NOT NULL, 
	created_by VARCHAR(64) NOT NULL, 
	id VARCHAR(64) NOT NULL, 
	created_at BIGINT NOT NULL, 
	updated_at BIGINT NOT NULL, 
	version INTEGER NOT NULL, 
	tenant_id VARCHAR(64) NOT NULL, 
	CONSTRAINT pk_oncall_overrides PRIMARY KEY (id), 
	CONSTRAINT fk_oncall_overrides_schedule_id FOREIGN KEY(schedule_id) REFERENCES oncall_schedules (id), 
	CONSTRAINT fk_oncall_overrides_tenant_id FOREIGN KEY(tenant_id) REFERENCES tenants (id)
);

CREATE INDEX ix_oncall_overrides_tenant_id ON oncall_overrides (tenant_id);

CREATE INDEX ix_oncall_overrides_schedule_id ON oncall_overrides (schedule_id);

CREATE INDEX ix_oncall_overrides_end ON oncall_overrides (tenant_id, schedule_id, ends_at);

CREATE INDEX ix_oncall_overrides_time ON oncall_overrides (tenant_id, created_at, id);

CREATE TABLE ledger_logs (
	size BIGINT NOT NULL, 
	checkpoint_size BIGINT NOT NULL, 
	checkpoint_at BIGINT, 
	due_at BIGINT, 
	fault TEXT, 
	id VARCHAR(64) NOT NULL, 
	created_at BIGINT NOT NULL, 
	updated_at BIGINT NOT NULL, 
	version INTEGER NOT NULL, 
	tenant_id VARCHAR(64) NOT NULL, 
	CONSTRAINT pk_ledger_logs PRIMARY KEY (id), 
	CONSTRAINT fk_ledger_logs_tenant_id FOREIGN KEY(tenant_id) REFERENCES tenants (id)
);

CREATE INDEX ix_ledger_logs_tenant_id ON ledger_logs (tenant_id);

CREATE TABLE ledger_entries (
	log VARCHAR(64) NOT NULL, 
	seq BIGINT NOT NULL, 
	at BIGINT NOT NULL, 
	kind VARCHAR(64) NOT NULL, 
	leaf BLOB NOT NULL, 
	leaf_hash BLOB NOT NULL, 
	tenant_id VARCHAR(64) NOT NULL, 
	CONSTRAINT pk_ledger_entries PRIMARY KEY (log, seq), 
	CONSTRAINT fk_ledger_entries_log FOREIGN KEY(log) REFERENCES ledger_logs (id), 
	CONSTRAINT fk_ledger_entries_tenant_id FOREIGN KEY(tenant_id) REFERENCES tenants (id)
);

CREATE INDEX ix_ledger_entries_tenant_id ON ledger_entries (tenant_id);

CREATE TABLE ledger_nodes (
	log VARCHAR(64) NOT NULL, 
	level INTEGER NOT NULL, 
	position BIGINT NOT NULL, 
	hash BLOB NOT NULL, 
	tenant_id VARCHAR(64) NOT NULL, 
	CONSTRAINT pk_ledger_nodes PRIMARY KEY (log, level, position), 
	CONSTRAINT fk_ledger_nodes_log FOREIGN KEY(log) REFERENCES ledger_logs (id), 
	CONSTRAINT fk_ledger_nodes_tenant_id FOREIGN KEY(tenant_id) REFERENCES tenants (id)
);

CREATE INDEX ix_ledger_nodes_tenant_id ON ledger_nodes (tenant_id);

CREATE TABLE integration_hook_messages (
	id VARCHAR(64) NOT NULL, 
	hook_id VARCHAR(64) NOT NULL, 
	at BIGINT NOT NULL, 
	tenant_id VARCHAR(64) NOT NULL, 
	CONSTRAINT pk_integration_hook_messages PRIMARY KEY (id), 
	CONSTRAINT fk_integration_hook_messages_tenant_id FOREIGN KEY(tenant_id) REFERENCES tenants (id)
);

CREATE INDEX ix_integration_hook_messages_at ON integration_hook_messages (at);

CREATE INDEX ix_integration_hook_messages_hook_id ON integration_hook_messages (hook_id);

CREATE INDEX ix_integration_hook_messages_tenant_id ON integration_hook_messages (tenant_id);

CREATE TABLE integration_hook_requests (
	id VARCHAR(64) NOT NULL, 
	hook_id VARCHAR(64) NOT NULL, 
	number INTEGER NOT NULL, 
	at BIGINT NOT NULL, 
	outcome VARCHAR(16) NOT NULL, 
	status INTEGER NOT NULL, 
	message_id VARCHAR(255), 
	headers JSON NOT NULL, 
	body TEXT NOT NULL, 
	details JSON NOT NULL, 
	tenant_id VARCHAR(64) NOT NULL, 
	CONSTRAINT pk_integration_hook_requests PRIMARY KEY (id), 
	CONSTRAINT fk_integration_hook_requests_tenant_id FOREIGN KEY(tenant_id) REFERENCES tenants (id)
);

CREATE INDEX ix_integration_hook_requests_hook_id_number ON integration_hook_requests (hook_id, number);

CREATE INDEX ix_integration_hook_requests_tenant_id ON integration_hook_requests (tenant_id);

CREATE TABLE integration_hooks (
	provider VARCHAR(63) NOT NULL, 
	name VARCHAR(200) NOT NULL, 
	secret TEXT NOT NULL, 
	config JSON NOT NULL, 
	created_by VARCHAR(64) NOT NULL, 
	received INTEGER NOT NULL, 
	last_at BIGINT, 
	id VARCHAR(64) NOT NULL, 
	created_at BIGINT NOT NULL, 
	updated_at BIGINT NOT NULL, 
	version INTEGER NOT NULL, 
	tenant_id VARCHAR(64) NOT NULL, 
	CONSTRAINT pk_integration_hooks PRIMARY KEY (id), 
	CONSTRAINT fk_integration_hooks_tenant_id FOREIGN KEY(tenant_id) REFERENCES tenants (id)
);

CREATE INDEX ix_integration_hooks_tenant_id ON integration_hooks (tenant_id);

CREATE TABLE integration_resources (
	provider VARCHAR(63) NOT NULL, 
	kind VARCHAR(32) NOT NULL, 
	external_id VARCHAR(255) NOT NULL, 
	name VARCHAR(500) NOT NULL, 
	service VARCHAR(63), 
	url TEXT, 
	at BIGINT, 
	data JSON NOT NULL, 
	digest VARCHAR(64) NOT NULL, 
	sync_id VARCHAR(64), 
	vanished_at BIGINT, 
	id VARCHAR(64) NOT NULL, 
	created_at BIGINT NOT NULL, 
	updated_at BIGINT NOT NULL, 
	version INTEGER NOT NULL, 
	tenant_id VARCHAR(64) NOT NULL, 
	CONSTRAINT pk_integration_resources PRIMARY KEY (id), 
	CONSTRAINT fk_integration_resources_tenant_id FOREIGN KEY(tenant_id) REFERENCES tenants (id), 
	CONSTRAINT uq_integration_resources_external_id UNIQUE (tenant_id, provider, kind, external_id)
);

CREATE INDEX ix_integration_resources_at ON integration_resources (tenant_id, kind, at);

CREATE INDEX ix_integration_resources_tenant_id ON integration_resources (tenant_id);

CREATE TABLE integration_syncs (
	provider VARCHAR(63) NOT NULL, 
	status VARCHAR(16) NOT NULL, 
	source VARCHAR(16) NOT NULL, 
	whole BOOLEAN NOT NULL, 
	cursor TEXT, 
	pages INTEGER NOT NULL, 
	tries INTEGER NOT NULL, 
	counts JSON NOT NULL, 
	fault JSON, 
	began_at BIGINT, 
	ended_at BIGINT, 
	id VARCHAR(64) NOT NULL, 
	created_at BIGINT NOT NULL, 
	updated_at BIGINT NOT NULL, 
	version INTEGER NOT NULL, 
	tenant_id VARCHAR(64) NOT NULL, 
	CONSTRAINT pk_integration_syncs PRIMARY KEY (id), 
	CONSTRAINT fk_integration_syncs_tenant_id FOREIGN KEY(tenant_id) REFERENCES tenants (id)
);

CREATE INDEX ix_integration_syncs_tenant_id ON integration_syncs (tenant_id);

CREATE INDEX ix_integration_syncs_tenant_id_provider ON integration_syncs (tenant_id, provider, created_at);

CREATE TABLE integrations (
	provider VARCHAR(63) NOT NULL, 
	status VARCHAR(16) NOT NULL, 
	flow VARCHAR(16) NOT NULL, 
	settings JSON NOT NULL, 
	credentials TEXT, 
	generation INTEGER NOT NULL, 
	pending TEXT, 
	state_digest VARCHAR(64), 
	pending_until BIGINT, 
	pending_user VARCHAR(64), 
	interval_s DOUBLE, 
	refresh_lease VARCHAR(64), 
	refresh_until BIGINT, 
	cursor TEXT, 
	sync_id VARCHAR(64), 
	synced_at BIGINT, 
	fault JSON, 
	tested_at BIGINT, 
	connected_at BIGINT, 
	connected_by VARCHAR(64), 
	id VARCHAR(64) NOT NULL, 
	created_at BIGINT NOT NULL, 
	updated_at BIGINT NOT NULL, 
	version INTEGER NOT NULL, 
	tenant_id VARCHAR(64) NOT NULL, 
	CONSTRAINT pk_integrations PRIMARY KEY (id), 
	CONSTRAINT fk_integrations_tenant_id FOREIGN KEY(tenant_id) REFERENCES tenants (id), 
	CONSTRAINT uq_integrations_tenant_provider UNIQUE (tenant_id, provider)
);

CREATE INDEX ix_integrations_state_digest ON integrations (state_digest);

CREATE INDEX ix_integrations_tenant_id ON integrations (tenant_id);

CREATE TABLE incidents (
	title VARCHAR(200) NOT NULL, 
	description TEXT NOT NULL, 
	severity VARCHAR(8) NOT NULL, 
	status VARCHAR(16) NOT NULL, 
	dedup_key VARCHAR(255), 
	escalation_policy_id VARCHAR(64), 
	related_to VARCHAR(64), 
	assignees JSON NOT NULL, 
	triggers INTEGER NOT NULL, 
	entries INTEGER NOT NULL, 
	created_by JSON NOT NULL, 
	acknowledged_at BIGINT, 
	resolved_at BIGINT, 
	resolved_by JSON, 
	resolution_note TEXT, 
	id VARCHAR(64) NOT NULL, 
	created_at BIGINT NOT NULL, 
	updated_at BIGINT NOT NULL, 
	version INTEGER NOT NULL, 
	tenant_id VARCHAR(64) NOT NULL, alert_count INTEGER DEFAULT '0' NOT NULL, flags JSON DEFAULT '[]' NOT NULL, 
	CONSTRAINT pk_incidents PRIMARY KEY (id), 
	CONSTRAINT fk_incidents_tenant_id FOREIGN KEY(tenant_id) REFERENCES tenants (id)
);

CREATE INDEX ix_incidents_tenant_id ON incidents (tenant_id);

CREATE INDEX ix_incidents_key ON incidents (tenant_id, dedup_key, created_at);

CREATE INDEX ix_incidents_status ON incidents (tenant_id, status, created_at, id);

CREATE INDEX ix_incidents_time ON incidents (tenant_id, created_at, id);

CREATE UNIQUE INDEX uq_incidents_open_key ON incidents (tenant_id, dedup_key) WHERE status <> 'resolved';

CREATE TABLE incident_acknowledgers (
	incident_id VARCHAR(64) NOT NULL, 
	user_id VARCHAR(64) NOT NULL, 
	name VARCHAR NOT NULL, 
	seq INTEGER NOT NULL, 
	at BIGINT NOT NULL, 
	tenant_id VARCHAR(64) NOT NULL, 
	CONSTRAINT pk_incident_acknowledgers PRIMARY KEY (incident_id, user_id), 
	CONSTRAINT fk_incident_acknowledgers_incident_id FOREIGN KEY(incident_id) REFERENCES incidents (id), 
	CONSTRAINT fk_incident_acknowledgers_tenant_id FOREIGN KEY(tenant_id) REFERENCES tenants (id)
);

CREATE INDEX ix_incident_acknowledgers_tenant_id ON incident_acknowledgers (tenant_id);

CREATE TABLE incident_entries (
	incident_id VARCHAR(64) NOT NULL, 
	seq INTEGER NOT NULL, 
	at BIGINT NOT NULL, 
	type VARCHAR(24) NOT NULL, 
	actor JSON NOT NULL, 
	data JSON NOT NULL, 
	tenant_id VARCHAR(64) NOT NULL, 
	CONSTRAINT pk_incident_entries PRIMARY KEY (incident_id, seq), 
	CONSTRAINT fk_incident_entries_incident_id FOREIGN KEY(incident_id) REFERENCES incidents (id), 
	CONSTRAINT fk_incident_entries_tenant_id FOREIGN KEY(tenant_id) REFERENCES tenants (id)
);

CREATE INDEX ix_incident_entries_tenant_id ON incident_entries (tenant_id);

CREATE TABLE incident_services (
	incident_id VARCHAR(64) NOT NULL, 
	service VARCHAR(200) NOT NULL, 
	position INTEGER NOT NULL, 
	created_at BIGINT NOT NULL, 
	tenant_id VARCHAR(64) NOT NULL, 
	CONSTRAINT pk_incident_services PRIMARY KEY (incident_id, service), 
	CONSTRAINT fk_incident_services_incident_id FOREIGN KEY(incident_id) REFERENCES incidents (id), 
	CONSTRAINT fk_incident_services_tenant_id FOREIGN KEY(tenant_id) REFERENCES tenants (id)
);

CREATE INDEX ix_incident_services_tenant_id ON incident_services (tenant_id);

CREATE INDEX ix_incident_services_service ON incident_services (tenant_id, service, created_at, incident_id);

CREATE TABLE incident_alerts (
	incident_id VARCHAR(64) NOT NULL, 
	alert_id VARCHAR(64) NOT NULL, 
	position INTEGER NOT NULL, 
	event_id VARCHAR(64) NOT NULL, 
	over_at BIGINT, 
	tenant_id VARCHAR(64) NOT NULL, 
	CONSTRAINT pk_incident_alerts PRIMARY KEY (incident_id, alert_id), 
	CONSTRAINT fk_incident_alerts_incident_id FOREIGN KEY(incident_id) REFERENCES incidents (id), 
	CONSTRAINT fk_incident_alerts_tenant_id FOREIGN KEY(tenant_id) REFERENCES tenants (id)
);

CREATE INDEX ix_incident_alerts_tenant_id ON incident_alerts (tenant_id);

CREATE INDEX ix_incident_alerts_alert ON incident_alerts (tenant_id, alert_id, event_id);

CREATE TABLE escalation_policies (
	name VARCHAR(200) NOT NULL, 
	steps JSON NOT NULL, 
	repeats INTEGER NOT NULL, 
	ack_timeout_s DOUBLE, 
	turns JSON NOT NULL, 
	id VARCHAR(64) NOT NULL, 
	created_at BIGINT NOT NULL, 
	updated_at BIGINT NOT NULL, 
	version INTEGER NOT NULL, 
	tenant_id VARCHAR(64) NOT NULL, 
	CONSTRAINT pk_escalation_policies PRIMARY KEY (id), 
	CONSTRAINT fk_escalation_policies_tenant_id FOREIGN KEY(tenant_id) REFERENCES tenants (id)
);

CREATE INDEX ix_escalation_policies_tenant_id ON escalation_policies (tenant_id);

CREATE INDEX ix_escalation_policies_time ON escalation_policies (tenant_id, created_at, id);

CREATE TABLE escalation_runs (
	incident_id VARCHAR(64) NOT NULL, 
	policy JSON NOT NULL, 
	state VARCHAR(16) NOT NULL, 
	cycle INTEGER NOT NULL, 
	repeats INTEGER NOT NULL, 
	step INTEGER NOT NULL, 
	next_at BIGINT, 
	ack_due BIGINT, 
	required JSON NOT NULL, 
	needed INTEGER NOT NULL, 
	id VARCHAR(64) NOT NULL, 
	created_at BIGINT NOT NULL, 
	updated_at BIGINT NOT NULL, 
	version INTEGER NOT NULL, 
	tenant_id VARCHAR(64) NOT NULL, 
	CONSTRAINT pk_escalation_runs PRIMARY KEY (id), 
	CONSTRAINT fk_escalation_runs_incident_id FOREIGN KEY(incident_id) REFERENCES incidents (id), 
	CONSTRAINT fk_escalation_runs_tenant_id FOREIGN KEY(tenant_id) REFERENCES tenants (id), 
	CONSTRAINT uq_escalation_runs_incident UNIQUE (incident_id)
);

CREATE INDEX ix_escalation_runs_tenant_id ON escalation_runs (tenant_id);

CREATE TABLE pages (
	incident_id VARCHAR(64) NOT NULL, 
	run_id VARCHAR(64) NOT NULL, 
	cycle INTEGER NOT NULL, 
	step INTEGER NOT NULL, 
	target_type VARCHAR(16) NOT NULL, 
	target_id VARCHAR(64) NOT NULL, 
	target_name VARCHAR NOT NULL, 
	schedule_id VARCHAR(64), 
	method_id VARCHAR(64) NOT NULL, 
	method_type VARCHAR(16) NOT NULL, 
	delay_s DOUBLE NOT NULL, 
	status VARCHAR(16) NOT NULL, 
	reason TEXT, 
	deliver_at BIGINT NOT NULL, 
	attempts INTEGER NOT NULL, 
	attempted_at BIGINT, 
	sent_at BIGINT, 
	content JSON NOT NULL, 
	id VARCHAR(64) NOT NULL, 
	created_at BIGINT NOT NULL, 
	updated_at BIGINT NOT NULL, 
	version INTEGER NOT NULL, 
	tenant_id VARCHAR(64) NOT NULL, 
	CONSTRAINT pk_pages PRIMARY KEY (id), 
	CONSTRAINT fk_pages_incident_id FOREIGN KEY(incident_id) REFERENCES incidents (id), 
	CONSTRAINT fk_pages_tenant_id FOREIGN KEY(tenant_id) REFERENCES tenants (id), 
	CONSTRAINT uq_pages_contact UNIQUE (run_id, cycle, step, target_id, method_id, delay_s)
);

CREATE INDEX ix_pages_incident ON pages (tenant_id, incident_id, created_at, id);

CREATE INDEX ix_pages_incident_id ON pages (incident_id);

CREATE INDEX ix_pages_target ON pages (tenant_id, target_id, created_at, id);

CREATE INDEX ix_pages_tenant_id ON pages (tenant_id);

CREATE INDEX ix_pages_time ON pages (tenant_id, created_at, id);

CREATE TABLE dashboards (
	title TEXT NOT NULL, 
	description TEXT NOT NULL, 
	tags JSON NOT NULL, 
	tag_lines TEXT NOT NULL, 
	variables JSON NOT NULL, 
	annotations JSON NOT NULL, 
	refresh VARCHAR(64), 
	time_range JSON NOT NULL, 
	created_by VARCHAR(64) NOT NULL, 
	updated_by VARCHAR(64) NOT NULL, 
	id VARCHAR(64) NOT NULL, 
	created_at BIGINT NOT NULL, 
	updated_at BIGINT NOT NULL, 
	version INTEGER NOT NULL, 
	tenant_id VARCHAR(64) NOT NULL, 
	CONSTRAINT pk_dashboards PRIMARY KEY (id), 
	CONSTRAINT fk_dashboards_tenant_id FOREIGN KEY(tenant_id) REFERENCES tenants (id)
);

CREATE INDEX ix_dashboards_tenant_id ON dashboards (tenant_id);

CREATE TABLE dashboard_versions (
	id VARCHAR(64) NOT NULL, 
	dashboard_id VARCHAR(64) NOT NULL, 
	number INTEGER NOT NULL, 
	at BIGINT NOT NULL, 
	"by" VARCHAR(64) NOT NULL, 
	document JSON NOT NULL, 
	tenant_id VARCHAR(64) NOT NULL, 
	CONSTRAINT pk_dashboard_versions PRIMARY KEY (id), 
	CONSTRAINT uq_dashboard_versions_number UNIQUE (dashboard_id, number), 
	CONSTRAINT fk_dashboard_versions_dashboard_id FOREIGN KEY(dashboard_id) REFERENCES dashboards (id), 
	CONSTRAINT fk_dashboard_versions_tenant_id FOREIGN KEY(tenant_id) REFERENCES tenants (id)
);

CREATE INDEX ix_dashboard_versions_tenant_id ON dashboard_versions (tenant_id);

CREATE TABLE panels (
	dashboard_id VARCHAR(64) NOT NULL, 
	position INTEGER NOT NULL, 
	title TEXT NOT NULL, 
	spec JSON NOT NULL, 
	id VARCHAR(64) NOT NULL, 
	created_at BIGINT NOT NULL, 
	updated_at BIGINT NOT NULL, 
	version INTEGER NOT NULL, 
	tenant_id VARCHAR(64) NOT NULL, 
	CONSTRAINT pk_panels PRIMARY KEY (id), 
	CONSTRAINT fk_panels_dashboard_id FOREIGN KEY(dashboard_id) REFERENCES dashboards (id), 
	CONSTRAINT fk_panels_tenant_id FOREIGN KEY(tenant_id) REFERENCES tenants (id)
);

CREATE INDEX ix_panels_tenant_id ON panels (tenant_id);

CREATE INDEX ix_panels_dashboard ON panels (dashboard_id, position);

CREATE TABLE panel_embeds (
	panel_id VARCHAR(64) NOT NULL, 
	origins JSON NOT NULL, 
	digest VARCHAR(64) NOT NULL, 
	expires_at BIGINT NOT NULL, 
	revoked_at BIGINT, 
	created_by VARCHAR(64) NOT NULL, 
	id VARCHAR(64) NOT NULL, 
	created_at BIGINT NOT NULL, 
	updated_at BIGINT NOT NULL, 
	version INTEGER NOT NULL, 
	tenant_id VARCHAR(64) NOT NULL, 
	CONSTRAINT pk_panel_embeds PRIMARY KEY (id), 
	CONSTRAINT fk_panel_embeds_panel_id FOREIGN KEY(panel_id) REFERENCES panels (id), 
	CONSTRAINT fk_panel_embeds_tenant_id FOREIGN KEY(tenant_id) REFERENCES tenants (id)
);

CREATE INDEX ix_panel_embeds_tenant_id ON panel_embeds (tenant_id);

CREATE INDEX ix_panel_embeds_panel_id ON panel_embeds (panel_id);

CREATE TABLE contact_methods (
	user_id VARCHAR(64) NOT NULL, 
	name VARCHAR(200) NOT NULL, 
	type VARCHAR(16) NOT NULL, 
	settings JSON NOT NULL, 
	sealed TEXT NOT NULL, 
	id VARCHAR(64) NOT NULL, 
	created_at BIGINT NOT NULL, 
	updated_at BIGINT NOT NULL, 
	version INTEGER NOT NULL, 
	tenant_id VARCHAR(64) NOT NULL, 
	CONSTRAINT pk_contact_methods PRIMARY KEY (id), 
	CONSTRAINT fk_contact_methods_tenant_id FOREIGN KEY(tenant_id) REFERENCES tenants (id), 
	CONSTRAINT fk_contact_methods_user_id FOREIGN KEY(user_id) REFERENCES users (id)
);

CREATE INDEX ix_contact_methods_tenant_id ON contact_methods (tenant_id);

CREATE INDEX ix_contact_methods_user_id ON contact_methods (user_id);

CREATE TABLE notification_rules (
	user_id VARCHAR(64) NOT NULL, 
	contact_method_id VARCHAR(64) NOT NULL, 
	delay_s DOUBLE NOT NULL, 
	id VARCHAR(64) NOT NULL, 
	created_at BIGINT NOT NULL, 
	updated_at BIGINT NOT NULL, 
	version INTEGER NOT NULL, 
	tenant_id VARCHAR(64) NOT NULL, 
	CONSTRAINT pk_notification_rules PRIMARY KEY (id), 
	CONSTRAINT fk_notification_rules_contact_method_id FOREIGN KEY(contact_method_id) REFERENCES contact_methods (id), 
	CONSTRAINT fk_notification_rules_tenant_id FOREIGN KEY(tenant_id) REFERENCES tenants (id), 
	CONSTRAINT fk_notification_rules_user_id FOREIGN KEY(user_id) REFERENCES users (id), 
	CONSTRAINT uq_notification_rules_delay UNIQUE (contact_method_id, delay_s)
);

CREATE INDEX ix_notification_rules_tenant_id ON notification_rules (tenant_id);

CREATE INDEX ix_notification_rules_user_id ON notification_rules (user_id);

CREATE TABLE audit_exports (
	from_at BIGINT NOT NULL, 
	to_at BIGINT NOT NULL, 
	format VARCHAR(8) NOT NULL, 
	filters JSON NOT NULL, 
	status VARCHAR(16) NOT NULL, 
	entries INTEGER NOT NULL, 
	content BLOB, 
	sha256 VARCHAR(64), 
	expires_at BIGINT NOT NULL, 
	token_id VARCHAR(64) NOT NULL, 
	creator_id VARCHAR(64) NOT NULL, 
	id VARCHAR(64) NOT NULL, 
	created_at BIGINT NOT NULL, 
	updated_at BIGINT NOT NULL, 
	version INTEGER NOT NULL, 
	tenant_id VARCHAR(64) NOT NULL, 
	CONSTRAINT pk_audit_exports PRIMARY KEY (id), 
	CONSTRAINT fk_audit_exports_tenant_id FOREIGN KEY(tenant_id) REFERENCES tenants (id)
);

CREATE INDEX ix_audit_exports_tenant_id ON audit_exports (tenant_id);

CREATE TABLE alert_changes (
	id VARCHAR(64) NOT NULL, 
	alert_id VARCHAR(64) NOT NULL, 
	at BIGINT NOT NULL, 
	type VARCHAR(24) NOT NULL, 
	value TEXT NOT NULL, 
	note TEXT NOT NULL, 
	tenant_id VARCHAR(64) NOT NULL, 
	CONSTRAINT pk_alert_changes PRIMARY KEY (id), 
	CONSTRAINT fk_alert_changes_tenant_id FOREIGN KEY(tenant_id) REFERENCES tenants (id)
);

CREATE INDEX ix_alert_changes_tenant_id ON alert_changes (tenant_id);

CREATE INDEX ix_alert_changes_alert ON alert_changes (tenant_id, alert_id, at);

CREATE TABLE alert_routing (
	config JSON NOT NULL, 
	id VARCHAR(64) NOT NULL, 
	created_at BIGINT NOT NULL, 
	updated_at BIGINT NOT NULL, 
	version INTEGER NOT NULL, 
	tenant_id VARCHAR(64) NOT NULL, 
	CONSTRAINT pk_alert_routing PRIMARY KEY (id), 
	CONSTRAINT uq_alert_routing_tenant UNIQUE (tenant_id), 
	CONSTRAINT fk_alert_routing_tenant_id FOREIGN KEY(tenant_id) REFERENCES tenants (id)
);

CREATE INDEX ix_alert_routing_tenant_id ON alert_routing (tenant_id);

CREATE TABLE alert_rule_groups (
	file VARCHAR(300) NOT NULL, 
	name VARCHAR(300) NOT NULL, 
	interval_ms BIGINT NOT NULL, 
	query_offset_ms BIGINT, 
	"limit" INTEGER NOT NULL, 
	labels JSON NOT NULL, 
	anchor BIGINT NOT NULL, 
	evaluated_at BIGINT, 
	resumed_at BIGINT, 
	evaluation_s FLOAT NOT NULL, 
	evaluations BIGINT NOT NULL, 
	missed BIGINT NOT NULL, 
	id VARCHAR(64) NOT NULL, 
	created_at BIGINT NOT NULL, 
	updated_at BIGINT NOT NULL, 
	version INTEGER NOT NULL, 
	tenant_id VARCHAR(64) NOT NULL, intended JSON DEFAULT '{}' NOT NULL, 
	CONSTRAINT pk_alert_rule_groups PRIMARY KEY (id), 
	CONSTRAINT uq_alert_rule_groups_name UNIQUE (tenant_id, file, name), 
	CONSTRAINT fk_alert_rule_groups_tenant_id FOREIGN KEY(tenant_id) REFERENCES tenants (id)
);

CREATE INDEX ix_alert_rule_groups_tenant_id ON alert_rule_groups (tenant_id);

CREATE TABLE alert_silences (
	matchers JSON NOT NULL, 
	alert_id VARCHAR(64), 
	until_resolved BOOLEAN NOT NULL, 
	revisions JSON NOT NULL, 
	starts_at BIGINT NOT NULL, 
	ends_at BIGINT, 
	lifted_at BIGINT, 
	id VARCHAR(64) NOT NULL, 
	created_at BIGINT NOT NULL, 
	updated_at BIGINT NOT NULL, 
	version INTEGER NOT NULL, 
	tenant_id VARCHAR(64) NOT NULL, 
	CONSTRAINT pk_alert_silences PRIMARY KEY (id), 
	CONSTRAINT fk_alert_silences_tenant_id FOREIGN KEY(tenant_id) REFERENCES tenants (id)
);

CREATE INDEX ix_alert_silences_tenant_id ON alert_silences (tenant_id);

CREATE INDEX ix_alert_silences_alert ON alert_silences (tenant_id, alert_id);

CREATE TABLE alerts (
	rule_id VARCHAR(64) NOT NULL, 
	name VARCHAR(300) NOT NULL, 
	state VARCHAR(16) NOT NULL, 
	labels JSON NOT NULL, 
	annotations JSON NOT NULL, 
	value TEXT NOT NULL, 
	service VARCHAR(200), 
	severity VARCHAR(200), 
	started_at BIGINT NOT NULL, 
	fired_at BIGINT, 
	resolved_at BIGINT, 
	keeping_since BIGINT, 
	notified_at BIGINT, 
	incident_id VARCHAR(64), 
	id VARCHAR(64) NOT NULL, 
	created_at BIGINT NOT NULL, 
	updated_at BIGINT NOT NULL, 
	version INTEGER NOT NULL, 
	tenant_id VARCHAR(64) NOT NULL, opens_incident BOOLEAN DEFAULT 0 NOT NULL, 
	CONSTRAINT pk_alerts PRIMARY KEY (id), 
	CONSTRAINT fk_alerts_tenant_id FOREIGN KEY(tenant_id) REFERENCES tenants (id)
);

CREATE INDEX ix_alerts_tenant_id ON alerts (tenant_id);

CREATE INDEX ix_alerts_rule ON alerts (tenant_id, rule_id, state);

CREATE INDEX ix_alerts_state ON alerts (tenant_id, state, created_at);

CREATE TABLE notification_channels (
	name VARCHAR(100) NOT NULL, 
	type VARCHAR(16) NOT NULL, 
	settings JSON NOT NULL, 
	sealed TEXT NOT NULL, 
	send_resolved BOOLEAN NOT NULL, 
	id VARCHAR(64) NOT NULL, 
	created_at BIGINT NOT NULL, 
	updated_at BIGINT NOT NULL, 
	version INTEGER NOT NULL, 
	tenant_id VARCHAR(64) NOT NULL, url TEXT DEFAULT '' NOT NULL, 
	CONSTRAINT pk_notification_channels PRIMARY KEY (id), 
	CONSTRAINT uq_notification_channels_name UNIQUE (tenant_id, name), 
	CONSTRAINT fk_notification_channels_tenant_id FOREIGN KEY(tenant_id) REFERENCES tenants (id)
);

CREATE INDEX ix_notification_channels_tenant_id ON notification_channels (tenant_id);

CREATE TABLE notification_group_members (
	group_id VARCHAR(64) NOT NULL, 
	alert_id VARCHAR(64) NOT NULL, 
	tenant_id VARCHAR(64) NOT NULL, 
	CONSTRAINT pk_notification_group_members PRIMARY KEY (group_id, alert_id), 
	CONSTRAINT fk_notification_group_members_tenant_id FOREIGN KEY(tenant_id) REFERENCES tenants (id)
);

CREATE INDEX ix_notification_group_members_tenant_id ON notification_group_members (tenant_id);

CREATE INDEX ix_notification_group_members_alert_id ON notification_group_members (alert_id);

CREATE TABLE notification_groups (
	destination JSON NOT NULL, 
	labels JSON NOT NULL, 
	notified JSON NOT NULL, 
	next_flush BIGINT NOT NULL, 
	id VARCHAR(64) NOT NULL, 
	created_at BIGINT NOT NULL, 
	updated_at BIGINT NOT NULL, 
	version INTEGER NOT NULL, 
	tenant_id VARCHAR(64) NOT NULL, 
	CONSTRAINT pk_notification_groups PRIMARY KEY (id), 
	CONSTRAINT fk_notification_groups_tenant_id FOREIGN KEY(tenant_id) REFERENCES tenants (id)
);

CREATE INDEX ix_notification_groups_tenant_id ON notification_groups (tenant_id);

CREATE TABLE notifications (
	channel VARCHAR(100) NOT NULL, 
	channel_type VARCHAR(16) NOT NULL, 
	group_id VARCHAR(64) NOT NULL, 
	alert_id VARCHAR(64), 
	why VARCHAR(24) NOT NULL, 
	status VARCHAR(16) NOT NULL, 
	attempts INTEGER NOT NULL, 
	firing INTEGER NOT NULL, 
	resolved INTEGER NOT NULL, 
	error TEXT NOT NULL, 
	sent_at BIGINT, 
	payload JSON NOT NULL, 
	id VARCHAR(64) NOT NULL, 
	created_at BIGINT NOT NULL, 
	updated_at BIGINT NOT NULL, 
	version INTEGER NOT NULL, 
	tenant_id VARCHAR(64) NOT NULL, 
	CONSTRAINT pk_notifications PRIMARY KEY (id), 
	CONSTRAINT fk_notifications_tenant_id FOREIGN KEY(tenant_id) REFERENCES tenants (id)
);

CREATE INDEX ix_notifications_tenant_id ON notifications (tenant_id);

CREATE INDEX ix_notifications_alert ON notifications (tenant_id, alert_id, created_at);

CREATE INDEX ix_notifications_channel ON notifications (tenant_id, channel, created_at);

CREATE INDEX ix_notifications_group ON notifications (tenant_id, group_id, created_at);

CREATE TABLE alert_rules (
	group_id VARCHAR(64) NOT NULL, 
	position INTEGER NOT NULL, 
	type VARCHAR(16) NOT NULL, 
	name VARCHAR(300) NOT NULL, 
	expr TEXT NOT NULL, 
	for_ms BIGINT NOT NULL, 
	keep_firing_for_ms BIGINT NOT NULL, 
	labels JSON NOT NULL, 
	annotations JSON NOT NULL, 
	severity VARCHAR(200), 
	service VARCHAR(200), 
	no_data VARCHAR(16) NOT NULL, 
	on_error VARCHAR(16) NOT NULL, 
	channels JSON NOT NULL, 
	escalation_policy_id VARCHAR(64), 
	auto_incident BOOLEAN NOT NULL, 
	managed VARCHAR(80) NOT NULL, 
	health VARCHAR(16) NOT NULL, 
	last_error TEXT NOT NULL, 
	evaluated_at BIGINT, 
	evaluation_s FLOAT NOT NULL, 
	series INTEGER NOT NULL, 
	id VARCHAR(64) NOT NULL, 
	created_at BIGINT NOT NULL, 
	updated_at BIGINT NOT NULL, 
	version INTEGER NOT NULL, 
	tenant_id VARCHAR(64) NOT NULL, paused BOOLEAN DEFAULT 0 NOT NULL, 
	CONSTRAINT pk_alert_rules PRIMARY KEY (id), 
	CONSTRAINT fk_alert_rules_group_id FOREIGN KEY(group_id) REFERENCES alert_rule_groups (id), 
	CONSTRAINT fk_alert_rules_tenant_id FOREIGN KEY(tenant_id) REFERENCES tenants (id)
);

CREATE INDEX ix_alert_rules_tenant_id ON alert_rules (tenant_id);

CREATE INDEX ix_alert_rules_group ON alert_rules (tenant_id, group_id, position);

CREATE TABLE alert_recorded_series (
	rule_id VARCHAR(64) NOT NULL, 
	digest VARCHAR(64) NOT NULL, 
	series JSON NOT NULL, 
	tenant_id VARCHAR(64) NOT NULL, 
	CONSTRAINT pk_alert_recorded_series PRIMARY KEY (rule_id), 
	CONSTRAINT fk_alert_recorded_series_rule_id FOREIGN KEY(rule_id) REFERENCES alert_rules (id), 
	CONSTRAINT fk_alert_recorded_series_tenant_id FOREIGN KEY(tenant_id) REFERENCES tenants (id)
);

CREATE INDEX ix_alert_recorded_series_tenant_id ON alert_recorded_series (tenant_id);

CREATE TABLE agents (
	name VARCHAR(200) NOT NULL, 
	description TEXT NOT NULL, 
	owner_id VARCHAR(64) NOT NULL, 
	capabilities JSON NOT NULL, 
	services JSON NOT NULL, 
	max_services INTEGER NOT NULL, 
	policy JSON NOT NULL, 
	status VARCHAR(16) NOT NULL, 
	stopped_at BIGINT, 
	stop_reason TEXT, 
	tally JSON NOT NULL, 
	totals JSON NOT NULL, 
	created_by VARCHAR(64) NOT NULL, 
	id VARCHAR(64) NOT NULL, 
	created_at BIGINT NOT NULL, 
	updated_at BIGINT NOT NULL, 
	version INTEGER NOT NULL, 
	tenant_id VARCHAR(64) NOT NULL, 
	CONSTRAINT pk_agents PRIMARY KEY (id), 
	CONSTRAINT fk_agents_tenant_id FOREIGN KEY(tenant_id) REFERENCES tenants (id), 
	CONSTRAINT uq_agents_tenant_name UNIQUE (tenant_id, name)
);

CREATE INDEX ix_agents_tenant_id ON agents (tenant_id);

CREATE TABLE agent_actions (
	agent_id VARCHAR(64) NOT NULL, 
	kind VARCHAR(64) NOT NULL, 
	title VARCHAR(200) NOT NULL, 
	content JSON NOT NULL, 
	content_hash VARCHAR(64) NOT NULL, 
	services JSON NOT NULL, 
	executor VARCHAR(16) NOT NULL, 
	requester_id VARCHAR(64) NOT NULL, 
	status VARCHAR(16) NOT NULL, 
	policy JSON NOT NULL, 
	score DOUBLE NOT NULL, 
	threshold DOUBLE, 
	automatic BOOLEAN NOT NULL, 
	approvals JSON NOT NULL, 
	expires_at BIGINT NOT NULL, 
	decided_at BIGINT, 
	decided_by VARCHAR(64), 
	reason TEXT, 
	ended_at BIGINT, 
	result TEXT, 
	id VARCHAR(64) NOT NULL, 
	created_at BIGINT NOT NULL, 
	updated_at BIGINT NOT NULL, 
	version INTEGER NOT NULL, 
	tenant_id VARCHAR(64) NOT NULL, content_bytes INTEGER DEFAULT '0' NOT NULL, salt VARCHAR(64) DEFAULT '' NOT NULL, 
	CONSTRAINT pk_agent_actions PRIMARY KEY (id), 
	CONSTRAINT fk_agent_actions_agent_id FOREIGN KEY(agent_id) REFERENCES agents (id), 
	CONSTRAINT fk_agent_actions_tenant_id FOREIGN KEY(tenant_id) REFERENCES tenants (id)
);

CREATE INDEX ix_agent_actions_agent ON agent_actions (tenant_id, agent_id, created_at, id);

CREATE INDEX ix_agent_actions_ended ON agent_actions (tenant_id, ended_at);

CREATE INDEX ix_agent_actions_tenant_id ON agent_actions (tenant_id);

CREATE TABLE services (
	name VARCHAR(63) NOT NULL, 
	owner VARCHAR NOT NULL, 
	tier VARCHAR(32) NOT NULL, 
	description TEXT NOT NULL, 
	links JSON NOT NULL, 
	runbooks JSON NOT NULL, 
	depends_on JSON NOT NULL, 
	signals JSON NOT NULL, 
	id VARCHAR(64) NOT NULL, 
	created_at BIGINT NOT NULL, 
	updated_at BIGINT NOT NULL, 
	version INTEGER NOT NULL, 
	tenant_id VARCHAR(64) NOT NULL, 
	CONSTRAINT pk_services PRIMARY KEY (id), 
	CONSTRAINT uq_services_name UNIQUE (tenant_id, name), 
	CONSTRAINT fk_services_tenant_id FOREIGN KEY(tenant_id) REFERENCES tenants (id)
);

CREATE INDEX ix_services_tenant_id ON services (tenant_id);

CREATE TABLE row_versions (
	tenant_id VARCHAR(64) NOT NULL, 
	name VARCHAR(64) NOT NULL, 
	version BIGINT NOT NULL, 
	CONSTRAINT pk_row_versions PRIMARY KEY (tenant_id, name)
);

CREATE INDEX ix_events_unrelayed ON events (tenant_id, next_at, id) WHERE relayed_at IS NULL;

CREATE TABLE sessions (
	token_id VARCHAR(64) NOT NULL, 
	token_digest VARCHAR(64) NOT NULL, 
	digest VARCHAR(64) NOT NULL, 
	expires_at BIGINT NOT NULL, 
	id VARCHAR(64) NOT NULL, 
	created_at BIGINT NOT NULL, 
	updated_at BIGINT NOT NULL, 
	version INTEGER NOT NULL, 
	tenant_id VARCHAR(64) NOT NULL, 
	CONSTRAINT pk_sessions PRIMARY KEY (id), 
	CONSTRAINT fk_sessions_tenant_id FOREIGN KEY(tenant_id) REFERENCES tenants (id), 
	CONSTRAINT fk_sessions_token_id FOREIGN KEY(token_id) REFERENCES tokens (id) ON DELETE CASCADE, 
	CONSTRAINT uq_sessions_digest UNIQUE (digest)
);

CREATE INDEX ix_sessions_tenant_id ON sessions (tenant_id);

CREATE INDEX ix_sessions_token_id ON sessions (token_id);

INSERT INTO alembic_version VALUES ('agents_0002');

INSERT INTO alembic_version VALUES ('alerts_0005');

INSERT INTO alembic_version VALUES ('audit_0001');

INSERT INTO alembic_version VALUES ('contacts_0001');

INSERT INTO alembic_version VALUES ('dashboards_0001');

INSERT INTO alembic_version VALUES ('escalation_0001');

INSERT INTO alembic_version VALUES ('incidents_0003');

INSERT INTO alembic_version VALUES ('integrations_0001');

INSERT INTO alembic_version VALUES ('ledger_0001');

INSERT INTO alembic_version VALUES ('oncall_0001');

INSERT INTO alembic_version VALUES ('platform_0008');

INSERT INTO alembic_version VALUES ('pushes_0001');

INSERT INTO alembic_version VALUES ('runbooks_0001');

INSERT INTO alembic_version VALUES ('scim_0001');

INSERT INTO alembic_version VALUES ('slo_0002');

INSERT INTO alembic_version VALUES ('synthetics_0002');

INSERT INTO alembic_version VALUES ('webhooks_0001');

