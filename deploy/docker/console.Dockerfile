# The console: docker build -f deploy/docker/console.Dockerfile -t ctr-engine-console .
FROM python:3.11-slim-bookworm AS build
WORKDIR /src
COPY constraints.txt deploy/docker/scorer.txt ./
RUN python -m venv /venv && /venv/bin/pip install --no-cache-dir -c constraints.txt -r scorer.txt
COPY . .
RUN /venv/bin/pip install --no-cache-dir --no-deps .

FROM python:3.11-slim-bookworm
RUN useradd --system --uid 9999 ctr
COPY --from=build /venv /venv
ENV PATH=/venv/bin:$PATH PYTHONUNBUFFERED=1 CTR_CONSOLE_HOST=0.0.0.0
USER 9999
WORKDIR /tmp
EXPOSE 8600
ENTRYPOINT ["python", "-m", "deploy.console"]
