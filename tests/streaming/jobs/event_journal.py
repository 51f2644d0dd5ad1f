"""Everything that a test sends to the job, in order, with where in Kafka it came to lie."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from confluent_kafka import KafkaError, Message, Producer

from schemas.features import FeatureSpec
from schemas.records import Click, Impression, Served
from schemas.served_token import TokenKeys
from schemas.topics import CLICKS, IMPRESSIONS, Topic
from tests.streaming.jobs.producers_ahead import single_object, wire_format

#: Of a batch with one record, as a broker takes it by default.
LARGEST_RECORD_BYTES = 1_048_588
BEFORE_TIME = -(1 << 63)


@dataclass(slots=True)
class Entry:
    """One record; ``record`` is None and ``refusal`` the begin of the reason if it is unusable.

    ``watermark`` is event time that the job had certainly reached when the record was sent.
    """

    topic: str
    key: bytes | None
    value: bytes | None
    record: Impression | Click | None
    served: Served | None
    refusal: str
    watermark: int
    partition: int = -1
    offset: int = -1

    @property
    def place(self) -> tuple[str, int, int]:
        """Where the record lies in Kafka."""
        return self.topic, self.partition, self.offset


@dataclass(slots=True)
class EventJournal:
    """Sends records and remembers them; ``watermark`` is what the next entries are told."""

    bootstrap: str
    keys: TokenKeys
    spec: FeatureSpec
    entries: list[Entry] = field(default_factory=list)
    watermark: int = BEFORE_TIME
    _producer: Producer = field(init=False)

    def __post_init__(self) -> None:
        self._producer = Producer(
            {
                "bootstrap.servers": self.bootstrap,
                "enable.idempotence": True,
                "linger.ms": 5,
                "message.max.bytes": LARGEST_RECORD_BYTES,
                "log_level": 2,
            }
        )

    def impression(
        self,
        request_id: str,
        ts: int,
        *,
        ad_id: str = "a",
        user_id: str = "u",
        counter_keys: Sequence[str] = (),
        partition: int = -1,
    ) -> Entry:
        """An impression with a good token."""
        served = self.served(request_id, ad_id, counter_keys)
        record = Impression(request_id, ad_id, user_id, ts, 2, 70, self.keys.sign(served))
        return self._good(IMPRESSIONS, record, served, partition)

    def click(self, request_id: str, ts: int, *, ad_id: str = "a", partition: int = -1) -> Entry:
        """A click."""
        return self._good(CLICKS, Click(request_id, ad_id, ts), None, partition)

    def impression_of_next_version(self, request_id: str, ts: int, schema_id: int | None) -> Entry:
        """By a producer that is ahead and does not tell a price; with the registry's id, if any."""
        served = self.served(request_id, "a")
        record = Impression(request_id, "a", "u", ts, 2, 0, self.keys.sign(served))
        value = single_object(record) if schema_id is None else wire_format(schema_id, record)
        key = request_id.encode()
        entry = Entry(IMPRESSIONS.name, key, value, record, served, "", self.watermark)
        return self.send(entry)

    def unusable(
        self,
        topic: Topic,
        value: bytes | None,
        refusal: str,
        key: bytes | None = b"original key",
        partition: int = -1,
    ) -> Entry:
        """Any bytes, which must be refused with a reason that begins with ``refusal``."""
        entry = Entry(topic.name, key, value, None, None, refusal, self.watermark)
        return self.send(entry, partition)

    def served(self, request_id: str, ad_id: str, counter_keys: Sequence[str] = ()) -> Served:
        """What the scorer would have signed."""
        return Served(
            request_id=request_id,
            ad_id=ad_id,
            variant="arm",
            model_version="v7",
            predicted_ctr=0.125,
            propensity=0.5,
            feature_fingerprint=self.spec.fingerprint,
            counter_keys=list(counter_keys),
            inputs=f"inputs of {request_id}/{ad_id}".encode(),
        )

    def send(self, entry: Entry, partition: int = -1) -> Entry:
        """Send an entry as it is; its place is known after :meth:`flush`."""

        def delivered(error: KafkaError | None, message: Message) -> None:
            if error is not None:
                raise AssertionError(f"Kafka refused {entry}: {error}")
            entry.partition, entry.offset = message.partition(), message.offset()

        chosen = {} if partition < 0 else {"partition": partition}
        self._producer.produce(entry.topic, entry.value, entry.key, on_delivery=delivered, **chosen)
        self._producer.poll(0)
        self.entries.append(entry)
        return entry

    def flush(self) -> None:
        """Return when Kafka has all of it."""
        left = self._producer.flush(30)
        assert left == 0, f"{left} records were not acknowledged"

    def _good(
        self, topic: Topic, record: Impression | Click, served: Served | None, partition: int
    ) -> Entry:
        key = record.request_id.encode()
        entry = Entry(topic.name, key, record.encode(), record, served, "", self.watermark)
        return self.send(entry, partition)
