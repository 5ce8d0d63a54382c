"""Relations between fields of a configuration: required ones, exclusive ones, unique names."""

from __future__ import annotations

from collections.abc import Iterator

from novaql.inputs.relabelling import Action
from novaql.rules.names import Names
from novaql.rules.yaml_nodes import Node
from novaql.rules.yaml_reader import YamlReader

_DEFAULT_INTERVAL_MS = 60_000
_DEFAULT_TIMEOUT_MS = 10_000
_NEED_TARGET = ("replace", "hashmod", "lowercase", "uppercase", "keepequal", "dropequal")
_ONLY_REGEX = ("labeldrop", "labelkeep")
_PROTOCOLS = (
    "PrometheusProto",
    "OpenMetricsText0.0.1",
    "OpenMetricsText1.0.0",
    "PrometheusText0.0.4",
    "PrometheusText1.0.0",
)
_CREDENTIALS = ("basic_auth", "authorization", "oauth2", "bearer_token", "bearer_token_file")
_RELABELLINGS = (
    "relabel_configs",
    "metric_relabel_configs",
    "alert_relabel_configs",
    "write_relabel_configs",
)


def check_relations(yaml: YamlReader, tree: dict[str, Node], names: Names) -> None:
    """Report contradictions in a configuration whose fields are valid."""
    _Relations(yaml, names).check(tree)


class _Relations:
    def __init__(self, yaml: YamlReader, names: Names) -> None:
        self.yaml = yaml
        self.names = names
        # Wrong types of fields were reported before, and are not reported again here.
        self.quiet = YamlReader(yaml.source)

    def check(self, tree: dict[str, Node]) -> None:
        shared = self.fields(tree.get("global"))
        for name in self.quiet.text_map(shared.get("external_labels"), "external_labels"):
            if not self.names.label(name):
                self.yaml.complain(shared["external_labels"], f"{name!r} is no label name")
        interval = self.times(shared, _DEFAULT_INTERVAL_MS, None)
        jobs: set[str] = set()
        for node in self.items(tree.get("scrape_configs")):
            self.scrape(node, interval, jobs)
        alerting = self.fields(tree.get("alerting"))
        self.relabellings(alerting)
        for node in self.items(alerting.get("alertmanagers")):
            fields = self.fields(node)
            self.client(node, fields)
            self.relabellings(fields)
            self.targets(fields)
            version = self.text(fields, "api_version")
            if version and version not in ("v1", "v2"):
                self.yaml.complain(fields["api_version"], f"{version!r} is no API version; use v2")
        for kind in ("remote_write", "remote_read"):
            self.remotes(tree.get(kind), kind)

    def scrape(self, node: Node, shared: tuple[int, int], jobs: set[str]) -> None:
        fields = self.fields(node)
        job = self.text(fields, "job_name")
        if not job:
            self.yaml.complain(node, "a scrape configuration needs a job_name")
        elif job in jobs:
            self.yaml.complain(fields["job_name"], f"the job {job!r} is there already")
        jobs.add(job)
        self.times(fields, *shared)
        self.client(node, fields)
        self.relabellings(fields)
        self.targets(fields)

    def times(
        self, fields: dict[str, Node], interval_ms: int, timeout_ms: int | None
    ) -> tuple[int, int]:
        """The effective interval and timeout. A timeout longer than its interval is reported."""
        given = self.quiet.duration_ms(fields.get("scrape_interval"), "")
        wanted = self.quiet.duration_ms(fields.get("scrape_timeout"), "")
        interval = given or interval_ms
        if wanted and wanted > interval:
            self.yaml.complain(
                fields["scrape_timeout"], "scrape_timeout is longer than the scrape_interval"
            )
        for text in self.quiet.texts(fields.get("scrape_protocols"), ""):
            if text not in _PROTOCOLS:
                known = ", ".join(_PROTOCOLS)
                self.yaml.complain(
                    fields["scrape_protocols"], f"{text!r} is no scrape protocol; use {known}"
                )
        return interval, wanted or min(timeout_ms or _DEFAULT_TIMEOUT_MS, interval)

    def client(self, node: Node, fields: dict[str, Node]) -> None:
        given = [name for name in _CREDENTIALS if name in fields]
        if len(given) > 1:
            self.yaml.complain(node, f"at most one of {' and '.join(given)} can be there")
        basic = self.fields(fields.get("basic_auth"))
        if "password" in basic and "password_file" in basic:
            self.yaml.complain(node, "basic_auth has either password or password_file")
        tls = self.fields(fields.get("tls_config"))
        if ("cert_file" in tls) != ("key_file" in tls):
            self.yaml.complain(fields["tls_config"], "cert_file and key_file belong together")

    def remotes(self, node: Node | None, kind: str) -> None:
        seen: set[str] = set()
        for item in self.items(node):
            fields = self.fields(item)
            if not self.text(fields, "url"):
                self.yaml.complain(item, f"{kind} needs a url")
            name = self.text(fields, "name")
            if name and name in seen:
                self.yaml.complain(fields["name"], f"the name {name!r} is there already")
            seen.add(name)
            self.client(item, fields)
            self.relabellings(fields)

    def targets(self, fields: dict[str, Node]) -> None:
        for group in self.items(fields.get("static_configs")):
            inner = self.fields(group)
            for target in self.items(inner.get("targets")):
                if "/" in (text := self.quiet.text(target, "")):
                    self.yaml.complain(target, f"{text!r} is no host and port")
            for name in self.quiet.text_map(inner.get("labels"), ""):
                if not self.names.label(name):
                    self.yaml.complain(inner["labels"], f"{name!r} is no label name")
        for group in self.items(fields.get("file_sd_configs")):
            inner = self.fields(group)
            if not self.items(inner.get("files")):
                self.yaml.complain(group, "file_sd_configs needs files")
            for item in self.items(inner.get("files")):
                if not (text := self.quiet.text(item, "")).endswith((".json", ".yml", ".yaml")):
                    self.yaml.complain(item, f"{text!r} does not end in .json, .yml or .yaml")
        for group in self.items(fields.get("http_sd_configs")):
            if not self.text(self.fields(group), "url"):
                self.yaml.complain(group, "http_sd_configs needs a url")
        for group in self.items(fields.get("dns_sd_configs")):
            self.names_of_dns(group)

    def names_of_dns(self, group: Node) -> None:
        inner = self.fields(group)
        if not self.items(inner.get("names")):
            self.yaml.complain(group, "dns_sd_configs needs names")
        kind = self.text(inner, "type").upper() or "SRV"
        if kind not in ("SRV", "A", "AAAA", "MX", "NS"):
            self.yaml.complain(inner["type"], f"{kind!r} is no type of DNS record")
        elif kind in ("A", "AAAA", "MX", "NS") and "port" not in inner:
            self.yaml.complain(group, f"records of type {kind} need a port")

    def relabellings(self, fields: dict[str, Node]) -> None:
        for kind in _RELABELLINGS:
            for node in self.items(fields.get(kind)):
                for text in self.relabelling(self.fields(node)):
                    self.yaml.complain(node, text)

    def relabelling(self, fields: dict[str, Node]) -> Iterator[str]:
        action = self.text(fields, "action").lower() or "replace"
        target = self.text(fields, "target_label")
        if action not in [*Action]:
            yield f"{action!r} is no action; use {', '.join(Action)}"
            return
        if action == "hashmod" and not self.quiet.integer(fields.get("modulus"), ""):
            yield "the action hashmod needs a modulus"
        if action in _NEED_TARGET and not target:
            yield f"the action {action} needs a target_label"
        if action in _ONLY_REGEX and fields.keys() - {"action", "regex"}:
            yield f"the action {action} takes a regex and nothing else"
        if action in ("keepequal", "dropequal") and fields.keys() & {
            "regex",
            "modulus",
            "separator",
            "replacement",
        }:
            yield f"the action {action} takes source_labels and target_label and nothing else"
        for name in self.quiet.texts(fields.get("source_labels"), ""):
            if not self.names.label(name):
                yield f"{name!r} is no label name"

    # --- quiet reading ---------------------------------------------------------------------

    def fields(self, node: Node | None) -> dict[str, Node]:
        return self.quiet.fields(node, None, "")

    def items(self, node: Node | None) -> list[Node]:
        return self.quiet.items(node, "")

    def text(self, fields: dict[str, Node], name: str) -> str:
        return self.quiet.text(fields.get(name), "")
