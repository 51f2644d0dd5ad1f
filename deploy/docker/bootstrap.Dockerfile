# Training, publishing and the operator's commands:
# docker build -f deploy/docker/bootstrap.Dockerfile -t ctr-engine-bootstrap .
# PIP_FIND_LINKS or PIP_EXTRA_INDEX_URL may point to the CPU build of torch: gigabytes less.
FROM python:3.11-slim-bookworm AS build
ARG PIP_FIND_LINKS PIP_EXTRA_INDEX_URL
WORKDIR /src
COPY . .
RUN python -m venv /venv && /venv/bin/pip install --no-cache-dir -c constraints.txt .

FROM python:3.11-slim-bookworm
RUN useradd --system --uid 9999 ctr
COPY --from=build /venv /venv
ENV PATH=/venv/bin:$PATH PYTHONUNBUFFERED=1
USER 9999
WORKDIR /tmp
ENTRYPOINT ["python", "-m", "bootstrap"]
