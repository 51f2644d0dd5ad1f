# The scorer: docker build -f deploy/docker/scorer.Dockerfile -t ctr-engine-scorer .
FROM python:3.11-slim-bookworm AS build
# hadolint ignore=DL3008
RUN apt-get update && apt-get install -y --no-install-recommends gcc libc6-dev \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /src
COPY constraints.txt deploy/docker/scorer.txt ./
RUN python -m venv /venv && /venv/bin/pip install --no-cache-dir -c constraints.txt -r scorer.txt
COPY . .
# The kernels lie beside the packages, as .build lies beside them in a checkout.
RUN /venv/bin/pip install --no-cache-dir --no-deps . \
    && bash scorer/kernels/build.sh /venv/lib/python3.11/site-packages/.build/kernels

FROM python:3.11-slim-bookworm
RUN useradd --system --uid 9999 ctr
COPY --from=build /venv /venv
ENV PATH=/venv/bin:$PATH PYTHONUNBUFFERED=1 CTR_SCORER_HOST=0.0.0.0
USER 9999
WORKDIR /tmp
EXPOSE 8500 8501
ENTRYPOINT ["python", "-m", "scorer"]
