# Both Flink jobs: docker build -f deploy/docker/flink.Dockerfile -t ctr-engine-flink .
# PIP_FIND_LINKS or PIP_EXTRA_INDEX_URL may point to the CPU build of torch: gigabytes less.
FROM maven:3.9-eclipse-temurin-17 AS jars
WORKDIR /src
COPY streaming/java streaming/java
COPY schemas/avro schemas/avro
RUN mvn -q -B -f streaming/java/pom.xml -Dmaven.test.skip=true package

FROM python:3.11-slim-bookworm AS build
ARG PIP_FIND_LINKS PIP_EXTRA_INDEX_URL
WORKDIR /src
COPY . .
RUN python -m venv /venv && /venv/bin/pip install --no-cache-dir -c constraints.txt .

FROM flink:2.3.0-scala_2.12-java17 AS flink

FROM python:3.11-slim-bookworm
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install -y --no-install-recommends openjdk-17-jre-headless gettext-base gosu \
    && rm -rf /var/lib/apt/lists/* \
    && groupadd --system --gid 9999 flink \
    && useradd --system --home-dir /opt/flink --uid 9999 --gid flink flink
ENV FLINK_HOME=/opt/flink PATH=/venv/bin:/opt/flink/bin:$PATH
ENV CTR_STREAMING_JARS=/opt/ctr/jars
COPY --from=flink --chown=flink:flink /opt/flink /opt/flink
COPY --from=flink /docker-entrypoint.sh /
COPY --from=build /venv /venv
COPY --from=jars /src/.build/flink /opt/ctr/jars
# Flink's own logging would print the workers' environment, and with it every secret.
COPY streaming/jobs/log4j2.properties /opt/flink/conf/log4j-console.properties
# New volumes take over who owns the folders.
RUN mkdir -p /lake /checkpoints && chown flink:flink /lake /checkpoints
USER 9999
WORKDIR /opt/flink
EXPOSE 8081 9101 9102
ENTRYPOINT ["/docker-entrypoint.sh"]
CMD ["help"]
