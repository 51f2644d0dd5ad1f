"""A client of CTR_REDIS_URL: one server, or with the scheme ``redis+cluster`` a Redis Cluster.

Whatever connects takes a RedisAddress, or a URL where nothing else is needed.
``redis://``, ``rediss://`` (TLS; the server's certificate must name its host) and ``unix://`` are
as in redis-py. ``redis+cluster://host:port`` and ``rediss+cluster://…`` name any node of a cluster,
which tells the others.
"""

from typing import Any, cast

import redis
from redis.cluster import RedisCluster

from schemas.addresses import RedisAddress

_CLUSTER = "+cluster://"
SCHEMES = ("redis", "rediss", "unix", "redis+cluster", "rediss+cluster")


def connect(address: RedisAddress | str, **options: Any) -> redis.Redis:
    """A client, also of a cluster: both have the same commands, and pipelines of single commands.

    ``options`` are redis-py's. Raises ValueError on another scheme; a cluster is connected to at
    once, which raises redis.RedisError if no node of it answers.
    """
    if isinstance(address, str):
        address = RedisAddress(address)
    url, options = address.url, {**_credentials(address), **options}
    scheme = url.partition("://")[0]
    if scheme not in SCHEMES:
        raise ValueError(f"Redis URL {url}: begins with none of {', '.join(SCHEMES)} and ://")
    if _CLUSTER not in url:
        return redis.Redis.from_url(url, **options)
    plain = url.replace(_CLUSTER, "://", 1)
    return cast(redis.Redis, RedisCluster.from_url(plain, **options))


def _credentials(address: RedisAddress) -> dict[str, Any]:
    options: dict[str, Any] = {}
    if address.username:
        options["username"] = address.username
    if password := address.password.get_secret_value():
        options["password"] = password
    if address.url.startswith("rediss"):
        options["ssl_check_hostname"] = True
    files = {"ssl_ca_certs": address.ca, "ssl_certfile": address.cert, "ssl_keyfile": address.key}
    return options | {name: str(path) for name, path in files.items() if path is not None}


def node_of(client: redis.Redis, key: str) -> redis.Redis:
    """A client of the server that holds a key, for transactions on keys of its slot."""
    if not isinstance(client, RedisCluster):
        return client
    return cast(redis.Redis, client.get_redis_connection(client.get_node_from_key(key)))


def primaries(client: redis.Redis) -> list[redis.Redis]:
    """Clients of all servers that take writes."""
    if not isinstance(client, RedisCluster):
        return [client]
    return [client.get_redis_connection(node) for node in client.get_primaries()]


def look_again(client: redis.Redis) -> None:
    """Ask a cluster which node holds what, after an answer or an error says that it has changed."""
    if isinstance(client, RedisCluster):
        client.nodes_manager.initialize()
