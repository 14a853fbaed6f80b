"""From the log to the index: every event once, in whatever order and however often it comes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from stoa.adapters.opensearch import Item, OpenSearch
from stoa.audit.events import AUDIT_LOG, kind
from stoa.kernel import metrics
from stoa.kernel.clock import sleep
from stoa.kernel.envelope import decode
from stoa.kernel.errors import Refused, Transient
from stoa.kernel.log import log
from stoa.search import templates
from stoa.search.model import documents

Record = Mapping[str, Any]
Pairs = list[tuple[Record, Refused]]

# of entries that an overloaded cluster did not take; the whole batch comes again after the last one
PAUSES_S = (0.2, 0.5, 1.0)
STORED = frozenset({200, 201, 409})  # 409: there already, or in a newer version
# said with 400 of the cluster, not of the document
NOT_THE_DATA = frozenset({"validation_exception", "index_closed_exception"})


@dataclass(frozen=True)
class Search:
    """The index is a projection: whatever it lost can be read from the log again."""

    opensearch: OpenSearch

    def index(self, records: Sequence[Record]) -> Pairs:
        """every event -> one document per event, and one per deployment; returns what can never be indexed."""
        self._prepare()
        refused: Pairs = []
        entries: list[tuple[int, bytes]] = []
        for number, record in enumerate(records):
            try:
                entries += [(number, document.entry()) for document in documents(record)]
            except Refused as error:
                refused.append((record, error))
        refused += [(records[number], error) for number, error in self._store(entries).items()]
        _count_audited(records, refused)
        return refused

    def _prepare(self) -> None:
        """Puts the templates that the cluster does not have: an index that came before them would guess its fields.

        Asked every time: a cluster that lost everything in between (the local one keeps nothing) looks the same.
        """
        wanted = templates.index_templates()
        known = self.opensearch.template_versions("stoa-*")
        if all(known.get(name, 0) >= templates.VERSION for name in wanted):
            return
        if not self.opensearch.put_policy(templates.AUDIT_POLICY, templates.audit_policy()):
            log.warning("search.policy_not_supported", policy=templates.AUDIT_POLICY)
        for name, template in templates.component_templates().items():
            self.opensearch.put_component_template(name, template)
        for prefix, component in templates.INDICES.values():
            if not self.opensearch.put_mapping(f"{prefix}*", templates.FIELDS[component]):
                log.warning("search.mapping_needs_replay", indices=f"{prefix}*")
        for name, template in wanted.items():  # last, because they are what is looked for
            self.opensearch.put_index_template(name, template)
        log.info("search.templates_put", version=templates.VERSION)

    def _store(self, entries: list[tuple[int, bytes]]) -> dict[int, Refused]:
        """The first refusal of each record that has one, by its number. Raises Transient."""
        refused: dict[int, Refused] = {}
        for pause_s in (*PAUSES_S, None):
            items = self.opensearch.bulk([entry for _, entry in entries])
            busy = []
            for (number, entry), item in zip(entries, items, strict=True):
                if item.status in STORED:
                    continue
                if item.status == 429 or item.status >= 500:
                    busy.append((number, entry))
                else:
                    refused.setdefault(number, _refusal(item))
            if not busy:
                return refused
            if pause_s is not None:
                sleep(pause_s)
            entries = busy
        raise Transient("opensearch", f"it was too busy for {len(entries)} documents")


def _count_audited(records: Sequence[Record], refused: Pairs) -> None:
    """What an alarm about the heartbeat looks at."""
    lost = {id(record) for record, _ in refused}
    for record in records:
        if record["topic"] == AUDIT_LOG and id(record) not in lost:
            metrics.AUDITED.add(kind=kind(decode(record).data.get("action")))


def _refusal(item: Item) -> Refused:
    """Raises Transient for what is no fault of the document: the records wait for a person."""
    said = f"{item.status} {item.kind}: {item.reason}"
    if item.status not in (400, 413) or item.kind in NOT_THE_DATA:
        raise Transient("opensearch", said, alarm=True)
    return Refused("NOT_INDEXABLE", said)
