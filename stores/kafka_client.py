"""How every client reaches Kafka: settings of librdkafka, and of the Java client inside Flink."""

from typing import Any

from schemas.addresses import KafkaAddress

#: Of flink-sql-connector-kafka, which carries the Java client under a name of its own.
_JAVA_MODULES = "org.apache.flink.kafka.shaded.org.apache.kafka.common.security"


def client_settings(address: KafkaAddress | str) -> dict[str, Any]:
    """Of a Producer, Consumer or AdminClient; a host:port list where nothing else is needed."""
    if isinstance(address, str):
        address = KafkaAddress(address)
    settings = {"bootstrap.servers": address.bootstrap}
    if address.security != "PLAINTEXT":
        settings["security.protocol"] = address.security
        if address.ca is not None:
            settings["ssl.ca.location"] = str(address.ca)
    if address.security == "SASL_SSL":
        settings["sasl.mechanism"] = address.mechanism
        settings["sasl.username"] = address.username
        settings["sasl.password"] = address.password.get_secret_value()
    return settings


def java_properties(address: KafkaAddress | str) -> dict[str, str]:
    """Of Kafka's Java client as Flink's connector has it. The files must be where tasks run."""
    if isinstance(address, str):
        address = KafkaAddress(address)
    properties = {"bootstrap.servers": address.bootstrap}
    if address.security != "PLAINTEXT":
        properties["security.protocol"] = address.security
        if address.ca is not None:
            properties["ssl.truststore.type"] = "PEM"
            properties["ssl.truststore.location"] = str(address.ca.absolute())
    if address.security == "SASL_SSL":
        properties["sasl.mechanism"] = address.mechanism
        properties["sasl.jaas.config"] = _jaas(address)
    return properties


def _jaas(address: KafkaAddress) -> str:
    module = "plain.Plain" if address.mechanism == "PLAIN" else "scram.Scram"
    username, password = (
        text.replace("\\", "\\\\").replace('"', '\\"')
        for text in (address.username, address.password.get_secret_value())
    )
    return (
        f'{_JAVA_MODULES}.{module}LoginModule required username="{username}" password="{password}";'
    )
