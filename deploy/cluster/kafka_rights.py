"""Topics in Kafka, and who may do what with them: no process has more than it needs."""

from collections.abc import Sequence
from dataclasses import dataclass

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import (
    AclBinding,
    AclOperation,
    AclPermissionType,
    AdminClient,
    NewTopic,
    ResourcePatternType,
    ResourceType,
)

from schemas.topics import (
    ADS,
    ALL,
    CLICKS,
    DEAD_LETTERS,
    ENGAGEMENTS,
    IMPRESSIONS,
    MODEL_ANNOUNCEMENTS,
    TRAINING_SAMPLES,
    USERS,
    Topic,
)
from streaming.settings import EVENTS_GROUP, learner_group

TIMEOUT_SECONDS = 30.0
_SOURCES = (IMPRESSIONS, CLICKS, ADS, USERS)


@dataclass(frozen=True, slots=True)
class Rights:
    """Of one user. ``groups`` are consumer groups, one that ends with ``*`` by its beginning."""

    reads: Sequence[Topic] = ()
    writes: Sequence[Topic] = ()
    groups: Sequence[str] = ()


#: The scorer has no business with Kafka.
RIGHTS = {
    "events": Rights(
        reads=_SOURCES,
        writes=(ENGAGEMENTS, TRAINING_SAMPLES, DEAD_LETTERS),
        groups=(EVENTS_GROUP, "ctr-catalogue-replay"),
    ),
    "learning": Rights(reads=(TRAINING_SAMPLES,), groups=(learner_group("*"),)),
    "bootstrap": Rights(
        reads=(TRAINING_SAMPLES,), writes=(MODEL_ANNOUNCEMENTS,), groups=("bootstrap-reader",)
    ),
    "operator": Rights(
        reads=ALL,
        writes=(DEAD_LETTERS, *_SOURCES),
        groups=("ctr-*", "bootstrap-reader"),
    ),
    "adserver": Rights(writes=_SOURCES),
}


def bindings(user: str, rights: Rights) -> list[AclBinding]:
    """What Kafka's authorizer is told; reading and writing a topic let it be described, too."""
    topics = ResourceType.TOPIC
    wanted = [(topics, topic.name, AclOperation.READ) for topic in rights.reads]
    wanted += [(topics, topic.name, AclOperation.WRITE) for topic in rights.writes]
    wanted += [(ResourceType.GROUP, group, AclOperation.READ) for group in rights.groups]
    return [
        AclBinding(
            kind,
            name.removesuffix("*"),
            ResourcePatternType.PREFIXED if name.endswith("*") else ResourcePatternType.LITERAL,
            f"User:{user}",
            "*",
            operation,
            AclPermissionType.ALLOW,
        )
        for kind, name, operation in wanted
    ]


def create_topics(admin: AdminClient, partitions: int, replication: int) -> list[str]:
    """Create those of schemas.topics that do not exist; their names. Raises KafkaException."""
    topics = [
        NewTopic(
            topic.name,
            num_partitions=partitions,
            replication_factor=replication,
            config=topic.config,
        )
        for topic in ALL
    ]
    created = []
    for name, answer in admin.create_topics(topics).items():
        try:
            answer.result(TIMEOUT_SECONDS)
            created.append(name)
        except KafkaException as error:
            if error.args[0].code() != KafkaError.TOPIC_ALREADY_EXISTS:
                raise
    return created


def grant(admin: AdminClient) -> None:
    """Give all users of RIGHTS theirs. Raises KafkaException, as where nothing authorizes."""
    wanted = [each for user, rights in RIGHTS.items() for each in bindings(user, rights)]
    for answer in admin.create_acls(wanted, request_timeout=TIMEOUT_SECONDS).values():
        answer.result()
